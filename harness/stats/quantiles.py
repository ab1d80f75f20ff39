"""Latency quantiles of several visits together, each with a weight. Pure; values are milliseconds.

The mean of two p99s is no p99: where one visit is slow, all of the pooled samples beyond p99 are its own. So each
visit's grid is read as a distribution function, the functions are added up by their weights, which are numbers of
samples, and the sum is inverted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy
from numpy.typing import NDArray

from harness.model.measurement import MINIMUM_BEYOND

Grid = Sequence[tuple[float, float]]
"""(percentile, milliseconds), from 0 to 100."""
Floats = NDArray[numpy.float64]


class Mixture:
    """The pooled distribution of visits, each a grid and the number of samples that it sums up."""

    def __init__(self, visits: Iterable[tuple[Grid, float]]) -> None:
        self._parts = [_Part(grid, count) for grid, count in visits if count]
        self._values = numpy.unique(numpy.concatenate([part.values for part in self._parts] or [numpy.empty(0)]))
        self.count = sum(part.count for part in self._parts)
        """Samples of all visits."""

    def quantile(self, percentile: float) -> float | None:
        """Milliseconds below or at which `percentile` % of the samples lie, None if fewer than ten lie beyond."""
        if round(self.count * (100 - percentile) / 100, 6) < MINIMUM_BEYOND:  # 100 − 99.9 is a little less than 0.1
            return None
        target = percentile * self.count
        first, last = 0, len(self._values) - 1  # the first value up to which enough samples lie is between them
        while first < last:
            middle = (first + last) // 2
            if self._samples(middle, "right") < target:
                first = middle + 1
            else:
                last = middle
        value, below = float(self._values[first]), self._samples(first, "left")
        if first == 0 or target > below:  # inside of a jump
            return value
        previous, start = float(self._values[first - 1]), self._samples(first - 1, "right")
        return previous + (value - previous) * (target - start) / (below - start)

    def _samples(self, place: int, side: Side) -> float:
        """Samples × 100: at or below the value at a place with `right`, below it with `left`."""
        value = self._values[place]
        return sum(part.count * part.percentile(value, side) for part in self._parts)


Side = Literal["left", "right"]


class _Part:
    """One grid as a distribution function, linear between its points."""

    def __init__(self, grid: Grid, count: float) -> None:
        points = numpy.asarray(grid, dtype=numpy.float64).reshape(-1, 2)
        self.percentiles, self.values = points[:, 0], points[:, 1]
        self.count = count
        ascending = (numpy.diff(self.percentiles) > 0).all() and (numpy.diff(self.values) >= 0).all()
        if not len(points) or not ascending or (self.percentiles[0], self.percentiles[-1]) != (0, 100):
            raise ValueError("a grid must ascend from percentile 0 to 100")

    def percentile(self, value: float, side: Side) -> float:
        """Share of the samples, in %: at or below `value` with `right`, below it with `left`.

        They differ where the grid repeats a value, which is a jump.
        """
        place = int(self.values.searchsorted(value, side))
        if place in (0, len(self.values)):
            return 100.0 if place else 0.0
        p, q = self.percentiles[place - 1], self.percentiles[place]
        x, y = self.values[place - 1], self.values[place]
        return float(p + (q - p) * (value - x) / (y - x))
