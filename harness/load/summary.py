"""From a generator's raw summary to figures: quantile grid, latency, failures."""

from __future__ import annotations

from collections.abc import Mapping

from harness.model.measurement import MINIMUM_BEYOND, Latency

Grid = list[tuple[float, float]]


def percentiles() -> list[float]:
    """The dense grid: 0–90 by 1, 90–99 by 0.1, 99–100 by 0.01; 281 points that cost nothing while running."""
    return [
        *(float(p) for p in range(0, 90)),
        *(round(90 + p / 10, 1) for p in range(0, 90)),
        *(round(99 + p / 100, 2) for p in range(0, 101)),
    ]


def quantile(grid: Grid, percentile: float, count: int) -> float | None:
    """Milliseconds at a percentile of the grid, None if fewer than ten of `count` samples lie beyond it."""
    if count * (100 - percentile) / 100 < MINIMUM_BEYOND:
        return None
    return next((value for p, value in grid if p >= percentile), None)


def latency(grid: Grid, values: Mapping[str, float], count: int) -> Latency:
    """The quantiles that are shown, from the grid and the trend's own minimum, mean and maximum."""
    return Latency(
        min=values.get("min"),
        mean=values.get("avg"),
        max=values.get("max"),
        tail_moments=None,
        **{f"p{p}": quantile(grid, p, count) for p in (50, 90, 95, 99)},
    )
