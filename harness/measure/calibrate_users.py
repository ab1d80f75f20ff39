"""The fewest users that saturate every member of a rotation: queues add noise and nothing else."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from harness.deploy.launch import deploy
from harness.host.affinity import confined, place_database
from harness.host.processes import Supervisor
from harness.load.turns import Lane, TurnSession
from harness.measure.job import RotationJob, postgres_processes
from harness.measure.meters import DeploymentMeter
from harness.measure.schedule import FIRST_SLOT
from harness.measure.target import REQUEST_SECONDS, load_target

SATURATED = 0.98
"""Share of the highest throughput that counts as saturated."""
CANDIDATES = (1, 2, 4, 8, 16, 32, 64)
ROUNDS = 8
LEAST_SLOT, LONGEST_SLOT = 0.1, 2.0
"""Seconds of a slot of the calibration."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Calibrated:
    """How many users, and why."""

    users: int
    reason: str


def fewest(job: RotationJob, seed: int, most: int) -> Calibrated:
    """The smallest number of users, of CANDIDATES up to `most`, with which every member serves SATURATED of the most
    that it serves with any of them."""
    candidates = [number for number in CANDIDATES if number <= most]
    chance = random.Random(seed)
    placement = job.specs[0].placement
    place_database(postgres_processes(job.specs), placement.database_cpus)
    with confined(placement.generator_cpus), Supervisor() as supervisor:
        deployments = deploy(job.specs, supervisor, range(len(job.specs)))
        meters = [DeploymentMeter(deployment) for deployment in deployments]
        targets = [load_target(spec, each) for spec, each in zip(job.specs, deployments, strict=True)]
        lanes = [Lane(target=target, users=number) for target in targets for number in candidates]
        members = [member for member in range(len(targets)) for _ in candidates]
        session = job.open_session(
            lanes, supervisor, placement.generator_cpus, seed, lambda lane: meters[members[lane]].in_flight()
        )
        known = [spec.subject.known_seconds for spec in job.specs]
        saturating = [
            _of_member(session, meters[member], member, candidates, known[member], chance)
            for member in range(len(targets))
        ]
        session.end()
    users = max(saturating)
    if users == candidates[-1]:
        return Calibrated(users=users, reason="the most that is tried; not all are saturated by them")
    return Calibrated(users=users, reason=f"the fewest with which each serves {SATURATED:.0%} of the most that it can")


def _of_member(
    session: TurnSession,
    meter: DeploymentMeter,
    member: int,
    candidates: Sequence[int],
    known_seconds: float,
    chance: random.Random,
) -> int:
    first = member * len(candidates)
    lane = first + len(candidates) - 1
    _rate(session, meter, lane, max(FIRST_SLOT, 3 * known_seconds), known_seconds)
    rate = _rate(session, meter, lane, max(FIRST_SLOT, 3 * known_seconds), known_seconds)
    response = candidates[-1] / rate if rate else 1.0
    seconds = min(LONGEST_SLOT, max(LEAST_SLOT, 4 * response, 3 * known_seconds))
    logs: list[list[float]] = [[] for _ in candidates]
    for _ in range(ROUNDS):
        row = {
            number: _rate(session, meter, first + number, seconds, known_seconds)
            for number in chance.sample(range(len(candidates)), len(candidates))
        }
        if all(row.values()):  # what a whole round has in common falls out
            mean = statistics.fmean(map(math.log, row.values()))
            for number, value in row.items():
                logs[number].append(math.log(value) - mean)
    if not logs[0]:
        return candidates[-1]
    means = [statistics.fmean(values) for values in logs]
    highest = max(means)
    return next(number for number, mean in zip(candidates, means, strict=True) if mean >= highest + math.log(SATURATED))


def _rate(session: TurnSession, meter: DeploymentMeter, lane: int, seconds: float, known_seconds: float) -> float:
    """Requests per second of the second half of a turn."""
    instant = session.begin(lane, seconds, known_seconds)
    session.wait(instant + max(seconds / 2, min(seconds - 1e-3, 1.2 * known_seconds)))
    half = meter.read()
    session.wait(instant + seconds)
    end = meter.read()
    session.drained(lane, REQUEST_SECONDS + known_seconds)
    rate = (end.finished - half.finished) / (end.at - half.at)
    return rate if math.isfinite(rate) else 0.0
