"""Every server × interface: comes up with all workers, tells what is in effect, counts, stops, closes its pools."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from harness import servers
from harness.applications.served import Probe
from harness.config.application import ApplicationOptions, resolve_side
from harness.config.cells import CellSpec
from harness.database import connection
from harness.deploy.answers import ask
from harness.deploy.launch import HOST, start_server
from harness.deploy.spec import ServerSpec
from harness.deploy.workers import Worker
from harness.errors import TargetError
from harness.experiments import preflight
from harness.experiments.session import ExecutionOptions
from harness.host import guard
from harness.host.processes import Supervisor
from harness.measure.collect import reported, unmet
from harness.model.database import Database
from harness.model.load import FOREVER
from harness.servers.adapter import Adapter, Target
from tests.specs import server_spec

VARIANTS = [(name, interface) for name in servers.names() for interface in servers.adapter(name).interfaces] + [
    (f"{name}:bridge=native", "wsgi") for name in servers.names() if "bridge" in servers.adapter(name).options
]
OPTIONS = [
    (f"{name}:{key}={value}", option.interface or "asgi")
    for name in servers.names()
    for key, option in servers.adapter(name).options.items()
    for value in option.choices[1:]
    # gunicorn's parser in C is an extra.
    if (name, key, value) != ("gunicorn", "parser", "fast") or importlib.util.find_spec("gunicorn_h1c")
]

NOOP = Probe(name="noop", method="GET", path="/sync/noop")


@pytest.fixture(scope="module")
def database() -> Database:
    return connection.prepare(None)


def service(server: str, interface: str, *, workload: str = "noop", style: str = "sync", **numbers: int) -> ServerSpec:
    framework = "fastapi" if interface == "asgi" else "flask"
    return server_spec(server, framework=framework, style=style, workload=workload, users=10, **numbers)


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    with Supervisor() as running:
        yield running
    assert guard.members({}, running.token) == []
    assert not running.folder.exists()


@pytest.mark.parametrize(("server", "interface"), VARIANTS)
def test_all_workers_come_up_count_and_stop(supervisor: Supervisor, server: str, interface: str) -> None:
    wanted = service(server, interface, workers=2, threads=7)
    up = start_server(wanted, supervisor)
    assert len({worker.pid for worker in up.workers}) == 2
    assert settled(up.workers) == 1  # the answer that was verified
    for _ in range(20):
        assert ask(HOST, up.target.port, NOOP, 5.0).status == 200
    assert settled(up.workers) == 21
    facts = reported(wanted, up)
    assert unmet(wanted, up, facts) == {}
    assert facts["tcp_nodelay"] is True
    declared = wanted.adapter.declared_limits(up.target, wanted.options)
    assert ("threads" in declared) == (facts["threads"] != 7)
    assert up.child.stop() == "orderly"


def settled(workers: list[Worker]) -> int:
    """Requests served, once none is being served: a worker counts after its answer has left."""
    deadline = time.monotonic() + 5
    while True:
        counts = [worker.read() for worker in workers]
        finished = sum(count.finished for count in counts)
        if finished and all(count.started == count.finished for count in counts):
            return finished
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(("server", "interface"), OPTIONS)
def test_every_option_takes_effect(supervisor: Supervisor, server: str, interface: str) -> None:
    wanted = service(server, interface)
    up = start_server(wanted, supervisor)
    assert unmet(wanted, up, reported(wanted, up)) == {}
    assert up.child.stop() == "orderly"


@pytest.mark.parametrize(("server", "interface"), VARIANTS)
def test_pools_open_in_every_worker_and_close_with_the_server(
    supervisor: Supervisor, database: Database, server: str, interface: str
) -> None:
    style = "async" if interface == "asgi" else "sync"
    wanted = replace(
        service(server, interface, workload="select", style=style, workers=2, pool_size=3), database=database
    )
    assert connections(database, supervisor) == 0
    up = start_server(wanted, supervisor)
    assert connections(database, supervisor) == 2 * 3
    assert up.child.stop() == "orderly"
    log = up.child.log_tail()
    assert "Traceback" not in log
    assert "couldn't stop" not in log  # what psycopg says of a pool that was not closed
    deadline = time.monotonic() + 5
    while connections(database, supervisor) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert connections(database, supervisor) == 0


def connections(database: Database, supervisor: Supervisor) -> int:
    """Connections that the servers of this supervisor hold."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE starts_with(application_name, %s)"
    with psycopg.connect(database.url) as client:
        row = client.execute(query, (f"harness-{supervisor.token[:12]}",)).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize(("server", "interface"), VARIANTS)
def test_a_launch_binds_to_loopback_and_is_quiet(server: str, interface: str) -> None:
    wanted = service(server, interface)
    target = Target(
        python="python",
        module="m",
        attribute="a",
        interface=wanted.cell.variant.interface,
        host="127.0.0.1",
        port=12345,
        workers=3,
        threads=40,
        connections=20_000,
    )
    launch = wanted.adapter.launch(target, wanted.options)
    text = " ".join((*launch.argv, *launch.files.values()))
    assert launch.argv[:2] == ("python", "-m")
    assert "127.0.0.1" in text
    assert "12345" in text
    assert "0.0.0.0" not in text
    assert "warning" in text.lower()


def test_adapters_share_one_shape() -> None:
    for name in servers.names():
        adapter = servers.adapter(name)
        public = {item for item in vars(type(adapter)) if not item.startswith("_")}
        assert public <= set(vars(Adapter)) | set(Adapter.__annotations__), f"servers/{name}.py adds to the shape"


@pytest.mark.slow
def test_an_application_that_cannot_start_is_told_with_its_log(supervisor: Supervisor, database: Database) -> None:
    broken = replace(
        service("uvicorn", "asgi", workload="select", style="async"),
        database=replace(database, url="postgresql://nobody@127.0.0.1:1/nothing"),
    )
    with pytest.raises(TargetError, match=r"uvicorn (ended with exit code|did not come up)|0 of 1 workers") as caught:
        start_server(replace(broken, boot_deadline_seconds=60.0), supervisor)
    assert "Pool" in caught.value.detail


@pytest.mark.slow
def test_no_watchdog_ends_a_worker_that_holds_the_interpreter(supervisor: Supervisor, tmp_path: Path) -> None:
    """uvicorn kills one of several workers that does not answer for 5 s, and starts another, for ever."""
    (tmp_path / "held.py").write_text(
        "import ctypes\nasync def app(scope, receive, send):\n"
        "    if scope['type'] != 'http': raise ValueError\n"
        "    ctypes.PyDLL(None).usleep(7_000_000)\n"  # PyDLL keeps the GIL
        "    await send({'type': 'http.response.start', 'status': 200, 'headers': []})\n"
        "    await send({'type': 'http.response.body', 'body': b'ok'})\n"
    )
    application = ApplicationOptions(app="held:app", app_dir=str(tmp_path), path=["/"])
    cell = resolve_side(CellSpec(server="uvicorn", workers=2, users=2), application, (), None, None)
    checked = preflight.check([cell], ExecutionOptions(pin="none"), FOREVER)
    (spec,) = preflight.prepare(checked, [cell], ExecutionOptions(pin="none"))
    up = start_server(spec, supervisor)  # whose answer is verified, which takes seven seconds
    assert up.workers_lost() == 0
    assert up.child.stop() == "orderly"
