"""Latency quantiles of several visits together, as if all their samples were in one. Pure; values are milliseconds.

The mean of two p99s is no p99: where one visit is slow, all of the pooled samples beyond p99 are its own. So each
visit's grid is read as a distribution function, the functions are added up by their numbers of samples, and the sum is
inverted.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Callable, Iterable, Sequence

from harness.model.measurement import MINIMUM_BEYOND

Grid = Sequence[tuple[float, float]]
"""(percentile, milliseconds), from 0 to 100."""


class Mixture:
    """The pooled distribution of visits, each a grid and the number of samples that it sums up."""

    def __init__(self, visits: Iterable[tuple[Grid, int]]) -> None:
        self._parts = [_Part(grid, count) for grid, count in visits if count]
        self._values = sorted({value for part in self._parts for value in part.values})
        self.count = sum(part.count for part in self._parts)
        """Samples of all visits."""

    def quantile(self, percentile: float) -> float | None:
        """Milliseconds below or at which `percentile` % of the samples lie, None if fewer than ten lie beyond."""
        if round(self.count * (100 - percentile) / 100, 6) < MINIMUM_BEYOND:  # 100 − 99.9 is a little less than 0.1
            return None
        wanted = percentile * self.count
        place = bisect.bisect_left(self._values, wanted, key=self._up_to)
        value = self._values[place]
        below = self._below(value)
        if place == 0 or wanted > below:  # inside of a jump
            return value
        previous = self._values[place - 1]
        start = self._up_to(previous)
        return previous + (value - previous) * (wanted - start) / (below - start)

    def _up_to(self, value: float) -> float:
        return sum(part.count * part.percentile(value, bisect.bisect_right) for part in self._parts)

    def _below(self, value: float) -> float:
        return sum(part.count * part.percentile(value, bisect.bisect_left) for part in self._parts)


class _Part:
    """One grid as a distribution function, linear between its points."""

    def __init__(self, grid: Grid, count: int) -> None:
        self.percentiles = [percentile for percentile, _ in grid]
        self.values = [value for _, value in grid]
        self.count = count
        ascending = all(a[0] < b[0] and a[1] <= b[1] for a, b in itertools.pairwise(grid))
        if not grid or not ascending or (grid[0][0], grid[-1][0]) != (0, 100):
            raise ValueError("a grid must ascend from percentile 0 to 100")

    def percentile(self, value: float, side: Callable[[list[float], float], int]) -> float:
        """Share of the samples, in %: at or below `value` with `bisect_right`, below it with `bisect_left`.

        They differ where the grid repeats a value, which is a jump.
        """
        place = side(self.values, value)
        if place in (0, len(self.values)):
            return 100.0 if place else 0.0
        (p, q), (x, y) = self.percentiles[place - 1 : place + 1], self.values[place - 1 : place + 1]
        return p + (q - p) * (value - x) / (y - x)
