"""What a measurement needs to know, and what it says while it goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from harness.load.generator import Generator
from harness.model.cell import Cell, Environment, Timing
from harness.model.database import Database
from harness.model.measurement import Placement
from harness.subjects.subject import Subject
from harness.system import procfs
from servers.adapter import Adapter


@dataclass(frozen=True, kw_only=True, slots=True)
class Service:
    """A cell with everything that is needed to serve it."""

    cell: Cell
    adapter: Adapter
    subject: Subject
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """One service, or two that are loaded at the same time on the same cores; and how to load them."""

    sides: tuple[Service, ...]
    timing: Timing
    generator: Generator
    idle: Service | None = None
    """A partner that is started beside them and not loaded."""

    @property
    def placement(self) -> Placement:
        """Which cores both sides share, and which the generator has."""
        return self.sides[0].placement

    @property
    def users(self) -> int:
        """Virtual users of each side."""
        return self.sides[0].users

    @property
    def rate(self) -> float | None:
        """Open load: requests per second."""
        return self.sides[0].cell.rate

    def postmaster(self) -> int | None:
        """Process of the embedded Postgres, where a side uses it."""
        return next((side.database.postmaster for side in self.sides if side.database is not None), None)

    def postgres(self) -> list[int]:
        """Processes of the embedded Postgres; none where there is none or it is not ours to look at."""
        postmaster = self.postmaster()
        return [] if postmaster is None else [postmaster, *procfs.children(postmaster)]


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
