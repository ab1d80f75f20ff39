"""How crowded the arrivals of an open load were, beside what a Poisson process has on average. Pure.

Chance makes the arrivals of a minute more or less crowded than most, and late answers come from crowds. The moments of
the arrivals are known, and roughly how many requests a server works on at once and how fast: so a queue of that size,
which takes equally long for each, tells which of them wait longest, and how many more or fewer wait so long than would
on average. That much of the chance in a share of late answers is not the server's.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy
from numpy.typing import NDArray

Array = NDArray[numpy.float64]
LEVELS = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0, 2.0, 4.0, 8.0)
"""Shares of late requests that are told apart, in shares that an objective allows: a crowd that makes many late of a
slow server makes few late of a faster one."""
MOST_SHARE = 0.5
"""Of the requests, up to which a level reaches whatever the objective allows."""
BY_CHANCE = 0.1
"""Share of the late requests that no crowd explains, however well others are explained."""
MOST_LOAD = 0.97
"""Of the queue that is taken for the server: beyond it has no end."""
PARTS, LONG, EMPTY = 16, 1_000_000, 1_000
"""How often so many arrivals tell how long requests wait on average, and the first of each, which find it empty. A
single part is led astray by its one longest queue: beside it, arrivals seemed less crowded than they were."""
RESOLUTION = 1e-3
"""Of waits, in services."""


def crowded(
    moments: Sequence[float], rate: float, share: float, edges: Sequence[float], *, throughput: float, servers: int
) -> list[list[float]]:
    """Level → of each slice between two edges, how many of its requests wait longer than all but level × `share` do on
    average, ÷ how many would on average: 1 in the long run.

    `moments`: of all arrivals from the begin of the load on, and `edges`, in seconds; `rate`: arrivals per second;
    `throughput`: requests per second that the server can serve at all; `servers`: how many it works on at once. A slice
    without arrivals is as crowded as most.
    """
    load = min(MOST_LOAD, max(0.01, round(rate / throughput, 2)))
    service = servers * load / rate
    arrivals, bounds = numpy.asarray(moments, dtype=float), numpy.asarray(edges, dtype=float)
    waited = waiting_seconds(arrivals, service, servers) / service
    counts = numpy.histogram(arrivals, bounds)[0]
    levels = []
    for level, longest in zip(LEVELS, _thresholds(load, servers, share), strict=True):
        if not longest:
            levels.append([1.0] * len(counts))
            continue
        late = numpy.histogram(arrivals[waited > longest], bounds)[0]
        found = BY_CHANCE + (1 - BY_CHANCE) * late / (numpy.maximum(1, counts) * min(MOST_SHARE, level * share))
        levels.append([round(float(each), 4) if count else 1.0 for each, count in zip(found, counts, strict=True)])
    return levels


def waiting_seconds(arrivals: Array, service: float, servers: int) -> Array:
    """Seconds that requests wait, first come, first served, where each takes equally long: the servers take turns."""
    if not len(arrivals):
        return arrivals
    count = -(-len(arrivals) // servers) * servers
    padded = numpy.concatenate([arrivals, numpy.full(count - len(arrivals), arrivals[-1])]).reshape(-1, servers)
    before = numpy.arange(padded.shape[0])[:, None] * service
    begins = numpy.maximum.accumulate(padded - before, axis=0) + before
    found: Array = (begins - padded).ravel()[: len(arrivals)]
    return found


@functools.lru_cache(maxsize=1024)
def _thresholds(load: float, servers: int, share: float) -> list[float]:
    """Of each level: how long, in services, all but level × `share` of Poisson arrivals wait at most; 0 where fewer
    than that wait at all."""
    counts = numpy.zeros(0, dtype=int)
    for seed in range(1, PARTS + 1):
        gaps = numpy.random.default_rng(seed).exponential(1 / (load * servers), LONG)
        waited = waiting_seconds(numpy.cumsum(gaps), 1.0, servers)[EMPTY:]
        part = numpy.bincount((waited / RESOLUTION).astype(int), minlength=len(counts))
        counts = numpy.concatenate([counts, numpy.zeros(len(part) - len(counts), dtype=int)]) + part
    below = numpy.cumsum(counts) / counts.sum()
    shares = [1 - min(MOST_SHARE, level * share) for level in LEVELS]
    return [float(numpy.searchsorted(below, each)) * RESOLUTION for each in shares]
