"""When a slot has settled: from when on its rate no longer differs from that of its last half. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

SETTLED = 0.02
"""Share by which the rate may differ from that of the last half, however surely."""
ERRORS = 2.0
"""Standard errors by which it must differ, so that chance alone rarely makes it."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """A rate ÷ that of the last half of its slot, over several slots."""

    seconds: float
    """Until when, or from when on, from the slot's begin."""
    estimate: float
    error: float
    """Standard error; infinite with one slot."""


@dataclass(frozen=True, slots=True)
class _Slot:
    """A slot with its readings, and the rate of its last half."""

    moments: Sequence[float]
    finished: Sequence[int]
    middle: int
    """Place of the reading at which its last half begins."""
    rate: float

    def between(self, begin: int, end: int) -> float | None:
        """Rate between two readings ÷ that of the last half; place −1 is the slot's begin."""
        start, before = (self.moments[begin], self.finished[begin]) if begin >= 0 else (0.0, 0)
        seconds = self.moments[end] - start
        return (self.finished[end] - before) / seconds / self.rate if seconds > 0 else None


def parts(moments: Sequence[Sequence[float]], finished: Sequence[Sequence[int]]) -> list[Ratio]:
    """The rate of each part of a slot, pooled over slots that were read equally often.

    `moments`: slot → seconds from its begin at which it was read; `finished`: slot → requests finished by then.
    """
    slots = _slots(moments, finished)
    if not slots:
        return []
    return [_ratio(slots, place - 1, place, place) for place in range(len(slots[0].moments))]


def settled(moments: Sequence[Sequence[float]], finished: Sequence[Sequence[int]]) -> float | None:
    """Seconds from a slot's begin from which on its rate stands still: the earliest reading from which to the middle it
    differs from the last half by no more than SETTLED, or than chance makes it. None where there is none before the
    middle, or no slot."""
    slots = _slots(moments, finished)
    if not slots:
        return None
    middle = slots[0].middle
    for place in range(-1, middle):
        ratio = _ratio(slots, place, middle, place)
        if abs(ratio.estimate - 1) <= max(SETTLED, ERRORS * ratio.error):
            return ratio.seconds
    return None


def _slots(moments: Sequence[Sequence[float]], finished: Sequence[Sequence[int]]) -> list[_Slot]:
    """Those in whose last half something was finished."""
    slots = []
    for times, counts in zip(moments, finished, strict=True):
        middle = next(place for place, time in enumerate(times) if time >= times[-1] / 2)
        seconds, requests = times[-1] - times[middle], counts[-1] - counts[middle]
        if seconds > 0 and requests > 0:
            slots.append(_Slot(times, counts, middle, requests / seconds))
    return slots


def _ratio(slots: Sequence[_Slot], begin: int, end: int, at: int) -> Ratio:
    """Between two readings, of all slots; told with the moment of the reading `at`."""
    ratios = [ratio for slot in slots if (ratio := slot.between(begin, end)) is not None]
    seconds = statistics.fmean(slot.moments[at] for slot in slots) if at >= 0 else 0.0
    if not ratios:
        return Ratio(seconds, 0.0, math.inf)
    error = statistics.stdev(ratios) / math.sqrt(len(ratios)) if len(ratios) > 1 else math.inf
    return Ratio(seconds, statistics.fmean(ratios), error)
