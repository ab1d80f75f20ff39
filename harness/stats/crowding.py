"""How crowded the arrivals of an open load were, beside what a Poisson process has on average. Pure.

Chance makes the arrivals of a minute more or less crowded than most, and late answers come from crowds. Both are known:
so that much of the chance in a share of late answers can be told from the server.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy
from numpy.typing import NDArray
from scipy.special import pdtrc

Array = NDArray[numpy.float64]
LIMITS = (1.0, 3.0)
"""Lengths of the time before an arrival in which others are counted, in limits of an objective."""


def crowded(moments: Sequence[float], rate: float, limit: float, share: float, edges: Sequence[float]) -> list[float]:
    """Of each slice between two edges: the share of arrivals with so many others shortly before them as only `share` of
    the arrivals of a Poisson process have, ÷ that share. 1 on average.

    `moments`, `limit` and `edges` in seconds; `rate` per second. A slice without arrivals is as crowded as most.
    """
    arrivals, bounds = numpy.asarray(moments, dtype=float), numpy.asarray(edges, dtype=float)
    counts = numpy.maximum(1, numpy.histogram(arrivals, bounds)[0])
    found: Array = numpy.zeros(len(bounds) - 1)
    for limits in LIMITS:
        before = numpy.arange(len(arrivals)) - numpy.searchsorted(arrivals, arrivals - limits * limit)
        found += numpy.histogram(arrivals, bounds, weights=_rare(before, rate * limits * limit, share))[0] / counts
    empty = numpy.histogram(arrivals, bounds)[0] == 0
    return [1.0 if none else round(float(each) / len(LIMITS), 4) for each, none in zip(found, empty, strict=True)]


def _rare(counts: NDArray[numpy.int64], mean: float, share: float) -> Array:
    """1 ÷ share for counts that only a share of Poisson numbers reach; a part of it for the one that lies between."""
    numbers = numpy.arange(int(mean + 12 * mean**0.5 + 12))
    reached = pdtrc(numbers - 1.0, mean)
    reached[0] = 1.0
    first = int(numpy.searchsorted(-reached, -share))
    part = (share - reached[first]) / (reached[first - 1] - reached[first])
    rare: Array = ((counts >= first) + part * (counts == first - 1)) / share
    return rare
