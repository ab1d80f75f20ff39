"""What goes on while an experiment is carried out: told by those who do it, shown by a progress display.

Sentences for people go through `logging`; events carry the figures.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from harness.model.comparison import Interval
from harness.model.evaluation import Verdict
from harness.model.record import Place


@dataclass(frozen=True, kw_only=True, slots=True)
class MeasurementProgress:
    """Where a measurement is."""

    phase: Literal["calibration", "boot", "warm-up", "window", "stop"]
    fraction: float | None = None
    """How much of the warm-up or the window is over, from 0 to 1."""
    rps: float | None = None
    """Requests per second that the workers finished lately."""


@dataclass(frozen=True, kw_only=True, slots=True)
class VisitStarted:
    """A visit of a matrix begins."""

    cell: str
    place: Place


@dataclass(frozen=True, kw_only=True, slots=True)
class VisitFinished:
    """A visit of a matrix has ended and is stored."""

    cell: str
    place: Place
    blocks: int
    """Of the matrix."""
    done: int
    """Visits that are stored, this one included."""
    visits: int
    """Of the whole matrix."""
    verdict: Verdict
    throughput_rps: float | None
    reason: str
    """Why it is not valid; empty where it is."""
    seconds_left: float
    """Estimate for the rest of the matrix."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RestartFinished:
    """A restart of members that are compared has ended and is stored."""

    number: int
    """From 1."""
    void: str | None
    """Why it does not count."""
    ratio: Interval | None
    """What is known so far; of several pairs, of the one that is known least."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SeedProgress:
    """How far the filling of a shop has come."""

    doing: str
    fraction: float
    """Of the rows, from 0 to 1."""
    rows: int
    of_rows: int


Event = MeasurementProgress | VisitStarted | VisitFinished | RestartFinished | SeedProgress
Emit = Callable[[Event], None]
"""Where events go."""


def ignore(event: Event) -> None:
    """For those who show nothing."""
