"""mixed: an awaited wait and then a blocking one, as in code where somebody forgot an await."""

import asyncio
import time
from typing import Any

import anyio

from ..workload import Answer, Milliseconds, Params, Work, Workload


def sync_twin(ms: Milliseconds = 100) -> Answer:
    """Run the awaited wait through `anyio.run`, then block, `ms` each."""
    anyio.run(asyncio.sleep, ms / 1000)
    time.sleep(ms / 1000)
    return {"wait_ms": ms}


async def async_twin(ms: Milliseconds = 100) -> Answer:
    """Await, then block the event loop, `ms` each."""
    await asyncio.sleep(ms / 1000)
    time.sleep(ms / 1000)  # noqa: ASYNC251 - blocking the loop is what this workload measures
    return {"wait_ms": ms}


def work(ms: int) -> Work:
    """Half is awaited, half blocks in either twin."""
    return Work(awaited_seconds=ms / 1000, blocked_seconds=ms / 1000)


def check(answer: Any, params: Params) -> str | None:
    """Right when it repeats the wait that was asked for."""
    expected = {"wait_ms": params["ms"]}
    return None if answer == expected else f"expected {expected}"


WORKLOAD = Workload(
    name="mixed",
    summary="both waits, one after the other: awaited, then blocking",
    sync_twin=sync_twin,
    async_twin=async_twin,
    work=work,
    check=check,
    refused_styles={
        "blocking": "the sync twin of mixed calls anyio.run, which refuses to run inside the server's event loop",
    },
)
