"""Estimates from one number per block: t intervals on the log scale, Hodges–Lehmann, Holm. Pure.

Speeds and times vary by factors, so means are geometric and differences are ratios. A block is the unit: what disturbs
a whole block falls out of the ratio of two cells in it.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import TypeGuard

import numpy
from scipy.special import stdtr, stdtrit  # not scipy.stats, which takes three times as long to import

from harness.model.comparison import Interval

ERROR = 0.05
"""Chance of an error that is accepted, over all comparisons of a family together."""
LARGEST = 700.0
"""Logarithm near the end of what a float holds."""
ROUNDING = 1e-12
"""Equal values are not taken apart by what their logarithms were rounded by."""


def usable(value: float | None) -> TypeGuard[float]:
    """Whether a value has a logarithm."""
    return value is not None and math.isfinite(value) and value > 0


def paired(a: Mapping[int, float], b: Mapping[int, float]) -> dict[int, float]:
    """Block → log(b ÷ a), for the blocks that both have."""
    return {block: math.log(b[block]) - math.log(a[block]) for block in sorted(a.keys() & b.keys())}


def interval(logs: Sequence[float], *, comparisons: int = 1) -> Interval:
    """Geometric mean of exp(`logs`) with its t interval: 95 %, widened so as to hold for `comparisons` at once."""
    return _around(statistics.fmean(logs), standard_error(logs), len(logs) - 1, comparisons, len(logs))


def unpaired_interval(a: Sequence[float], b: Sequence[float], *, comparisons: int = 1) -> Interval:
    """exp(mean of `b` − mean of `a`) with its interval by Welch, of logarithms that were measured independently of each
    other and may vary unlike: 95 %, widened so as to hold for `comparisons` at once. `n` is the smaller number."""
    mean, n = statistics.fmean(b) - statistics.fmean(a), min(len(a), len(b))
    errors = [error for values in (a, b) if (error := standard_error(values)) is not None]
    if len(errors) < 2:
        return _around(mean, None, 0, comparisons, n)
    each = sum(error**4 / (len(values) - 1) for error, values in zip(errors, (a, b), strict=True))
    freedom = math.hypot(*errors) ** 4 / each if each else n - 1
    return _around(mean, math.hypot(*errors), freedom, comparisons, n)


def _around(mean: float, error: float | None, freedom: float, comparisons: int, n: int) -> Interval:
    low = high = None
    if error is not None:
        half = -error * float(stdtrit(freedom, ERROR / comparisons / 2))
        if abs(mean) + half < LARGEST:
            low, high = math.exp(mean - half), math.exp(mean + half)
    return Interval(estimate=math.exp(mean), low=low, high=high, n=n)


def p_value(logs: Sequence[float]) -> float | None:
    """Two-sided p of a mean of 0 (Student's t); None with one value."""
    mean, error = statistics.fmean(logs), standard_error(logs)
    if error is None:
        return None
    if not error:
        return 0.0 if mean else 1.0
    return 2 * float(stdtr(len(logs) - 1, -abs(mean) / error))


def standard_error(values: Sequence[float]) -> float | None:
    """Standard error of the mean; None with one value, exactly 0 for equal ones."""
    n = len(values)
    if n < 2:
        return None
    if min(values) == max(values):  # their mean may be rounded, and they would seem to deviate from it
        return 0.0
    mean = statistics.fmean(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1) / n)


def hodges_lehmann(values: Sequence[float]) -> float:
    """Median of the Walsh averages: of the means of all pairs, each value with itself included."""
    array = numpy.asarray(values)
    first, second = numpy.triu_indices(len(array))
    return float(numpy.median((array[first] + array[second]) / 2))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p values in the order of `p_values`: below 0.05 where Holm's procedure rejects."""
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for place, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - place) * p_values[index]))
        adjusted[index] = highest
    return adjusted


def distance(ratio: float) -> float:
    """How far a ratio is from 1, as a fraction: the larger ÷ the smaller − 1."""
    return max(ratio, 1 / ratio) - 1


def could_be(ratio: Interval) -> float | None:
    """The distance from 1 of the farther end; None where the interval is unbounded."""
    return None if ratio.low is None or ratio.high is None else max(distance(ratio.low), distance(ratio.high))


def excludes(ratio: Interval, value: float) -> bool:
    """Whether a value lies outside of an interval; never of an unbounded one."""
    if ratio.low is None or ratio.high is None:
        return False
    return not ratio.low * (1 - ROUNDING) <= value <= ratio.high * (1 + ROUNDING)
