"""Can a duet be trusted? Equal cells, cells with a known extra cost, and the same question asked in turns.

    .venv/bin/python benchmarks/duets.py aa|burn|turns|coverage [--times N] [--seconds S] [--out FILE]

`aa`      duets of a cell against itself: how often does the interval exclude 1, and how narrow is it?
`burn`    duets of an application against the same whose requests count to BURN besides: is the extra cost found, and is
          it the right one? The truth is fixed beforehand: the CPU time of a burn, by the thread's clock in a worker
          under load, ÷ the CPU time per request of the plain one, both loaded at the same time on the same core.
`turns`   the same duets, and beside each the same question asked for as long a time by windows of one second in turn:
          how much wider is that interval?
`coverage`  how often the interval holds the truth, simulated together with the stopping rule.

Each duet takes S seconds and stops for nothing but time. Needs two cores; nothing else may run.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from running import write

from harness.analysis import duet as judging
from harness.applications.served import Probe
from harness.config import plan
from harness.config.application import Side, ready
from harness.deploy.launch import ask, load_of, start_server
from harness.experiments import duet
from harness.experiments import single as runner
from harness.host.affinity import confined
from harness.host.processes import Supervisor
from harness.load import k6
from harness.measure import Job, Progress
from harness.measure.window import watch
from harness.model.comparison import Interval
from harness.model.duet import Restart
from harness.model.load import Timing
from harness.model.plan import ApplicationPlan
from harness.stats.intervals import interval

SERVERS = ("uvicorn", "granian")
APPLICATIONS = Path(__file__).resolve().parent / "applications"
USERS = 16
RESTART = Timing(warmup_seconds=1.0, window_seconds=3.0)
TURN = Timing(warmup_seconds=0.3, window_seconds=1.0)
TRUTH_TURNS = 30
BURN = 310
"""What is counted to; about 5 % of a request."""


class Quiet:
    """Shows nothing."""

    def tell(self, message: str) -> None:
        """Nothing."""

    def observe(self, step: Progress) -> None:
        """Nothing."""

    def restarted(self, restart: Restart, ratio: Interval | None) -> None:
        """Nothing."""


def one(first: Side, second: Side, seconds: float) -> dict[str, Any]:
    """A duet that stops for nothing but time."""
    with tempfile.TemporaryDirectory() as folder:
        settings = duet.Settings(
            timing=RESTART, precision=0.0001, most_seconds=seconds, interference=False, out=Path(folder)
        )
        found = duet.run(first, second, settings, Quiet()).duet
    ratio = found.ratio
    counted = [each for each in found.restarts if each.void is None]
    return {
        "first": found.first,
        "second": found.second,
        "seconds": found.seconds,
        "restarts": len(counted),
        "void": len(found.restarts) - len(counted),
        "slices": sum(each.slices for each in counted),
        **as_row(ratio),
    }


def as_row(ratio: Interval | None) -> dict[str, Any]:
    """A ratio with its interval."""
    if ratio is None or ratio.low is None or ratio.high is None:
        return {"ratio": None, "low": None, "high": None, "half_width": None}
    half = ratio.half_width
    return {
        "ratio": round(ratio.estimate, 5),
        "low": round(ratio.low, 5),
        "high": round(ratio.high, 5),
        "half_width": None if half is None else round(half, 5),
    }


def aa(times: int, seconds: float) -> Iterator[dict[str, Any]]:
    """A cell against itself."""
    for number in range(times):
        side = Side(choice=plan.choose(plan.Request(server=SERVERS[number % 2], workload="noop", vus=USERS)))
        row = one(side, side, seconds)
        row["excludes_one"] = row["low"] is not None and not row["low"] <= 1 <= row["high"]
        yield row


def burning(times: int, **variables: str) -> Side:
    """The application that counts so far with each request."""
    described = ApplicationPlan(
        app="burning:app", app_dir=str(APPLICATIONS), path=[f"/answer?burn={times:03}"], env=sorted(variables)
    )
    found = ready(described, None, variables)
    request = plan.Request(server="uvicorn", vus=USERS, own=found.own, interface=found.interface)
    return Side(choice=plan.choose(request), application=found)


class Turns:
    """One cell, or two in turn, loaded for a second each on servers that stay up."""

    def __init__(self, supervisor: Supervisor, *sides: Side) -> None:
        self._supervisor = supervisor
        self.services = []
        for side in sides:
            environment = runner.prepare_environment(side.choice, None)
            self.services.append(
                runner.service_of(side.choice, environment, None, pin="split", users=USERS, diagnose=False)
            )
        self.servers = [
            start_server(service, supervisor, name=f"turn-{place}") for place, service in enumerate(self.services)
        ]

    def costs(self, *places: int) -> list[float]:
        """CPU seconds per request of a window in which these are loaded at the same time."""
        servers = [self.servers[place] for place in places]
        sides = tuple(self.services[place] for place in places)
        job = Job(sides=sides, timing=TURN, generator=k6.find(None))
        running = job.generator.start(load_of(job, servers), self._supervisor, job.placement.generator_cpus)
        windows = watch(job, servers, running, lambda _: None)
        running.wait_for_summaries()
        return [
            sum(each.cpu_seconds for each in window.slices) / sum(each.requests for each in window.slices)
            for window in windows
        ]


def truth() -> dict[str, Any]:
    """The burn's own CPU time ÷ the plain application's CPU time per request, both loaded at the same
    time on the same core."""
    shares = []
    with Supervisor() as supervisor:
        pair = Turns(supervisor, burning(0), burning(BURN, BURN_TIMED="1"))
        port = pair.servers[1].target.port
        with confined(pair.services[0].placement.generator_cpus):
            for _ in range(TRUTH_TURNS):
                burnt(port)
                plain, _ = pair.costs(0, 1)
                shares.append(burnt(port) / plain)
    ratio = interval([math.log1p(share) for share in shares])
    return {"turns": TRUTH_TURNS, **as_row(ratio), "median": round(1 + statistics.median(shares), 5)}


def burnt(port: int) -> float:
    """CPU seconds of a burn since this was asked last."""
    _, body = ask(port, Probe(name="truth", method="GET", path="/truth"))
    return float(json.loads(body)["seconds"])


def in_turns(seconds: float) -> dict[str, Any]:
    """The same question by windows in turn: the ratio of neighbours, and its interval."""
    logs = []
    began = time.monotonic()
    with Supervisor() as supervisor:
        pair = Turns(supervisor, burning(0), burning(BURN))
        with confined(pair.services[0].placement.generator_cpus):
            while time.monotonic() - began < seconds:
                costs = {place: pair.costs(place)[0] for place in ((0, 1) if len(logs) % 2 else (1, 0))}
                logs.append(math.log(costs[1] / costs[0]))
    return {"windows": 2 * len(logs), "seconds": round(time.monotonic() - began, 1), **as_row(interval(logs))}


def burn(times: int, seconds: float) -> Iterator[dict[str, Any]]:
    """A known extra cost."""
    known = truth()
    print(f"truth: {known}", flush=True)
    yield {"truth": known}
    for _ in range(times):
        row = one(burning(0), burning(BURN), seconds)
        row["detected"] = row["low"] is not None and row["low"] > 1
        row["off"] = None if row["ratio"] is None else round(row["ratio"] - known["ratio"], 5)
        yield row


def turns(times: int, seconds: float) -> Iterator[dict[str, Any]]:
    """The same by a duet and in turns, side by side."""
    for _ in range(times):
        row = one(burning(0), burning(BURN), seconds)
        row["detected"] = row["low"] is not None and row["low"] > 1
        yield row | {"in_turns": in_turns(seconds)}


def coverage(times: int, seconds: float) -> Iterator[dict[str, Any]]:
    """How often the interval holds the truth, restarts as noisy as `noise`, stopped by the rule or after forty."""
    chance = random.Random(7)
    for noise in (0.003, 0.006, 0.01, 0.015, 0.02, 0.03):
        covered, restarts = 0, 0
        for _ in range(times):
            logs: list[float] = []
            while len(logs) < 40 and not judging.enough(logs, 0.01):
                logs.append(chance.gauss(0.03, noise))
            found = judging.estimate(logs)
            assert found.low is not None
            assert found.high is not None
            covered += found.low <= math.exp(0.03) <= found.high
            restarts += len(logs)
        yield {"noise": noise, "duets": times, "coverage": covered / times, "restarts": round(restarts / times, 1)}


ASKED = {"aa": (aa, 20), "burn": (burn, 10), "turns": (turns, 10), "coverage": (coverage, 10_000)}


def main() -> None:
    """Ask, and print each answer at once."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("question", choices=ASKED)
    parser.add_argument("--times", type=int)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    ask, times = ASKED[chosen.question]
    rows: list[dict[str, Any]] = []
    for row in ask(chosen.times or times, chosen.seconds):
        rows.append(row)
        write(chosen.out, rows)
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
