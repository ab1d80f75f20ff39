"""From a cell to a server that is up: started, every worker ready, its answer verified."""

from __future__ import annotations

import http.client
import json
import logging
import os
import random
import re
import socket
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness import injected
from harness.applications.served import Probe, Serving
from harness.deploy.answers import Answer, EndlessAnswer, ask, excerpt, saved_values
from harness.deploy.spec import ServerSpec
from harness.deploy.workers import Worker, read_workers
from harness.environments import interpreters
from harness.errors import MemberError, TargetError
from harness.host import procfs
from harness.host.logs import tail
from harness.host.ports import HOST, free_port
from harness.host.processes import Child, Supervisor
from harness.model.application import UserApplication
from harness.model.requests import Drawn
from harness.model.variant import Cell
from harness.servers.adapter import Target

log = logging.getLogger(__name__)

LOG_SECONDS = 0.3
"""How long a server may take to print what went wrong: some answer first."""
ANSWER_SECONDS = 30.0
LOOK_SECONDS = 0.5
"""How often the log of a starting server is looked at."""
PADDING_BYTES = 4096
EXCEPTION = re.compile(r"^(?:\w+\.)*\w*(?:Error|Exception|Exit|Interrupt)\b.*$", re.MULTILINE)
"""The last line of a traceback."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Deployment:
    """A server that is up, with its answer verified."""

    child: Child
    target: Target
    argv: tuple[str, ...]
    workers: list[Worker]
    folder: Path
    answers: list[Answer]
    """The verified answer of each kind of request."""
    boot_seconds: float

    @property
    def bodies(self) -> list[str]:
        """The decoded bodies of these answers."""
        return [answer.body for answer in self.answers]

    @property
    def decoded_bytes(self) -> float | None:
        """Mean size of these bodies decoded; None where none was sent encoded."""
        sizes = [len(body.encode()) for body in self.bodies]
        encoded = any(answer.headers.get("Content-Encoding") for answer in self.answers)
        return round(sum(sizes) / len(sizes), 1) if encoded else None

    def workers_lost(self) -> int:
        """Workers that are gone, or that came up in the place of one that is."""
        up = {worker.pid for worker in self.workers}
        dead = sum(not procfs.alive(pid) for pid in up)
        return max(dead, sum(worker.pid not in up for worker in read_workers(self.folder)))

    def stop(self) -> Ending:
        """Stop it, killing what does not stop when asked."""
        start = time.monotonic()
        return Ending(how=self.child.stop(), seconds=time.monotonic() - start)


@dataclass(frozen=True, kw_only=True, slots=True)
class Ending:
    """How a server stopped."""

    how: Literal["orderly", "killed"]
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class StartingServer:
    """A server that was launched and is not up yet."""

    spec: ServerSpec
    child: Child
    target: Target
    argv: tuple[str, ...]
    workers_folder: Path
    began: float
    """Instant of the monotonic clock."""

    def ready(self) -> Deployment:
        """Wait until every worker is up and the answer is right. TargetError where that does not happen in time."""
        seconds = self.spec.boot_deadline_seconds
        workers = wait_for_workers(self.spec.cell, self.child, self.workers_folder, seconds)
        check_import(self.spec.subject.serving(), workers)
        answers = verified_answers(self.spec, self.child, self.target, self.began + seconds)
        log.debug(
            "%s is up after %.2f s: workers %s on port %d",
            self.spec.cell.label,
            time.monotonic() - self.began,
            ", ".join(str(worker.pid) for worker in workers),
            self.target.port,
        )
        return Deployment(
            child=self.child,
            target=self.target,
            argv=self.argv,
            workers=workers,
            folder=self.workers_folder,
            answers=answers,
            boot_seconds=time.monotonic() - self.began,
        )


def start_server(
    service: ServerSpec, supervisor: Supervisor, *, port: int | None = None, name: str = "server"
) -> Deployment:
    """Start a server, and wait until every worker is up and the answer is right."""
    return launch_server(service, supervisor, port=port, name=name).ready()


def launch_server(
    service: ServerSpec, supervisor: Supervisor, *, port: int | None = None, name: str = "server"
) -> StartingServer:
    """Launch a server in a folder of its own, on a free port or on the given one."""
    folder = supervisor.folder / name
    folder.mkdir()
    serving = service.subject.serving()
    target = target_of(service, port or free_port(), folder)
    launch = service.adapter.launch(target, service.options)
    workers_folder = prepare_folder(folder, {**launch.files}, serving)
    began = time.monotonic()
    child = supervisor.start(
        launch.argv,
        env={**server_environment(service, serving, target, workers_folder, folder), **launch.env},
        cwd=serving.folder or folder,
        log=folder / "server.log",
        cpus=service.placement.server_cpus,
    )
    return StartingServer(
        spec=service,
        child=child,
        target=target,
        argv=launch.argv,
        workers_folder=workers_folder,
        began=began,
    )


def deploy(specs: Sequence[ServerSpec], supervisor: Supervisor, order: Sequence[int]) -> list[Deployment]:
    """Bring several servers up at once, launched in an order of their places; all are up, with verified answers.

    They end with the supervisor. MemberError tells which of them does not come up.
    """
    starting = {place: launch_server(specs[place], supervisor, name=f"server-{place + 1}") for place in order}
    deployments = []
    for place in range(len(specs)):
        try:
            deployments.append(starting[place].ready())
        except TargetError as error:
            raise MemberError(place, error) from error
    return deployments


def target_of(service: ServerSpec, port: int, folder: Path) -> Target:
    """What the adapter needs to know about a cell."""
    cell = service.cell
    return Target(
        python=service.environment.executable,
        module=injected.MODULE,
        attribute=injected.ATTRIBUTE,
        interface=cell.variant.interface,
        host=HOST,
        port=port,
        workers=cell.variant.workers,
        threads=cell.variant.threads,
        connections=service.users,
        folder=str(folder),
    )


def prepare_folder(folder: Path, files: Mapping[str, str], serving: Serving) -> Path:
    """Put the entry, what the application needs of ours and the server's own files into a private folder; returns where
    workers tell."""
    telling = folder / "workers"
    telling.mkdir()
    for source in injected.SOURCES:
        (folder / source.name).write_bytes(source.read_bytes())
    for name, path in serving.links.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).symlink_to(path)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return telling


def server_environment(
    service: ServerSpec, serving: Serving, target: Target, telling: Path, folder: Path
) -> dict[str, str]:
    """The environment variables of the server: its settings are in argv, ours for the entry and the handlers here."""
    settings = {
        "folder": str(telling),
        "target": serving.target,
        "factory": serving.factory,
        "interface": service.cell.variant.interface,
        "wraps_wsgi": service.adapter.wraps_wsgi(service.options),
        "threads": service.cell.variant.threads,
        "port": target.port,
        "parsers": list(service.adapter.parsers),
        "diagnose": service.diagnose,
        "stacks": isinstance(service.cell.variant.application, UserApplication),
    }
    database = {}
    if service.database is not None:
        database = {"DATABASE_URL": service.database.url, "HARNESS_POOL_SIZE": str(service.cell.variant.pool_size)}
    prefix = service.adapter.environment_prefix
    paths = [str(folder), str(serving.imports or serving.folder or ""), serving.environment.get("PYTHONPATH", "")]
    return {
        **interpreters.clean((prefix,) if prefix else ()),
        **database,
        **serving.environment,
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "PYTHONUNBUFFERED": "1",
        "HARNESS_ENTRY": json.dumps(settings),
        "HARNESS_SERVER": folder.name,
        # The size of the environment moves the stack, and with it how fast a program runs (Mytkowicz et al. 2009).
        "HARNESS_PADDING": "x" * random.randrange(PADDING_BYTES),
    }


def wait_for_workers(cell: Cell, child: Child, telling: Path, boot_seconds: float) -> list[Worker]:
    """Wait until as many distinct workers as were asked for have told that they are up.

    The first answer is not readiness: loaded at it, all keep-alive connections stay on the one worker that was up.
    """
    deadline = time.monotonic() + boot_seconds
    look_at = time.monotonic() + LOOK_SECONDS
    started: set[int] = set()  # an error that is only printed, as by who tries again to connect, ends no worker
    while True:
        workers = [worker for worker in read_workers(telling) if procfs.alive(worker.pid)]
        if len(workers) >= cell.variant.workers:
            return workers
        if child.returncode() is not None:
            raise _failed(f"{cell.variant.server} ended with exit code {child.returncode()} while starting", child)
        if time.monotonic() > look_at:
            look_at = time.monotonic() + LOOK_SECONDS
            started.update(procfs.children(child.pid))
            again = repeated_error(child, cell.variant.workers)
            if again is not None and len(started) > 2 * cell.variant.workers:
                raise _failed(f"workers of {cell.variant.server} fail again and again while starting: {again}", child)
        if time.monotonic() > deadline:
            raise _failed(
                f"{len(workers)} of {cell.variant.workers} workers of {cell.variant.server} came up within "
                f"{boot_seconds:g} s",
                child,
            )
        time.sleep(0.01)


def repeated_error(child: Child, workers: int) -> str | None:
    """An exception that a server prints more often than each of its workers could twice; None where there is none."""
    if child.log is None:
        return None
    lines = EXCEPTION.findall(tail(child.log))
    return next((line for line, count in Counter(lines).items() if count > 2 * workers), None)


def check_import(serving: Serving, workers: Sequence[Worker]) -> None:
    """Refuse an application that was imported from elsewhere than from the folder that was asked for.

    An editable install, or a package of the same name elsewhere, comes first otherwise, and nothing else tells.
    """
    if serving.asked_folder is None:
        return
    folder = serving.asked_folder.resolve()
    for worker in workers:
        imported = worker.facts.get("imported")
        if imported is not None and not Path(imported).resolve().is_relative_to(folder):
            module = serving.target.partition(":")[0]
            raise TargetError(
                f"{module} is not in {folder}: it was imported from {imported}",
                cure=f"name the folder in which {module.partition('.')[0]} lies, such as {folder.name}/src, or install "
                "this version of it",
            )


def verified_answers(service: ServerSpec, child: Child, target: Target, deadline: float) -> list[Answer]:
    """One answer of each kind, which must be right before it is worth any load."""
    wait_for_port(service, child, target, deadline)
    answers: list[Answer] = []
    saved: dict[str, Drawn] = {}
    cookies: dict[str, str] = {}
    for kind in range(len(service.subject.probes())):
        probe = service.subject.probes(saved)[kind]
        answer = verified_answer(service, child, target, kind, probe, cookies)
        try:
            saved |= saved_values(probe.saves, answer)
        except KeyError as error:
            raise _failed(
                f"the answer to {probe.method} {probe.path} has nothing to save at {error}: {answer.described}", child
            ) from error
        cookies |= answer.cookies
        answers.append(answer)
    return answers


def wait_for_port(service: ServerSpec, child: Child, target: Target, deadline: float) -> None:
    """Wait until the server accepts connections."""
    while True:
        try:
            socket.create_connection((HOST, target.port), timeout=ANSWER_SECONDS).close()
            return
        except OSError:
            if child.returncode() is not None or time.monotonic() > deadline:
                raise _failed(
                    f"{service.cell.variant.server} does not listen although its workers are up", child
                ) from None
            time.sleep(0.01)


def verified_answer(
    service: ServerSpec, child: Child, target: Target, kind: int, probe: Probe, cookies: Mapping[str, str] | None = None
) -> Answer:
    """An answer, judged. `cookies`: of answers before."""
    request = f"{probe.method} {probe.path}"
    try:
        answer = ask(HOST, target.port, probe, ANSWER_SECONDS + service.subject.known_seconds, cookies)
    except EndlessAnswer as error:
        raise _failed(
            f"the answer to {request} does not end: {error}",
            child,
            cure="event streams cannot be measured; name another path",
        ) from error
    except (OSError, http.client.HTTPException) as error:
        raise _failed(
            f"{service.cell.variant.server} did not answer {request}: {error or type(error).__name__}", child
        ) from error
    if answer.status not in (probe.statuses or range(200, 300)):
        raise _failed(f"{request} was answered with {answer.described}", child, cure=_status_cure(answer))
    wrong = service.subject.wrong(kind, answer.body)
    if wrong:
        shown = excerpt(answer.body)
        raise _failed(
            f"{request} was answered wrongly: {wrong}" + (f"; the answer was {shown}" if shown else ""), child
        )
    return answer


def _status_cure(answer: Answer) -> str | None:
    if answer.location:
        return f"redirections are not followed: request {answer.location}, or expect the status {answer.status}"
    return None


def _failed(what: str, child: Child, cure: str | None = None) -> TargetError:
    """`cure`: what helps; None: nothing is known but what the server printed."""
    if child.returncode() is None:
        time.sleep(LOG_SECONDS)
    tail = child.log_tail()
    return TargetError(
        what, cure=cure or ("see the server's log below" if tail else "the server printed nothing"), detail=tail
    )
