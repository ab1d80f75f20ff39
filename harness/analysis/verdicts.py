"""From a difference with its interval to what is said of it. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.model.comparison import ContrastVerdict, Interval
from harness.model.counting import counted
from harness.model.metrics import METRICS, MetricName
from harness.stats.intervals import LARGEST, ROUNDING, could_be, distance, excludes
from harness.stats.simultaneous import Difference

MARGIN = 0.03
"""What a reader does not care for, where she says nothing else."""


TAIL_SECONDS = 1.0
"""Of a turn, from which on its p99 is that of long windows within 10 %: see benchmarks/rotation.py bias."""
SHORT_TURNS = "in turns this short the slowest requests need not be those of a long window"
"""Why there is no verdict on p99."""
TAIL_MOMENTS = 10
"""Separate moments at which slow requests ended, of all restarts together, on which a p99 has to rest."""


def few_moments(name: str, moments: Sequence[int | None]) -> str | None:
    """Why there is no verdict on the p99 of a cell: it rests on few stalls. `moments`: of its restarts, where known."""
    known = [each for each in moments if each is not None]
    if not known or len(known) < len(moments) or sum(known) >= TAIL_MOMENTS:
        return None
    return f"the slowest requests of {name} ended at {counted(sum(known), 'moment')} only, {TAIL_MOMENTS} are needed"


def ratio_of(difference: Difference, half_width: float | None) -> Interval:
    """The ratio b ÷ a with its interval. `half_width`: of the difference of logarithms."""
    low = high = None
    if half_width is not None and abs(difference.estimate) + half_width < LARGEST:
        low, high = math.exp(difference.estimate - half_width), math.exp(difference.estimate + half_width)
    return Interval(estimate=math.exp(difference.estimate), low=low, high=high, n=difference.restarts)


def verdict(metric: MetricName, ratio: Interval, margin: float) -> ContrastVerdict:
    """Of b: `equivalent` where the whole interval lies within the margin; `faster` or `slower` where it excludes 1 and
    the estimate is beyond the margin; else undecided."""
    largest = could_be(ratio)
    if largest is not None and largest <= margin * (1 + ROUNDING) + ROUNDING:
        return "equivalent"
    if distance(ratio.estimate) > margin and excludes(ratio, 1.0):
        return "faster" if (ratio.estimate > 1) == (METRICS[metric].better == "higher") else "slower"
    return "undecided"


def no_worse(metric: MetricName, ratio: Interval, limit: float) -> bool:
    """Whether the whole interval lies on the good side of `limit` (0.05: five percent)."""
    if ratio.low is None or ratio.high is None:
        return False
    return ratio.low > 1 - limit if METRICS[metric].better == "higher" else ratio.high < 1 + limit


def detectable(metric: MetricName, ratio: Interval, limit: float) -> float | None:
    """The smallest change for the worse, as a fraction, of which an interval this wide lies beyond `limit` as a whole;
    None of an interval without ends."""
    half = ratio.half_width
    if half is None:
        return None
    return 1 - (1 - limit) / (1 + half) if METRICS[metric].better == "higher" else (1 + limit) * (1 + half) - 1


def worse(metric: MetricName, ratio: Interval, limit: float) -> bool:
    """Whether the whole interval lies beyond `limit` (0.05: five percent) on the bad side."""
    if ratio.low is None or ratio.high is None:
        return False
    return ratio.high < 1 - limit if METRICS[metric].better == "higher" else ratio.low > 1 + limit
