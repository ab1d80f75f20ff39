"""Intervals for all pairs of several members at once, from one number per restart and member, which hold although one
stops as soon as they are narrow enough. Pure.

Restarts are blocks: what a whole restart has in common falls out of the difference of two members in it. Where the
members vary alike, their residuals are pooled (Tukey's studentized range with (n − 1)(m − 1) degrees of freedom); where
one varies far more than the others, each pair has its own variance, at a higher level. Stopping at a precision makes
intervals too narrow, so that each level lies above the 95 % that is to hold. `tests/unit/test_simultaneous.py` and
`benchmarks/coverage.py` simulate all of it, the stopping rule included.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy

LEAST_RESTARTS = 6
"""With fewer restarts there is no verdict, and nothing stops."""
PAIR_LEVEL, POOLED_LEVEL, OWN_LEVEL = 0.96, 0.965, 0.97
"""Of the intervals as they are computed, so that 95 % of the families hold when one has stopped: of two members, of
several with pooled variance, and of several with each pair's own."""
ALIKE = 1.6
"""Standard deviation of the noisiest member ÷ that of the median one, up to which members vary alike."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """b − a over restarts, with the half-width of its interval; None with one restart."""

    estimate: float
    half_width: float | None


def alike(values: Sequence[Sequence[float]]) -> bool:
    """Whether the members vary alike from restart to restart. `values`: restart → member → logarithm.

    To be asked once, when there are LEAST_RESTARTS: a rule that changes with the data covers less than it says.
    """
    table = numpy.asarray(values, dtype=float)
    members = table.shape[1]
    if members < 3:
        return True
    # The variance of a difference is the sum of two members'; all pairs together give each member's own.
    pairs = (table[:, :, None] - table[:, None, :]).var(axis=0, ddof=1)
    own = (pairs.sum(axis=1) - pairs.sum() / 2 / (members - 1)) / (members - 2)
    deviations = numpy.sqrt(numpy.maximum(own, 0.0))
    median = float(numpy.median(deviations))
    return median > 0 and float(deviations.max()) <= ALIKE * median


def differences(values: Sequence[Sequence[float]], *, pooled: bool) -> dict[tuple[int, int], Difference]:
    """(a, b) → b − a for every pair of members, a before b. `values`: restart → member → logarithm."""
    table = numpy.asarray(values, dtype=float)
    restarts, members = table.shape
    pairs = [(a, b) for a in range(members) for b in range(a + 1, members)]
    means = table.mean(axis=0)
    if restarts < 2:
        return {(a, b): Difference(estimate=float(means[b] - means[a]), half_width=None) for a, b in pairs}
    if pooled and members > 2:
        freedom = (restarts - 1) * (members - 1)
        error = math.sqrt(_residual_square_sum(table) / freedom / restarts)
        half = studentized_range(POOLED_LEVEL, members, freedom) * error
        return {(a, b): Difference(estimate=float(means[b] - means[a]), half_width=half) for a, b in pairs}
    level = PAIR_LEVEL if members == 2 else OWN_LEVEL
    quantile = studentized_range(level, members, restarts - 1) / math.sqrt(2)
    return {
        (a, b): Difference(
            estimate=float(means[b] - means[a]),
            half_width=quantile * float((table[:, b] - table[:, a]).std(ddof=1)) / math.sqrt(restarts),
        )
        for a, b in pairs
    }


def narrow(values: Sequence[Sequence[float]], precision: float, *, pooled: bool) -> bool:
    """The stopping rule: as many restarts as are needed at least, and every interval within ± `precision` (a share)."""
    if len(values) < LEAST_RESTARTS:
        return False
    halves = [each.half_width for each in differences(values, pooled=pooled).values()]
    return all(half is not None and math.expm1(half) <= precision for half in halves)


@functools.lru_cache(maxsize=1024)
def studentized_range(level: float, members: int, freedom: int) -> float:
    """Quantile of the range of `members` normal means ÷ their deviation, which has `freedom` degrees of freedom."""
    if members == 2:
        from scipy.special import stdtrit

        return math.sqrt(2) * float(stdtrit(freedom, (1 + level) / 2))
    from scipy.stats import studentized_range as distribution  # takes long to import, and two members do not need it

    return float(distribution.ppf(level, members, freedom))


def _residual_square_sum(table: numpy.ndarray[tuple[int, ...], numpy.dtype[numpy.float64]]) -> float:
    """Of what neither its restart nor its member explains."""
    residuals = table - table.mean(axis=0) - table.mean(axis=1, keepdims=True) + table.mean()
    return float((residuals**2).sum())
