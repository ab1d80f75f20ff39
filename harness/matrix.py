"""Carries out a matrix: every cell once per block, stored at once, gone on with after an interruption."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from harness import __version__, duet, load, plan, store
from harness.application import Ready, Side, ready
from harness.errors import HarnessError, TargetError, UsageError
from harness.judge.verdict import judge
from harness.load import k6
from harness.load.generator import Generator
from harness.measure import Job, Measured, Progress, Service, hooks, measure
from harness.model.cell import Environment, Interface, OwnApplication, Timing
from harness.model.comparison import Interval
from harness.model.duet import Restart
from harness.model.measurement import Judgement, Place, Verdict
from harness.model.plan import Plan
from harness.plan import Expansion, Planned
from harness.runner import (
    BOOT_SECONDS,
    check_connections,
    check_environment,
    check_generator,
    conclude,
    database_url_of,
    prepare_database,
    service_of,
    users_of,
)
from harness.subjects.own import Own
from harness.system import host, interpreters, limits, lock, placement, quiet, signals

DUET_TIMING = Timing(warmup_seconds=1.0, window_seconds=3.0)
DUET_PRECISION, DUET_SECONDS = 0.01, 180.0
REPEAT_SECONDS = 15.0
"""How long to wait for a quieter moment before a visit is repeated."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Means:
    """What a matrix is carried out with, besides its plan."""

    k6: str | None = None
    database_url: str | None = None
    out: Path = Path("results")
    boot_seconds: float = BOOT_SECONDS
    variables: Mapping[str, str] = field(default_factory=dict)
    """For the user's application."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Visited:
    """A visit that has ended, and what is left."""

    cell: str
    place: Place
    blocks: int
    done: int
    visits: int
    verdict: Verdict
    throughput_rps: float | None
    said: str
    """Why it is not valid; empty where it is."""
    seconds_left: float


class Reporter(Protocol):
    """Shows how a matrix goes on."""

    def tell(self, message: str) -> None:
        """Something that happened."""

    def begin(self, cell: str, place: Place) -> None:
        """A visit begins."""

    def observe(self, step: Progress) -> None:
        """A step of its measurement."""

    def end(self, visited: Visited) -> None:
        """It has ended."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """A plan that is ready to be carried out."""

    plan: Plan
    timing: Timing
    expansion: Expansion
    order: list[list[int]]
    repeated: int
    """Place of the A/A cell."""
    services: list[Service]
    generator: Generator
    duets: list[tuple[Planned, Planned]]

    @property
    def visits(self) -> int:
        """Of all blocks, those of the A/A cell included."""
        return sum(map(len, self.order))

    def service(self, place: int) -> Service:
        """The cell at a place of the order."""
        return self.services[self._resolved(place)]

    def name(self, place: int) -> str:
        """Its name."""
        return self.expansion.cells[self._resolved(place)].name

    def _resolved(self, place: int) -> int:
        return self.repeated if place == len(self.services) else place


def timing_of(wanted: Plan) -> Timing:
    """Warm-up and window of a plan, checked."""
    return plan.timing(wanted.warmup, wanted.duration)


@dataclass(frozen=True, kw_only=True, slots=True)
class Expanded:
    """The cells of a plan, with the user's application if it is one that is measured."""

    expansion: Expansion
    application: Ready | None
    """As its first interpreter has it."""

    @property
    def secrets(self) -> frozenset[str]:
        """What must not reach a result."""
        return frozenset() if self.application is None else self.application.secrets

    def around(self) -> AbstractContextManager[None]:
        """The user's commands before everything and at the end."""
        return hooks.around(self.application)


def expand(wanted: Plan, variables: Mapping[str, str]) -> Expanded:
    """The cells of a plan; the user's application is looked at with each interpreter."""
    plan.known("generator", wanted.generator, load.NAMES)
    described = wanted.application
    if described is None:
        return Expanded(expansion=plan.expand(wanted), application=None)
    found: dict[str | None, Ready] = {}

    def own(python: str | None) -> tuple[Own, Interface]:
        if python not in found:
            found[python] = ready(described, python, variables)
        return found[python].own, found[python].interface

    expansion = plan.expand(wanted, own)
    return Expanded(expansion=expansion, application=next(iter(found.values())))


def run(wanted: Plan, means: Means, shown: Reporter) -> Path:
    """Carry out a plan from its beginning; returns the run's folder."""
    host.require_linux()
    started = datetime.now(UTC)
    expanded = expand(wanted, means.variables)
    environments = inspect(expanded.expansion, wanted)
    with lock.machine(shown.tell), expanded.around():
        repeated = plan.repeated(expanded.expansion)
        work = prepare(wanted, expanded.expansion, repeated, environments, means, shown.tell)
        with store.RunFolder.create(means.out, "matrix", started, expanded.secrets) as folder:
            folder.write_run(run_document(work, environments, started))
            _carry_out(work, folder, {}, means, shown)
            return folder.publish()


def resume(path: Path, means: Means, shown: Reporter) -> Path:
    """Go on with an interrupted run where it stopped, in the same order; returns its folder."""
    host.require_linux()
    stored = store.read_run(path)
    wanted = plan_of(stored)
    expanded = expand(wanted, means.variables)
    environments = inspect(expanded.expansion, wanted)
    with lock.machine(shown.tell), expanded.around():
        repeated = place_of(stored.document.get("repeated"), expanded.expansion)
        work = prepare(wanted, expanded.expansion, repeated, environments, means, shown.tell)
        now = store.without_home(run_document(work, environments, datetime.now(UTC)))
        for what in CHANGED:
            if now[what] != stored.document.get(what):
                raise UsageError(
                    f"{path} cannot be gone on with: {CHANGED[what]} since it began",
                    cure="begin a new run; what it holds can still be reported",
                )
        folder = store.RunFolder.reopen(path, expanded.secrets)
        done: dict[tuple[int, int], list[store.Visit]] = {}
        for visit in stored.visits:
            assert visit.place is not None
            done.setdefault((visit.place.block, visit.place.position), []).append(visit)
        shown.tell(f"going on after {len(stored.visits)} stored visits")
        _carry_out(work, folder, done, means, shown)
        return path


CHANGED = {
    "cells": "the cells that its plan makes have changed",
    "order": "the order that its seed makes has changed",
    "host_identity": "the machine is another one",
    "environments": "installed packages have changed",
    "generator": "the load generator has changed",
    "database": "the database has changed",
    "requests": "what is requested of the application has changed",
}


def place_of(cell: str | None, expansion: Expansion) -> int:
    """Place of the A/A cell that a run was begun with; which one it would be now follows from the version."""
    names = [each.name for each in expansion.cells]
    return names.index(cell) if cell in names else plan.repeated(expansion)


def plan_of(stored: store.StoredRun) -> Plan:
    """The plan of a stored run."""
    if "plan" not in stored.document:
        raise UsageError(f"{stored.folder} is no matrix", cure="give the folder of one that was interrupted")
    return Plan.model_validate(stored.document["plan"])


def inspect(expansion: Expansion, wanted: Plan) -> dict[str | None, Environment]:
    """Interpreter → its environment, with everything installed that its cells need."""
    found: dict[str | None, Environment] = {}
    for each in expansion.cells:
        if each.python not in found:
            found[each.python] = interpreters.inspect(each.python or usual_python(wanted))
        check_environment(each.choice, found[each.python])
    return found


def usual_python(wanted: Plan) -> str | None:
    """Interpreter of cells that name none; None: the harness' own."""
    return None if wanted.application is None else wanted.application.python


def prepare(
    wanted: Plan,
    expansion: Expansion,
    repeated: int,
    environments: dict[str | None, Environment],
    means: Means,
    tell: Callable[[str], None],
) -> Work:
    """Check everything that can be checked before hours are spent."""
    pin = plan.known("pin", wanted.pin, placement.PINS)
    timing = timing_of(wanted)
    if wanted.duet_baseline:
        k6.find(means.k6)  # which loads the duets, whatever loads the blocks
    generator = load.find(wanted.generator, None if wanted.duet_baseline and wanted.generator != "k6" else means.k6)
    database = None
    services = []
    for each in expansion.cells:
        choice = each.choice
        check_generator(generator, choice, timing)
        users = users_of(choice)
        limits.check_capacity(users)
        if choice.subject.connections:
            if database is None:
                database = prepare_database(choice, database_url_of(choice, means.database_url), tell)
            assert database is not None
            check_connections(database, choice)
        services.append(
            service_of(
                choice,
                environments[each.python],
                database if choice.subject.connections else None,
                pin=pin,
                users=users,
                boot_seconds=means.boot_seconds,
            )
        )
    return Work(
        plan=wanted,
        timing=timing,
        expansion=expansion,
        order=plan.order(len(services), wanted.blocks, wanted.seed),
        repeated=repeated,
        services=services,
        generator=generator,
        duets=plan.duets(expansion, wanted.duet_baseline) if wanted.duet_baseline else [],
    )


def run_document(work: Work, environments: dict[str | None, Environment], started: datetime) -> store.Document:
    """What was asked for, on which host, with which packages."""
    facts = host.facts()
    return {
        "harness": __version__,
        "command": host.command(),
        "started_at": started.isoformat(timespec="milliseconds"),
        "plan": work.plan.model_dump(mode="json", exclude_none=True),
        "cells": [each.name for each in work.expansion.cells],
        "impossible": [{"cell": cell, "reason": reason} for cell, reason in work.expansion.impossible],
        "order": work.order,
        "repeated": work.expansion.cells[work.repeated].name,
        "warmup_seconds": work.timing.warmup_seconds,
        "window_seconds": work.timing.window_seconds,
        "pin": work.plan.pin,
        "generator": f"{work.generator.name} {work.generator.version}",
        "database": _database(work),
        "requests": _requests(work),
        "host": facts,
        "host_identity": {name: facts[name] for name in host.IDENTITY},
        "environments": [
            {"python_option": option, **environment.model_dump(mode="json")}
            for option, environment in environments.items()
        ],
    }


def _requests(work: Work) -> str | None:
    """What the requests of the user's application are told apart by; None where ours are measured."""
    application = work.services[0].cell.application
    return application.digest if isinstance(application, OwnApplication) else None


def _database(work: Work) -> store.Document | None:
    """What the database is told apart by; None where no cell uses one."""
    found = next((service.database for service in work.services if service.database is not None), None)
    if found is None:
        return None
    return {"kind": found.kind, "version": found.version, "server": found.server, "checksums": found.checksums}


def _carry_out(
    work: Work,
    folder: store.RunFolder,
    done: dict[tuple[int, int], list[store.Visit]],
    means: Means,
    shown: Reporter,
) -> None:
    """All visits that are not stored yet, block by block; those of a block that are not valid once more at its end.
    Then the duets."""
    attempts = {key: [_verdict(visit) for visit in visits] for key, visits in done.items()}
    seconds: list[float] = []
    try:
        for place in _places(work, attempts):
            service = work.service(work.order[place.block - 1][place.position - 1])
            name = work.name(work.order[place.block - 1][place.position - 1])
            shown.begin(name, place)
            if attempts.get((place.block, place.position), [])[-1:] == ["invalid"]:
                quiet.wait(REPEAT_SECONDS)
            began = time.monotonic()
            visited = _visit(service, work, place, folder, shown)
            seconds.append(time.monotonic() - began)
            attempts.setdefault((place.block, place.position), []).append(visited.verdict)
            left = work.visits - len(attempts)
            mean = sum(seconds) / len(seconds)
            shown.end(
                Visited(
                    cell=name,
                    place=place,
                    blocks=len(work.order),
                    done=len(attempts),
                    visits=work.visits,
                    verdict=visited.verdict,
                    throughput_rps=visited.throughput_rps,
                    said=visited.said,
                    seconds_left=left * mean,
                )
            )
            signals.deliver()
        _duets(work, folder, means, shown)
    except (HarnessError, signals.Ended):
        if attempts:
            made = f"{len(attempts)} of {work.visits} visits are stored"
            shown.tell(f"{made}; go on with: harness matrix --resume {folder.path}")
        raise


def _duets(work: Work, folder: store.RunFolder, means: Means, shown: Reporter) -> None:
    """Every server against the baseline, as far as it is not stored yet."""
    made = {(each.first, each.second) for each in store.read_duets(folder.path)}
    for first, second in work.duets:
        sides = [Side(choice=each.choice, python=each.python or usual_python(work.plan)) for each in (first, second)]
        names = duet.names(*sides)
        if names in made:
            continue
        shown.tell(f"duet of {names[1]} against {names[0]}")
        settings = duet.Settings(
            timing=DUET_TIMING,
            precision=DUET_PRECISION,
            most_seconds=DUET_SECONDS,
            interference=False,
            k6=means.k6,
            database_url=means.database_url,
            pin=work.plan.pin,
            out=folder.publish() / store.DUETS,
            boot_seconds=means.boot_seconds,
        )
        duet.perform(sides[0], sides[1], settings, _DuetReporter(shown))


class _DuetReporter:
    """A duet's progress among that of a matrix."""

    def __init__(self, shown: Reporter) -> None:
        self.tell = shown.tell
        self.observe = shown.observe

    def restarted(self, restart: Restart, ratio: Interval | None) -> None:
        """Nothing: what a duet says is told at the end."""


def _places(work: Work, attempts: dict[tuple[int, int], list[Verdict]]) -> Iterator[Place]:
    """What is to be visited next, by what was visited so far."""
    for block, places in enumerate(work.order, 1):
        for attempt in range(1, work.plan.attempts + 1):
            for position, place in enumerate(places, 1):
                made = attempts.get((block, position), [])
                if len(made) == attempt - 1 and "valid" not in made:
                    repeat = place == len(work.services)
                    yield Place(block=block, position=position, attempt=attempt, repeat=repeat)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Outcome:
    verdict: Verdict
    throughput_rps: float | None
    said: str


def _visit(service: Service, work: Work, place: Place, folder: store.RunFolder, shown: Reporter) -> _Outcome:
    """Measure and store; a server that does not come up is an outcome of its own."""
    started_at = datetime.now(UTC).isoformat(timespec="milliseconds")
    job = Job(sides=(service,), timing=work.timing, generator=work.generator)
    try:
        (measured,) = measure(job, shown.observe)
    except TargetError as error:
        signals.defer()
        last = error.detail.strip().rpartition("\n")[2].strip()
        said = f"{error.what}; its log ends with: {last}" if last else error.what
        failure = store.as_failure(service.cell, service.environment, started_at, said, error.detail, place)
        folder.write_measurement(failure)
        folder.publish()
        return _Outcome(verdict="failed", throughput_rps=None, said=said)
    return _concluded(measured, folder, place)


def _concluded(measured: Measured, folder: store.RunFolder, place: Place) -> _Outcome:
    outcome = conclude(measured.facts, measured.log_tail, folder, place)
    return _Outcome(
        verdict=outcome.judgement.verdict,
        throughput_rps=measured.facts.throughput_rps,
        said=_said(outcome.judgement),
    )


def _said(judgement: Judgement) -> str:
    return judgement.reasons[0].message if judgement.reasons else ""


def _verdict(visit: store.Visit) -> Verdict:
    return "failed" if visit.facts is None else judge(visit.facts).verdict
