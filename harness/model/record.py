"""What is stored of an experiment, written and read back as it is: one record per run, one per visit.

Every record carries the version of its schema; `kind` tells the records of one union apart. What was not measured is
None, never 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from harness.model import Value
from harness.model.capacity import Objective
from harness.model.environment import Environment
from harness.model.evaluation import Evaluation, Reason
from harness.model.load import Timing
from harness.model.measurement import Measurement
from harness.model.overload import OverloadPlan
from harness.model.plan import CellSet, Plan
from harness.model.recommendation import ProductionCommand, Stage
from harness.model.rotation import Restart, Rotation
from harness.model.variant import Cell

SCHEMA = 2
"""Version of the records."""
PROTOCOL = 1
"""Version of the rules behind verdicts: measurements under different ones are not compared."""


class HostFacts(Value):
    """The machine: what figures depend on, but no name or address. None where the system does not tell."""

    system: str
    kernel: str
    machine: str
    """Such as `x86_64`."""
    cpu_model: str | None
    cpus_available: int
    """Cores that the harness may use."""
    cpus_total: int | None
    cpu_quota: float | None = None
    """Cores that the harness' control group may use on average; None without a limit."""
    memory_bytes: int | None
    memory_limit_bytes: int | None = None
    """What its control group may use; None without a limit."""
    distribution: str | None
    hypervisor: bool
    cpu_governor: str | None
    somaxconn: str | None
    load_average: list[float]

    @property
    def identity(self) -> dict[str, str | float | None]:
        """By what results of two machines, or of one that has changed, are distinguished. Only what matters to them:
        memory is rounded, and the kernel is without the suffix of its build."""
        return {
            "cpu_model": self.cpu_model,
            "cpus_available": self.cpus_available,
            "cpu_quota": self.cpu_quota,
            "memory_gb": None if self.memory_bytes is None else round(self.memory_bytes / 1e9),
            "memory_limit_bytes": self.memory_limit_bytes,
            "kernel": self.kernel.partition("-")[0],
        }

    def differences(self, other: HostFacts) -> list[str]:
        """In which parts of its identity another machine differs, in words."""
        now = other.identity
        return [f"{name} {value} is {now[name]} now" for name, value in self.identity.items() if value != now[name]]


class DatabaseIdentity(Value):
    """By what databases with different answers or speeds are told apart."""

    kind: Literal["embedded", "external"]
    version: str
    server: str
    """Where it is, without user and password."""
    checksums: dict[str, str] | None
    """Table → checksum of its rows."""


class Place(Value):
    """Where in a matrix a measurement was made."""

    restart: int
    """Number of the restart in the run, from 1: those of one restart are paired."""
    set: int = 1
    """Which set of cells was up, from 1."""
    member: int
    """In the restart's set, from 1."""
    repeat: bool = False
    """The second of the cell that is there twice."""


class _Stored(Value):
    """A record: it names its schema, and what a newer version adds to it is passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    schema_version: int = Field(default=SCHEMA, alias="schema")


class MeasurementRecord(_Stored, Evaluation, Measurement):
    """A measurement with the evaluation that it had when it was stored, and where it was made."""

    model_config = _Stored.model_config

    kind: Literal["measurement"] = "measurement"
    protocol: int = PROTOCOL
    place: Place | None = None
    """None where one cell is measured alone."""
    path: str = ""
    """Folder of the run."""


class FailureRecord(_Stored):
    """A visit whose server did not come up, or not with the right answer: nothing was measured."""

    kind: Literal["failure"] = "failure"
    protocol: int = PROTOCOL
    started_at: str
    cell: Cell
    place: Place | None = None
    verdict: Literal["failed"] = "failed"
    reasons: list[Reason]
    log: str
    """The last lines of the server's log."""


VisitRecord = Annotated[MeasurementRecord | FailureRecord, Field(discriminator="kind")]
"""One visit of a cell, told apart by `kind`."""


class _Run(_Stored):
    """What the records of all kinds of runs have in common."""

    harness: str
    """Version of the harness."""
    command: str | None
    """As it was typed, without secrets; None where the harness was not called by a command line."""
    started_at: str
    host: HostFacts
    environments: dict[str, Environment]
    """Name of an environment in the cells → what it holds; the only one has an empty name."""
    cells: list[Cell]
    timing: Timing
    pin: str
    """How cores were asked for."""
    generator: str
    """Load generator and version."""


class SingleRecord(_Run):
    """A run of one cell."""

    kind: Literal["single"] = "single"


class _Sets(_Run):
    """What the records of runs have in common whose cells are up in sets."""

    impossible: list[tuple[str, str]]
    """What was asked for and cannot be measured, with the reason."""
    sets: list[CellSet]
    """Cells that are up at once."""
    repeated: str | None = None
    """The cell that is there twice; None where none is."""
    finished: bool = False
    """It is as sure as was asked for, or its time is over."""


class MatrixRecord(_Sets):
    """A run of many cells."""

    kind: Literal["matrix"] = "matrix"
    plan: Plan
    database: DatabaseIdentity | None
    requests: str | None
    """Digest of what is requested of a user's application."""


class RecommendationRecord(_Sets):
    """A run that looks for the best configuration of an application; `sets` and `cells` grow as it goes on."""

    kind: Literal["recommendation"] = "recommendation"
    stages: list[Stage]
    """What each set is for."""
    margin: float
    """Difference from which on one matters, as a share."""
    most_seconds: float
    production: dict[str, ProductionCommand]
    """Cell → its command line in production."""
    scope: list[str]
    """What this machine cannot answer."""


class RotationRecord(_Run):
    """A run of cells that were loaded in turn."""

    kind: Literal["rotation"] = "rotation"
    precision: float
    """Half-width of the intervals of throughput that was asked for, as a share."""
    margin: float
    """Difference from which on one matters, as a share."""


class CapacityRecord(_Run):
    """A search for what cells can take. Its visits are probes: fresh starts under one rate each, and at first one of
    each cell under closed load."""

    kind: Literal["capacity"] = "capacity"
    objectives: list[Objective]
    precision: float
    """How close the bounds should come, as a share of the lower one."""
    most_seconds: float
    rate: float | None = None
    """Requests per second that are to be served, where that was asked."""
    core_hour_price: float | None = None
    """Of one core for an hour, in any currency."""
    seed: int


class OverloadRecord(_Run):
    """A cell that was asked for more than it can serve. Its visits are fresh starts, and at first one under closed load
    where its capacity was not given."""

    kind: Literal["overload"] = "overload"
    plan: OverloadPlan
    seed: int


AnyRunRecord = SingleRecord | MatrixRecord | RecommendationRecord | RotationRecord | CapacityRecord | OverloadRecord
RunRecord = Annotated[AnyRunRecord, Field(discriminator="kind")]
"""What a run was, told apart by `kind`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredRun:
    """A run as it was read back."""

    folder: str
    record: AnyRunRecord
    visits: list[MeasurementRecord | FailureRecord]
    """In the order in which they were made."""
    rotation: Rotation | None = None
    """What a rotation says, once a restart has ended."""
    restarts: list[Restart] = field(default_factory=list)
    """Of a rotation."""
