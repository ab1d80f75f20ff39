"""What the clocks of a measurement do not show, from readings at both ends: the system's clock was set, the machine
slept, a CPU quota was used up."""

from __future__ import annotations

import time
from typing import NamedTuple

from harness.host import cgroups
from harness.model.measurement import Interruptions

ATTEMPTS, AT_ONCE_NS = 10, 200_000
"""A reading is taken again while its clocks were not read at once, because something else ran in between."""


class Marks(NamedTuple):
    """Clocks in nanoseconds and counters of the quota, at one instant."""

    wall: int
    monotonic: int
    boot: int
    quota: cgroups.Throttling | None


def mark() -> Marks:
    """All of them now."""
    wall, monotonic, boot = _clocks()
    return Marks(wall, monotonic, boot, cgroups.throttling())


def _clocks() -> tuple[int, int, int]:
    taken: list[tuple[int, tuple[int, int, int]]] = []
    for _ in range(ATTEMPTS):
        monotonic = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        wall, boot = time.clock_gettime_ns(time.CLOCK_REALTIME), time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        took = time.clock_gettime_ns(time.CLOCK_MONOTONIC) - monotonic
        taken.append((took, (wall, monotonic, boot)))
        if took <= AT_ONCE_NS:
            break
    return min(taken)[1]


def between(before: Marks, after: Marks) -> Interruptions:
    """What happened from one reading to another."""
    passed = after.monotonic - before.monotonic
    asleep = after.boot - before.boot - passed
    quota = None if before.quota is None or after.quota is None else (before.quota, after.quota)
    return Interruptions(
        clock_step_s=_seconds(after.wall - before.wall - passed - asleep),
        suspended_s=_seconds(asleep),
        throttled_periods=None if quota is None else quota[1].periods - quota[0].periods,
        throttled_s=None if quota is None else round(quota[1].seconds - quota[0].seconds, 4),
    )


def _seconds(nanoseconds: int) -> float:
    return round(nanoseconds / 1e9, 3) + 0.0  # which is never -0.0
