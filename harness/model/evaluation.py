"""What follows from a measurement under a version of the protocol: verdict, reasons, ceiling, diagnosis."""

from __future__ import annotations

from typing import Literal

from harness.model import Value

Verdict = Literal["valid", "invalid", "failed"]
"""Of a measurement: usable; not usable, because of how it was made; or the server did not do its work."""


class Reason(Value):
    """A gate that did not pass."""

    gate: str
    message: str
    value: float | None
    limit: float | None


class Ceiling(Value):
    """The most throughput that operational laws allow."""

    rps: float
    limit: str
    """How it follows, such as `100 users ÷ 0.1 s`."""


class Diagnosis(Value):
    """What limits the throughput, from evidence."""

    bound_by: Literal["generator", "cpu", "gil", "event loop", "threads", "pool", "database", "users", "rate"] | None
    message: str
    """The evidence, and what to change."""


class Evaluation(Value):
    """What follows from the facts under a version of the protocol."""

    verdict: Verdict
    reasons: list[Reason]
    notes: list[str]
    """What a reader should know although no gate failed."""
    ceiling: Ceiling | None
    ceiling_fraction: float | None
    """Throughput ÷ ceiling."""
    diagnosis: Diagnosis | None
