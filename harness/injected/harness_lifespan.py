"""Runs the lifespan of an ASGI application for servers that know none.

Copied beside the entry; standard library only.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def running(application: Callable[..., Any], loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """The application is up on this loop, which the block runs, and is taken down behind it. The process ends where
    the application says that it failed."""
    asked: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    answered: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def say(what: str) -> None:
        await asked.put({"type": f"lifespan.{what}"})
        answer = await answered.get()
        if answer["type"].endswith("failed"):
            sys.exit(f"{what} failed: {answer.get('message', '')}")

    scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
    task = loop.create_task(application(scope, asked.get, answered.put))
    loop.run_until_complete(say("startup"))
    try:
        yield
    finally:
        loop.run_until_complete(say("shutdown"))
        loop.run_until_complete(task)
