"""The seam between a measurement and its load generator: what is to be sent, and what came of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from harness.load.summary import Grid
from harness.model.measurement import Failures, Latency
from harness.system.processes import Child, Supervisor

DRAWN = "{drawn}"
START_SECONDS = 60.0
"""How long a generator may take until its first request,"""
SUMMARY_SECONDS = 60.0
"""and until its summary, after the end of its schedule."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Draw:
    """Whole numbers from 1 to `count`, another one for each request until all were drawn; always in the same order.

    The step is close to the golden section of `count`, so that neighbours in the order are far from each other.
    """

    count: int

    @property
    def step(self) -> int:
        """Prime to `count`: only so does every number come up."""
        start = max(1, round(self.count * 0.6180339887498949))
        return next(step for step in range(start, start + self.count + 1) if math.gcd(step, self.count) == 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Destination:
    """What the users of one side request."""

    url: str
    """With `{drawn}` where the drawn number goes, if there is one."""
    draw: Draw | None
    expected: str | None
    """The answer's body as it was verified before; None where every request has another."""
    timeout_seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    """What a generator is to send: to one destination, or to two at the same time with equal users."""

    destinations: tuple[Destination, ...]
    users: int
    """Of each destination."""
    rate: float | None
    """Open load: requests per second. None under closed load."""
    warmup_seconds: float
    window_seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Body:
    """A sampled answer that differed from the one that was verified before."""

    text: str
    drawn: int | None
    """The number that was drawn for its request."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """What a generator saw of one destination inside the window. None where it cannot know."""

    requests: int
    """Successes."""
    window_seconds: float
    """How long the window was in truth."""
    grid: Grid
    latency: Latency
    failures: Failures
    blocked_ms_p99: float | None = None
    lateness_ms_p99: float | None = None
    sent: int | None = None
    """Under open load, from the start to the end of the window."""
    idle_seconds: float | None = None
    """Time of the window that users spent outside of requests, summed over users."""
    matched: int | None = None
    """Sampled bodies that equal the verified one,"""
    unexpected: int | None = None
    """and those that differ, or have none to be compared with."""
    bodies: list[Body] = field(default_factory=list)
    """Of the latter, as far as they were kept."""


class Run(Protocol):
    """A generator at work."""

    @property
    def child(self) -> Child:
        """Its process just now."""

    @property
    def argv(self) -> tuple[str, ...]:
        """The command, as run."""

    def wait_for_start(self) -> float:
        """When the warm-up began, in seconds of the system's clock."""

    def begin_window(self) -> bool:
        """Called when the warm-up is over by the schedule; returns whether the window begins only now."""

    def wait_for_summaries(self, after_seconds: float = 0.0) -> list[Summary]:
        """One per destination, once the generator has ended, which its schedule says it does after some seconds."""


class Generator(Protocol):
    """A generator that was found on this machine."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def version(self) -> str:
        """Its version."""

    @property
    def window_method(self) -> str:
        """How it tells the requests of the window."""

    @property
    def script(self) -> str:
        """Name of our script for it, in `k6/`."""

    def refusal(self, *, destinations: int, rate: float | None, draws: bool, window_seconds: float) -> str | None:
        """Why it cannot produce a load, with `draws`: of which every request is another; None where it can."""

    def start(self, load: Load, supervisor: Supervisor, cpus: Sequence[int] | None) -> Run:
        """Start it on some cores; None: on all."""
