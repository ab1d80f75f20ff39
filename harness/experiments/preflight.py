"""Every check that can be made before anything is started, for all cells of an experiment; then what it runs on."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from harness import __version__, load
from harness.config import expand
from harness.config.cells import ResolvedCell, database_connections
from harness.config.parsing import require_choice
from harness.deploy.spec import ServerSpec
from harness.environments import interpreters
from harness.errors import LackError, UsageError
from harness.experiments import surroundings
from harness.experiments.session import ExecutionOptions, timestamp
from harness.host import facts, limits, placement
from harness.load import k6
from harness.load.generator import Generator
from harness.model.database import Database
from harness.model.environment import Environment
from harness.model.load import Timing
from harness.model.placement import Placement
from harness.model.record import HostFacts
from harness.servers.command import find_program

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Preflight:
    """What was found to be there."""

    environments: dict[str, Environment]
    """Name of an environment in the cells → what it holds."""
    generator: Generator


def check(
    cells: Sequence[ResolvedCell], options: ExecutionOptions, timing: Timing, *, together: bool = False
) -> Preflight:
    """Check system, interpreters, packages, generator, limits and the form of the database's URL. Starts nothing.

    `together`: all cells are up at once. UsageError or LackError names the
    first thing that is wrong.
    """
    environments = check_environments(cells, options)
    for remark in surroundings.remarks(cells):
        log.info(remark)
    generator = load.find(require_choice("generator", options.generator, load.NAMES), options.k6)
    users = [users_of(cell) for cell in cells]
    for cell in cells:
        check_generator(generator, cell, timing)
    limits.check_capacity(sum(users) if together else max(users))
    return Preflight(environments=environments, generator=generator)


def remarks(cells: Sequence[ResolvedCell], pin: str) -> list[str]:
    """What a reader should know before anything is measured: what this machine can answer, and what these cells
    cannot."""
    limited = expand.load_limited(cells)
    return [
        placement.introduction(placement.place(pin, 1, uses_embedded_database=False)),
        *([limited] if limited else []),
    ]


def refuse_without_turns(cells: Sequence[ResolvedCell]) -> None:
    """Refuse, where cells are loaded in turn, what cannot be loaded so."""
    for cell in cells:
        load = cell.cell.load
        if load.users is None and load.arrivals != "poisson":
            raise UsageError(
                f"{cell.label} cannot be loaded in turns: there requests arrive by chance",
                cure=f"leave {load.arrivals!r} away, or measure it with: harness run --arrivals {load.arrivals}",
            )
        if cell.application is not None and cell.application.served.script is not None:
            raise UsageError(
                f"{cell.label} cannot be loaded in turns: a k6 script of your own sends at its own pace and knows no "
                "turns",
                cure="give requests that the harness sends (--path, --requests), or measure it with: harness run",
            )


def check_environments(cells: Sequence[ResolvedCell], options: ExecutionOptions) -> dict[str, Environment]:
    """Name of an environment in the cells → what it holds, which is everything that they need."""
    facts.require_linux()
    require_choice("pin", options.pin, placement.PINS)
    environments: dict[str, Environment] = {}
    for cell in cells:
        name = cell.cell.variant.environment
        if name not in environments:
            environments[name] = interpreters.inspect(cell.python)
        check_packages(cell, environments[name])
        surroundings.check(cell)
        database_url(cell, options)
    return environments


def prepare(
    preflight: Preflight, cells: Sequence[ResolvedCell], options: ExecutionOptions, *, together: bool = False
) -> list[ServerSpec]:
    """From cells to what their servers are started from: with the database up, which has room for their connections.

    `together`: all cells are up at once, on the cores of the one that needs most.
    """
    databases = prepare_databases(cells, options)
    return server_specs(preflight, cells, databases, options, together=together)


def server_specs(
    preflight: Preflight,
    cells: Sequence[ResolvedCell],
    databases: Sequence[Database | None],
    options: ExecutionOptions,
    *,
    together: bool,
) -> list[ServerSpec]:
    """The same, with databases that are up."""
    if together:
        database = next((each for each in databases if each is not None), None)
        if database is not None:
            check_connections(database, *cells)
    placements = [_placement(cell, database, options) for cell, database in zip(cells, databases, strict=True)]
    if together:
        largest = max(placements, key=lambda each: (len(each.server_cpus or ()), each.database_cpus is not None))
        placements = [largest.model_copy(update={"note": each.note}) for each in placements]
    return [
        ServerSpec(
            cell=cell.cell,
            adapter=cell.adapter,
            subject=cell.subject,
            options=cell.options,
            environment=preflight.environments[cell.cell.variant.environment],
            placement=place,
            users=users_of(cell),
            database=database,
            boot_deadline_seconds=options.boot_seconds,
            diagnose=options.diagnose,
        )
        for cell, database, place in zip(cells, databases, placements, strict=True)
    ]


def record_header(
    cells: Sequence[ResolvedCell], preflight: Preflight, options: ExecutionOptions, timing: Timing, started: datetime
) -> dict[str, Any]:
    """What the records of all kinds of runs have in common."""
    return {
        "harness": __version__,
        "command": facts.command(),
        "started_at": timestamp(started),
        "host": HostFacts.model_validate(facts.facts()),
        "environments": preflight.environments,
        "cells": [cell.cell for cell in cells],
        "timing": timing,
        "pin": options.pin,
        "generator": f"{preflight.generator.name} {preflight.generator.version}",
    }


def _placement(cell: ResolvedCell, database: Database | None, options: ExecutionOptions) -> Placement:
    embedded = database is not None and database.postmaster is not None
    return placement.place(options.pin, cell.cell.variant.workers, uses_embedded_database=embedded)


def prepare_databases(cells: Sequence[ResolvedCell], options: ExecutionOptions) -> list[Database | None]:
    """Of each cell the Postgres that it uses, with room for the connections of all its workers; prepared once."""
    database: Database | None = None
    databases: list[Database | None] = []
    for cell in cells:
        if cell.subject.connections and database is None:
            from harness.database import connection

            database = connection.prepare(database_url(cell, options))
        databases.append(database if cell.subject.connections else None)
        if cell.subject.connections and database is not None:
            check_connections(database, cell)
    return databases


def check_packages(resolved: ResolvedCell, environment: Environment) -> None:
    """Refuse an interpreter in which something is not installed that the cell needs."""
    variant, adapter = resolved.cell.variant, resolved.adapter
    needed = (
        *(() if adapter.distribution is None else (adapter.distribution,)),
        *adapter.requires(variant.interface, resolved.options),
        *resolved.subject.distributions,
    )
    interpreters.require(environment, needed, f"{variant.server} with {resolved.subject.name}")
    if adapter.program is not None and find_program(environment.executable, adapter.program) is None:
        raise LackError(
            f"{variant.server} runs {adapter.program}, which is neither beside {environment.executable} nor on PATH",
            cure="install it there, or name it by its path",
        )


def check_generator(generator: Generator, resolved: ResolvedCell, timing: Timing) -> None:
    """Refuse a load that the generator cannot produce."""
    refusal = generator.refusal(
        rate=resolved.cell.load.rate,
        plain=resolved.subject.plain,
        window_seconds=timing.window_seconds,
    )
    if refusal:
        raise UsageError(
            f"--generator {generator.name} cannot load {resolved.cell.label}: {refusal}", cure="measure it with k6"
        )


def users_of(resolved: ResolvedCell) -> int:
    """Virtual users that the generator runs."""
    cell = resolved.cell
    if cell.load.users is not None:
        return cell.load.users
    assert cell.load.rate is not None
    return k6.users_for_rate(cell.load.rate, resolved.subject.known_seconds)


def database_url(resolved: ResolvedCell, options: ExecutionOptions) -> str | None:
    """The URL of the Postgres to use, checked for its form; None: the embedded one, or none is needed."""
    if not resolved.subject.connections:
        return None
    from harness.database import connection

    url = options.database_url or connection.url_from_environment()
    if url is not None:
        connection.describe(url)
    return url


def check_connections(database: Database, *cells: ResolvedCell) -> None:
    """Refuse more connections of all workers, of cells that run at the same time, than Postgres has room for."""
    needed = [database_connections(resolved) for resolved in cells]
    free, total = database.connections.free, sum(count for count, _ in needed)
    if total > free:
        raise UsageError(
            f"{' and '.join(words for _, words in needed)} connections are {total}, and Postgres has {free} free "
            f"(max_connections {database.connections.allowed}, {database.connections.reserved} of them reserved, "
            f"{database.connections.used} in use by others)",
            cure="lower --workers, --pool-size or --threads, or raise max_connections of the database server",
        )
