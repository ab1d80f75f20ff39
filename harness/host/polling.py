"""Waiting for something that does not tell when it happens."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(condition: Callable[[], T], seconds: float, *, interval: float = 0.05) -> T | None:
    """Call `condition` every `interval` seconds until it returns something true, which is returned; None if that has
    not happened after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            return None
        time.sleep(interval)
    return value
