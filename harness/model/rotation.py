"""Members that are loaded in turn, in short slots of random order, all of them started anew several times.

The restart is the unit: what is said rests on one number per restart, member and metric.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from harness.model import Value
from harness.model.comparison import ContrastVerdict, Interval
from harness.model.measurement import Interruptions
from harness.model.metrics import MetricName


class CountedPart(NamedTuple):
    """The part of a slot that counts: from the end of settling to the slot's end."""

    requests: int
    seconds: float
    cpu_seconds: float


class Slots(Value):
    """The slots of a restart, as columns: each list has an entry for every slot, in the order of time."""

    member: list[int]
    """Place of the member that was loaded."""
    round: list[int]
    """From 0; the first one warms up and does not count."""
    kind: list[int]
    """Place of the slot's least length among those of the restart."""
    begin_s: list[float]
    """From the begin of the first slot, in seconds."""
    drained_s: list[float]
    """When every user had had its answer, from the begin of the first slot."""
    settling_s: list[float]
    """How long the slot was given to settle."""
    read_s: list[list[float]]
    """Moments at which the slot was read, from its begin: where settling ends, at the slot's end and evenly between."""
    finished: list[list[int]]
    """Requests that the member's workers had finished at these moments, since the slot's begin."""
    cpu_s: list[list[float]]
    """CPU time that the member's processes had used at these moments, since the slot's begin."""
    drained_requests: list[int]
    """Requests finished until the slot was drained, since its begin."""
    drained_cpu_s: list[float]
    """CPU time used until the slot was drained, since its begin."""
    answers: list[int | None]
    """Successes by the generator's own count; None where it does not tell by slot."""
    failures: list[int]
    """Requests that did not succeed, by the generator's own count."""
    opened: list[int]
    """Connections that were opened for requests."""
    stolen_s: list[float]
    """CPU time of the cores in use that other guests of the machine's host took during the slot."""

    def counted(self, kind: int = 0, member: int | None = None) -> list[int]:
        """Places of the slots of a kind that count; `member`: of this one alone."""
        return [
            place
            for place, number in enumerate(self.round)
            if number > 0 and self.kind[place] == kind and member in {None, self.member[place]}
        ]

    def counted_part(self, place: int, settling_s: float | None = None) -> CountedPart:
        """What was finished in the slot at a place from the reading nearest to the end of settling on.

        `settling_s`: how long it settles, where more is known by now than when it was loaded. Half of what was to count
        is left all the same: a member that never stands still would otherwise take all restarts before with it. What
        was given is never shortened: it ends at a moment of chance, so that waves of answers even out.
        """
        moments = self.read_s[place]
        given = self.settling_s[place]
        settled = max(given, min(settling_s or 0.0, (given + moments[-1]) / 2))
        first = min(range(len(moments)), key=lambda number: abs(moments[number] - settled))
        return CountedPart(
            requests=self.finished[place][-1] - self.finished[place][first],
            seconds=moments[-1] - moments[first],
            cpu_seconds=self.cpu_s[place][-1] - self.cpu_s[place][first],
        )


BUCKET = math.log(1.01)
"""Width of a bucket of latencies, as a logarithm."""


class LatencyCounts(Value):
    """Latencies of one member in a restart, of requests that began in the counted part of a slot, in buckets of 1 %."""

    counts: dict[int, int]
    """Bucket → requests; bucket b holds those up to 1.01^b µs."""
    total_us: int | None = None
    """Of all of them together."""
    tail_moments: int | None = None
    """Separate moments at which requests as slow as p99 or slower ended."""


class MemberSamples(Value):
    """What was read of one member in a restart, besides its slots."""

    boot_s: float
    requests_by_worker: list[int]
    """Finished in all slots."""
    rss_peak_bytes: int
    processes: int
    cores: int
    """Cores that its workers can use at the same time."""
    idle_cpu_share: float
    """CPU time that it used outside of its slots, per second."""
    switches_per_request: float | None = None
    """How often its threads were switched, per request."""
    workers_lost: int
    answers: int | None
    """Requests that the generator saw answered in all slots; None where it does not tell."""
    started_requests: int
    """Requests that reached its workers in all slots."""
    latency: list[LatencyCounts]
    """For each kind of slots; empty where the generator tells none."""
    known_wait_s: float = 0.0
    """How long a request waits by what its workload says."""
    effective: dict[str, str | int | bool | None]
    """Settings in effect, as its workers report them."""
    unmet: dict[str, str]
    """Settings that were asked for and are not in effect."""
    wrong_answer: str | None
    """What was wrong with a sampled answer."""
    answers_checked: int


class Restart(Value):
    """One restart of all members."""

    number: int
    """In the run, from 1."""
    cells: list[str] = []
    """What the members are called: their written forms; the second of one that is there twice has a number."""
    set: int = 1
    """Which set of cells was up, from 1."""
    started_at: str
    seed: int
    method: Literal["slots", "windows"]
    least_s: list[float]
    """The least length of the counted part of each kind of slots; one kind, but where lengths are compared."""
    users: int
    """Of each member."""
    response_s: list[float]
    """Response time R of each member, as its first slot showed it."""
    slots: Slots
    members: list[MemberSamples]
    seconds: float
    """From launching the servers to the end of the last slot."""
    generator_cpu_share: float
    """Of the generator's cores, while slots were loaded."""
    foreign_cpu_share: float
    """CPU time of other processes, of the cores in use."""
    stolen_cpu_share: float
    speed: float | None = None
    """Of a CPU second, as in a measurement of one cell; about once a second, between slots."""
    speed_spread: float | None = None
    interruptions: Interruptions | None = None


class RotationContrast(Value):
    """Two members, in one metric. The verdict is of b: `faster` than a; of CPU and memory `cheaper`."""

    metric: MetricName
    a: str
    b: str
    ratio: Interval
    """b ÷ a over restarts; intervals of all pairs hold at once, although one stops when they are narrow."""
    verdict: ContrastVerdict
    reason: str | None
    """Why there can be no verdict."""
    worse: bool | None
    """Whether the whole interval lies beyond the limit that was asked for; None without one."""


class SettlingCurve(Value):
    """How fast a member is by the time since its slot's begin, pooled over the slots that count."""

    seconds: list[float]
    """Ends of the parts of a slot, from its begin."""
    share: list[float]
    """Rate in the part ÷ rate of the slot's last half."""
    settled_s: float | None
    """From when on the rate no longer differs; None where it never stood still."""
    given_s: float
    """What was left out."""


class Rotation(Value):
    """The answer: what the restarts say."""

    kind: Literal["rotation"] = "rotation"
    members: list[str]
    """Written forms of the cells."""
    servers: list[str]
    """Their servers and Pythons, with versions."""
    method: Literal["slots", "windows"]
    users: int | None
    """Of each member; None under open load."""
    users_reason: str
    """How that number was come by."""
    margin: float
    precision: float
    reached: bool
    """The intervals are as narrow as was asked for."""
    limit: float | None
    values: list[dict[MetricName, Interval]]
    """Member → metric → figure over restarts, with its own 95 % interval; what was not measured is missing."""
    contrasts: list[RotationContrast]
    interval_method: str
    """How intervals were made."""
    curves: list[SettlingCurve]
    notes: list[str]
    """What a reader should know."""
    restarts: int
    """That count."""
    void: list[str]
    """Restarts that do not count, with the reason."""
    outcomes: list[str]
    """What members did that is no fault of the measuring."""
    seconds: float
    """Of the whole comparison."""
