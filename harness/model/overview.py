"""What a run says: each of its cells over all restarts, and how they compare."""

from __future__ import annotations

from harness.model import Value
from harness.model.comparison import Comparison, Interval
from harness.model.evaluation import Ceiling, Diagnosis, Remedy
from harness.model.metrics import MetricName
from harness.model.variant import Cell


class Figure(Value):
    """A metric of one cell, over its valid restarts, in the metric's unit."""

    value: float | None
    """Geometric mean over restarts; of a quantile of the latency that of all samples pooled, None where fewer than ten
    lie beyond it or the queue of users was still filling."""
    interval: Interval | None
    """Over restarts; of a quantile that of each one's own, laid around the pooled one."""


class Count(Value):
    """How many restarts a reason holds for."""

    reason: str
    restarts: int
    remedies: list[Remedy] = []


class CellOverview(Value):
    """One cell over all its restarts. Figures are of the valid ones; None where there is none."""

    name: str
    """The cell's written form."""
    cell: Cell
    valid: int
    """Restarts by the cell's verdict in them."""
    invalid: int
    failed: int
    figures: dict[MetricName, Figure]
    """Metric → figure, of every metric there is."""
    filling: int
    """Valid restarts whose latencies are left out, because the queue of users was still filling."""
    requests: int
    """Successes of the valid restarts."""
    failure_share: float | None
    """Requests that failed, of all restarts that were measured, valid or not."""
    unproven_rps: float | None
    """Successes per second of the last restart where none is valid: not to be compared."""
    ceiling: Ceiling | None
    """Of the last valid restart."""
    ceiling_fraction: float | None
    """Mean throughput ÷ ceiling."""
    at_ceiling: bool
    """In most of its valid restarts."""
    diagnosis: Diagnosis | None
    """The one of most restarts, in the words of the last of them."""
    reasons: list[Count]
    """Why restarts are failed or invalid, the most frequent first."""

    @property
    def throughput(self) -> Interval | None:
        """Requests per second, over restarts; None where none is valid."""
        return self.figures["throughput_rps"].interval

    @property
    def verdict(self) -> str:
        """`valid` if any restart is; else what most of them are."""
        if self.valid:
            return "valid"
        return "failed" if self.failed >= self.invalid else "invalid"


class Overview(Value):
    """What a run says."""

    title: str | None
    sets: int
    """Of cells that are up at once; 1 of a single cell."""
    restarts: int
    """Of all sets together."""
    finished: bool
    """It is as sure as was asked for, or its time is over."""
    precision: float | None
    """Half-width of the intervals of throughput that was asked for, as a fraction; None of a single cell."""
    seconds: float
    """From its begin to the end of its last restart."""
    cells: list[CellOverview]
    comparison: Comparison
    notes: list[str]
    """What members of sets did that a reader should know."""
    impossible: list[tuple[str, str]]
    """What the plan asks for that cannot exist, with the reason."""
