"""Two cells loaded at the same time, compared by what a request costs in CPU time."""

from __future__ import annotations

from harness.model import Value
from harness.model.comparison import ContrastVerdict, Interval


class Restart(Value):
    """One measurement with both sides: both servers started anew."""

    number: int
    """From 1."""
    swapped: bool
    """The second cell was started, and loaded, first."""
    slices: int
    """Of about a second, in which both were read at common instants."""
    ratio: float | None
    """CPU per request, second ÷ first: geometric mean over the slices. None where the restart is void."""
    first_us: float | None
    second_us: float | None
    """CPU per request in microseconds, over the whole window."""
    first_database_us: float | None = None
    second_database_us: float | None = None
    """The same of Postgres, for each side's pools; None where they cannot be told apart."""
    void: str | None
    """Why it does not count."""


class Interference(Value):
    """What the partner's load does to a side: CPU per request in the duet ÷ beside an idle partner."""

    cell: str
    ratio: Interval


class Duet(Value):
    """The answer."""

    first: str
    second: str
    """The cells in their written form, each after its interpreter where one was named."""
    servers: tuple[str, str] | None = None
    """Their servers and Pythons with versions; None in results of older versions."""
    ratio: Interval | None
    """CPU per request, second ÷ first; `n` counts restarts. None where none counts."""
    verdict: ContrastVerdict
    """Of the second: `faster` means that it costs less."""
    reason: str | None
    """Why there can be no verdict."""
    delta: float
    """The difference, as a fraction, from which on one matters: the precision that was asked for."""
    reached: bool
    """The interval is as narrow as was asked for."""
    limit: float | None
    worse: bool | None
    """Whether the whole interval lies beyond the limit; None without one."""
    seconds: float
    restarts: list[Restart]
    interference: list[Interference]
    database_cores: float | None
    """CPU of the embedded Postgres, of both sides together; None where there is none."""
