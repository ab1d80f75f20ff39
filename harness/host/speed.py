"""How fast a CPU second is: a fixed piece of work, timed by the thread's own clock. Other guests and programs that
share caches and the physical core slow it down without taking any time."""

from __future__ import annotations

import time

WORK = 40_000
"""Steps of a probe: two to four milliseconds."""


def probe() -> float:
    """Million steps per CPU second."""
    began, value = time.thread_time(), 1
    for number in range(WORK):
        value = (value * 31 + number) & 0xFFFFFF
    return WORK / max(1e-9, time.thread_time() - began) / 1e6


def summary(speeds: list[float]) -> tuple[float | None, float | None]:
    """The mean of probes, and by how much the fastest is faster than the slowest, as a share; of too few None."""
    if not speeds:
        return None, None
    spread = max(speeds) / min(speeds) - 1 if len(speeds) > 1 else None
    return round(sum(speeds) / len(speeds), 4), None if spread is None else round(spread, 4)
