"""From the workers' counters at both ends of the window to what their requests waited for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from harness.deploy.workers import Counters
from harness.injected import harness_layout as layout
from harness.model.measurement import Collector, Lag, PoolUse, ThreadUse, WorkerStats

BUCKETS_PER_OCTAVE = 4
FIRST_BUCKET_MS = 0.1


def evidence(
    first: Sequence[Counters],
    last: Sequence[Counters],
    *,
    threads: int | None,
    in_thread: bool,
    in_flight: Sequence[Sequence[int]],
    cpu_cores: Sequence[float],
) -> WorkerStats:
    """What happened between two readings of all workers. `in_flight`: worker → samples."""
    means = [sum(samples) / len(samples) if samples else 0.0 for samples in in_flight]
    return WorkerStats(
        loop_lag_ms=lag(first, last),
        threads=_threads(first, last, threads, means if in_thread else None),
        pool=_pool(first, last),
        collector=_collector(first, last),
        in_flight_mean=round(sum(means), 3),
        cpu_cores_by_worker=[round(cores, 4) for cores in cpu_cores],
        seen_in=_seen_in(first, last),
    )


def _seen_in(first: Sequence[Counters], last: Sequence[Counters]) -> dict[str, float]:
    """What requests were seen doing, the most frequent first → its share of the looks."""
    counts = Counter({what: _sum(first, last, layout.WAIT_FIRST + place) for place, what in enumerate(layout.WAITS)})
    total = counts.total()
    return {what: round(count / total, 4) for what, count in counts.most_common() if count}


def answer_bytes(first: Sequence[Counters], last: Sequence[Counters]) -> float | None:
    """Mean size of an answer's body as it was sent; None where nothing was answered."""
    if not first or not last:
        return None
    answers = _sum(first, last, layout.FINISHED)
    return round(_sum(first, last, layout.BYTES) / answers, 1) if answers else None


def piled_up(first: Sequence[Counters], last: Sequence[Counters]) -> int | None:
    """Calls that went on after their answer, how many more at the end than at the beginning; None without readings."""
    if not first or not last:
        return None
    return sum(each.unreturned for each in last) - sum(each.unreturned for each in first)


def going_on(last: Sequence[Counters]) -> int | None:
    """Calls that go on after their answer at the end; None without readings."""
    return sum(each.unreturned for each in last) if last else None


def lag(first: Sequence[Counters], last: Sequence[Counters]) -> Lag | None:
    """The lag of the worker whose loop was latest at the 99th percentile; None where no loop was watched."""
    lags = [one for one in map(_lag, first, last) if one is not None]
    return max(lags, key=lambda each: each.p99, default=None)


def _lag(first: Counters, last: Counters) -> Lag | None:
    counts = [new - old for old, new in zip(first.lags, last.lags, strict=True)]
    total = sum(counts)
    if not total:
        return None
    return Lag(p50=_quantile(counts, 0.50 * total), p99=_quantile(counts, 0.99 * total), max=_quantile(counts, total))


def _quantile(counts: Sequence[int], rank: float) -> float:
    seen = 0
    for bucket, count in enumerate(counts):
        seen += count
        if count and seen >= rank:
            return _end_ms(bucket)
    raise AssertionError("the rank lies beyond the counts")


def _end_ms(bucket: int) -> float:
    return round(FIRST_BUCKET_MS * 2 ** (bucket / BUCKETS_PER_OCTAVE), 3)


def _threads(
    first: Sequence[Counters], last: Sequence[Counters], limit: int | None, in_flight: list[float] | None
) -> ThreadUse | None:
    """Of AnyIO's limiter, where requests went through it; else, where each request has a thread, requests under way."""
    samples = [
        new.values[layout.THREAD_SAMPLES] - old.values[layout.THREAD_SAMPLES] for old, new in _pairs(first, last)
    ]
    if any(samples):
        used, waiting = (
            [
                (new.values[slot] - old.values[slot]) / count if count else 0.0
                for count, (old, new) in zip(samples, _pairs(first, last), strict=True)
            ]
            for slot in (layout.THREADS_USED, layout.THREADS_WAITING)
        )
        return _thread_use(limit, used, waiting)
    if in_flight:
        # Of requests; those of a worker beyond its threads wait for one.
        used = [each if limit is None else min(each, limit) for each in in_flight]
        waiting = [each - busy for each, busy in zip(in_flight, used, strict=True)]
        return _thread_use(limit, used, waiting if any(waiting) else [])
    return None


def _thread_use(limit: int | None, used: list[float], waiting: list[float]) -> ThreadUse:
    return ThreadUse(
        limit=limit,
        used_mean=round(sum(used) / len(used), 3),
        waiting_mean=round(sum(waiting) / len(waiting), 3) if waiting else None,
        used_by_worker=[round(each, 3) for each in used],
        waiting_by_worker=[round(each, 3) for each in waiting],
    )


def _pairs(first: Sequence[Counters], last: Sequence[Counters]) -> list[tuple[Counters, Counters]]:
    return list(zip(first, last, strict=True))


def _pool(first: Sequence[Counters], last: Sequence[Counters]) -> PoolUse | None:
    connections = sum(each.values[layout.POOL_SIZE] for each in last)
    if not connections:
        return None
    queued = _sum(first, last, layout.POOL_QUEUED)
    waited = _sum(first, last, layout.POOL_WAIT_MS)
    return PoolUse(
        connections=connections,
        requests=_sum(first, last, layout.POOL_REQUESTS),
        queued=queued,
        wait_ms_mean=round(waited / queued, 3) if queued else 0.0,
    )


def _collector(first: Sequence[Counters], last: Sequence[Counters]) -> Collector | None:
    if not any(each.values[layout.COLLECTOR] for each in last):
        return None
    counts = [_sum(first, last, layout.PAUSE_FIRST + bucket) for bucket in range(layout.LAG_BUCKETS)]
    pauses = sum(counts)
    if not pauses:
        return Collector(pauses=0, mean_ms=0.0, longest_ms=0.0)
    mean = _sum(first, last, layout.COLLECTING_US) / pauses / 1000
    lengths = [(_end_ms(bucket), count) for bucket, count in enumerate(counts) if count]
    return Collector(pauses=pauses, mean_ms=round(mean, 3), longest_ms=lengths[-1][0], lengths_ms=lengths)


def _sum(first: Sequence[Counters], last: Sequence[Counters], slot: int) -> int:
    return sum(new.values[slot] - old.values[slot] for old, new in zip(first, last, strict=True))
