"""Diagnosis: each cause is found by its evidence, and the cause that everything queues behind comes first."""

from __future__ import annotations

from typing import Any

import pytest

from harness.analysis.bounds import ceiling
from harness.analysis.diagnosis import diagnose
from harness.deploy.workers import Counters
from harness.injected import harness_layout as layout
from harness.measure import evidence as gathering
from harness.model.application import UserApplication
from harness.model.measurement import Collector, DatabaseFacts, Lag, Measurement, PoolUse, ThreadUse, Waits, WorkerStats
from harness.report.words import remedied
from tests import conftest

QUIET = WorkerStats(
    loop_lag_ms=Lag(p50=0.2, p99=1.0, max=2.0), threads=None, pool=None, in_flight_mean=99.0, cpu_cores_by_worker=[0.2]
)
DATABASE = DatabaseFacts(
    kind="embedded", version="18.4", server="local", cpu_cores=0.1, pooled=True, rows={}, scale=1, seed=1
)


def changed(
    facts: Measurement, *, server: dict[str, Any] | None = None, evidence: dict[str, Any], **parts: Any
) -> Measurement:
    updates = {"evidence": QUIET.model_copy(update=evidence), **parts}
    if server:
        updates["server"] = facts.server.model_copy(update=server)
    return facts.model_copy(update=updates)


BLOCKED = {"loop_lag_ms": Lag(p50=80.0, p99=190.0, max=226.0)}
THREADS = {"threads": ThreadUse(limit=40, used_mean=39.9, waiting_mean=60.0)}
POOL = {"pool": PoolUse(connections=10, requests=1000, queued=900, wait_ms_mean=50.0)}


@pytest.mark.parametrize(
    ("evidence", "server", "parts", "bound_by", "says", "words"),
    [
        ({}, None, {}, "users", "99 of 100 connections are being served", "raise --vus"),
        (
            BLOCKED,
            None,
            {},
            "event loop",
            "waits 80 ms for it (p99 190 ms)",
            "move blocking calls to threads or await them",
        ),
        (
            THREADS,
            None,
            {},
            "threads",
            "queueing for 40 threads (39.9 in use, 60 requests wait for one)",
            "raise --threads, or use --style async",
        ),
        (
            POOL,
            None,
            {},
            "pool",
            "90% of the requests for a connection wait, 50.0 ms on average, for 10 connections",
            "raise --pool-size",
        ),
        (
            {},
            None,
            {"database": DATABASE},
            "database",
            "99 requests are under way and wait for Postgres",
            "look at the queries",
        ),
        (
            {},
            {"cpu_cores": 1.9},
            {},
            "cpu",
            "uses 1.90 of 2 cores",
            "do less per request, or give the server more cores and a worker for each",
        ),
        (
            THREADS | BLOCKED,
            {"cpu_cores": 1.9},
            {},
            "cpu",
            "uses 1.90 of 2 cores",
            "do less per request, or give the server more cores and a worker for each",
        ),
        (
            {},
            {"cpu_cores": 0.5},
            {"database": DATABASE.model_copy(update={"cpu_cores": 1.4})},
            "database",
            "Postgres 1.40 of them",
            "ask less of Postgres, or give Postgres cores of its own",
        ),
        (
            {"cpu_cores_by_worker": [0.97]} | THREADS,
            {"cpu_cores": 0.97},
            {"waits": Waits(total_seconds=0.0, occupied_seconds=0.0, slot="thread")},
            "gil",
            "take turns at one core (workers use 0.97)",
            "add workers",
        ),
        (
            {"cpu_cores_by_worker": [0.97]},
            {"cpu_cores": 0.97},
            {},
            "cpu",
            "each worker's event loop uses a whole core",
            "add workers",
        ),
        ({"in_flight_mean": 10.0}, None, {}, None, "nothing that was looked at explains", ""),
    ],
)
def test_each_cause_is_found(
    facts: Measurement,
    evidence: dict[str, Any],
    server: dict[str, Any] | None,
    parts: dict[str, Any],
    bound_by: str | None,
    says: str,
    words: str,
) -> None:
    found = diagnose(changed(facts, server=server, evidence=evidence, **parts))
    assert found is not None
    assert found.bound_by == bound_by
    assert says in found.message
    assert remedied("", found.remedies) == words


def test_a_generator_at_its_limit_comes_first(facts: Measurement) -> None:
    busy = facts.generator.model_copy(update={"cpu_cores": 0.95})
    found = diagnose(changed(facts, evidence=THREADS, generator=busy))
    assert found is not None
    assert found.bound_by == "generator"


def test_a_served_rate_leaves_room(facts: Measurement) -> None:
    cell = conftest.changed(facts.cell, rate=990.0)
    offered = facts.generator.model_copy(update={"offered_rps": 985.0})
    found = diagnose(changed(facts, evidence={"in_flight_mean": 3.0}, cell=cell, generator=offered))
    assert found is not None
    assert found.bound_by == "rate"
    assert remedied("", found.remedies) == "raise --rate"


def test_what_was_not_gathered_is_not_diagnosed(facts: Measurement) -> None:
    assert diagnose(facts) is None


def counters(**slots: int) -> Counters:
    values = [0] * layout.SLOTS
    firsts = {"lag": layout.LAG_FIRST, "pause": layout.PAUSE_FIRST}
    for name, value in slots.items():
        kind = name.rstrip("0123456789")
        values[firsts[kind] + int(name.removeprefix(kind)) if kind in firsts else getattr(layout, name)] = value
    return Counters(values)


def test_counters_become_evidence() -> None:
    first = counters(THREAD_SAMPLES=10, THREADS_USED=100, POOL_SIZE=10, POOL_REQUESTS=5, lag0=7)
    last = counters(
        **{"THREAD_SAMPLES": 20, "THREADS_USED": 500, "THREADS_WAITING": 30},
        **{"POOL_SIZE": 10, "POOL_REQUESTS": 105, "POOL_QUEUED": 50, "POOL_WAIT_MS": 200},
        **{"lag0": 57, "lag40": 98, "lag60": 2},
    )
    found = gathering.evidence([first], [last], threads=40, in_thread=False, in_flight=[[1, 2, 3]], cpu_cores=[0.5])
    assert found.threads == ThreadUse(
        limit=40, used_mean=40.0, waiting_mean=3.0, used_by_worker=[40.0], waiting_by_worker=[3.0]
    )
    assert found.pool == PoolUse(connections=10, requests=100, queued=50, wait_ms_mean=4.0)
    assert found.in_flight_mean == 2.0
    # 50 lags below 0.1 ms, 98 in the bucket that ends at 0.1 × 2^10 ms, 2 in the one that ends at 0.1 × 2^15.
    assert found.loop_lag_ms == Lag(p50=102.4, p99=3276.8, max=3276.8)


def test_pauses_of_the_garbage_collector_are_counted() -> None:
    """16 of one worker in the bucket that ends at 0.1 × 2^8 ms, and one in that of 0.1 × 2^9 ms; none of the other."""
    watched = counters(COLLECTOR=1, COLLECTING_US=90_000, pause32=5)
    later = counters(COLLECTOR=1, COLLECTING_US=490_000, pause32=21, pause36=1)

    def collected(first: Counters, last: Counters) -> Collector | None:
        found = gathering.evidence(
            [first, first], [last, first], threads=None, in_thread=False, in_flight=[[1], [1]], cpu_cores=[0.5, 0.5]
        )
        return found.collector

    assert collected(watched, later) == Collector(
        pauses=17, mean_ms=23.529, longest_ms=51.2, lengths_ms=[(25.6, 16), (51.2, 1)]
    )
    assert collected(watched, watched) == Collector(pauses=0, mean_ms=0.0, longest_ms=0.0)
    assert collected(counters(), counters()) is None, "not known is null, never 0"


def test_where_each_request_has_a_thread_those_under_way_are_counted() -> None:
    found = gathering.evidence(
        [counters(), counters()],
        [counters(), counters()],
        threads=40,
        in_thread=True,
        in_flight=[[40, 40], [20, 40]],
        cpu_cores=[0.1, 0.1],
    )
    assert found.threads == ThreadUse(limit=40, used_mean=35.0, waiting_mean=None, used_by_worker=[40.0, 30.0])
    crowded = gathering.evidence(
        [counters(), counters()],
        [counters(), counters()],
        threads=40,
        in_thread=True,
        in_flight=[[64, 64], [20, 20]],
        cpu_cores=[0.1, 0.1],
    )
    assert crowded.threads == ThreadUse(
        limit=40, used_mean=30.0, waiting_mean=12.0, used_by_worker=[40.0, 20.0], waiting_by_worker=[24.0, 0.0]
    )
    assert found.loop_lag_ms is None
    assert found.pool is None


def test_the_latest_worker_counts() -> None:
    found = gathering.lag([counters(), counters()], [counters(lag0=100), counters(lag0=50, lag40=50)])
    assert found is not None
    assert found.p99 == 102.4


def told(facts: Measurement, **parts: Any) -> tuple[str | None, str]:
    found = diagnose(changed(facts, **parts))
    assert found is not None
    return found.bound_by, found.message


def test_threads_of_one_worker_are_short_although_those_of_another_are_not(facts: Measurement) -> None:
    """75 and 25 connections on two workers of 40 threads, each request half a second in a thread."""
    use = ThreadUse(
        limit=40, used_mean=32.5, waiting_mean=17.5, used_by_worker=[40.0, 25.0], waiting_by_worker=[35.0, 0.0]
    )
    cause, message = told(facts, evidence={"threads": use}, server={"connections_by_worker": [75, 25]})
    assert cause == "threads"
    assert "35 requests wait for one" in message
    assert "in worker 1, while others have some to spare; connections 75 / 25" in message


def test_calls_that_go_on_may_hold_connections_back(facts: Measurement) -> None:
    """gunicorn's own ASGI worker lets a connection wait while 16 of its calls go on."""
    idle = {"in_flight_mean": 0.0}
    assert "explains" in told(facts, evidence=idle, server={"going_on": 3})[1]
    cause, message = told(facts, evidence=idle, server={"going_on": 16 * facts.generator.users})
    assert cause is None
    assert "1,600 calls go on after their answer" in message


def test_a_queue_as_long_as_the_threads_is_theirs_although_some_are_idle_for_a_moment(facts: Measurement) -> None:
    """256 connections, 40 threads, 20 ms each: the event loop takes time to hand a thread on, and 36 are in use."""
    use = ThreadUse(limit=40, used_mean=35.5, waiting_mean=215.0, used_by_worker=[35.5], waiting_by_worker=[215.0])
    cause, message = told(facts, evidence={"threads": use})
    assert cause == "threads"
    assert "queueing for 40 threads (35.5 in use, 215 requests wait for one)" in message


def test_a_pool_is_told_before_the_threads_that_wait_for_it(facts: Measurement) -> None:
    assert told(facts, evidence=THREADS | POOL)[0] == "pool"
    under_wsgi = {"threads": ThreadUse(limit=40, used_mean=40.0, waiting_mean=None, used_by_worker=[40.0])}
    assert told(facts, evidence=under_wsgi | POOL)[0] == "pool"
    assert told(facts, evidence=under_wsgi)[0] == "threads"


def test_one_saturated_worker_of_two_is_a_cause(facts: Measurement) -> None:
    cause, message = told(
        facts,
        evidence={"cpu_cores_by_worker": [0.99, 0.62], "in_flight_mean": 99.0},
        server={"cpu_cores": 1.61, "connections_by_worker": [64, 36]},
    )
    assert cause == "cpu"
    assert message.startswith("worker 1 uses a whole core and others do not (0.99 / 0.62); connections 64 / 36")


@pytest.mark.parametrize(("slot", "occupied", "cause"), [("thread", 0.5, "threads"), ("event loop", 0.5, "event loop")])
def test_at_its_ceiling_a_cell_is_bound_by_the_term_of_its_ceiling(
    facts: Measurement, slot: Any, occupied: float, cause: str
) -> None:
    """However the evidence looks: the property that the two never contradict each other."""
    busy = facts.model_copy(
        update={
            "waits": Waits(total_seconds=occupied, occupied_seconds=occupied, slot=slot),
            "server": facts.server.model_copy(
                update={"effective": facts.server.effective | {"threads": 40}, "connections_by_worker": [50, 50]}
            ),
        }
    )
    highest = ceiling(busy)
    assert highest is not None
    assert highest.bound_by == cause
    at = busy.model_copy(update={"requests": round(0.99 * highest.rps * busy.window_seconds)})
    assert told(at, evidence={"in_flight_mean": 99.0})[0] == cause


FULL = {
    "threads": ThreadUse(limit=40, used_mean=40.0, waiting_mean=60.0, used_by_worker=[40.0], waiting_by_worker=[60.0])
}


def of_users(facts: Measurement, wait_seconds: float | None, mean_ms: float) -> Measurement:
    """A measurement of an application of the user's, whose requests wait for as long as it was declared."""
    application = UserApplication(target="app:app", requests=["GET /"], digest="0", wait_seconds=wait_seconds)
    latency = facts.latency_ms.model_copy(update={"mean": mean_ms, "p50": mean_ms})
    return facts.model_copy(
        update={"cell": conftest.changed(facts.cell, application=application), "latency_ms": latency, "waits": None}
    )


def test_full_threads_that_wait_for_what_is_not_seen_get_no_advice(facts: Measurement) -> None:
    """Forty threads wait for fifteen connections of a pool: more threads change nothing."""
    found = diagnose(changed(of_users(facts, None, 665.0), evidence=FULL))
    assert found is not None
    assert found.bound_by == "threads"
    assert "what they wait for is not seen" in found.message
    assert found.remedies == []


def test_users_who_are_all_served_and_wait_for_what_is_not_seen_are_not_called_the_limit(facts: Measurement) -> None:
    served = {"in_flight_mean": 100.0}
    found = diagnose(changed(of_users(facts, None, 665.0), evidence=served))
    assert found is not None
    assert (found.bound_by, found.remedies) == (None, [])
    assert "nothing is short" not in found.message
    declared = diagnose(changed(of_users(facts, 0.1, 102.0), evidence=served))
    assert declared is not None
    assert declared.bound_by == "users"


def test_threads_full_of_work_after_the_answer_hold_no_request(facts: Measurement) -> None:
    found = diagnose(changed(of_users(facts, 0.1, 102.0), evidence=FULL | {"in_flight_mean": 100.0}))
    assert found is not None
    assert found.bound_by == "users"


def test_full_threads_at_their_ceiling_are_explained_by_the_declared_wait(facts: Measurement) -> None:
    waits = Waits(total_seconds=0.2, occupied_seconds=0.2, slot="thread")
    server = {"effective": {"threads": 40}, "requests_by_worker": [990, 990]}
    own = of_users(facts, 0.2, 500.0).model_copy(update={"waits": waits, "requests": 3980})
    found = diagnose(changed(own, server=server, evidence=FULL))
    assert found is not None
    assert found.bound_by == "threads"
    assert "not seen" not in found.message
    assert [each.kind for each in found.remedies] == ["threads"]  # an application of one's own has no --style


@pytest.mark.parametrize(
    ("seen", "says"),
    [
        (
            {"a connection of SQLAlchemy's pool": 0.62, "its own code": 0.38},
            "most of them, whenever looked at (62%), wait for a connection of SQLAlchemy's pool (its size is set by "
            "pool_size and max_overflow)",
        ),
        ({"another service": 0.9, "its own code": 0.1}, "(90%), wait for another service"),
        ({"a lock": 0.4, "its own code": 0.35, "Redis": 0.25}, "is not seen from here"),
        ({"its own code": 1.0}, "is not seen from here"),
    ],
)
def test_what_most_requests_wait_for_is_named(facts: Measurement, seen: dict[str, float], says: str) -> None:
    waiting = changed(of_users(facts, None, 665.0), evidence={"in_flight_mean": 100.0, "seen_in": seen})
    for found in (diagnose(waiting), diagnose(changed(waiting, evidence={**FULL, "seen_in": seen}))):
        assert found is not None
        assert says in found.message
        assert found.remedies == []


def test_what_mostly_failed_is_not_said_to_be_limited(facts: Measurement) -> None:
    failures = facts.failures_by_kind.model_copy(update={"status": facts.requests + 1})
    assert diagnose(changed(facts, evidence=BLOCKED)) is not None
    assert diagnose(changed(facts, evidence=BLOCKED, failures_by_kind=failures)) is None
