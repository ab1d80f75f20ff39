"""Every server × interface: comes up with all workers, tells what is in effect, counts, stops, closes its pools."""

from __future__ import annotations

import http.client
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from packaging.utils import canonicalize_name

from harness import servers
from harness.applications.served import Probe
from harness.config.application import ApplicationOptions, resolve_side
from harness.config.cells import CellSpec, choose_options, resolve_cell
from harness.config.parsing import split_server
from harness.database import connection
from harness.deploy.answers import ask
from harness.deploy.launch import start_server
from harness.deploy.spec import ServerSpec
from harness.deploy.workers import Worker
from harness.environments import interpreters
from harness.errors import TargetError
from harness.experiments import preflight
from harness.experiments.session import ExecutionOptions
from harness.host import guard, procfs
from harness.host.ports import HOST
from harness.host.processes import Supervisor
from harness.measure.collect import reported, unmet
from harness.model.database import Database
from harness.model.load import FOREVER
from harness.servers.adapter import Adapter, Interface, Target
from tests.specs import server_spec


def installed(server: str, interface: Interface) -> Any:
    """A parameter, skipped where something that it needs is not installed: most servers are extras."""
    name, values = split_server(server)
    adapter = servers.adapter(name)
    options = choose_options(adapter, interface, values)
    lacking = [
        each
        for each in (adapter.distribution, *adapter.requires(interface, options))
        if canonicalize_name(each) not in PACKAGES
    ]
    marks = [pytest.mark.skip(f"not installed: {', '.join(lacking)}")] if lacking else []
    return pytest.param(server, interface, marks=marks)


PACKAGES = interpreters.inspect(None).packages
VARIANTS = [
    installed(name, interface) for name in servers.names() for interface in servers.adapter(name).interfaces
] + [
    installed(f"{name}:bridge=native", "wsgi") for name in servers.names() if "bridge" in servers.adapter(name).options
]
OPTIONS = [
    installed(f"{name}:{key}={value}", option.interface or servers.adapter(name).interfaces[0])
    for name in servers.names()
    for key, option in servers.adapter(name).options.items()
    for value in option.choices[1:]
]
WITHOUT_LEVEL = {"bjoern", "cheroot", "h2corn", "pyuwsgi", "waitress", "daphne"}
"""Servers that log no requests and whose launch therefore names no level, or one by another name."""

KEPT = 1100
"""More requests than after which some servers close a connection by default."""
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
def test_workers_come_up_count_keep_connections_and_stop(
    supervisor: Supervisor, server: str, interface: Interface
) -> None:
    wanted = service(server, interface, workers=most_workers(server), threads=7)
    up = start_server(wanted, supervisor)
    assert len({worker.pid for worker in up.workers}) == most_workers(server)
    assert settled(up.workers) == 1  # the answer that was verified
    for _ in range(20):
        assert ask(HOST, up.target.port, NOOP, 5.0).status == 200
    keep_a_connection(up.target.port, KEPT)
    assert settled(up.workers) == 21 + KEPT
    assert used_at_rest(up.workers, 0.5) < 0.1  # one that never rests would take it from those that are up beside it
    facts = reported(wanted, up)
    assert unmet(wanted, up, facts) == {}
    declared = wanted.adapter.declared_limits(up.target, wanted.options)
    assert facts["tcp_nodelay"] is (None if "tcp_nodelay" in declared else True)
    assert ("threads" in declared) == (facts["threads"] != 7)
    assert up.child.stop() == "orderly"


def keep_a_connection(port: int, times: int) -> None:
    """So many requests over one connection, which the server must not close."""
    client = http.client.HTTPConnection(HOST, port, timeout=10)
    client.connect()
    first = client.sock
    for _ in range(times):
        client.request("GET", NOOP.path)
        assert client.getresponse().read()
        assert client.sock is first
    client.close()


def used_at_rest(workers: list[Worker], seconds: float) -> float:
    """CPU seconds that workers use within so many seconds without a request."""
    pids = [worker.pid for worker in workers]
    meter = procfs.CpuMeter(pids)
    time.sleep(seconds)
    return meter.read(pids)


def most_workers(server: str) -> int:
    """Two, or the one that a server has."""
    return min(2, servers.adapter(split_server(server)[0]).maximum_workers or 2)


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
def test_every_option_takes_effect(supervisor: Supervisor, server: str, interface: Interface) -> None:
    wanted = service(server, interface)
    up = start_server(wanted, supervisor)
    assert unmet(wanted, up, reported(wanted, up)) == {}
    assert up.child.stop() == "orderly"


@pytest.mark.parametrize(("server", "interface"), VARIANTS)
def test_pools_open_in_every_worker_and_close_with_the_server(
    supervisor: Supervisor, database: Database, server: str, interface: str
) -> None:
    style = "async" if interface == "asgi" else "sync"
    workers = most_workers(server)
    wanted = replace(
        service(server, interface, workload="select", style=style, workers=workers, pool_size=3), database=database
    )
    assert connections(database, supervisor) == 0
    up = start_server(wanted, supervisor)
    assert connections(database, supervisor) == workers * 3
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


@pytest.mark.parametrize(("server", "interface"), [each.values for each in VARIANTS])
def test_a_launch_binds_to_loopback_and_is_quiet(server: str, interface: Interface) -> None:
    framework = "fastapi" if interface == "asgi" else "flask"
    wanted = resolve_cell(CellSpec(server=server, framework=framework, style="sync", workload="noop"))
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
    assert "warning" in text.lower() or wanted.adapter.name in WITHOUT_LEVEL


def test_adapters_share_one_shape() -> None:
    for name in servers.names():
        adapter = servers.adapter(name)
        public = {item for item in vars(type(adapter)) if not item.startswith("_")}
        bases = [each for each in type(adapter).__mro__[1:] if issubclass(each, Adapter)]
        shape = {item for each in bases for item in (*vars(each), *each.__annotations__)}
        assert public <= shape, f"servers/{name}.py adds to the shape"


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
