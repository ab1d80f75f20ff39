"""Whether others leave this machine alone: seen from a short computation, since an idle core is stolen nothing."""

from __future__ import annotations

import time

SPIN_SECONDS, PAUSE_SECONDS = 0.2, 0.8
CALM_PROBES = 3
LOST_SHARE = 0.05


def wait(limit_seconds: float) -> bool:
    """Wait until the processor is left to us for some seconds, or for `limit_seconds`; returns whether it is."""
    deadline = time.monotonic() + limit_seconds
    calm = 0
    while time.monotonic() < deadline:
        calm = calm + 1 if lost_share() <= LOST_SHARE else 0
        if calm == CALM_PROBES:
            return True
        time.sleep(PAUSE_SECONDS)
    return False


def lost_share() -> float:
    """Share of a short time in which this thread wanted to compute and could not."""
    began, computed = time.monotonic(), time.thread_time()
    while (passed := time.monotonic() - began) < SPIN_SECONDS:
        pass
    return max(0.0, 1 - (time.thread_time() - computed) / passed)
