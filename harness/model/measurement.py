"""What was measured, without judgement.

What was not measured is None, never 0. Times are seconds unless the name says otherwise; CPU is in cores (CPU seconds
per second) or microseconds per request; memory is resident set size in bytes.
"""

from __future__ import annotations

from typing import Literal

from pydantic import computed_field

from harness.model import Value
from harness.model.placement import Placement
from harness.model.variant import Cell

MINIMUM_BEYOND = 10
"""A quantile is shown only if at least that many samples lie beyond it."""


class Latency(Value):
    """Milliseconds from sending a request to its last byte; under open load from the moment when it was due.

    A quantile beyond which fewer than ten samples lie is None.
    """

    min: float | None
    mean: float | None
    p50: float | None
    p90: float | None
    p95: float | None
    p99: float | None
    max: float | None
    tail_moments: int | None = None
    """Separate moments at which requests as slow as p99 or slower ended: one stall delays all that are under way. None
    where the generator does not tell."""


class Slice(Value):
    """About one second of the window, between two common readings of clocks and counters."""

    t: float
    """Seconds from the start of the window to the end of the slice."""
    seconds: float
    requests: int
    """Finished by the workers."""
    cpu_seconds: float
    """CPU time of all server processes."""
    lag_ms: float | None
    """99th percentile of the event loop's lag, of the latest worker."""
    rss_bytes: int


Crowds = list[list[float]]
"""Level of lateness, from rare to usual (`harness.stats.crowding.LEVELS`), or one for all → of each slice."""


class Arrivals(Value):
    """The requests of a window by the slice in which they were due, each judged once it was answered, or was not."""

    slice_seconds: float
    limits_ms: list[float]
    due: list[int]
    """Of each slice."""
    right: list[int]
    """Of those, answered rightly, however late."""
    late: list[list[int]]
    """Limit → of each slice, answered rightly, but later than that."""
    crowded: list[Crowds] = []
    """Objective of a search → level of lateness → of each slice, how crowded the arrivals were beside a Poisson process
    on average, 1; empty where that was not looked at."""
    p50_ms: list[float | None]
    """Of each slice: the median from the moment when a request was due; None where nothing was answered rightly."""

    def missed(self, limit_ms: float | None) -> list[int]:
        """Of each slice, requests that were later than a limit, failed, or were not answered at all; without a limit,
        those that failed or were not answered."""
        failed = [due - right for due, right in zip(self.due, self.right, strict=True)]
        if limit_ms is None:
            return failed
        late = self.late[self.limits_ms.index(limit_ms)]
        return [slow + lost for slow, lost in zip(late, failed, strict=True)]


class Failures(Value):
    """Requests of the window that did not succeed, by what happened to them."""

    timeout: int
    connection: int
    status: int
    """Answered, but not with 200."""
    by_status: dict[int, int] = {}
    """Of the latter: status → requests, as far as the generator counts them one by one."""

    @property
    def total(self) -> int:
        """All of them."""
        return self.timeout + self.connection + self.status


class AnswerChecks(Value):
    """Bodies that were looked at under load."""

    checked: int
    wrong: int
    unchecked: int
    """Differed from the verified answer, or could not be compared with it, and were too many to be kept."""
    example: str | None
    """What was wrong with the first wrong one."""
    by_name: dict[str, tuple[int, int]] = {}
    """Of a k6 script: check → how often it passed and failed, over the whole load."""


class ServerFacts(Value):
    """The server during the window."""

    version: str
    python: str
    """Version of the interpreter that ran it."""
    boot_seconds: float
    """From launch until every worker was up and the answer was verified."""
    stop_seconds: float | None
    """None where servers were stopped together."""
    stopped: Literal["orderly", "killed"] | None
    cpu_us_per_request: float | None
    cpu_cores: float
    rss_peak_bytes: int
    requests_by_worker: list[int]
    connections_by_worker: list[int] | None
    processes: int
    """Processes of the server, workers included."""
    effective: dict[str, str | int | bool | None]
    """What the workers reported to be in effect, not what was asked for."""
    declared_limits: dict[str, str]
    unmet: dict[str, str]
    """Settings that were asked for but are not in effect, and that the adapter does not declare."""
    workers_lost: int
    """Workers that died or were replaced."""
    piled_up: int | None = None
    """Calls of the application that went on after their answer, as background tasks do: how many more at the end than
    at the beginning. None where that was not looked at."""
    going_on: int | None = None
    """Such calls at the end; None where that was not looked at."""
    answer_bytes: float | None = None
    """Mean size of an answer's body as it was sent."""
    decoded_bytes: float | None = None
    """Mean size, decoded, of the answers that were looked at before the load; None where none was encoded."""


class Waits(Value):
    """How long one request waits by what its workload says, and what it occupies meanwhile."""

    total_seconds: float | None
    occupied_seconds: float | None
    """For how long it occupies its slot. None where that depends on the machine, as for queries and computations."""
    slot: Literal["event loop", "thread"]


class Lag(Value):
    """How late an event loop is for what becomes ready at any moment, in milliseconds, of the latest worker.

    Sampled twenty-five times a second and sorted into buckets of 19 %: each figure is the upper end of its bucket.
    """

    p50: float
    p99: float
    max: float


class ThreadUse(Value):
    """Threads for sync code, per worker on average."""

    limit: int | None
    used_mean: float
    waiting_mean: float | None
    """Requests that wait for a thread; None where they wait unseen, inside the server."""
    used_by_worker: list[float] = []
    """The same of each worker: they rarely have equally many connections."""
    waiting_by_worker: list[float] = []
    """Empty where they wait unseen."""


class PoolUse(Value):
    """Pools of database connections, all workers together."""

    connections: int
    requests: int
    """How often a connection was asked for."""
    queued: int
    """How often there was none free."""
    wait_ms_mean: float
    """Wait of those that had to, in milliseconds."""


class Collector(Value):
    """Full runs of Python's garbage collector, of all workers together: each stops all threads of its worker. What
    takes less than a millisecond is no pause."""

    pauses: int
    mean_ms: float
    """0 without pauses, as is the longest."""
    longest_ms: float
    """The upper end of a bucket of 19 %."""
    lengths_ms: list[tuple[float, int]] = []
    """Upper ends of such buckets, in milliseconds, with how many pauses lie in each."""

    @property
    def stopped_seconds(self) -> float:
        """Of all pauses together."""
        return self.pauses * self.mean_ms / 1000


class WorkerStats(Value):
    """What the workers saw of what their requests wait for, during the window."""

    loop_lag_ms: Lag | None
    threads: ThreadUse | None
    pool: PoolUse | None
    in_flight_mean: float
    """Requests inside the application, all workers together; sampled ten times a second."""
    cpu_cores_by_worker: list[float]
    collector: Collector | None = None
    """None where it was not looked at."""
    seen_in: dict[str, float] = {}
    """What requests were seen doing, the most frequent first → its share of the looks; of a user's application only."""


class GeneratorFacts(Value):
    """The load generator during the window."""

    name: str
    version: str
    window_method: str | None = None
    """How it tells the requests of the window."""
    users: int
    """Virtual users that it ran."""
    cpu_cores: float
    cpu_allotted: float
    blocked_ms_p99: float | None
    """Time that a request waited for a connection, and so was late, 99th percentile."""
    users_accounted: float | None
    """Users whose time in the window requests account for, finished or not; the rest passed in the generator."""
    null_rps: float | None = None
    """What the same generator, placed the same and with as many users, reaches against a server that does nothing; None
    where it was not needed, because the generator was far from busy."""
    offered_rps: float | None
    """Open load: requests that were due in the window, per second; chance makes it differ from what was asked for."""
    overdue: int | None
    """Open load: requests that were due by the end of the window but had not been sent."""
    lateness_ms_p99: float | None
    """Open load: from when a request was due and a user free to when it was sent, 99th percentile. While all users wait
    for answers it is the server that is late."""
    answers: int | None = None
    """Requests that it saw answered, right or not: in the window, or of all that it sent in turns."""


class Interruptions(Value):
    """What the clocks of a measurement do not show, from before its load to its end."""

    clock_step_s: float
    """By how much the system's clock was set, forwards or backwards."""
    suspended_s: float
    """How long the machine slept."""
    throttled_periods: int | None
    """How often the control group stood still because its CPU quota was used up; None where that is not told."""
    throttled_s: float | None
    """For how long, of all cores together."""


class MachineFacts(Value):
    """The machine during the window."""

    cpus: int
    """Cores of the machine."""
    stolen_cores: float
    """Cores that other guests of the same host took away (steal time), of those in use."""
    foreign_cores: float | None = None
    """Cores that other processes of this machine used, of those in use."""
    cores_in_use: int | None = None
    """Cores that server and generator were given together."""
    speed: float | None = None
    """Of a CPU second, by a fixed piece of work that the harness did on the generator's cores beside the load, about
    once a second: million steps per CPU second. It tells days and machines apart that took no time away."""
    speed_spread: float | None = None
    """By how much the fastest probe was faster than the slowest, as a share."""
    interruptions: Interruptions | None = None
    """None in results of older versions."""


class DatabaseFacts(Value):
    """Postgres during the window."""

    kind: Literal["embedded", "external"]
    version: str
    server: str
    """Where it is, without user and password."""
    cpu_cores: float | None
    pooled: bool
    """False: every request opened connections of its own."""
    settings: dict[str, str] | None = None
    """Settings that bear on what was measured, as the server showed them."""
    rows: dict[str, int]
    checksums: dict[str, str] | None = None
    """Table → checksum of what was filled in; equal ones mean equal rows."""
    scale: float
    """Of the shop; 1 is the published study's size."""
    seed: int


class Route(Value):
    """One kind of request."""

    path: str
    """What it is called."""
    requests: int
    """Successes."""
    failures: int | None = None
    """None where there is one kind only: then they are the measurement's."""
    latency_ms: Latency | None = None


class Argv(Value):
    """The commands, exactly as run."""

    server: list[str]
    generator: list[str]


class Measurement(Value):
    """What was measured, without judgement."""

    started_at: str
    method: Literal["window", "slots", "windows"] = "window"
    """Loaded alone in one window; or in turn with others, in slots or in windows: then the window is all that counts of
    them together."""
    cell: Cell
    placement: Placement
    warmup_seconds: float
    window_seconds: float
    requests: int
    """Successes that completed inside the window."""
    failures_by_kind: Failures
    latency_ms: Latency
    first_byte_ms_mean: float | None = None
    """From sending a request to the first byte of its answer, mean; None where the generator does not tell."""
    grid: list[tuple[float, float]]
    """(percentile, milliseconds), densest towards 100."""
    slices: list[Slice]
    """In order; of what was loaded in turn one for each turn that counts."""
    arrivals: Arrivals | None = None
    """Of an open load of which that was asked: requests by when they were due."""
    sampled: AnswerChecks | None
    """None where the generator looks at no bodies."""
    waits: Waits | None = None
    evidence: WorkerStats | None = None
    """None where it was not gathered."""
    server: ServerFacts
    generator: GeneratorFacts
    machine: MachineFacts
    database: DatabaseFacts | None
    routes: list[Route]
    argv: Argv

    @computed_field  # type: ignore[prop-decorator]
    @property
    def failures(self) -> int:
        """Requests of the window that did not succeed."""
        return self.failures_by_kind.total

    @computed_field  # type: ignore[prop-decorator]
    @property
    def throughput_rps(self) -> float:
        """Successes per second of the window."""
        return self.requests / self.window_seconds
