"""Runs inside the server: loads the application, sets its limits, and tells the harness about its worker.

Copied for each measurement into a private folder on the server's PYTHONPATH, so that servers always load one and the
same target, `harness_entry:application`. Standard library and the layout beside it only: it may run in any environment.

`HARNESS_ENTRY` holds its settings as JSON: `folder` (where to tell), `target` (`module:object` of the application),
`factory` (the object is called for the application), `interface` (`asgi` or `wsgi`: what the application speaks),
`wraps_wsgi` (give the server an ASGI application all the same), `threads` (limit per worker), `port`, `parsers`
(modules of which each stands for an HTTP parser), `diagnose`.

A worker tells in two files: `<pid>.json`, its facts, renamed into place when it is up; and `<pid>.counters`, unsigned
64-bit numbers that it keeps in mapped memory, for the harness to read at any instant (`harness_layout.py`).

With `diagnose` it also looks, twenty-five times a second, at what requests may wait for: its event loop, threads of
AnyIO's limiter, connections of psycopg's pools. That costs the same however many requests are served (`Watch`), and
nothing while there are none: then it looks no more until the next one comes.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import json
import math
import mmap
import os
import platform
import socket
import stat
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from harness_layout import (
    FINISHED,
    LAG_BUCKETS,
    LAG_FIRST,
    NODELAY,
    OFF,
    ON,
    PARSER,
    POOL_QUEUED,
    POOL_REQUESTS,
    POOL_SIZE,
    POOL_WAIT_MS,
    RETURNED,
    SLOTS,
    STARTED,
    THREAD_SAMPLES,
    THREADS_USED,
    THREADS_WAITING,
    UNKNOWN,
)

TICK_SECONDS = 0.04
IDLE_TICKS = 5
POOL_TICKS = 5
LONGEST_LAG_TICKS = 1500
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


class Watch:
    """Looks at what requests may wait for, every TICK_SECONDS, on the event loop that serves them."""

    def __init__(self, counters: Counters, loop: asyncio.AbstractEventLoop) -> None:
        self._counters = counters
        self._loop = loop
        self._limiter: Any = None
        if "anyio" in sys.modules:
            self._limiter = importlib.import_module("anyio.to_thread").current_default_thread_limiter()
        self._pools = _pools()
        self._ticks = 0
        self._idle = 0
        self._seen = 0
        self.asleep = False
        self.wake()

    def wake(self) -> None:
        """Look again, from the next tick on."""
        self.asleep = False
        self._idle = 0
        self._due = self._loop.time() + TICK_SECONDS
        self._loop.call_at(self._due, self._tick)

    def _tick(self) -> None:
        now = self._loop.time()
        late = now - self._due
        # What became ready during a long lag would have waited for the rest of it: each tick that was missed counts.
        missed = 0
        while late >= 0 and missed < LONGEST_LAG_TICKS:
            self._counters[LAG_FIRST + _bucket(late)] += 1
            late -= TICK_SECONDS
            missed += 1
        if self._limiter is not None:
            used = self._limiter.borrowed_tokens
            self._counters[THREAD_SAMPLES] += 1
            if used:
                self._counters[THREADS_USED] += used
            if used >= self._limiter.total_tokens:  # else nothing waits; these statistics cost more than all the rest
                self._counters[THREADS_WAITING] += self._limiter.statistics().tasks_waiting
        self._ticks += 1
        if self._pools and self._ticks % POOL_TICKS == 0:
            _read_pools(self._pools, self._counters)
        started = self._counters[STARTED]
        self._idle = self._idle + 1 if started == self._seen == self._counters[FINISHED] else 0
        self._seen = started
        if self._idle >= IDLE_TICKS:
            self.asleep = True
            return
        self._due = now + TICK_SECONDS
        self._loop.call_at(self._due, self._tick)


def _bucket(seconds: float) -> int:
    if seconds <= 0.0001:
        return 0
    return min(LAG_BUCKETS - 1, int(math.log2(seconds * 10000) * 4) + 1)


def _pools() -> list[Any]:
    """Every pool of psycopg in this process. Looking for them once, when the worker is up, changes no application."""
    if "psycopg_pool" not in sys.modules:
        return []
    base = importlib.import_module("psycopg_pool.base").BasePool
    return [each for each in gc.get_objects() if isinstance(each, base)]


def _read_pools(pools: list[Any], counters: Counters) -> None:
    stats = [pool.get_stats() for pool in pools]
    for slot, name in (
        (POOL_SIZE, "pool_size"),
        (POOL_REQUESTS, "requests_num"),
        (POOL_QUEUED, "requests_queued"),
        (POOL_WAIT_MS, "requests_wait_ms"),
    ):
        counters[slot] = sum(int(each.get(name, 0)) for each in stats)


def _watch_pools(counters: Counters) -> None:
    """Under WSGI there is no loop of ours to look from: a thread does, five times a second, if there is a pool."""
    pools = _pools()
    if not pools:
        return

    def look() -> None:
        while True:
            time.sleep(TICK_SECONDS * POOL_TICKS)
            _read_pools(pools, counters)

    threading.Thread(target=look, name="harness-watch", daemon=True).start()


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

    async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        nonlocal started, finished, returned
        if scope["type"] == "http":
            ended = False

            def counted(message: dict[str, Any]) -> Any:  # no coroutine of its own, which would cost as much again
                nonlocal ended, finished
                if message["type"] in BODY and not message.get("more_body") and not ended:
                    ended = True
                    finished += 1
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
                    watch = Watch(counters, loop)

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

    def __init__(self, parts: Any, end: Callable[[], None]) -> None:
        self._parts, self._iterator = parts, iter(parts)
        self._end: Callable[[], None] | None = end

    def __iter__(self) -> _Body:
        return self

    def __next__(self) -> Any:
        try:
            return next(self._iterator)
        except BaseException:  # StopIteration, too
            self._finish()
            raise

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
            end()


def _wsgi(inner: Any) -> Any:
    """Count the requests of a WSGI application. Requests run in threads, so the counting takes a lock (0.1 µs)."""
    counters = _counters()
    lock = threading.Lock()
    started = finished = 0

    def end() -> None:
        nonlocal finished
        with lock:
            finished += 1
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
            end()
            raise
        # A list is made already, and servers tell by its length how long the answer is; a file they send themselves.
        if isinstance(parts, list | tuple) or type(parts) is environ.get("wsgi.file_wrapper"):
            end()
            return parts
        return _Body(parts, end)

    _tell(None)
    if settings["diagnose"]:
        _watch_pools(counters)
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
