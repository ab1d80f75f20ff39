"""Which server, how many workers and how many threads: what was tried, and what follows from it."""

from __future__ import annotations

from typing import Literal

from harness.model import Value
from harness.model.capacity import Capacity
from harness.model.comparison import Interval
from harness.model.evaluation import Diagnosis
from harness.model.variant import Cell

StageName = Literal["servers", "workers", "threads", "finalists", "latency"]
Standing = Literal["best", "equal", "unclear", "worse", "unknown", "failed"]
"""Beside the best of its stage: within the margin of it for certain; not decided; worse for certain; without a valid
restart; or it did not do its work."""
Confidence = Literal["high", "medium", "low"]


class Configuration(Value):
    """What is recommended."""

    server: str
    """With its options, such as `uvicorn:loop=asyncio`."""
    workers: int
    threads: int
    """Of a worker, for sync code."""

    @classmethod
    def of(cls, cell: Cell) -> Configuration:
        """That of a cell."""
        return cls(server=cell.variant.server_label, workers=cell.variant.workers, threads=cell.variant.threads)


class Stage(Value):
    """Configurations that were up at once and were loaded in turn; a stage has the number of its set of cells."""

    name: StageName
    seconds: float
    """That it may take."""


class ProductionCommand(Value):
    """The command line of a configuration in production, and how it differs from what was measured."""

    command: str
    steps: list[str] = []
    """What has to be done besides, such as a line in the application."""
    differences: list[str] = []
    """What was set for measuring alone, and why."""


class Tried(Value):
    """A configuration in a stage."""

    cell: str
    """Its written form."""
    configuration: Configuration
    standing: Standing
    ratio: Interval | None
    """Throughput ÷ that of the stage's best, in the restarts in which both were up; None of the best."""
    reason: str | None = None
    """Why it has no figure."""
    throughput: Interval | None = None
    """Requests per second, 95 %."""
    cpu_us_per_request: float | None = None
    rss_peak_bytes: float | None = None
    """Of all its processes together."""


class StageResult(Value):
    """What a stage has found."""

    name: StageName
    load: str
    """As in a written form: `c16`."""
    restarts: int
    tried: list[Tried]
    """The best first."""


class ExpectedLatency(Value):
    """How long requests take below saturation, when they arrive by chance."""

    rate: float
    """Requests per second that arrived."""
    share: float
    """Of the most that was served."""
    p50_ms: float | None
    p99_ms: float | None


class Recommendation(Value):
    """The answer."""

    kind: Literal["recommendation"] = "recommendation"
    subject: str
    """What was served."""
    margin: float
    """Difference of throughput that does not matter, as a share."""
    best: Tried | None
    """None where nothing could be measured."""
    equals: list[Configuration]
    """Other servers of which none is shown to be worse than the best."""
    stages: list[StageResult]
    latency: ExpectedLatency | None
    bottleneck: Diagnosis | None
    confidence: Confidence
    doubts: list[str]
    """Why it is no more certain."""
    changes: list[str]
    """What would change the advice."""
    production: ProductionCommand | None
    left_out: list[tuple[str, str]]
    """Servers that were not measured, with the reason."""
    finished: bool
    seconds: float
    capacity: Capacity | None = None
    """What the finalists hold under objectives, where that was asked for."""
