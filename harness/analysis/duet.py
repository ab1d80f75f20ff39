"""Two cells that were loaded at the same time: what a request costs, slice by slice and restart by restart. Pure.

Whatever the machine does within a second it does to both, so the ratio of their costs in a slice is far steadier than
either cost (duet benchmarking, Bulej et al. 2020). Starting a server anew moves its cost a little too, for all slices
of that start alike; so the restart is the unit, and the interval is over the means of restarts.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from scipy.special import stdtrit

from harness.analysis import validity
from harness.analysis.runs import worse
from harness.model.comparison import ContrastVerdict, Interval
from harness.model.evaluation import Reason
from harness.model.measurement import Measurement
from harness.stats.intervals import could_be, excludes

LEAST_RESTARTS = 6
CONFIDENCE_ERROR = 0.03
"""An interval at which one may stop whenever it is narrow is too often too narrow. That of 97 % then holds in 95 of
100; `tests/unit/test_duet.py` simulates it together with the stopping rule."""
LEAST_SHARE = 0.2
"""Share of the CPU time of both below which a side hardly ran, so that the two did not share the machine."""

SATURATED_SHARE = 0.95
"""Share of the generator's cores at which it is saturated. A duet compares costs and no throughput, so a busy generator
is no fault of it; a saturated one leaves it to chance whose requests it sends."""


def saturated(facts: Measurement) -> Reason | None:
    """A generator without any CPU time to spare."""
    share = facts.generator.cpu_cores / facts.generator.cpu_allotted
    if share <= SATURATED_SHARE:
        return None
    return Reason(
        gate="generator",
        message=f"the generator used {share:.0%} of its cores: it is saturated",
        value=round(share, 4),
        limit=SATURATED_SHARE,
    )


VOIDING = (
    validity.failures,
    validity.nothing_measured,
    validity.workers,
    validity.answers,
    validity.settings,
    saturated,
)


def void(first: Measurement, second: Measurement) -> str | None:
    """The reason why a restart does not count; None where it does."""
    for facts in (first, second):
        for gate in VOIDING:
            reason = gate(facts)
            if reason is not None:
                return f"{facts.cell.label}: {reason.message}"
    for one, other in zip(first.slices, second.slices, strict=True):
        both = one.cpu_seconds + other.cpu_seconds
        least = min(one.cpu_seconds, other.cpu_seconds)
        if not (one.requests and other.requests) or least < LEAST_SHARE * both:
            behind = first if one.cpu_seconds < other.cpu_seconds else second
            return f"unequal progress: {behind.cell.label} hardly ran in a slice"
    return None


def restart_log(first: Measurement, second: Measurement) -> float:
    """Mean over slices of log(CPU per request of the second ÷ of the first)."""
    return statistics.fmean(
        math.log((other.cpu_seconds / other.requests) / (one.cpu_seconds / one.requests))
        for one, other in zip(first.slices, second.slices, strict=True)
    )


def estimate(logs: Sequence[float]) -> Interval:
    """The ratio over restarts, with an interval that holds although one stops when it is narrow."""
    mean = statistics.fmean(logs)
    if len(logs) < 2:
        return Interval(estimate=math.exp(mean), low=None, high=None, n=len(logs))
    error = statistics.stdev(logs) / math.sqrt(len(logs))
    half = -error * float(stdtrit(len(logs) - 1, CONFIDENCE_ERROR / 2))
    return Interval(estimate=math.exp(mean), low=math.exp(mean - half), high=math.exp(mean + half), n=len(logs))


def enough(logs: Sequence[float], precision: float) -> bool:
    """The stopping rule: as many restarts as are needed at least, and an interval as narrow as asked for."""
    if len(logs) < LEAST_RESTARTS:
        return False
    half = estimate(logs).half_width
    return half is not None and half <= precision


def verdict(ratio: Interval | None, delta: float) -> tuple[ContrastVerdict, str | None]:
    """The verdict of the second cell, and the reason where it is undecided. An interval as narrow as δ either excludes
    1 or lies within ±2δ: so `equivalent` asks for the whole interval within ±δ, and `faster` and `slower` for one that
    excludes 1."""
    if ratio is None:
        return "undecided", "no restart counts"
    if ratio.n < LEAST_RESTARTS:
        return "undecided", "too few restarts"
    largest = could_be(ratio)
    if largest is not None and largest <= delta:
        return "equivalent", None
    if excludes(ratio, 1.0):
        return ("faster" if ratio.estimate < 1 else "slower"), None
    return "undecided", None


def beyond(ratio: Interval | None, limit: float | None) -> bool | None:
    """Whether the whole interval is worse than `limit`; None without one."""
    if limit is None:
        return None
    return ratio is not None and ratio.n >= LEAST_RESTARTS and worse("cpu_us_per_request", ratio, limit)
