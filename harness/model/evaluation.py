"""The evaluation of a measurement under a version of the protocol: verdict, reasons, ceiling, diagnosis, remedies."""

from __future__ import annotations

from typing import Literal

from harness.model import Value

Verdict = Literal["valid", "invalid", "failed"]
"""A measurement is usable; not usable, because of how it was made; or the server did not do its work."""
Resource = Literal["generator", "cpu", "gil", "event loop", "threads", "pool", "database", "users", "rate"]
"""A cause that can limit a throughput."""


class Remedy(Value):
    """A change that may help. `harness.report.words` puts it into words."""

    kind: Literal[
        "threads",
        "workers",
        "pool size",
        "style",
        "cores",
        "work",
        "blocking calls",
        "garbage",
        "queries",
        "database cores",
        "users",
        "rate",
        "cell",
        "warm-up",
        "duration",
        "generator",
        "generator cores",
        "drift",
        "machine",
        "clock",
        "quota",
    ]
    """The thing to change: a setting of the server, the application, the load, the timing, the generator or the
    machine."""
    direction: Literal["raise", "lower", "choose", "mend"]
    value: str | int | float | None = None
    """To which value, where one is known; times in seconds."""


class Reason(Value):
    """A gate that did not pass."""

    gate: str
    message: str
    value: float | None
    limit: float | None
    remedies: list[Remedy] = []


class GateState(Value):
    """What became of a gate."""

    gate: str
    state: Literal["passed", "failed", "not evaluated"]


class Note(Value):
    """Something that a reader should know although no gate failed."""

    message: str
    remedies: list[Remedy] = []


class Ceiling(Value):
    """The most throughput that operational laws allow."""

    rps: float
    limit: str
    """The law with its figures, such as `100 users ÷ 0.1 s`."""
    bound_by: Literal["users", "rate", "event loop", "threads"]
    """The term of the law that is lowest."""


class Diagnosis(Value):
    """The cause that limits the throughput, from evidence."""

    bound_by: Resource | None
    """None where the evidence explains nothing."""
    message: str
    """The evidence."""
    remedies: list[Remedy] = []


class Evaluation(Value):
    """Verdict, ceiling and diagnosis of a measurement under a version of the protocol."""

    verdict: Verdict
    gates: list[GateState] = []
    """Every gate that there is for such a measurement."""
    reasons: list[Reason]
    notes: list[Note]
    ceiling: Ceiling | None
    ceiling_fraction: float | None
    """Throughput ÷ ceiling."""
    diagnosis: Diagnosis | None
