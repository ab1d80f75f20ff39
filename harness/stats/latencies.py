"""Latencies that are counted in buckets of 1 %. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from harness.model.rotation import BUCKET

LEAST_BEYOND = 10
"""Requests beyond a quantile without which it is not told."""

TAIL = 0.99
"""The share whose slowest requests are looked at."""

Counts = Mapping[int, int]
"""Bucket → requests; bucket b holds those up to 1.01^b µs."""


def bucket_of(microseconds: int) -> int:
    """Where a latency is counted."""
    return math.ceil(math.log(max(1, microseconds)) / BUCKET)


def milliseconds(bucket: int) -> float:
    """The middle of a bucket."""
    return round(math.exp((bucket - 0.5) * BUCKET) / 1000, 4)


def quantile(counts: Counts, share: float) -> float | None:
    """Milliseconds below which a share of the requests lies; None where fewer than LEAST_BEYOND lie beyond."""
    total = sum(counts.values())
    if not total or total * (1 - share) < LEAST_BEYOND:
        return None
    below = 0
    for bucket, count in sorted(counts.items()):
        below += count
        if below >= share * total:
            return milliseconds(bucket)
    return None


def tail_moments(ends: Iterable[tuple[int, int, int]]) -> int:
    """At how many separate moments the slowest requests ended, p99 and beyond; 0 of no request.

    `ends`: turn, millisecond of it and bucket of each request. One stall delays all requests that are under way, and
    they end soon after one another: what ends within the same p99 of the same turn is one moment.
    """
    requests = list(ends)
    if not requests:
        return 0
    buckets = sorted(bucket for _, _, bucket in requests)
    slow = buckets[min(len(buckets) - 1, math.ceil(TAIL * len(buckets)) - 1)]
    width = milliseconds(slow)
    return len({(turn, int(ended // width)) for turn, ended, bucket in requests if bucket >= slow})


def mean(counts: Counts) -> float | None:
    """Milliseconds; None of no request."""
    total = sum(counts.values())
    if not total:
        return None
    return round(sum(milliseconds(bucket) * count for bucket, count in counts.items()) / total, 4)


def grid(counts: Counts) -> list[tuple[float, float]]:
    """(percentile, milliseconds) at the end of each bucket, from the least on; empty of no request."""
    total = sum(counts.values())
    if not total:
        return []
    points, below = [(0.0, milliseconds(min(counts)))], 0
    for bucket, count in sorted(counts.items()):
        below += count
        points.append((round(below / total * 100, 6), milliseconds(bucket)))
    return points
