"""When a slot has settled: from when on its rate no longer differs from that of its rest. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

SETTLED = 0.02
"""Share by which the rate may differ from that of the rest, however surely."""
ERRORS = 2.5
"""Standard errors by which it must differ, so that chance alone rarely makes it."""
STEADY_BINS = 2
"""So many parts of a slot in a row must not differ."""


def rates(moments: Sequence[Sequence[float]], finished: Sequence[Sequence[int]]) -> list[tuple[float, float, float]]:
    """The rate of each part of a slot ÷ that of the slot's last half, pooled over slots of equal readings.

    `moments`: slot → seconds from its begin at which it was read; `finished`: slot → requests finished by then. Returns
    (end of the part in seconds, ratio, standard error of the ratio).
    """
    parts: list[tuple[float, float, float]] = []
    slots = []
    for times, counts in zip(moments, finished, strict=True):
        middle = next(place for place, time in enumerate(times) if time >= times[-1] / 2)
        seconds, requests = times[-1] - times[middle], counts[-1] - counts[middle]
        if seconds > 0 and requests > 0:
            slots.append((times, counts, requests / seconds))
    if not slots:
        return []
    for place in range(len(slots[0][0])):
        ratios = []
        for times, counts, rate in slots:
            begin, before = (times[place - 1], counts[place - 1]) if place else (0.0, 0)
            if times[place] > begin:
                ratios.append((counts[place] - before) / (times[place] - begin) / rate)
        error = statistics.stdev(ratios) / math.sqrt(len(ratios)) if len(ratios) > 1 else math.inf
        end = statistics.fmean(times[place] for times, _, _ in slots)
        parts.append((end, statistics.fmean(ratios) if ratios else 0.0, error))
    return parts


def settled(parts: Sequence[tuple[float, float, float]]) -> float | None:
    """Seconds from a slot's begin from which on its rate stands still: where the first STEADY_BINS parts in a row begin
    that do not differ from the rest. None where there is none in the first half."""
    if not parts:
        return None
    end = parts[-1][0]
    steady = 0
    for place, (_, ratio, error) in enumerate(parts):
        differs = abs(ratio - 1) > max(SETTLED, ERRORS * error)
        steady = 0 if differs else steady + 1
        if steady == STEADY_BINS:
            begin = parts[place - STEADY_BINS][0] if place >= STEADY_BINS else 0.0
            return begin if begin <= end / 2 else None
    return None
