"""The registry of metrics: everything that is known of a metric is said here, once.

Tables, pages, exports, charts, contrasts and the command line take a metric's name, unit, direction and wording from
its entry. A metric is added by one entry.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from harness.model.measurement import Measurement

TAIL = 90
"""Percentile beyond which a quantile is about the slowest requests."""
MetricName = str
"""Key of a metric in METRICS, such as `throughput_rps`."""


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:,.1f}"


def _beyond_wait(measurement: Measurement) -> float | None:
    """What a request takes on average beyond what its workload says that it waits; None where it says nothing."""
    wait, mean = measurement.waits and measurement.waits.total_seconds, measurement.latency_ms.mean
    if not wait or mean is None or mean <= wait * 1000:
        return None
    return mean - wait * 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """One figure of a measurement."""

    name: MetricName
    """With its unit, as in stored results and exports."""
    option: str
    """What it is called on the command line."""
    label: str
    """What it is called where people read, such as `throughput`."""
    unit: str
    """Of `of` and of exports."""
    better: Literal["higher", "lower"]
    of: Callable[[Measurement], float | None]
    """Its value in `unit`; None where it was not measured."""
    format: Callable[[float], str] = "{:,.1f}".format
    """A value in `unit` as it is shown in tables, in `shown_unit`."""
    shown_unit: str = ""
    """Unit of tables; empty: `unit`."""
    quantile: float | None = None
    """Percentile of the latency that it is. Such a metric is pooled over measurements, never averaged, and counts only
    where the queue of users had filled before the window began."""
    beyond_wait: bool = False
    """It is how long requests take beyond what they wait by themselves."""
    contrasted: bool = True
    """Whether cells are compared by it."""
    headline: bool = False
    """Whether the answer in sentences speaks of it."""
    speed: Literal[-1, 0, 1] = 0
    """By which power of the machine's speed it goes, where computing is what takes the time."""
    capped: bool = True
    """Whether it says what limits a cell, and nothing about the cell, where the cell is at its ceiling."""

    @property
    def latency(self) -> bool:
        """Whether it is how long requests take."""
        return self.quantile is not None or self.beyond_wait

    @property
    def tail(self) -> bool:
        """Whether it is about the slowest requests."""
        return self.quantile is not None and self.quantile > TAIL

    @property
    def heading(self) -> str:
        """Label and unit of a table, such as `throughput, requests/s`."""
        return f"{self.label}, {self.shown_unit or self.unit}"


METRICS: dict[MetricName, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            name="throughput_rps",
            option="throughput",
            label="throughput",
            unit="requests/s",
            better="higher",
            of=lambda measurement: measurement.throughput_rps,
            format=_number,
            headline=True,
            speed=1,
        ),
        Metric(
            name="p50_ms",
            option="p50",
            label="p50",
            unit="ms",
            better="lower",
            of=lambda measurement: measurement.latency_ms.p50,
            quantile=50,
            speed=-1,
        ),
        Metric(
            name="p90_ms",
            option="p90",
            label="p90",
            unit="ms",
            better="lower",
            of=lambda measurement: measurement.latency_ms.p90,
            quantile=90,
            speed=-1,
            contrasted=False,
        ),
        Metric(
            name="p99_ms",
            option="p99",
            label="p99",
            unit="ms",
            better="lower",
            of=lambda measurement: measurement.latency_ms.p99,
            quantile=99,
            speed=-1,
        ),
        Metric(
            name="beyond_wait_ms",
            option="beyond",
            label="latency beyond the wait",
            unit="ms",
            better="lower",
            of=_beyond_wait,
            format="{:,.2f}".format,
            beyond_wait=True,
            speed=-1,
        ),
        Metric(
            name="cpu_us_per_request",
            option="cpu",
            label="CPU per request",
            unit="µs",
            better="lower",
            of=lambda measurement: measurement.server.cpu_us_per_request,
            format="{:,.0f}".format,
            headline=True,
            speed=-1,
            capped=False,
        ),
        Metric(
            name="rss_peak_bytes",
            option="memory",
            label="memory",
            unit="bytes",
            better="lower",
            of=lambda measurement: measurement.server.rss_peak_bytes,
            format=lambda value: f"{value / 1e6:,.0f}",
            shown_unit="MB",
            contrasted=False,
            capped=False,
        ),
    )
}
"""Name → metric, in the order in which they are shown."""


def contrasted() -> list[Metric]:
    """The metrics by which cells are compared."""
    return [metric for metric in METRICS.values() if metric.contrasted]
