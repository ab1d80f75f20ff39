"""What requests are seen doing from inside a worker: waiting for a pool, a lock, another service, or none of these."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness import injected
from harness.injected.harness_layout import WAITS

READ = """
import asyncio, json, os, pathlib, struct, sys, threading, time
from harness_layout import SLOTS, WAIT_FIRST, WAITS
FOLDER = pathlib.Path(json.loads(os.environ["HARNESS_ENTRY"])["folder"])
def seen():
    (path,) = FOLDER.glob("*.counters")
    numbers = struct.unpack(f"{SLOTS}Q", path.read_bytes()[:8 * SLOTS])[WAIT_FIRST:]
    return {what: count for what, count in zip(WAITS, numbers) if count}
def patient():
    until = time.monotonic() + 20
    while time.monotonic() < until and not seen():
        yield 0.1
"""
POOL = "import threading\ngate = threading.Event()\ndef checkout():\n    gate.wait(20)\n"
WSGI = """
def app(environ, start_response):
    {work}
    start_response("200 OK", [])
    return [b"x"]
"""
SERVE_WSGI = """
from harness_entry import application
threads = [threading.Thread(target=application, args=({}, lambda *_: None), daemon=True) for _ in range(3)]
[thread.start() for thread in threads]
for seconds in patient():
    time.sleep(seconds)
"""
ASGI = """
import asyncio, threading
from concurrent.futures import ThreadPoolExecutor
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    {work}
    await send({{"type": "http.response.start", "status": 200}})
    await send({{"type": "http.response.body", "body": b"x"}})
"""
SERVE_ASGI = """
from harness_entry import application
async def main():
    lifespan = {"type": "lifespan"}
    queue = asyncio.Queue()
    queue.put_nowait({"type": "lifespan.startup"})
    async def drop(message): pass
    running = [asyncio.create_task(application(lifespan, queue.get, drop))]
    await asyncio.sleep(0.1)
    running += [asyncio.create_task(application({"type": "http"}, queue.get, drop)) for _ in range(3)]
    for seconds in patient():
        await asyncio.sleep(seconds)
    print(json.dumps(seen()), flush=True)
    os._exit(0)
asyncio.run(main())
"""


def looked_at(tmp_path: Path, interface: str, application: str, script: str, **modules: str) -> dict[str, int]:
    """What three requests that wait were seen doing; `modules`: path with `__` for `/` → text."""
    (tmp_path / "served.py").write_text(application)
    (tmp_path / "told").mkdir()
    for name, text in modules.items():
        path = tmp_path / (name.replace("__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    entry = {
        **{"folder": str(tmp_path / "told"), "target": "served:app", "factory": False, "interface": interface},
        **{"wraps_wsgi": False, "threads": 4, "port": 1, "parsers": [], "diagnose": True, "stacks": True},
    }
    done = subprocess.run(
        [sys.executable, "-c", f"{READ}\n{script}\nprint(json.dumps(seen()), flush=True)\nos._exit(0)"],
        env=os.environ
        | {
            "HARNESS_ENTRY": json.dumps(entry),
            "PYTHONPATH": f"{Path(injected.__file__).parent}{os.pathsep}{tmp_path}",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, int] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    ("work", "modules", "what"),
    [
        ("import sqlalchemy.pool.impl as it; it.checkout()", {"sqlalchemy__pool__impl": POOL}, WAITS[1]),
        ("import threading; threading.Event().wait(20)", {}, "a lock"),
        ("import time; time.sleep(20)", {}, "its own code"),
        ("import redis.client as it; it.checkout()", {"redis__client": POOL}, "Redis"),
    ],
)
def test_threads_of_wsgi(tmp_path: Path, work: str, modules: dict[str, str], what: str) -> None:
    found = looked_at(tmp_path, "wsgi", WSGI.format(work=work), SERVE_WSGI, **modules)
    assert list(found) == [what]
    assert found[what] % 3 == 0


@pytest.mark.parametrize(
    ("work", "modules", "what"),
    [
        ("await asyncio.sleep(20)", {}, "a sleep"),
        (
            "import aiohttp.connector as it; await it._wait_for_available_connection()",
            {
                "aiohttp__connector": "import asyncio\nasync def _wait_for_available_connection():\n"
                "    await asyncio.Event().wait()\n"
            },
            "a connection of aiohttp's pool",
        ),
        (
            "import asyncpg.connection as it; await it.fetch()",
            {"asyncpg__connection": "import asyncio\nasync def fetch():\n    await asyncio.Event().wait()\n"},
            "the database",
        ),
        ("await asyncio.to_thread(threading.Event().wait, 20)", {}, "a lock"),  # of the thread, once
    ],
)
def test_tasks_of_asgi(tmp_path: Path, work: str, modules: dict[str, str], what: str) -> None:
    found = looked_at(tmp_path, "asgi", ASGI.format(work=work), SERVE_ASGI, **modules)
    assert list(found) == [what]
    assert found[what] % 3 == 0


def test_threads_that_wait_for_work_serve_nothing(tmp_path: Path) -> None:
    work = "pool = ThreadPoolExecutor(2); pool.submit(int); pool.submit(int); await asyncio.sleep(20)"
    found = looked_at(tmp_path, "asgi", ASGI.format(work=work), SERVE_ASGI)
    assert list(found) == ["a sleep"]


HEAP = """
import gc, threading
gc.disable()
alone = threading.Lock()
heap = [[number] for number in range(300_000)]
"""
COLLECTED = """
from harness_layout import COLLECTING_US, COLLECTOR, LAG_BUCKETS, PAUSE_FIRST
def patient():
    yield 0.5
def seen():
    (path,) = FOLDER.glob("*.counters")
    numbers = struct.unpack(f"{SLOTS}Q", path.read_bytes()[:8 * SLOTS])
    pauses = numbers[PAUSE_FIRST : PAUSE_FIRST + LAG_BUCKETS]
    return {"told": numbers[COLLECTOR], "pauses": sum(pauses), "us": numbers[COLLECTING_US]}
"""


@pytest.mark.parametrize(
    ("interface", "application", "script"), [("wsgi", WSGI, SERVE_WSGI), ("asgi", ASGI, SERVE_ASGI)]
)
def test_full_garbage_collections_are_counted(tmp_path: Path, interface: str, application: str, script: str) -> None:
    """One by each of three requests; those of young objects are none."""
    served = HEAP + application.format(work="alone.acquire(); gc.collect(); gc.collect(1); alone.release()")
    found = looked_at(tmp_path, interface, served, COLLECTED + script)
    assert found["told"] == 1
    assert found["pauses"] == 3
    assert found["us"] >= 3000
