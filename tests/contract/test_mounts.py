"""Every workload × style × mount answers rightly, and all answer the same: real servers, a real Postgres."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from harness import resources
from harness.database import connection
from harness.handlers import catalogue
from harness.handlers import database as shop_queries
from harness.host.ports import free_port
from harness.model.database import Database

SERVED_BY = {
    "fastapi": ("uvicorn", "--factory", "harness.handlers.mounts.fastapi:create", "--log-level", "warning", "--port"),
    "flask": (
        "gunicorn",
        "harness.handlers.mounts.flask:create()",
        "-k",
        "gthread",
        "--threads",
        "8",
        "--no-control-socket",
        "-b",
    ),
}
QUICK = {"sleep": "ms=1", "mixed": "ms=1", "cpu": "n=10", "simulation": "fib=10"}
ENDPOINTS = [
    (framework, *endpoint) for framework in catalogue.FRAMEWORKS for endpoint in catalogue.endpoints(framework)
]


@pytest.fixture(scope="module")
def database() -> Database:
    return connection.prepare(None)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder from which a server's process imports the handlers, and nothing else of the harness."""
    folder = tmp_path_factory.mktemp("alone")
    for name, path in resources.handlers_alone().items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).symlink_to(path)
    return folder


@pytest.fixture(scope="module")
def ports(database: Database, alone: Path) -> Iterator[dict[str, int]]:
    """One server per framework with every endpoint mounted."""
    environment = os.environ | {"DATABASE_URL": database.url, "HARNESS_POOL_SIZE": "2"}
    found: dict[str, int] = {}
    started = []
    for framework, (server, *arguments) in SERVED_BY.items():
        found[framework] = free_port()
        where = str(found[framework]) if server == "uvicorn" else f"127.0.0.1:{found[framework]}"
        argv = [sys.executable, "-m", server, *arguments, where]
        started.append(subprocess.Popen(argv, env=environment, cwd=alone))
    try:
        for port in found.values():
            _wait(port)
        yield found
    finally:
        for process in started:
            process.terminate()
            process.wait(timeout=20)


def _wait(port: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            get(port, "/sync/noop")
            return
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def get(port: int, path: str) -> tuple[int, Any]:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        client.request("GET", path)
        answer = client.getresponse()
        text = answer.read().decode()
        return answer.status, json.loads(text) if text.startswith(("{", "[")) else text
    finally:
        client.close()


@pytest.mark.parametrize(("framework", "style", "name"), ENDPOINTS)
def test_every_endpoint_answers_as_its_workload_does(
    ports: dict[str, int], framework: str, style: str, name: str
) -> None:
    work = catalogue.workload(name)
    query = QUICK.get(name, "")
    status, answer = get(ports[framework], f"/{style}/{name}?{query}")
    assert status == 200
    params = work.parse(dict([query.split("=")]) if query else {})
    assert work.check(answer, params) is None
    assert answer == get(ports["fastapi"], f"/async/{name}?{query}")[1]


def test_the_simulation_computes_in_a_thread_too(ports: dict[str, int]) -> None:
    for framework in SERVED_BY:
        inline = get(ports[framework], "/async/simulation?fib=12")
        assert get(ports[framework], "/async/simulation?fib=12&cpu=thread") == inline


@pytest.mark.parametrize("workload", ["select", "simulation"])
def test_a_transaction_changes_no_answer(ports: dict[str, int], workload: str) -> None:
    for framework, port in ports.items():
        for style in ("async", "sync"):
            plain = get(port, f"/{style}/{workload}?{QUICK.get(workload, '')}")
            assert plain[0] == 200
            assert get(port, f"/{style}/{workload}?{QUICK.get(workload, '')}&tx=1") == plain, framework
            assert get(port, f"/{style}/{workload}?tx=2")[0] == 422


@pytest.mark.parametrize("pooled", [True, False])
def test_a_transaction_begins_before_the_query_and_ends_after_it(
    database: Database, monkeypatch: pytest.MonkeyPatch, pooled: bool
) -> None:
    monkeypatch.setenv("DATABASE_URL", database.url)
    monkeypatch.setenv("HARNESS_POOL_SIZE", "1")
    begun = "SELECT now() <> statement_timestamp() AS earlier"  # the transaction's begin, and the statement's
    outcomes = [{"earlier": False}, {"earlier": True}, {"earlier": False}]
    with shop_queries.sync_pool() if pooled else nullcontext():
        assert [shop_queries.fetch(begun, {}, tx)[0] for tx in (None, "1", None)] == outcomes

    async def fetched() -> list[dict[str, Any]]:
        async with shop_queries.async_pool() if pooled else nullcontext():
            return [(await shop_queries.fetch_async(begun, {}, tx))[0] for tx in (None, "1", None)]

    assert asyncio.run(fetched()) == outcomes


@pytest.mark.parametrize("framework", SERVED_BY)
@pytest.mark.parametrize("query", ["ms=-1", "ms=60001", "ms=soon"])
def test_bad_parameters_are_refused(ports: dict[str, int], framework: str, query: str) -> None:
    for style in ("async", "sync"):
        status, answer = get(ports[framework], f"/{style}/sleep?{query}")
        assert (status, list(answer)) == (422, ["detail"])


def test_a_user_without_orders_is_not_worth_measuring(ports: dict[str, int]) -> None:
    work = catalogue.workload("select")
    status, answer = get(ports["fastapi"], "/sync/select?user_id=999999999")
    assert (status, answer) == (200, {"rows": []})
    assert work.check(answer, {"user_id": 999999999}) is None
    assert "no orders" in (work.trivial(answer) or "")


@pytest.mark.parametrize("framework", SERVED_BY)
def test_only_the_named_endpoint_is_mounted_and_only_handlers_are_imported(framework: str, alone: Path) -> None:
    code = f"import sys; from harness.handlers.mounts.{framework} import create; app = create(); print(" + (
        "[r.path for r in app.routes])" if framework == "fastapi" else "sorted(map(str, app.url_map.iter_rules())))"
    )
    code += "; print(*{name.split('.')[1] for name in sys.modules if name.startswith('harness.')})"
    environment = os.environ | {"HARNESS_ENDPOINT": "sync/noop"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=alone, capture_output=True, text=True, check=True
    )
    routes, rooms = done.stdout.splitlines()
    assert "/sync/noop" in routes
    assert "sleep" not in routes
    assert rooms == "handlers"
