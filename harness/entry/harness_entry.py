"""Runs inside the server: loads the application, sets its limits, and tells the harness about its worker.

Copied for each measurement into a private folder on the server's PYTHONPATH, so that servers always load one and the
same target, `harness_entry:application`. Standard library only: it may run in any environment.

`HARNESS_ENTRY` holds its settings as JSON: `folder` (where to tell), `target` (`module:factory` of the application),
`interface` (`asgi` or `wsgi`: what the application speaks), `wraps_wsgi` (give the server an ASGI application all the
same), `threads` (limit per worker), `port`, `parsers` (modules of which each stands for an HTTP parser).

A worker tells in two files: `<pid>.json`, its facts, renamed into place when it is up; and `<pid>.counters`, eight
unsigned 64-bit numbers that it keeps in mapped memory, for the harness to read at any instant (`COUNTERS`).
"""

from __future__ import annotations

import asyncio
import importlib
import json
import mmap
import os
import platform
import socket
import stat
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

COUNTERS = ("started", "finished", "nodelay", "parser")
STARTED, FINISHED, NODELAY, PARSER = range(len(COUNTERS))
# Of the first request: TCP_NODELAY on its connection; and which of `parsers` had been imported, counted from 1.
NOT_LOOKED, OFF, ON, UNKNOWN = range(4)
SLOTS = 8

Counters = memoryview  # of unsigned 64-bit numbers, indexed by the names above

settings = json.loads(os.environ["HARNESS_ENTRY"])


def _counters() -> Counters:
    path = os.path.join(settings["folder"], f"{os.getpid()}.counters")
    with open(path, "w+b") as file:
        file.truncate(8 * SLOTS)
        return memoryview(mmap.mmap(file.fileno(), 8 * SLOTS)).cast("Q")


def _tell(loop: asyncio.AbstractEventLoop | None) -> None:
    """Write this worker's facts; that they are there is the sign that it is up."""
    facts = {
        "pid": os.getpid(),
        "python": platform.python_version(),
        "gil": getattr(sys, "_is_gil_enabled", lambda: True)(),
        "loop": None if loop is None else f"{type(loop).__module__}.{type(loop).__qualname__}",
        "anyio_threads": _limit_threads(loop),
        "default_executor_threads": _executor_threads(loop),
    }
    path = os.path.join(settings["folder"], f"{os.getpid()}.json")
    with open(path + ".new", "w") as file:
        json.dump(facts, file)
    os.rename(path + ".new", path)


def _limit_threads(loop: asyncio.AbstractEventLoop | None) -> int | None:
    """Set AnyIO's limiter of the running loop, and read back what is in effect."""
    if loop is None or "anyio" not in sys.modules:
        return None
    limiter = importlib.import_module("anyio.to_thread").current_default_thread_limiter()
    limiter.total_tokens = settings["threads"]
    return int(limiter.total_tokens)


def _executor_threads(loop: asyncio.AbstractEventLoop | None) -> int:
    """Threads of asyncio's default executor: ours under ASGI, else the number that the standard library chooses."""
    if loop is not None:
        loop.set_default_executor(ThreadPoolExecutor(settings["threads"], thread_name_prefix="executor"))
        return int(settings["threads"])
    cpus = getattr(os, "process_cpu_count", os.cpu_count)() or 1  # process_cpu_count from Python 3.13 on
    return min(32, cpus + 4)


def _nodelay() -> int:
    """Whether TCP_NODELAY is set on this process' connections to the served port, from the first one found."""
    for name in os.listdir("/proc/self/fd"):
        try:
            if not stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                continue
            with socket.socket(fileno=os.dup(int(name))) as candidate:
                candidate.getpeername()
                if candidate.getsockname()[1] == settings["port"]:
                    return ON if candidate.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) else OFF
        except (OSError, IndexError):
            continue
    return UNKNOWN


def _look(counters: Counters) -> None:
    """Find out what only a request shows: some servers choose their HTTP parser at the first connection."""
    counters[NODELAY] = _nodelay()
    imported = [place for place, module in enumerate(settings["parsers"], 1) if module in sys.modules]
    counters[PARSER] = imported[0] if imported else 0


def _load() -> Any:
    module, _, attribute = settings["target"].partition(":")
    return getattr(importlib.import_module(module), attribute)()


def _asgi(inner: Any) -> Any:
    """Count the requests of an ASGI application and tell the facts when its start-up has completed."""
    counters = _counters()

    async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            counters[STARTED] += 1
            if not counters[NODELAY]:
                _look(counters)
            try:
                await inner(scope, receive, send)
            finally:
                counters[FINISHED] += 1
        elif scope["type"] == "lifespan":

            async def send_and_tell(message: dict[str, Any]) -> None:
                if message["type"] == "lifespan.startup.complete":
                    _tell(asyncio.get_running_loop())
                await send(message)

            await inner(scope, receive, send_and_tell)
        else:
            await inner(scope, receive, send)

    return application


def _wsgi(inner: Any) -> Any:
    """Count the requests of a WSGI application. Requests run in threads, so the counting takes a lock (0.1 µs)."""
    counters = _counters()
    lock = threading.Lock()

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        with lock:
            counters[STARTED] += 1
        if not counters[NODELAY]:
            _look(counters)
        try:
            return inner(environ, start_response)
        finally:
            with lock:
                counters[FINISHED] += 1

    _tell(None)
    return application


def _build() -> Any:
    inner = _load()
    if settings["interface"] == "asgi":
        return _asgi(inner)
    if settings["wraps_wsgi"]:
        from a2wsgi import WSGIMiddleware

        return _asgi(WSGIMiddleware(inner, workers=settings["threads"]))
    return _wsgi(inner)


application = _build()
