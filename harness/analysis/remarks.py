"""What a reader should know of a measurement although no gate failed. Pure."""

from __future__ import annotations

import math

from harness.analysis.validity import OWN_REQUESTS, SERVICE_TIMES
from harness.model.counting import counted
from harness.model.evaluation import Note, Remedy
from harness.model.measurement import Measurement

FEWEST_SIZES, GROWN_BYTES, GROWN_SHARE, LATELY_SHARE = 5, 10_000_000, 0.10, 0.30
"""Slices, bytes and share of the beginning by which memory has grown, and the part of it in the second half."""
PILING_SHARE = 0.05
"""Of the requests, from which on calls that go on after their answer are said to pile up."""
SMOOTH_RPS = 300
"""Up to which rate k6's arrivals vary as a Poisson process does, within 5 %: see benchmarks/arrivals.py."""
SPEED_SPREAD = 0.25
"""Of the machine's speed within a window, from which on it is told."""
FILLING_SHARE = 0.05
COLLECTING_SHARE, COLLECTING_TAIL = 0.003, 0.5
"""Of a worker's time, and of the distance from median to p99 (the longest pause), from which on the garbage collector
is said to make the slowest requests slow: it stops all that are under way, and what arrives meanwhile waits."""


def still_filling(facts: Measurement) -> float | None:
    """Seconds that each user of a closed load waits on average (Little's law: users ÷ requests that ended per second),
    where that is so much longer than the warm-up that the queue was still filling for a part of the window. Then those
    requests that ended are the early and lucky ones, and quantiles of their latencies are too low, however right the
    throughput is. None where latencies can be quoted."""
    ends = facts.requests + facts.failures
    if facts.cell.load.users is None or not ends or facts.method != "window":
        return None
    wait = facts.cell.load.users * facts.window_seconds / ends
    return wait if wait - facts.warmup_seconds > FILLING_SHARE * facts.window_seconds else None


def _grown_bytes(facts: Measurement) -> int:
    """By how much memory grew in the window, and went on growing in its second half; 0 where not beyond noise."""
    sizes = [piece.rss_bytes for piece in facts.slices]
    if facts.method != "window" or len(sizes) < FEWEST_SIZES:
        return 0
    grown, lately = sizes[-1] - sizes[0], sizes[-1] - sizes[len(sizes) // 2]
    return grown if grown > max(GROWN_BYTES, GROWN_SHARE * sizes[0]) and lately > LATELY_SHARE * grown else 0


def _collecting(facts: Measurement) -> Note | None:
    """That Python's garbage collector is what the slowest requests wait for."""
    collector = None if facts.evidence is None else facts.evidence.collector
    p50, p99 = facts.latency_ms.p50, facts.latency_ms.p99
    if collector is None or p50 is None or p99 is None:
        return None
    stopped = collector.stopped_seconds / (facts.window_seconds * facts.cell.variant.workers)
    if stopped < COLLECTING_SHARE or collector.longest_ms < COLLECTING_TAIL * (p99 - p50):
        return None
    workers = "the worker" if facts.cell.variant.workers == 1 else "its workers"
    message = (
        f"Python's garbage collector stopped {workers} {counted(collector.pauses, 'time')}, for "
        f"{collector.mean_ms:,.0f} ms on average, {stopped:.1%} of the time: the slowest requests wait for that"
    )
    return Note(message=message, remedies=[Remedy(kind="garbage", direction="lower")])


def notes(facts: Measurement) -> list[Note]:
    """Remarks that a reader should know although no gate failed."""
    remarks = [] if facts.placement.note is None else [Note(message=facts.placement.note)]
    remarks += [Note(message=f"{name}: {limit}") for name, limit in facts.server.declared_limits.items()]
    service = facts.latency_ms.p50
    if facts.method == "window" and service and facts.window_seconds * 1000 < SERVICE_TIMES * service:
        times = facts.window_seconds * 1000 / service
        message = f"the window holds {times:.0f} service times of {service:,.0f} ms: the throughput may be off by "
        seconds = math.ceil(SERVICE_TIMES * service / 1000)
        longer = Remedy(kind="duration", direction="raise", value=seconds)
        remarks.append(Note(message=f"{message}{1 / times:.0%}", remedies=[longer]))
    spread = facts.machine.speed_spread
    if facts.method == "window" and spread is not None and spread > SPEED_SPREAD:
        message = (
            f"a CPU second of this machine was worth {spread:.0%} more at one moment of the window than at another"
        )
        remarks.append(Note(message=message, remedies=[Remedy(kind="machine", direction="mend")]))
    rate = facts.cell.load.rate
    if rate is not None and rate > SMOOTH_RPS:
        message = (
            f"k6's clock counts whole milliseconds: at {rate:g} requests/s arrivals are burstier than by chance alone"
        )
        remarks.append(Note(message=message, remedies=[Remedy(kind="rate", direction="lower")]))
    wait = still_filling(facts)
    if wait is not None:
        message = (
            f"each of {facts.cell.load.users:,} connections waits {wait:,.1f} s on average, after a warm-up of "
            f"{facts.warmup_seconds:g} s: the queue was still filling, so latencies are too low and not compared"
        )
        longer = Remedy(kind="warm-up", direction="raise", value=math.ceil(wait))
        remarks.append(Note(message=message, remedies=[longer]))
    if facts.database and not facts.database.pooled:
        message = "every request opened database connections of its own: its event loop lives for one request only"
        remarks.append(Note(message=message))
    collecting = _collecting(facts)
    if collecting is not None:
        remarks.append(collecting)
    grown = _grown_bytes(facts)
    if grown:
        growing = math.fsum(piece.seconds for piece in facts.slices[1:])  # from the end of the first slice on
        size = grown / 1e6
        message = (
            f"memory grew by {size:,.0f} MB within the window, {size / growing:,.1f} MB a second, and did not stop"
        )
        remarks.append(Note(message=message))
    piled_up, ended = facts.server.piled_up, sum(facts.server.requests_by_worker)
    if piled_up is not None and piled_up > max(OWN_REQUESTS, PILING_SHARE * ended):
        message = (
            f"calls go on after their answer (background tasks), and pile up: {piled_up:,} more at the end of the load "
            f"than at its begin, of {ended:,} requests; no figure shows when they are done, and more load piles up more"
        )
        remarks.append(Note(message=message))
    if facts.server.stopped == "killed":
        remarks.append(Note(message="the server did not stop when asked and was killed"))
    return remarks
