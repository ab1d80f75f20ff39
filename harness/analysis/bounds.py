"""The most throughput that operational laws allow a cell whose workload waits for a known time. Pure.

Users ÷ the time that one request takes; and slots ÷ the time that one request occupies a slot, where a slot is an event
loop or a thread. Connections spread unevenly over workers, so the split that was recorded counts: a worker with fewer
connections than threads cannot fill them.
"""

from __future__ import annotations

from harness.model.counting import counted
from harness.model.evaluation import Ceiling
from harness.model.measurement import Measurement
from harness.model.metrics import Metric

NEAR = 0.95
"""From this share of its ceiling on, the ceiling is what is seen of a cell."""
ALIKE = 0.02
"""Ceilings that differ by no more are the same."""


def ceiling(facts: Measurement) -> Ceiling | None:
    """The lowest ceiling of a cell; None where the time that it waits is not known."""
    waits = facts.waits
    if waits is None or not waits.total_seconds:
        return None
    ceilings = [_users(facts, waits.total_seconds)]
    if waits.occupied_seconds:
        slots = _slots(facts)
        if slots is not None:
            ceilings.append(_servers(facts, slots, waits.occupied_seconds))
    return min(ceilings, key=lambda each: each.rps)


def same(a: Ceiling | None, b: Ceiling | None) -> bool:
    """Whether two cells are at the same ceiling, so that it is all that is seen of both."""
    return (
        a is not None and b is not None and a.bound_by == b.bound_by and abs(a.rps - b.rps) <= ALIKE * max(a.rps, b.rps)
    )


def hides(ceiling: Ceiling, metric: Metric) -> bool:
    """Whether a ceiling that two cells are at leaves nothing to be told of a metric. Users who wait for a known time
    set the throughput, but not how long requests take beyond it; threads and event loops that are all in use do."""
    return metric.capped and (not metric.latency or ceiling.bound_by in ("threads", "event loop"))


def _users(facts: Measurement, total: float) -> Ceiling:
    if facts.cell.load.users is None:
        assert facts.cell.load.rate is not None
        return Ceiling(rps=facts.cell.load.rate, limit=f"{facts.cell.load.rate:g} requests/s offered", bound_by="rate")
    return Ceiling(
        rps=round(facts.cell.load.users / total, 3),
        limit=f"{counted(facts.cell.load.users, 'connection')} ÷ {total:g} s",
        bound_by="users",
    )


def _slots(facts: Measurement) -> int | None:
    """Slots per worker; None where the workers do not agree or do not tell."""
    assert facts.waits is not None
    if facts.waits.slot == "event loop":
        return 1
    threads = facts.server.effective.get("threads")
    return threads if isinstance(threads, int) else None


def _servers(facts: Measurement, slots: int, occupied: float) -> Ceiling:
    assert facts.waits is not None
    workers, connections = facts.cell.variant.workers, facts.server.connections_by_worker
    blocked = " blocked" if facts.waits.slot == "event loop" else ""
    if connections is None or all(count >= slots for count in connections):
        busy = slots * workers
        if facts.waits.slot == "event loop":
            slots_label = counted(workers, "event loop")
        else:
            slots_label = f"{workers} workers × {counted(slots, 'thread')}" if workers > 1 else counted(slots, "thread")
    else:
        busy = sum(min(count, slots) for count in connections)
        slots_label = (
            f"{counted(busy, facts.waits.slot)} that have a user (connections {' / '.join(map(str, connections))})"
        )
    return Ceiling(
        rps=round(busy / occupied, 3),
        limit=f"{slots_label} ÷ {occupied:g} s{blocked}",
        bound_by="event loop" if facts.waits.slot == "event loop" else "threads",
    )
