"""What goes on while an experiment is carried out: told by those who do it, shown by a progress display.

Sentences for people go through `logging`; events carry the figures.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from harness.model.capacity import Outcome
from harness.model.comparison import Interval


@dataclass(frozen=True, kw_only=True, slots=True)
class MeasurementProgress:
    """Where a measurement is."""

    phase: Literal["calibration", "boot", "warm-up", "window", "stop"]
    fraction: float | None = None
    """How much of the warm-up or the window is over, from 0 to 1."""
    rps: float | None = None
    """Requests per second that the workers finished lately."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RestartFinished:
    """A restart of cells that are loaded in turn has ended and is stored."""

    number: int
    """From 1."""
    void: str | None
    """Why it does not count."""
    ratio: Interval | None
    """What is known so far; of several pairs, of the one that is known least."""
    what: str = ""
    """What that is a ratio of."""
    matrix: MatrixProgress | None = None
    """Of a matrix: where it is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MatrixProgress:
    """Where a matrix is."""

    what: str
    """The cells that were up."""
    fraction: float
    """Of the time that it takes, from 0 to 1."""
    seconds_left: float
    """At most."""
    sure: int
    """Ratios of throughput that are as sure as was asked for,"""
    ratios: int
    """of so many."""
    median_half_width: float | None
    """Of them, as a fraction."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SeedProgress:
    """How far the filling of a shop has come."""

    doing: str
    fraction: float
    """Of the rows, from 0 to 1."""
    rows: int
    of_rows: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ProbeFinished:
    """A probe of a search has ended and is stored."""

    number: int
    """From 1."""
    cell: str
    rate: float
    """Requests per second that were offered."""
    outcome: Outcome
    why: str
    """Of what is invalid or missed."""
    low: float | None
    """Between which rates the capacity lies by now; None where nothing bounds it yet."""
    high: float | None
    fraction: float
    """Of the time that the search has, from 0 to 1."""


Event = MeasurementProgress | RestartFinished | ProbeFinished | SeedProgress
Emit = Callable[[Event], None]
"""Where events go."""


def ignore(event: Event) -> None:
    """For those who show nothing."""
