"""Intervals for all pairs of several members at once, from one number per restart and member, which hold although one
stops as soon as they are narrow enough. Pure.

Restarts are blocks: what a whole restart has in common falls out of the difference of two members in it. Where the
members vary alike, their residuals are pooled (Tukey's studentized range with (n − 1)(m − 1) degrees of freedom); where
one varies far more than the others, each pair has its own variance, at a higher level, moderated by that of all members
together (Smyth 2004). Where all are compared with one of them only, there are fewer pairs and narrower intervals (Šidák
1967). Six restarts tell a variance so badly that on its own it doubles an interval. Members beyond WILD
have nothing to do with the others. Stopping at a precision makes intervals too narrow, so that each level lies above
the 95 % that is to hold. `tests/unit/test_simultaneous.py` and `benchmarks/coverage.py` simulate all of it, the
stopping rule included.
"""

from __future__ import annotations

import functools
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy
from scipy.special import stdtr, stdtrit

LEAST_RESTARTS = 6
"""With fewer restarts there is no verdict, and nothing stops."""
PAIR_LEVEL, POOLED_LEVEL, OWN_LEVEL = 0.96, 0.965, 0.97
"""Of the intervals as they are computed, so that 95 % of the families hold when one has stopped: of two members, of
several with pooled variance, and of several with each pair's own or moderated one."""
ALIKE = 1.6
"""Standard deviation of the noisiest member ÷ that of the median one, up to which members vary alike."""
PRIOR = 5
"""Degrees of freedom for which the variance of all members counts beside a pair's own, where they do not vary alike. As
far as members of stored runs vary each by itself, those of all are worth 5 and more."""
WILD = 9.0
"""Variance of a member ÷ that of the median one, beyond which it says nothing of the others, nor they of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Noise:
    """By how much members vary from restart to restart, all of them together but for wild ones among uneven ones."""

    variance: float
    """Of one member, restarts left out."""
    freedom: int
    alike: bool
    """Whether they vary alike, so that it is the variance of each of them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """b − a as a mean over restarts."""

    estimate: float
    error: float | None
    """Standard error; None with one restart."""
    freedom: float
    """Degrees of freedom of the error."""
    restarts: int
    pooled: bool
    """The error is that of all members of a set together alone."""

    def half_width(self, members: int = 2, families: int = 1, *, against_one: bool = False) -> float | None:
        """Of an interval that holds at once for all pairs of so many members, and of so many families of that kind.

        `against_one`: for the pairs of one member with each other one only."""
        if self.error is None:
            return None
        level = POOLED_LEVEL if self.pooled else PAIR_LEVEL if members == 2 else OWN_LEVEL
        level = 1 - (1 - level) / families
        return quantile(level, members, int(self.freedom), against_one=against_one) * self.error

    def p_value(self) -> float | None:
        """Two-sided, of there being no difference."""
        if self.error is None:
            return None
        if not self.error:
            return 0.0 if self.estimate else 1.0
        return 2 * float(stdtr(self.freedom, -abs(self.estimate) / self.error))


def alike(values: Sequence[Sequence[float]]) -> bool:
    """Whether the members vary alike from restart to restart. `values`: restart → member → logarithm.

    To be asked once, when there are LEAST_RESTARTS: a rule that changes with the data covers less than it says.
    """
    if len(values[0]) < 3:
        return True
    deviations = numpy.sqrt(variances(values))
    median = float(numpy.median(deviations))
    return median > 0 and float(deviations.max()) <= ALIKE * median


def variances(values: Sequence[Sequence[float]]) -> list[float]:
    """The variance of each of three members or more from restart to restart. `values`: restart → member → logarithm."""
    table = numpy.asarray(values, dtype=float)
    members = table.shape[1]
    # The variance of a difference is the sum of two members'; all pairs together give each member's own.
    pairs = (table[:, :, None] - table[:, None, :]).var(axis=0, ddof=1)
    own = (pairs.sum(axis=1) - pairs.sum() / 2 / (members - 1)) / (members - 2)
    return [max(0.0, float(each)) for each in own]


def differences(values: Sequence[Sequence[float]]) -> dict[tuple[int, int], Difference]:
    """(a, b) → b − a for every pair of members, a before b. `values`: restart → member → logarithm."""
    members = len(values[0])
    common = noise(values)
    return {
        (a, b): difference([row[b] - row[a] for row in values], common)
        for a in range(members)
        for b in range(a + 1, members)
    }


def noise(values: Sequence[Sequence[float]]) -> Noise | None:
    """By how much members of a set vary. `values`: restart → member → logarithm. None where restarts or members are too
    few for that to be known."""
    if len(values) < LEAST_RESTARTS or len(values[0]) < 3:
        return None
    even, own = alike(values[:LEAST_RESTARTS]), variances(values)
    most = math.inf if even else WILD * statistics.median(own)
    table = numpy.asarray(values, dtype=float)[:, [each <= most for each in own]]
    freedom = (table.shape[0] - 1) * (table.shape[1] - 1)
    return Noise(variance=_residual_square_sum(table) / freedom, freedom=freedom, alike=even)


def difference(logs: Sequence[float], common: Noise | None = None) -> Difference:
    """From the differences of two members in each restart; `common`: by how much all members of their set vary."""
    count, mean = len(logs), statistics.fmean(logs)
    if count < 2:
        return Difference(estimate=mean, error=None, freedom=0, restarts=count, pooled=False)
    own = statistics.variance(logs)
    variance, freedom = own, float(count - 1)
    if common is not None and common.alike:
        variance, freedom = 2 * common.variance, common.freedom
    elif common is not None and own <= WILD * common.variance:
        variance = (PRIOR * 2 * common.variance + freedom * own) / (PRIOR + freedom)
        freedom += PRIOR
    return Difference(
        estimate=mean,
        error=math.sqrt(variance / count),
        freedom=freedom,
        restarts=count,
        pooled=common is not None and common.alike,
    )


def minus(b: Difference, a: Difference) -> Difference:
    """b − a of two differences that share no restart: their errors add (Welch 1947, Satterthwaite's freedom)."""
    estimate, restarts = b.estimate - a.estimate, min(a.restarts, b.restarts)
    error: float | None = None
    freedom = 0.0
    if a.error is not None and b.error is not None:
        parts = [(each.error**2, each.freedom) for each in (a, b) if each.error is not None]
        error = math.sqrt(sum(part for part, _ in parts))
        freedom = error**4 / sum(part**2 / of for part, of in parts) if error else min(of for _, of in parts)
    pooled = a.pooled and b.pooled
    return Difference(estimate=estimate, error=error, freedom=freedom, restarts=restarts, pooled=pooled)


def mean(differences: Sequence[Difference]) -> Difference:
    """The mean of differences of distinct members, whose errors are independent."""
    count = len(differences)
    estimate, restarts = statistics.fmean(each.estimate for each in differences), min(e.restarts for e in differences)
    pooled = all(each.pooled for each in differences)
    parts = [(each.error**2, each.freedom) for each in differences if each.error is not None]
    if len(parts) < count:
        return Difference(estimate=estimate, error=None, freedom=0, restarts=restarts, pooled=pooled)
    total = sum(part for part, _ in parts)
    freedom = total**2 / sum(part**2 / of for part, of in parts) if total else min(of for _, of in parts)
    return Difference(
        estimate=estimate, error=math.sqrt(total) / count, freedom=freedom, restarts=restarts, pooled=pooled
    )


def narrow(values: Sequence[Sequence[float]], precision: float, *, against_one: bool = False) -> bool:
    """The stopping rule: as many restarts as are needed at least, and every interval within ± `precision` (a share).
    `against_one`: of the pairs of the first member with each other one only."""
    if len(values) < LEAST_RESTARTS:
        return False
    members = len(values[0])
    pairs = [each for (a, _), each in differences(values).items() if a == 0 or not against_one]
    halves = [each.half_width(members, against_one=against_one) for each in pairs]
    return all(half is not None and math.expm1(half) <= precision for half in halves)


def quantile(level: float, members: int, freedom: int, *, against_one: bool = False) -> float:
    """By how many standard errors an interval reaches to each side, so that those of all pairs hold at once, or of all
    pairs with one member (`against_one`): whatever the pairs have in common, as many independent ones would need as
    much (Šidák 1967)."""
    if against_one:
        return float(stdtrit(freedom, (1 + level ** (1 / (members - 1))) / 2))
    return studentized_range(level, members, freedom) / math.sqrt(2)


@functools.lru_cache(maxsize=1024)
def studentized_range(level: float, members: int, freedom: int) -> float:
    """Quantile of the range of `members` normal means ÷ their deviation, which has `freedom` degrees of freedom."""
    if members == 2:
        return math.sqrt(2) * float(stdtrit(freedom, (1 + level) / 2))
    from scipy.stats import studentized_range as distribution  # takes long to import, and two members do not need it

    return float(distribution.ppf(level, members, freedom))


def _residual_square_sum(table: numpy.ndarray[tuple[int, ...], numpy.dtype[numpy.float64]]) -> float:
    """Of what neither its restart nor its member explains."""
    residuals = table - table.mean(axis=0) - table.mean(axis=1, keepdims=True) + table.mean()
    return float((residuals**2).sum())
