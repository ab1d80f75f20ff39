"""What is to be measured, and how it is loaded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.deploy.spec import ServerSpec
from harness.host import procfs
from harness.host.processes import Supervisor
from harness.load import arrivals
from harness.load.generator import Generator, Judging
from harness.load.turns import Lane, TurnSession
from harness.measure import schedule
from harness.model.load import Timing
from harness.model.measurement import Crowds, Measurement
from harness.model.placement import Placement
from harness.model.rotation import Restart


@dataclass(frozen=True, kw_only=True, slots=True)
class Offered:
    """Requests at given moments, judged by when they were due."""

    due_ms: Sequence[float]
    judging: Judging
    crowded: Sequence[Crowds] = ()
    """Objective of a search → level of lateness → of each slice, how crowded these moments are."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """One server, and how to load it in one window."""

    spec: ServerSpec
    timing: Timing
    generator: Generator
    offered: Offered | None = None
    """Open load that is not just one rate."""

    @property
    def placement(self) -> Placement:
        """Which cores the server and the generator have."""
        return self.spec.placement

    @property
    def users(self) -> int:
        """Virtual users."""
        return self.spec.users

    @property
    def rate(self) -> float | None:
        """Open load: requests per second."""
        return self.spec.cell.load.rate

    @property
    def due_ms(self) -> Sequence[float] | None:
        """Open load: when each request is due, in milliseconds from the start."""
        load = self.spec.cell.load
        if self.offered is not None:
            return self.offered.due_ms
        if load.users is not None:
            return None
        return arrivals.moments_ms(load.rate, self.timing.warmup_seconds + self.timing.window_seconds, load.arrivals)

    @property
    def postmaster(self) -> int | None:
        """Process of the embedded Postgres, where the server uses it."""
        return None if self.spec.database is None else self.spec.database.postmaster


OpenSession = Callable[[Sequence[Lane], Supervisor, Sequence[int] | None, int, Callable[[int], int]], TurnSession]
"""Opens a generator: lanes, supervisor, cores, seed, and lane → requests in flight."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RotationJob:
    """What rotates."""

    specs: Sequence[ServerSpec]
    generator: Generator
    open_session: OpenSession
    users: int
    """Of each member; under open load as many as the rate needs."""
    rate: float | None
    seconds: float
    """Of slots in a restart, as far as the least number of rounds fits into them."""
    settling_responses: Sequence[float]
    """Response times that each member's slots take to settle."""
    least_slot_seconds: Sequence[float] = (schedule.LEAST_COUNTED,)
    """The shortest counted part of the slots of a round, from round to round in turn."""
    least_rounds: int = schedule.LEAST_ROUNDS

    @property
    def least_lengths(self) -> list[float]:
        """The distinct ones, in ascending order."""
        return sorted(set(self.least_slot_seconds))


@dataclass(frozen=True, kw_only=True, slots=True)
class MeasuredRestart:
    """What a restart found out."""

    restart: Restart
    measurements: list[Measurement]
    """Of each member."""
    log_tails: list[str]
    """Of each member's server."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Label:
    """What a restart is called."""

    number: int
    """In the run, from 1."""
    cells: list[str]
    """What the members are called."""
    set: int = 1


def postgres_processes(specs: Sequence[ServerSpec]) -> list[int]:
    """Processes of the embedded Postgres that servers use; none where there is none or it is not ours to look at."""
    postmaster = next((spec.database.postmaster for spec in specs if spec.database is not None), None)
    return [] if postmaster is None else [postmaster, *procfs.children(postmaster)]
