"""The seam between a rotation and its load generator: members are loaded in turn, one at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from harness.load.generator import LoadTarget


@dataclass(frozen=True, kw_only=True, slots=True)
class Lane:
    """The users of one target, who are loaded together. A target may have several lanes, of different sizes."""

    target: LoadTarget
    users: int
    rate: float | None = None
    """Open load: requests per second during a turn, as a Poisson process. None under closed load."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Body:
    """A sampled answer that differed from the one that was verified before."""

    text: str
    kind: int
    """Place of its request among the templates of the mix."""
    iteration: int | None
    """Number of its request, from which follow its rows of the feeds; None where nothing was drawn."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TurnReport:
    """What a generator saw of one turn. None where it cannot know."""

    answers: int | None
    """Requests that succeeded, whenever they ended."""
    begun_ms: Sequence[int] = ()
    """Of each of them: when it began, from the begin of the turn."""
    lasted_us: Sequence[int] = ()
    """Of each of them: from sending it, or from when it was due, to its last byte."""
    kinds: Sequence[int] = ()
    """Of each of them: place of its request among the templates of the mix; empty where there is one kind."""
    status: int = 0
    """Requests that were answered with a wrong status,"""
    timeout: int = 0
    """that took too long,"""
    connection: int = 0
    """or whose connection failed."""
    statuses: Mapping[int, int] = field(default_factory=dict)
    """Of those with a wrong status: status → requests."""
    opened: int = 0
    """Connections that were opened for requests."""
    matched: int = 0
    """Sampled bodies that equal the verified one."""
    unexpected: int = 0
    """Sampled bodies that differ, or have none to be compared with."""
    bodies: Sequence[Body] = field(default_factory=tuple)
    """Of the latter, as far as they were kept."""

    @property
    def failures(self) -> int:
        """Requests that did not succeed."""
        return self.status + self.timeout + self.connection


class TurnSession(Protocol):
    """A generator whose users wait for their lane's turn. Instants are seconds of the monotonic clock."""

    @property
    def argv(self) -> tuple[str, ...]:
        """The command, as run."""

    def begin(self, lane: int, seconds: float, spread: float = 0.0) -> float:
        """Give a lane a turn of so many seconds; returns when it began. `spread`: seconds over which users of a closed
        load send their first requests, if the generator can do that: those who begin at once and wait for equally long
        go in step, and what fits into a slot is whole steps."""

    def wait(self, until: float) -> None:
        """Let time pass, attending to the users."""

    def drained(self, lane: int, seconds: float) -> bool:
        """Wait until every user of the lane's turn has had its answer, for so many seconds at most."""

    def report(self, lane: int) -> TurnReport:
        """What came of the lane's last turn, once it is drained."""

    def total(self, lane: int) -> int | None:
        """Requests of all turns of a lane that were answered, once all users have left; None where the turns tell."""

    def cpu_seconds(self) -> float:
        """CPU time that the generator has used so far."""

    def end(self) -> None:
        """Let all users leave."""
