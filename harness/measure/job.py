"""What a measurement needs to know, and what it says while it goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from handlers.workload import Parameter, Value, Workload
from harness.load.k6 import K6
from harness.model.cell import Cell, Environment, Timing
from harness.model.database import Database
from harness.model.measurement import Placement
from harness.system import procfs
from servers.adapter import Adapter


@dataclass(frozen=True, kw_only=True, slots=True)
class Service:
    """A cell with everything that is needed to serve it."""

    cell: Cell
    adapter: Adapter
    workload: Workload
    options: Mapping[str, str]
    """Every server option, given or default."""
    environment: Environment
    placement: Placement
    users: int
    """Virtual users of the generator, under open load as many as the rate needs; each holds a connection."""
    database: Database | None
    boot_deadline_seconds: float
    diagnose: bool = True
    """Let the workers look at what their requests wait for."""

    def known_seconds(self) -> float:
        """How long one request waits at least, as far as its parameters tell."""
        return self.workload.work(**self.cell.application.params).known_seconds

    def drawn(self) -> Parameter | None:
        """The parameter that the generator draws anew for each request."""
        return self.workload.drawn(self.cell.application.params)

    def params(self, drawn: int | None = None) -> dict[str, Value]:
        """The workload's parameters as one request has them: with the drawn number, or the default in its place."""
        parameter = self.drawn()
        if parameter is None:
            return self.cell.application.params
        return self.cell.application.params | {parameter.name: parameter.default if drawn is None else drawn}

    def postgres(self) -> list[int]:
        """Processes of the embedded Postgres; none where there is none or it is not ours to look at."""
        if self.database is None or self.database.postmaster is None:
            return []
        return [self.database.postmaster, *procfs.children(self.database.postmaster)]


@dataclass(frozen=True, kw_only=True, slots=True)
class Job(Service):
    """A service, and how to load it."""

    timing: Timing
    k6: K6


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """Where a measurement is."""

    phase: str
    """`calibration`, `boot`, `warm-up`, `window` or `stop`."""
    fraction: float | None = None
    """How much of the warm-up or the window is over."""
    rps: float | None = None
    """Requests per second that the workers finished lately."""


Observer = Callable[[Progress], None]
