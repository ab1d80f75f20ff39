"""The seam between a measurement and its load generator: what is to be sent, and what came of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from harness.load.summary import Grid
from harness.model.measurement import Failures, Latency
from harness.system.processes import Child, Supervisor

START_SECONDS = 60.0
"""How long a generator may take until its first request,"""
SUMMARY_SECONDS = 60.0
"""and until its summary, after the end of its schedule."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Draw:
    """One of `count` rows for each request, another one until all were drawn; always in the same order.

    The step is close to the golden section of `count`, so that neighbours in the order are far from each other.
    """

    count: int
    texts: tuple[str, ...] | None = None
    """What each row stands for; None: its number, counted from 1."""

    @property
    def step(self) -> int:
        """Prime to `count`: only so does every number come up."""
        start = max(1, round(self.count * 0.6180339887498949))
        return next(step for step in range(start, start + self.count + 1) if math.gcd(step, self.count) == 1)

    def row(self, iteration: int) -> int:
        """The row that is drawn for a request, counted from 0."""
        return iteration * self.step % self.count


@dataclass(frozen=True, slots=True)
class Hole:
    """A place in a text where a drawn value goes."""

    draw: str


Template = tuple[str | Hole, ...]
"""A text with holes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sent:
    """One kind of request."""

    name: str
    path: Template
    method: str = "GET"
    headers: Mapping[str, Template] = field(default_factory=dict)
    body: Template | None = None
    weight: float = 1.0
    statuses: tuple[int, ...] | None = None
    """Right ones; None: all from 200 to 299."""
    looked_at: bool = True
    """Sampled bodies are compared with `expected`, and those that differ are kept to be judged."""
    expected: str | None = None
    """The answer's body as it was verified before; None where every request has another."""

    @property
    def varies(self) -> bool:
        """Whether every request is another one."""
        parts = (*self.path, *(self.body or ()), *(part for each in self.headers.values() for part in each))
        return any(isinstance(part, Hole) for part in parts)


@dataclass(frozen=True, kw_only=True, slots=True)
class Outgoing:
    """What the users of one side send: each request one of these kinds, by their weights; or what a script sends."""

    kinds: tuple[Sent, ...]
    draws: Mapping[str, Draw] = field(default_factory=dict)
    script: Path | None = None
    """A k6 script of the user's, which sends on its own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Destination:
    """Where the users of one side send what."""

    base: str
    """`http://host:port`"""
    outgoing: Outgoing
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

    @property
    def script(self) -> Path | None:
        """The user's script that sends; None: ours does."""
        return self.destinations[0].outgoing.script


@dataclass(frozen=True, kw_only=True, slots=True)
class Body:
    """A sampled answer that differed from the one that was verified before."""

    text: str
    kind: int
    """Place of its request among the kinds."""
    iteration: int | None
    """Of its request, from which follows what was drawn; None where nothing was."""


@dataclass(frozen=True, kw_only=True, slots=True)
class KindSummary:
    """What a generator saw of one kind of request inside the window."""

    requests: int
    failures: int
    latency: Latency


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
    kinds: list[KindSummary] = field(default_factory=list)
    """Of each kind of request, where there are several."""
    failed_checks: int = 0
    """Of a user's script; those that passed are counted as matched."""


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
    def scripts(self) -> tuple[str, ...]:
        """Names of our scripts for it, in `k6/`; the first is the one that is run."""

    def refusal(self, *, destinations: int, rate: float | None, plain: bool, window_seconds: float) -> str | None:
        """Why it cannot produce a load; `plain`: one GET, the same all the time. None where it can."""

    def start(self, load: Load, supervisor: Supervisor, cpus: Sequence[int] | None) -> Run:
        """Start it on some cores; None: on all."""
