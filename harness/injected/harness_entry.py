"""Runs inside the server: loads the application, sets its limits, and tells the harness about its worker.

Copied for each measurement into a private folder on the server's PYTHONPATH, so that servers always load one and the
same target, `harness_entry:application`. Standard library and the layout beside it only: it may run in any environment.

`HARNESS_ENTRY` holds its settings as JSON: `folder` (where to tell), `target` (`module:object` of the application),
`factory` (the object is called for the application), `interface` (`asgi` or `wsgi`: what the application speaks),
`wraps_wsgi` (give the server an ASGI application all the same), `threads` (limit per worker), `port`, `parsers`
(modules of which each stands for an HTTP parser), `diagnose`, `stacks` (look at what requests are doing, too).

A worker tells in two files: `<pid>.json`, its facts, renamed into place when it is up; and `<pid>.counters`, unsigned
64-bit numbers that it keeps in mapped memory, for the harness to read at any instant (`harness_layout.py`).

With `diagnose` it also looks at what requests wait for (`harness_watch.py`).
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
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from harness_layout import BYTES, FINISHED, NODELAY, OFF, ON, PARSER, RETURNED, SLOTS, STARTED, UNKNOWN
from harness_watch import Watch, watch_collector, watch_threads

BODY = ("http.response.body", "http.response.zerocopysend", "http.response.pathsend")
"""Messages that carry an answer."""

Counters = memoryview  # of unsigned 64-bit numbers, indexed by the names of the layout

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
        "imported": getattr(sys.modules.get(settings["target"].partition(":")[0]), "__file__", None),
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
    application: Any = importlib.import_module(module)
    for name in attribute.split("."):
        application = getattr(application, name)
    return application() if settings["factory"] else application


def _asgi(inner: Any) -> Any:
    """Count the requests of an ASGI application and tell the facts when its start-up has completed. A request ends with
    the last part of its answer, whatever its call does then.

    Counted in local variables and then written: to read mapped memory first would double what counting costs.
    """
    counters = _counters()
    started = finished = returned = 0
    watch: Watch | None = None
    sent = 0

    async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        nonlocal started, finished, returned, sent
        if scope["type"] == "http":
            ended = False

            def counted(message: dict[str, Any]) -> Any:  # no coroutine of its own, which would cost as much again
                nonlocal ended, finished, sent
                if message["type"] in BODY:
                    sent += len(message.get("body", b""))
                    if not message.get("more_body") and not ended:
                        ended = True
                        finished += 1
                        counters[BYTES] = sent
                        counters[FINISHED] = finished
                return send(message)

            started += 1
            counters[STARTED] = started
            if started == 1:
                _look(counters)
            if watch is not None and watch.asleep:
                watch.wake()
            try:
                await inner(scope, receive, counted)
            finally:
                if not ended:
                    finished += 1
                    counters[FINISHED] = finished
                returned += 1
                counters[RETURNED] = returned
        elif scope["type"] == "lifespan":

            def up() -> None:
                nonlocal watch
                loop = asyncio.get_running_loop()
                _tell(loop)
                if settings["diagnose"]:
                    watch = Watch(counters, loop, settings["stacks"])
                    watch_collector(counters)

            await _lifespan(inner, scope, receive, send, up)
        else:
            await inner(scope, receive, send)

    return application


async def _lifespan(inner: Any, scope: dict[str, Any], receive: Any, send: Any, up: Callable[[], None]) -> None:
    """Let an application start and stop, and say `up` when it has started. One that knows no lifespan (it raises, or
    returns, before it said anything) has nothing to start; its server is answered in its place."""
    received = answered = False

    async def hear() -> Any:
        nonlocal received
        message = await receive()
        received = True
        return message

    async def say(message: dict[str, Any]) -> None:
        nonlocal answered
        answered = True
        if message["type"] == "lifespan.startup.complete":
            up()
        await send(message)

    try:
        await inner(scope, hear, say)
    except Exception:
        if answered:
            raise
    if answered:
        return
    if not received:
        await receive()
    up()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


class _Body:
    """A WSGI answer while it is sent: its request ends when its parts do, or when the server closes it."""

    def __init__(self, parts: Any, end: Callable[[int], None]) -> None:
        self._parts, self._iterator = parts, iter(parts)
        self._end: Callable[[int], None] | None = end
        self._sent = 0

    def __iter__(self) -> _Body:
        return self

    def __next__(self) -> Any:
        try:
            part = next(self._iterator)
        except BaseException:  # StopIteration, too
            self._finish()
            raise
        self._sent += len(part)
        return part

    def close(self) -> None:
        """What the server calls at the end, however it ends."""
        try:
            close = getattr(self._parts, "close", None)
            if close is not None:
                close()
        finally:
            self._finish()

    def _finish(self) -> None:
        end, self._end = self._end, None
        if end is not None:
            end(self._sent)


def _wsgi(inner: Any) -> Any:
    """Count the requests of a WSGI application. Requests run in threads, so the counting takes a lock (0.1 µs)."""
    counters = _counters()
    lock = threading.Lock()
    started = finished = sent = 0

    def end(size: int) -> None:
        nonlocal finished, sent
        with lock:
            finished += 1
            sent += size
            counters[BYTES] = sent
            counters[FINISHED] = counters[RETURNED] = finished

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        nonlocal started
        with lock:
            started += 1
            counters[STARTED] = started
            first = started == 1
        if first:
            _look(counters)
        try:
            parts = inner(environ, start_response)
        except BaseException:
            end(0)
            raise
        # A list is made already, and servers tell by its length how long the answer is; a file they send themselves.
        if isinstance(parts, list | tuple):
            end(sum(map(len, parts)))
            return parts
        if type(parts) is environ.get("wsgi.file_wrapper"):
            end(0)  # of a size that is not known here
            return parts
        return _Body(parts, end)

    _tell(None)
    if settings["diagnose"]:
        watch_threads(counters, settings["stacks"])
        watch_collector(counters)
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
