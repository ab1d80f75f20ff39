"""What a run says: each of its cells over all blocks, and how they compare."""

from __future__ import annotations

from harness.model import Value
from harness.model.comparison import Comparison, Interval
from harness.model.evaluation import Ceiling, Diagnosis, Remedy
from harness.model.metrics import MetricName
from harness.model.variant import Cell


class Figure(Value):
    """A metric of one cell, over its valid visits, in the metric's unit."""

    value: float | None
    """Geometric mean over blocks; of a quantile of the latency that of all samples pooled, None where fewer than ten
    lie beyond it or the queue of users was still filling."""
    interval: Interval | None
    """Over blocks; of a quantile that of each block's own, which says how sure the pooled one is and is not to be
    quoted in its place."""


class Count(Value):
    """How many visits a reason holds for."""

    reason: str
    visits: int
    remedies: list[Remedy] = []


class CellOverview(Value):
    """One cell over all blocks. Figures are of its valid visits; None where there is none."""

    name: str
    """The cell's written form."""
    cell: Cell
    valid: int
    """Visits by verdict; of a visit that was repeated, the last attempt counts."""
    invalid: int
    failed: int
    figures: dict[MetricName, Figure]
    """Metric → figure, of every metric there is."""
    filling: int
    """Valid visits whose latencies are left out, because the queue of users was still filling."""
    requests: int
    """Successes of the valid visits."""
    failure_share: float | None
    """Requests that failed, of all visits that were measured, valid or not."""
    unproven_rps: float | None
    """Successes per second of the last visit where none is valid: not to be compared."""
    ceiling: Ceiling | None
    """Of the last valid visit."""
    ceiling_fraction: float | None
    """Mean throughput ÷ ceiling."""
    at_ceiling: bool
    """In any block: it tells no servers apart."""
    diagnosis: Diagnosis | None
    """The one of most visits, in the words of the last of them."""
    reasons: list[Count]
    """Why visits are failed or invalid, the most frequent first."""

    @property
    def throughput(self) -> Interval | None:
        """Requests per second, over blocks; None where no visit is valid."""
        return self.figures["throughput_rps"].interval

    @property
    def verdict(self) -> str:
        """`valid` if any visit is; else what most visits are."""
        if self.valid:
            return "valid"
        return "failed" if self.failed >= self.invalid else "invalid"


class Overview(Value):
    """What a run says."""

    title: str | None
    blocks: int
    """Planned."""
    visits: int
    """Made, those of the A/A cell included."""
    planned: int
    seconds: float
    """From its begin to the end of its last visit."""
    cells: list[CellOverview]
    comparison: Comparison
    impossible: list[tuple[str, str]]
    """What the plan asks for that cannot exist, with the reason."""
    """Of every server against the plan's baseline."""
