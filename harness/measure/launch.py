"""From a cell to a server that is up: started, every worker ready, its answer verified."""

from __future__ import annotations

import http.client
import json
import random
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from handlers import catalogue
from harness import assets, entry
from harness.errors import TargetError, UsageError
from harness.load.generator import DRAWN, Destination, Draw, Load
from harness.measure.job import Job, Service
from harness.model.cell import Cell, Environment
from harness.system import interpreters, procfs
from harness.system.processes import Child, Supervisor
from harness.system.workers import Worker, told
from servers.adapter import Target

HOST = "127.0.0.1"
ANSWER_SECONDS = 30.0
REQUEST_SECONDS = 60.0
"""A request under load that takes longer, besides what it waits by itself, counts as timed out."""
PADDING_BYTES = 4096


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """A server that is up, with its answer verified."""

    child: Child
    target: Target
    argv: tuple[str, ...]
    workers: list[Worker]
    folder: Path
    body: str
    boot_seconds: float
    connections_name: str
    """By which Postgres shows its connections."""

    def stop(self) -> Ending:
        """Stop it, killing what does not stop when asked."""
        asked = time.monotonic()
        return Ending(how=self.child.stop(), seconds=time.monotonic() - asked)


@dataclass(frozen=True, kw_only=True, slots=True)
class Ending:
    """How a server stopped."""

    how: Literal["orderly", "killed"]
    seconds: float


def start_server(service: Service, supervisor: Supervisor, *, port: int | None = None, name: str = "server") -> Server:
    """Start the server in a folder of its own, on a free port or on the given one; wait until every worker is up and
    the answer is right."""
    target = target_of(service.cell, service.environment, port or free_port(), service.users)
    launch = service.adapter.launch(target, service.options)
    folder = supervisor.folder / name
    folder.mkdir()
    telling = prepare_folder(folder, launch.files)
    began = time.monotonic()
    child = supervisor.start(
        launch.argv,
        env={**server_environment(service, target, telling, folder), **launch.env},
        cwd=folder,
        log=folder / "server.log",
        cpus=service.placement.server_cpus,
    )
    deadline = began + service.boot_deadline_seconds
    workers = wait_for_workers(service.cell, child, telling, service.boot_deadline_seconds)
    body = verified_answer(service, child, target, deadline)
    return Server(
        child=child,
        target=target,
        argv=launch.argv,
        workers=workers,
        folder=telling,
        body=body,
        boot_seconds=time.monotonic() - began,
        connections_name=f"harness-{supervisor.token[:12]}-{folder.name}",
    )


def target_of(cell: Cell, environment: Environment, port: int, connections: int) -> Target:
    """What the adapter needs to know about a cell."""
    return Target(
        python=environment.executable,
        module=entry.MODULE,
        attribute=entry.ATTRIBUTE,
        interface=cell.interface,
        host=HOST,
        port=port,
        workers=cell.workers,
        threads=cell.threads,
        connections=connections,
    )


def check_port(port: int) -> None:
    """Refuse a port on which somebody listens: their answers would pass for the server's."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise UsageError(
                f"cannot listen on port {port} of {HOST}: {error.strerror}", cure="choose another one with --port"
            ) from error


def free_port() -> int:
    """A port that the operating system picks on loopback."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def prepare_folder(folder: Path, files: Mapping[str, str]) -> Path:
    """Put the entry, the handlers and the server's own files where the server will run; returns where workers tell."""
    telling = folder / "workers"
    telling.mkdir()
    (folder / f"{entry.MODULE}.py").write_bytes(entry.SOURCE.read_bytes())
    (folder / "handlers").symlink_to(assets.handlers())
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return telling


def server_environment(service: Service, target: Target, telling: Path, folder: Path) -> dict[str, str]:
    """The environment variables of the server: its settings are in argv, ours for the entry and the handlers here."""
    settings = {
        "folder": str(telling),
        "target": catalogue.FRAMEWORKS[service.cell.application.framework].target,
        "interface": service.cell.interface,
        "wraps_wsgi": service.adapter.wraps_wsgi,
        "threads": service.cell.threads,
        "port": target.port,
        "parsers": list(service.adapter.parsers),
        "diagnose": service.diagnose,
    }
    database = {}
    if service.database is not None:
        database = {"DATABASE_URL": service.database.url, "HARNESS_POOL_SIZE": str(service.cell.pool_size)}
    prefix = service.adapter.environment_prefix
    return {
        **interpreters.clean((prefix,) if prefix else ()),
        **database,
        "PYTHONPATH": str(folder),
        "PYTHONUNBUFFERED": "1",
        "HARNESS_ENTRY": json.dumps(settings),
        "HARNESS_ENDPOINT": service.cell.application.route.lstrip("/"),
        "HARNESS_SERVER": folder.name,
        # The size of the environment moves the stack, and with it how fast a program runs (Mytkowicz et al. 2009).
        "HARNESS_PADDING": "x" * random.randrange(PADDING_BYTES),
    }


def wait_for_workers(cell: Cell, child: Child, telling: Path, boot_seconds: float) -> list[Worker]:
    """Wait until as many distinct workers as were asked for have told that they are up.

    The first answer is not readiness: loaded at it, all keep-alive connections stay on the one worker that was up.
    """
    deadline = time.monotonic() + boot_seconds
    while True:
        workers = [worker for worker in told(telling) if procfs.alive(worker.pid)]
        if len(workers) >= cell.workers:
            return workers
        if child.returncode() is not None:
            raise _failed(f"{cell.server} ended with exit code {child.returncode()} while starting", child)
        if time.monotonic() > deadline:
            raise _failed(
                f"{len(workers)} of {cell.workers} workers of {cell.server} came up within {boot_seconds:g} s", child
            )
        time.sleep(0.01)


def verified_answer(service: Service, child: Child, target: Target, deadline: float) -> str:
    """The body of one answer, which must be right before it is worth any load."""
    path = service.cell.application.with_params(service.params()).path
    while True:
        try:
            status, body = get(target.port, path, ANSWER_SECONDS + service.known_seconds())
            break
        except ConnectionRefusedError:
            if child.returncode() is not None or time.monotonic() > deadline:
                raise _failed(f"{service.cell.server} does not listen although its workers are up", child) from None
            time.sleep(0.01)
        except (OSError, http.client.HTTPException) as error:
            raise _failed(
                f"{service.cell.server} did not answer GET {path}: {error or type(error).__name__}", child
            ) from error
    if status != 200:
        raise _failed(f"GET {path} was answered with status {status}: {body[:300]}", child)
    wrong = wrong_with(service, body)
    if wrong:
        raise _failed(f"GET {path} was answered wrongly: {wrong}; the answer was {body[:300]}", child)
    return body


def get(port: int, path: str, seconds: float = ANSWER_SECONDS) -> tuple[int, str]:
    """Status and body of one GET on loopback."""
    connection = http.client.HTTPConnection(HOST, port, timeout=seconds)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode("utf-8", "replace")
    finally:
        connection.close()


def wrong_with(service: Service, body: str, drawn: int | None = None) -> str | None:
    """What the workload's own check says about a body; None when it is right.

    Where the answer is the same for all requests, it must also be worth measuring.
    """
    try:
        answer = json.loads(body)
    except ValueError:
        return "it is not JSON"
    wrong = service.workload.check(answer, service.params(drawn))
    return wrong or (service.workload.trivial(answer) if drawn is None else None)


def _failed(what: str, child: Child) -> TargetError:
    tail = child.log_tail()
    return TargetError(
        what,
        cure="see the server's log below" if tail else "the server printed nothing; look at it with: harness serve",
        detail=tail,
    )


def load_of(job: Job, servers: Sequence[Server]) -> Load:
    """What the generator is to send."""
    return Load(
        destinations=tuple(map(destination, job.sides, servers)),
        users=job.users,
        rate=job.rate,
        warmup_seconds=job.timing.warmup_seconds,
        window_seconds=job.timing.window_seconds,
    )


def destination(service: Service, server: Server) -> Destination:
    """What the users of one side request."""
    parameter, application = service.drawn(), service.cell.application
    draw = None
    if parameter is not None:
        assert service.database is not None
        assert parameter.drawn_from is not None
        draw = Draw(count=service.database.rows[parameter.drawn_from])
        application = application.with_params(application.params | {parameter.name: DRAWN})
    return Destination(
        url=f"http://{HOST}:{server.target.port}{application.path}",
        draw=draw,
        expected=server.body if draw is None else None,
        timeout_seconds=REQUEST_SECONDS + service.known_seconds(),
    )
