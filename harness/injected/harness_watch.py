"""Looks from inside a worker at what its requests wait for: its event loop, threads of AnyIO's limiter, connections of
psycopg's pools, Python's garbage collector and, of an application whose requests nobody described, what they are doing.

Twenty-five times a second, which costs the same however many requests are served, and nothing while there are none:
then it looks no more until the next one comes. Stacks are looked at once a second, and each garbage collection tells of
itself. Copied beside the entry; standard library only.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import itertools
import math
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any

from harness_layout import (
    COLLECTING_US,
    COLLECTOR,
    FINISHED,
    LAG_BUCKETS,
    LAG_FIRST,
    PAUSE_FIRST,
    POOL_QUEUED,
    POOL_REQUESTS,
    POOL_SIZE,
    POOL_WAIT_MS,
    STARTED,
    THREAD_SAMPLES,
    THREADS_USED,
    THREADS_WAITING,
    WAIT_FIRST,
    WAITS,
)

TICK_SECONDS = 0.04
IDLE_TICKS = 5
POOL_TICKS = 5
STACK_TICKS = 25
LONGEST_LAG_TICKS = 1500
OLDEST, LEAST_PAUSE_SECONDS = 2, 0.001
"""Generation of the garbage collections that are counted, and how long they take at least: those of younger ones look
at few objects."""
MOST_TASKS = 40
"""Tasks that are looked at each time: their stacks are walked on the loop that serves requests."""
DEEPEST, NEAR = 60, 4
"""Calls of a stack that are looked at, and how near to its end a call into the standard library says anything."""
ENTRY = "harness_entry.py"
OWN_CODE = WAITS.index("its own code")

IDLE = (("concurrent/futures/thread.py", "_worker"), ("anyio/_backends/_asyncio.py", "run"))
"""Where the threads that serve requests under ASGI wait for one, right there or in a queue."""
QUEUES = ("/queue.py", "/threading.py")
POOLS = {
    "sqlalchemy/pool/": ("SQLAlchemy's", ()),
    "sqlalchemy/util/queue.py": ("SQLAlchemy's", ()),
    "psycopg_pool/": ("psycopg's", ("getconn", "wait")),
    "asyncpg/pool.py": ("asyncpg's", ("_acquire", "_acquire_impl")),
    "redis/": ("redis'", ("get_connection",)),
    "httpcore/": ("httpx's", ("wait_for_connection",)),
    "urllib3/connectionpool.py": ("urllib3's", ("_get_conn",)),
    "aiohttp/connector.py": ("aiohttp's", ("_wait_for_available_connection",)),
    "pymongo/": ("pymongo's", ("checkout", "_get_conn")),
}
"""Part of a file's path → whose pool it is, and the functions that wait for a connection (empty: all of them)."""
CLIENTS = {
    "the database": "psycopg/ psycopg2/ asyncpg/ pymysql/ aiomysql/ sqlite3/ aiosqlite/ pymongo/ motor/ MySQLdb/",
    "Redis": "redis/",
    "another service": "httpcore/ urllib3/ aiohttp/client http/client.py grpc/ botocore/",
}
CALLS = (
    ("asyncio/tasks.py", ("sleep",), "a sleep"),
    ("anyio/_backends/_asyncio.py", ("acquire_on_behalf_of",), "a free thread"),
    ("subprocess.py", (), "a process"),
    ("asyncio/locks.py", (), "a lock"),
    ("anyio/_core/_synchronization.py", (), "a lock"),
    ("threading.py", ("wait", "acquire", "join"), "a lock"),
    ("asyncio/queues.py", (), "a queue"),
    ("queue.py", ("get", "put"), "a queue"),
)
PLACES: list[tuple[str, tuple[str, ...], int]] = [
    *((part, names, WAITS.index(f"a connection of {whose} pool")) for part, (whose, names) in POOLS.items()),
    *((part, (), WAITS.index(what)) for what, parts in CLIENTS.items() for part in parts.split()),
    *((part, names, WAITS.index(what)) for part, names, what in CALLS),
]
"""Part of a file's path, names of functions (empty: any), and what a request inside of one waits for."""
NO_REQUEST = ("_lifespan", "run_sync_in_worker_thread", "to_thread")
"""Functions in which a task serves no request, or waits for a thread, which is looked at by itself."""
VAGUE = {WAITS.index(each) for each in ("a lock", "a queue")}
"""What a pool or a client may be waiting in: the calls around it say more."""

Counters = memoryview  # of unsigned 64-bit numbers, indexed by the names of the layout


class Watch:
    """Looks at what requests may wait for, every TICK_SECONDS, on the event loop that serves them."""

    def __init__(self, counters: Counters, loop: asyncio.AbstractEventLoop, stacks: bool) -> None:
        self._counters = counters
        self._loop = loop
        self._stacks = stacks
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
        if self._stacks and self._ticks % STACK_TICKS == 0:
            for task in itertools.islice(asyncio.all_tasks(self._loop), MOST_TASKS):
                _count(_of_task(task), self._counters)
            _look_at_threads(self._counters, threading.get_ident())
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


def watch_collector(counters: Counters) -> None:
    """Count how often and for how long full garbage collections stop this worker, all of its threads."""
    began = 0.0

    def collected(phase: str, facts: dict[str, int]) -> None:
        nonlocal began
        if facts["generation"] < OLDEST:
            return
        now = time.perf_counter()
        if phase == "start":
            began = now
        elif now - began >= LEAST_PAUSE_SECONDS:
            counters[COLLECTING_US] += round((now - began) * 1e6)
            counters[PAUSE_FIRST + _bucket(now - began)] += 1

    if hasattr(gc, "callbacks"):  # of CPython only
        gc.callbacks.append(collected)
        counters[COLLECTOR] = 1


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


def watch_threads(counters: Counters, stacks: bool) -> None:
    """Under WSGI there is no loop of ours to look from: a thread does, if there is a pool or stacks are looked at."""
    pools = _pools()
    if not pools and not stacks:
        return

    def look() -> None:
        for tick in itertools.count(1):
            time.sleep(TICK_SECONDS * POOL_TICKS)
            if pools:
                _read_pools(pools, counters)
            if stacks and tick * POOL_TICKS % STACK_TICKS == 0 and counters[STARTED] != counters[FINISHED]:
                _look_at_threads(counters, threading.get_ident())

    threading.Thread(target=look, name="harness-watch", daemon=True).start()


def _look_at_threads(counters: Counters, own: int) -> None:
    """Count what each thread that serves a request is doing."""
    for thread, frame in sys._current_frames().items():
        if thread != own:
            _count(_of_thread([(each.f_code.co_filename, each.f_code.co_name) for each in _outward(frame)]), counters)


def _outward(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _of_thread(calls: list[tuple[str, str]]) -> int | None:
    """Place in WAITS of what a thread is doing, innermost call first; None where it serves no request."""
    waiting = itertools.dropwhile(lambda call: call[0].endswith(QUEUES), calls)
    if _idle(next(waiting, ("", ""))):
        return None
    if not any(file.endswith(ENTRY) or _idle((file, name)) for file, name in calls):
        return None  # of the server or of the application, for something else
    return _place(calls)


def _idle(call: tuple[str, str]) -> bool:
    return any(call[0].endswith(file) and call[1] == name for file, name in IDLE)


def _of_task(task: asyncio.Task[Any]) -> int | None:
    """Place in WAITS of what a task is doing; None where it serves no request, or has a thread do it."""
    calls: list[tuple[str, str]] = []
    waiting: Any = task.get_coro()
    while waiting is not None and len(calls) < DEEPEST:
        code = getattr(waiting, "cr_code", None) or getattr(waiting, "gi_code", None)
        if code is not None:
            calls.append((code.co_filename, code.co_name))
        waiting = getattr(waiting, "cr_await", None) or getattr(waiting, "gi_yieldfrom", None)
    if not any(file.endswith(ENTRY) for file, _ in calls) or any(name in NO_REQUEST for _, name in calls):
        return None
    return _place(calls[::-1])


def _place(calls: list[tuple[str, str]]) -> int:
    """Place in WAITS of what the innermost call that is known waits for."""
    vague = OWN_CODE
    for depth, (file, name) in enumerate(calls[:DEEPEST]):
        place = next((place for part, names, place in PLACES if part in file and (not names or name in names)), None)
        if place is None:
            continue
        if place not in VAGUE:
            return place
        if depth < NEAR and vague == OWN_CODE:
            vague = place
    return vague


def _count(place: int | None, counters: Counters) -> None:
    if place is not None:
        counters[WAIT_FIRST + place] += 1
