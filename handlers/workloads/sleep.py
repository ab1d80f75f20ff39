"""sleep: one wait, as a slow upstream would cause it."""

import asyncio
import time
from typing import Any

from ..workload import Answer, Milliseconds, Params, Work, Workload


def sync_twin(ms: Milliseconds = 100) -> Answer:
    """Block the calling thread for `ms`."""
    time.sleep(ms / 1000)
    return {"wait_ms": ms}


async def async_twin(ms: Milliseconds = 100) -> Answer:
    """Await `ms`: the event loop serves others meanwhile."""
    await asyncio.sleep(ms / 1000)
    return {"wait_ms": ms}


def work(ms: int) -> Work:
    """All of it is awaited by the async twin."""
    return Work(awaited_seconds=ms / 1000, blocked_seconds=0.0)


def check(answer: Any, params: Params) -> str | None:
    """Right when it repeats the wait that was asked for."""
    expected = {"wait_ms": params["ms"]}
    return None if answer == expected else f"expected {expected}"


WORKLOAD = Workload(
    name="sleep",
    summary="one wait: time.sleep in the sync twin, asyncio.sleep in the async twin",
    sync_twin=sync_twin,
    async_twin=async_twin,
    work=work,
    check=check,
)
