"""From a generator's raw summary to figures: quantile grid, latency, failures."""

from __future__ import annotations

from collections.abc import Mapping

from harness.model.measurement import Failures, Latency

Grid = list[tuple[float, float]]

MINIMUM_BEYOND = 10
"""A quantile is shown only if at least that many samples lie beyond it."""


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
        **{f"p{p}": quantile(grid, p, count) for p in (50, 90, 95, 99)},
    )


class K6Summary:
    """What k6's `handleSummary` of our script wrote: metric → values. Asserts the shape it relies on."""

    def __init__(self, document: Mapping[str, Mapping[str, float]]) -> None:
        self._metrics = document
        self.requests = self._count("cell_succeeded")
        trend = document.get("cell_latency", {})
        names = {f"p({p:g})": p for p in percentiles()}
        missing = [name for name in names if name not in trend] if self.requests else []
        if missing or (self.requests and trend.get("count") != self.requests):
            raise ValueError(f"k6's summary lacks {missing[:3] or 'the count'} of cell_latency")
        self.grid: Grid = [(p, trend[name]) for name, p in names.items()] if self.requests else []
        self.latency = latency(self.grid, trend, self.requests)
        self.failures = Failures(
            timeout=self._count("cell_timeouts"),
            connection=self._count("cell_connection_failures"),
            status=self._count("cell_status_failures"),
        )
        self.sent = self._count("cell_sent")
        self.matched = self._count("cell_matched")
        self.unexpected = self._count("cell_unexpected")
        self.idle_seconds = self._count("cell_idle_ms") / 1000
        """Time of the window that users spent outside of requests, summed over users."""

    def _count(self, name: str) -> int:
        # k6 leaves a metric out that never got a value.
        return int(self._metrics.get(name, {}).get("count", 0))

    def p99(self, name: str) -> float | None:
        """The 99th percentile of another trend, in milliseconds."""
        return self._metrics.get(name, {}).get("p(99)")
