"""The cause of a throughput: what requests wait for, from evidence and not from its configuration. Pure.

Causes are examined in order; the first whose evidence is there is the answer. What saturates the processor comes
first, because everything else queues behind it; then the innermost resource that is full: a thread is in use because it
waits for a connection, and never the other way round. Workers are looked at one by one, since they rarely have equally
many connections. A cell at its ceiling is bound by the term of its ceiling.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from harness.analysis import validity
from harness.analysis.bounds import NEAR, ceiling
from harness.injected.harness_layout import WAITS
from harness.model.application import UserApplication
from harness.model.counting import counted
from harness.model.evaluation import Diagnosis, Remedy
from harness.model.measurement import Measurement

BUSY = 0.90
"""Share of a resource from which on it counts as used up."""
LAG_MS = 5.0
"""Median lag of an event loop from which on it counts as blocked; an idle one shows 0.1 to 1 ms."""
WAITING = 1.0
"""Requests that wait for a thread, on average, from which on threads are what is short."""
QUEUED_SHARE, WAIT_SHARE = 0.10, 0.10
"""Requests that waited for a connection of the pool, and their wait as a part of the median latency."""

QUEUED_FACTOR = 1.2
"""Of a declared wait: what takes longer than that on average waits for something else as well."""
UNSEEN = "what they wait for is not seen from here: a pool of connections, a lock, another service"
OWN_CODE = WAITS[0]
MOST = 0.5
"""Share of the looks at requests from which on most of them are said to wait for something."""
SIZED_BY: Mapping[str, str] = {
    "a connection of SQLAlchemy's pool": "pool_size and max_overflow",
    "a connection of psycopg's pool": "max_size",
    "a connection of asyncpg's pool": "max_size",
    "a connection of redis' pool": "max_connections",
    "a connection of httpx's pool": "httpx.Limits of its client",
    "a connection of urllib3's pool": "maxsize of its pool",
    "a connection of aiohttp's pool": "limit of its connector",
    "a connection of pymongo's pool": "maxPoolSize",
}
"""Pools of others, and what sets their size."""

FASTER_APPLICATION = Remedy(kind="work", direction="lower")
MORE_WORKERS = Remedy(kind="workers", direction="raise")
MORE_USERS = Remedy(kind="users", direction="raise")
ADVICE: Mapping[str, list[Remedy]] = {
    "cores": [FASTER_APPLICATION, Remedy(kind="cores", direction="raise")],
    "cores of Postgres": [
        Remedy(kind="queries", direction="lower"),
        Remedy(kind="database cores", direction="raise"),
    ],
    "event loops at a core": [MORE_WORKERS],
    "threads at a core": [MORE_WORKERS],
    "one worker at a core": [FASTER_APPLICATION, MORE_USERS],
    "blocked event loop": [Remedy(kind="blocking calls", direction="mend")],
    "threads": [
        Remedy(kind="threads", direction="raise"),
        Remedy(kind="style", direction="choose", value="async"),
    ],
    "pool": [Remedy(kind="pool size", direction="raise")],
    "waits for Postgres": [Remedy(kind="queries", direction="mend")],
    "users": [MORE_USERS],
    "rate": [Remedy(kind="rate", direction="raise")],
}
"""What was found → what to do about it. `benchmarks/advice.py` tries each."""


def diagnose(facts: Measurement) -> Diagnosis | None:
    """The first cause whose evidence is there; None where no evidence was gathered, or where more failed than
    succeeded: that was limited by nothing, and its failures say why."""
    if facts.evidence is None or facts.failures > facts.requests:
        return None
    for cause in CAUSES:
        diagnosis = cause(facts)
        if diagnosis is not None:
            return diagnosis
    return _held_back(facts) or Diagnosis(bound_by=None, message="nothing that was looked at explains this throughput")


def _held_back(facts: Measurement) -> Diagnosis | None:
    """As many calls as there are connections, and more, go on after their answers: some servers then let connections
    wait, as gunicorn's own ASGI worker does at 16 of one."""
    calls = facts.server.going_on
    if calls is None or calls < facts.generator.users:
        return None
    return Diagnosis(
        bound_by=None,
        message=f"{calls:,} calls go on after their answer (background tasks), and the server may let connections wait "
        "for them",
    )


def _generator(facts: Measurement) -> Diagnosis | None:
    if validity.generator(facts) is None and validity.null_ceiling(facts) is None:
        return None
    return Diagnosis(
        bound_by="generator", message="it may be what limits the throughput, so nothing is known of the server"
    )


def _cpu(facts: Measurement) -> Diagnosis | None:
    """All cores of the server are busy; Postgres shares them where it is embedded."""
    cores = _cores(facts)
    database = (facts.database.cpu_cores if facts.database else None) or 0.0
    used = facts.server.cpu_cores + database
    if used < BUSY * cores:
        return None
    share = f"{used:.2f} of {counted(_core_count(facts), 'core')}"
    if database > facts.server.cpu_cores:
        return Diagnosis(
            bound_by="database",
            message=f"Postgres and server use {share}, Postgres {database:.2f} of them",
            remedies=ADVICE["cores of Postgres"],
        )
    user = "the server uses"
    if database >= 0.005:
        user = f"server ({facts.server.cpu_cores:.2f}) and Postgres ({database:.2f}) use"
    return Diagnosis(
        bound_by="cpu",
        message=f"{user} {share}",
        remedies=ADVICE["cores"],
    )


def _interpreter(facts: Measurement) -> Diagnosis | None:
    """A worker is at the one core that its interpreter can use, though there are more."""
    assert facts.evidence is not None
    cores = facts.evidence.cpu_cores_by_worker
    full = BUSY * _cores(facts) / _core_count(facts)
    if not cores or max(cores) < full or facts.server.effective.get("gil") is False:
        return None
    used = " / ".join(f"{share:.2f}" for share in cores)
    if min(cores) < full:
        return _uneven(facts, cores.index(max(cores)), used)
    if facts.waits is not None and facts.waits.slot == "thread":
        message = f"threads of one interpreter take turns at one core (workers use {used}), so more threads do not help"
        return Diagnosis(bound_by="gil", message=message, remedies=ADVICE["threads at a core"])
    message = f"each worker's event loop uses a whole core ({used}), and there are more cores"
    return Diagnosis(bound_by="cpu", message=message, remedies=ADVICE["event loops at a core"])


def _uneven(facts: Measurement, worker: int, used: str) -> Diagnosis | None:
    """One worker is at its core and another is not: requests wait in the one."""
    return Diagnosis(
        bound_by="cpu",
        message=f"worker {worker + 1} uses a whole core and others do not ({used}){_shares(facts)}: requests wait "
        "in it",
        remedies=ADVICE["one worker at a core"],
    )


def _shares(facts: Measurement) -> str:
    """How connections are shared out, where there are several workers and they are not shared evenly."""
    connections = facts.server.connections_by_worker
    if connections is None or len(connections) < 2 or max(connections) == min(connections):
        return ""
    return f"; connections {' / '.join(map(str, connections))}"


def _at_ceiling(facts: Measurement) -> Diagnosis | None:
    """At its ceiling the lowest term of the law is the cause."""
    highest = ceiling(facts)
    if highest is None or facts.throughput_rps < NEAR * highest.rps:
        return None
    reached = f"it serves {facts.throughput_rps / highest.rps:.0%} of what {highest.limit} allows"
    if highest.bound_by == "event loop":
        return _event_loop(facts) or Diagnosis(
            bound_by="event loop", message=reached, remedies=ADVICE["blocked event loop"]
        )
    if highest.bound_by == "threads":
        return _threads(facts) or Diagnosis(
            bound_by="threads", message=f"{reached}{_shares(facts)}", remedies=_open_to(facts, ADVICE["threads"])
        )
    return None


def _event_loop(facts: Measurement) -> Diagnosis | None:
    assert facts.evidence is not None
    lag = facts.evidence.loop_lag_ms
    if lag is None or lag.p50 < LAG_MS:
        return None
    busiest = max(facts.evidence.cpu_cores_by_worker, default=0.0)
    return Diagnosis(
        bound_by="event loop",
        message=f"the event loop is blocked: what is ready waits {lag.p50:,.0f} ms for it (p99 {lag.p99:,.0f} ms), "
        f"while the worker uses {busiest:.2f} cores",
        remedies=ADVICE["blocked event loop"],
    )


def _unseen(facts: Measurement) -> bool:
    """Whether nobody said what requests wait for: of an application of the user's they may wait for what cannot be seen
    from outside of it, such as a pool, a lock or a service."""
    highest = ceiling(facts)
    explained = highest is not None and facts.throughput_rps >= NEAR * highest.rps
    return isinstance(facts.cell.variant.application, UserApplication) and not explained and not _as_declared(facts)


def _held_up(facts: Measurement) -> str:
    """What most requests were seen waiting for, or that it is not seen."""
    assert facts.evidence is not None
    what, share = next(iter(facts.evidence.seen_in.items()), ("", 0.0))
    if share < MOST or what == OWN_CODE:
        return UNSEEN
    size = f" (its size is set by {SIZED_BY[what]})" if what in SIZED_BY else ""
    return f"most of them, whenever looked at ({share:.0%}), wait for {what}{size}"


def _as_declared(facts: Measurement) -> bool:
    """Whether requests of a user's application take no longer than it was declared that they wait."""
    application, taken = facts.cell.variant.application, facts.latency_ms.mean or facts.latency_ms.p50
    if not isinstance(application, UserApplication) or not application.wait_seconds or not taken:
        return False
    return taken <= QUEUED_FACTOR * application.wait_seconds * 1000


def _threads(facts: Measurement) -> Diagnosis | None:
    """The threads of a worker are in use, and requests wait for one of them."""
    assert facts.evidence is not None
    use = facts.evidence.threads
    if use is None or use.limit is None or _as_declared(facts):  # threads may be full of what no request waits for
        return None
    used = use.used_by_worker or [use.used_mean]
    waiting = use.waiting_by_worker or ([] if use.waiting_mean is None else [use.waiting_mean] * len(used))
    full = [
        worker
        for worker, busy in enumerate(used)
        if (busy >= BUSY * use.limit and (not waiting or waiting[worker] >= WAITING))
        # Handing a thread on takes time too, so that a long queue stands beside a few that are idle for a moment.
        or (waiting and waiting[worker] >= use.limit)
    ]
    if not full:
        return None
    tail = facts.latency_ms.p99 if facts.latency_ms.p99 is not None else facts.latency_ms.max
    latency = "latency" if tail is None else f"p99 of {tail:,.0f} ms"
    queued = sum(waiting[worker] for worker in full) if waiting else None
    wait = "" if queued is None else f", {queued / len(full):,.0f} requests wait for one"
    where = ""
    if len(full) < len(used):
        named = " and ".join(f"worker {worker + 1}" for worker in full)
        where = f" in {named}, while others have some to spare{_shares(facts)}"
    busy = sum(used[worker] for worker in full) / len(full)
    return Diagnosis(
        bound_by="threads",
        message=f"the {latency} is queueing for {use.limit} threads ({busy:,.1f} in use{wait}){where}"
        + (f"; {_held_up(facts)}" if _unseen(facts) else ""),
        remedies=[] if _unseen(facts) else _open_to(facts, ADVICE["threads"]),
    )


def _open_to(facts: Measurement, remedies: list[Remedy]) -> list[Remedy]:
    """Those that there are: an application of the user's has no style that could be chosen."""
    own = isinstance(facts.cell.variant.application, UserApplication)
    return [each for each in remedies if not (own and each.kind == "style")]


def _pool(facts: Measurement) -> Diagnosis | None:
    assert facts.evidence is not None
    use = facts.evidence.pool
    median = facts.latency_ms.p50
    if use is None or not use.requests or not median:
        return None
    if use.queued < QUEUED_SHARE * use.requests or use.wait_ms_mean < WAIT_SHARE * median:
        return None
    return Diagnosis(
        bound_by="pool",
        message=f"{use.queued / use.requests:.0%} of the requests for a connection wait, {use.wait_ms_mean:,.1f} ms on "
        f"average, for {use.connections} connections",
        remedies=ADVICE["pool"],
    )


def _database(facts: Measurement) -> Diagnosis | None:
    """Requests are under way, and neither the server nor its queues hold them."""
    assert facts.evidence is not None
    if facts.database is None or facts.evidence.in_flight_mean < 1 or facts.cell.load.users is None:
        return None
    if facts.evidence.in_flight_mean < BUSY * facts.cell.load.users:
        return None
    cpu = "" if facts.database.cpu_cores is None else f" (it uses {facts.database.cpu_cores:.2f} cores)"
    return Diagnosis(
        bound_by="database",
        message=f"{facts.evidence.in_flight_mean:,.0f} requests are under way and wait for Postgres{cpu}",
        remedies=ADVICE["waits for Postgres"],
    )


def _users(facts: Measurement) -> Diagnosis | None:
    assert facts.evidence is not None
    users, under_way = facts.cell.load.users, facts.evidence.in_flight_mean
    if users is None or under_way < BUSY * users:
        return None
    if _unseen(facts):
        return Diagnosis(
            bound_by=None,
            message=f"{under_way:,.0f} of {users:,} connections are being served at any moment, and {_held_up(facts)}",
        )
    return Diagnosis(
        bound_by="users",
        message=f"{under_way:,.0f} of {users:,} connections are being served at any moment and nothing is short",
        remedies=ADVICE["users"],
    )


def _rate(facts: Measurement) -> Diagnosis | None:
    rate = facts.generator.offered_rps if facts.cell.load.rate is not None else None
    if rate is None or facts.throughput_rps < 0.99 * rate:
        return None
    return Diagnosis(
        bound_by="rate",
        message=f"all {rate:g} requests/s were served: the server has room for more",
        remedies=ADVICE["rate"],
    )


CAUSES: tuple[Callable[[Measurement], Diagnosis | None], ...] = (
    _generator,
    _cpu,
    _interpreter,
    _at_ceiling,
    _event_loop,
    _pool,
    _threads,
    _rate,
    _database,
    _users,
)


def _core_count(facts: Measurement) -> int:
    return len(facts.placement.server_cpus) if facts.placement.server_cpus else facts.machine.cpus


def _cores(facts: Measurement) -> float:
    """The server's cores, less what other guests took of them."""
    count = _core_count(facts)
    return count - facts.machine.stolen_cores * count / (facts.machine.cores_in_use or facts.machine.cpus)
