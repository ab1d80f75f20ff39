"""Carries a request out: checks what it needs, holds the machine's lock, measures, judges, stores."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from harness import __version__, load, store
from harness.application import Ready
from harness.errors import LackError, TargetError, UsageError
from harness.judge import gates
from harness.judge.verdict import judge
from harness.load import k6
from harness.load.generator import Generator
from harness.measure import Job, Observer, Service, hooks, launch, measure
from harness.model.cell import Cell, Environment, Timing
from harness.model.database import Database
from harness.model.measurement import Facts, Judgement, Place
from harness.plan import Choice
from harness.system import host, interpreters, limits, lock, placement, quiet, signals
from harness.system.processes import Supervisor

BOOT_SECONDS = 30.0
QUIET_SECONDS = 60.0
"""How long to wait for a quieter moment, where others disturbed a measurement."""
SERVED_CONNECTIONS = 10_000
"""Connections that a server run by hand is made ready for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Everything about a run that is not the cell."""

    timing: Timing
    python: str | None = None
    generator: str = "k6"
    k6: str | None = None
    database_url: str | None = None
    pin: str = "auto"
    out: Path = Path("results")
    boot_seconds: float = BOOT_SECONDS
    diagnose: bool = True
    application: Ready | None = None
    """The user's application, if it is one that is measured."""
    attempts: int = 1
    """How often to measure while others disturb the machine; each measurement is stored."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """One measurement: as values, as the stored document, and where it is."""

    facts: Facts
    judgement: Judgement
    document: store.Document
    folder: Path
    log_tail: str


def run(choice: Choice, settings: Settings, observer: Observer, tell: Callable[[str], None]) -> Outcome:
    """Measure one cell and store the result."""
    host.require_linux()
    started = datetime.now(UTC)
    environment = prepare_environment(choice, settings.python)
    generator = load.find(settings.generator, settings.k6)
    check_generator(generator, choice, settings.timing)
    users = users_of(choice)
    limits.check_capacity(users)
    database_url = database_url_of(choice, settings.database_url)
    own = settings.application
    secrets = frozenset() if own is None else own.secrets
    with (
        lock.machine(tell),
        store.RunFolder.create(settings.out, folder_name(choice.cell), started, secrets) as folder,
        hooks.around(own),
    ):
        database = prepare_database(choice, database_url, tell)
        folder.write_run(run_document(choice, settings, environment, started))
        side = service_of(
            choice,
            environment,
            database,
            pin=settings.pin,
            users=users,
            boot_seconds=settings.boot_seconds,
            diagnose=settings.diagnose,
        )
        job = Job(sides=(side,), timing=settings.timing, generator=generator)
        attempt = 1
        while True:
            (measured,) = measure(job, observer)
            outcome = conclude(measured.facts, measured.log_tail, folder)
            signals.deliver()
            if attempt >= settings.attempts or not gates.disturbed(outcome.judgement):
                return outcome
            attempt += 1
            said = next(reason.message for reason in outcome.judgement.reasons if reason.gate == "machine")
            what = said.partition(":")[0]
            tell(f"{what}: waiting for a quieter moment to measure again, {attempt} of {settings.attempts}")
            quiet.wait(QUIET_SECONDS)


def folder_name(cell: Cell) -> str:
    """Server, style and workload, or server and application, as a part of a folder's name."""
    application = cell.application
    parts = (cell.server, application.style, re.sub(r"[^\w.]+", "-", application.workload))
    return "-".join(filter(None, parts))


def serve(
    choice: Choice,
    *,
    python: str | None,
    database_url: str | None,
    port: int,
    tell: Callable[[str], None],
    application: Ready | None = None,
) -> None:
    """Run the server of a cell until it ends or is interrupted."""
    host.require_linux()
    launch.check_port(port)
    environment = prepare_environment(choice, python)
    limits.raise_descriptor_limit()
    database = prepare_database(choice, database_url_of(choice, database_url), tell)
    service = service_of(choice, environment, database, pin="none", users=SERVED_CONNECTIONS)
    with (
        hooks.around(application),
        Supervisor() as supervisor,
    ):
        server = launch.start_server(service, supervisor, port=port)
        probes = choice.subject.probes()
        url = f"http://{launch.HOST}:{port}{probes[0].path if probes else '/'}"
        tell(f"{choice.cell.server} answers at {url} (Ctrl-C ends it)")
        try:
            code = server.child.process.wait()
        except signals.Ended:
            server.child.stop()
            raise
        raise TargetError(
            f"{choice.cell.server} ended by itself with exit code {code}",
            cure="see its log below",
            detail=server.child.log_tail(),
        )


def prepare_environment(choice: Choice, python: str | None) -> Environment:
    """The interpreter that runs the server, with everything installed that the cell needs."""
    environment = interpreters.inspect(python)
    check_environment(choice, environment)
    return environment


def check_environment(choice: Choice, environment: Environment) -> None:
    """Refuse an interpreter in which something is not installed that the cell needs."""
    cell, adapter = choice.cell, choice.adapter
    needed = (
        adapter.distribution,
        *adapter.requires(cell.interface, choice.options),
        *choice.subject.distributions,
    )
    interpreters.require(environment, needed, f"{cell.server} with {choice.subject.name}")


def service_of(
    choice: Choice,
    environment: Environment,
    database: Database | None,
    *,
    pin: str,
    users: int,
    boot_seconds: float = BOOT_SECONDS,
    diagnose: bool = True,
) -> Service:
    """The cell with everything that is needed to serve it."""
    embedded = database is not None and database.postmaster is not None
    return Service(
        cell=choice.cell,
        adapter=choice.adapter,
        subject=choice.subject,
        options=choice.options,
        environment=environment,
        placement=placement.place(pin, choice.cell.workers, uses_embedded_database=embedded),
        users=users,
        database=database,
        boot_deadline_seconds=boot_seconds,
        diagnose=diagnose,
    )


def check_generator(generator: Generator, choice: Choice, timing: Timing) -> None:
    """Refuse a load that the generator cannot produce."""
    refusal = generator.refusal(
        destinations=1,
        rate=choice.cell.rate,
        plain=choice.subject.plain,
        window_seconds=timing.window_seconds,
    )
    if refusal:
        raise UsageError(
            f"--generator {generator.name} cannot load {choice.cell.id}: {refusal}", cure="measure it with k6"
        )


def users_of(choice: Choice) -> int:
    """Virtual users that the generator runs."""
    cell = choice.cell
    if cell.vus is not None:
        return cell.vus
    assert cell.rate is not None
    return k6.users_for_rate(cell.rate, choice.subject.known_seconds)


def database_url_of(choice: Choice, given: str | None) -> str | None:
    """The URL of the Postgres to use, checked for its form; None: the embedded one, or none is needed."""
    if not choice.subject.connections:
        return None
    from harness.database import connection

    url = given or connection.url_from_environment()
    if url is not None:
        connection.describe(url)
    return url


def prepare_database(choice: Choice, url: str | None, tell: Callable[[str], None]) -> Database | None:
    """The workload's Postgres, with room for the connections of all workers; None where it needs none."""
    if not choice.subject.connections:
        return None
    from harness.database import connection

    database = connection.prepare(url, tell)
    check_connections(database, choice)
    return database


def check_connections(database: Database, *choices: Choice) -> None:
    """Refuse more connections of all workers, of cells that run at the same time, than Postgres has room for."""
    needed = [_connections(choice) for choice in choices]
    free, wanted = database.connections.free, sum(count for count, _ in needed)
    if wanted > free:
        raise UsageError(
            f"{' and '.join(said for _, said in needed)} connections are {wanted}, and Postgres has {free} free "
            f"(max_connections {database.connections.allowed}, {database.connections.reserved} of them reserved, "
            f"{database.connections.used} in use by others)",
            cure="lower --workers, --pool-size or --threads, or raise max_connections of the database server",
        )


def _connections(choice: Choice) -> tuple[int, str]:
    """How many connections a cell may open, as a number and in words."""
    cell = choice.cell
    if not choice.subject.connections:
        return 0, "no"
    assert cell.pool_size is not None
    if choice.subject.pooled:
        return cell.workers * cell.pool_size, f"{cell.workers} workers × {cell.pool_size} pooled"
    each = choice.subject.connections
    return cell.workers * cell.threads * each, f"{cell.workers} workers × {cell.threads} threads × {each}"


def run_document(choice: Choice, settings: Settings, environment: Environment, started: datetime) -> dict[str, object]:
    """What was asked for, on which host, with which packages."""
    return {
        "harness": __version__,
        "command": host.command(),
        "started_at": started.isoformat(timespec="milliseconds"),
        "cells": [choice.cell.id],
        "warmup_seconds": settings.timing.warmup_seconds,
        "window_seconds": settings.timing.window_seconds,
        "pin": settings.pin,
        "host": host.facts(),
        "environment": environment.model_dump(mode="json"),
    }


def conclude(facts: Facts, log_tail: str, folder: store.RunFolder, place: Place | None = None) -> Outcome:
    """Judge and store. Where the disk refuses, the measurement goes to the temporary folder, or into the error."""
    judgement = judge(facts)
    document = folder.clean(store.as_document(facts, judgement, folder.final, place))
    try:
        folder.write_measurement(document)
        if judgement.verdict != "valid" and log_tail:
            folder.write_log(store.without_home(log_tail) + "\n")
        return Outcome(facts=facts, judgement=judgement, document=document, folder=folder.publish(), log_tail=log_tail)
    except LackError as error:
        rescued = store.rescue(document)
        raise LackError(
            f"{error.what}; the measurement is kept in {rescued}" if rescued else error.what,
            cure=error.cure,
            detail="" if rescued else f"nowhere to keep the measurement but here:\n{store.as_text(document)}",
        ) from error
