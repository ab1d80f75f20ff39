"""When the requests of an open load are due. Pure.

Independent users arrive as a Poisson process: the queueing that chance arrivals cause is the tail of the latency, and
requests at equal distances queue nothing below capacity. The same seed gives the same moments, so that every cell meets
the same arrivals.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Literal

Arrivals = Literal["poisson", "even"]
SEED = 1
AFTER_SECONDS = 1.0
"""Beyond the window, so that users have something to wait for until it has ended."""


def moments_ms(rate: float, seconds: float, arrivals: Arrivals, seed: int = SEED) -> list[float]:
    """Milliseconds from the start at which requests are due, for so many seconds and a little longer."""
    until = (seconds + AFTER_SECONDS) * 1000
    if arrivals == "even":
        return [number * 1000 / rate for number in range(int(until * rate / 1000) + 1)]
    chance, moments, moment = random.Random(seed), [], 0.0
    while moment <= until:
        moment += chance.expovariate(rate) * 1000
        moments.append(round(moment, 3))
    return moments


def phases_ms(phases: Sequence[tuple[float, float]], seed: int, at_once: int = 0) -> list[float]:
    """The same of Poisson arrivals whose rate changes: each phase a rate per second, and how many seconds it lasts.
    `at_once`: requests that are due at the begin, so that the queue is not empty."""
    chance = random.Random(seed)
    moments, begin = [0.0] * at_once, 0.0
    for rate, seconds in phases:
        moment, end = begin, begin + seconds * 1000
        while (moment := moment + chance.expovariate(rate) * 1000) < end:  # memoryless: each phase may begin anew
            moments.append(round(moment, 3))
        begin = end
    return moments


def due(moments: Sequence[float], begin_seconds: float, end_seconds: float) -> int:
    """How many of them are due between two moments, in seconds from the start."""
    return sum(begin_seconds * 1000 <= moment < end_seconds * 1000 for moment in moments)
