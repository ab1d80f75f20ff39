"""What becomes of a server that is asked for more than it can serve, and of its queue afterwards."""

from __future__ import annotations

from typing import Literal

from harness.model import Value


class OverloadPlan(Value):
    """Base load, a burst beyond the capacity, base load again."""

    base: float
    """Of the capacity, as a share."""
    burst: float
    """In capacities; above 1."""
    base_seconds: float
    burst_seconds: float
    capacity_rps: float
    """What the cell can serve at all, in requests per second."""
    given: bool
    """Whether it was told, not found out under closed load."""

    @property
    def law_seconds(self) -> float:
        """How long the queue takes to drain at least: what the burst left of it, at what the base load leaves free."""
        return self.burst_seconds * (self.burst - 1) / (1 - self.base)

    @property
    def after_seconds(self) -> float:
        """For how long it is watched after the burst: until twice what the law says, and some seconds."""
        return 2 * self.law_seconds + 5.0

    @property
    def window_seconds(self) -> float:
        """Of all three phases."""
        return self.base_seconds + self.burst_seconds + self.after_seconds


class OverloadStart(Value):
    """One fresh start under such a load."""

    number: int
    """Of the visit in the run, from 1."""
    invalid: str
    """Why it says nothing; empty where it does."""
    base_p50_ms: float | None
    burst_p50_ms: float | None
    """The slowest quarter of a second's median, of requests that were due in the burst."""
    served_share: float
    """What was finished per second of the burst, in capacities."""
    refused: dict[str, int]
    """What became of requests that were not answered rightly: a status, `timeout`, `connection`, or `unanswered`."""
    refused_share: float
    """Of the requests that were due in the burst."""
    law_seconds: float
    """How long the queue takes to drain at least, by what really arrived, was refused and was served."""
    recovery_seconds: float | None
    """From the end of the burst until requests are answered as before; None: not while it was watched."""

    @property
    def ratio(self) -> float | None:
        """Recovery ÷ law; None where there was none, or nothing to recover from."""
        if self.recovery_seconds is None or self.law_seconds < 1.0:
            return None
        return self.recovery_seconds / self.law_seconds


class Overload(Value):
    """The answer."""

    kind: Literal["overload"] = "overload"
    cell: str
    """The cell's written form, without a load."""
    plan: OverloadPlan
    starts: list[OverloadStart]
    users: int
    """That the generator has: so many requests at most are under way, the others wait in it."""
    queue: int
    """Requests that the burst leaves over, of a server that refuses none."""
