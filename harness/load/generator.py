"""The seam between a measurement and its load generator: what is to be sent, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from harness.host.processes import Child, Supervisor
from harness.load.summary import Grid
from harness.model.load import RequestMix
from harness.model.measurement import Failures, Latency

START_SECONDS = 60.0
"""How long a generator may take until its first request,"""
SUMMARY_SECONDS = 60.0
"""and until its summary, after the end of its schedule."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadTarget:
    """Where users send what."""

    base: str
    """`http://host:port`"""
    mix: RequestMix
    timeout_seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Judging:
    """Requests of an open load are counted by the slice of the window in which they were due, however late they end."""

    slice_seconds: float
    slices: int
    """They make up the window."""
    limits_ms: tuple[float, ...]
    """Beyond each of which an answer is late."""
    tail_seconds: float
    """For so long the load goes on after the window, so that what was due in it can still be answered."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    """What a generator is to send."""

    target: LoadTarget
    users: int
    rate: float | None
    """Open load: requests per second. None under closed load."""
    warmup_seconds: float
    window_seconds: float
    due_ms: Sequence[float] | None = None
    """Open load: when each request is due, from the start."""
    judging: Judging | None = None

    @property
    def script(self) -> str | None:
        """The user's script that sends; None: ours does."""
        return self.target.mix.script


@dataclass(frozen=True, kw_only=True, slots=True)
class Body:
    """A sampled answer that differed from the one that was verified before."""

    text: str
    kind: int
    """Place of its request among the kinds."""
    iteration: int | None
    """Of its request, from which follows what was drawn; None where nothing was."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RouteSummary:
    """What a generator saw of one kind of request inside the window."""

    requests: int
    failures: int
    latency: Latency


@dataclass(frozen=True, slots=True)
class Check:
    """A check of a user's k6 script, over the whole load."""

    name: str
    passed: int
    failed: int
    of_time: bool = field(default=False, kw_only=True)
    """It is about how long a request took."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadSummary:
    """What a generator saw inside the window. None where it cannot know."""

    requests: int
    """Successes."""
    window_seconds: float
    """How long the window was in truth."""
    grid: Grid
    latency: Latency
    failures: Failures
    blocked_ms_p99: float | None = None
    lateness_ms_p99: float | None = None
    first_byte_ms_mean: float | None = None
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
    kinds: list[RouteSummary] = field(default_factory=list)
    """Of each kind of request, where there are several."""
    right: list[int] = field(default_factory=list)
    """Of each slice, requests that were due in it and answered rightly, where they were judged so;"""
    p50_ms: list[float | None] = field(default_factory=list)
    """the median of their latencies;"""
    late: list[list[int]] = field(default_factory=list)
    """and limit → of each slice, those that were later."""
    checks: list[Check] = field(default_factory=list)
    """Of a user's script; those that passed are counted as matched."""

    @property
    def failed_checks(self) -> int:
        """Of answers; not of how long they took."""
        return sum(each.failed for each in self.checks if not each.of_time)


class LoadSession(Protocol):
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

    def wait_for_summary(self, after_seconds: float = 0.0) -> LoadSummary:
        """What it saw, once it has ended, which its schedule says it does after some seconds."""


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

    def refusal(self, *, rate: float | None, plain: bool, window_seconds: float) -> str | None:
        """Why it cannot produce a load; `plain`: one GET, the same all the time. None where it can."""

    def start(self, load: Load, supervisor: Supervisor, cpus: Sequence[int] | None) -> LoadSession:
        """Start it on some cores; None: on all."""
