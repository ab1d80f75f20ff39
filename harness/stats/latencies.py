"""Latencies that are counted in buckets of 1 %. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping

from harness.model.rotation import BUCKET

LEAST_BEYOND = 10
"""Requests beyond a quantile without which it is not told."""

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
