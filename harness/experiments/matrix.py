"""Carries out a matrix: sets of cells loaded in turn, each restart stored at once, and gone on with later."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from harness.applications.prepare import prepare_application
from harness.applications.prepared import PreparedApplication
from harness.applications.requests import request_source
from harness.config import expand, grouping
from harness.config.cells import ResolvedCell
from harness.config.expand import Expansion
from harness.deploy.spec import ServerSpec
from harness.errors import HarnessError, UsageError
from harness.experiments import preflight
from harness.experiments import restarts as schedule
from harness.experiments.preflight import Preflight
from harness.experiments.restarts import Restarts, Rules
from harness.experiments.session import ExecutionOptions, Session, exclusive, stored
from harness.handlers import fibonacci
from harness.host import limits, placement, signals
from harness.model.application import UserApplication
from harness.model.counting import counted
from harness.model.database import Database
from harness.model.events import Emit, ignore
from harness.model.load import FOREVER
from harness.model.plan import ApplicationPlan, CellSet, Forecast, Plan
from harness.model.quantities import parse_duration, parse_fraction
from harness.model.record import DatabaseIdentity, MatrixRecord, StoredRun
from harness.stats.simultaneous import LEAST_RESTARTS
from harness.store import codec, holding
from harness.store.redaction import clean

log = logging.getLogger(__name__)

PROBED = 18
"""The Fibonacci number by which it is found out how fast the machine computes: a millisecond."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PreparedMatrix:
    """A plan that is ready to be carried out."""

    plan: Plan
    rules: Rules
    cells: list[ResolvedCell]
    checked: Preflight
    sets: list[CellSet]
    specs: list[list[ServerSpec]]
    """Of each set."""
    record: MatrixRecord


def expand_plan(plan: Plan, variables: Mapping[str, str]) -> Expansion:
    """The cells of a plan; the user's application is made ready in each interpreter."""
    described = plan.application
    if described is None:
        return expand.expand(plan)
    prepared: dict[str | None, PreparedApplication] = {}

    def prepare(python: str | None) -> PreparedApplication:
        if python not in prepared:
            prepared[python] = prepare_application(described, python, variables)
        return prepared[python]

    return expand.expand(plan, prepare)


def rules_of(plan: Plan) -> Rules:
    """How sure and how long, with every number in bounds."""
    return Rules(
        precision=parse_fraction("precision", plan.precision),
        margin=parse_fraction("margin", plan.margin),
        against=plan.against,
        most_seconds=parse_duration("max_time", plan.max_time),
        seed=plan.seed,
    )


def sets_of(expansion: Expansion, plan: Plan, room: grouping.Room) -> tuple[list[CellSet], int | None]:
    """Which cells are up at once, and which of them is there twice."""
    twice = expand.repeated(expansion) if plan.aa else None
    return grouping.sets(expansion.cells, twice, room, expansion.groups), twice


def forecast(plan: Plan, expansion: Expansion) -> Forecast:
    """What a plan will come to, as far as it is known before anything is started."""
    rules = rules_of(plan)
    sets, _ = sets_of(expansion, plan, grouping.Room(memory_bytes=limits.available_bytes()))
    computing = _computing(plan.pin, max(each.cell.variant.workers for each in expansion.cells))
    seconds = [
        schedule.restart_seconds(each, slots, [expansion.cells[place] for place in each.members], computing)
        for each, slots in zip(sets, schedule.slots_seconds(sets, rules.most_seconds), strict=True)
    ]
    return Forecast(
        sets=sets,
        seconds=LEAST_RESTARTS * sum(seconds),
        most_seconds=rules.most_seconds,
        half_width=schedule.expected_half_width(sets, rules.most_seconds, against_one=rules.against is not None),
        precision=rules.precision,
        remarks=preflight.remarks(expansion.cells, plan.pin),
    )


def _computing(pin: str, workers: int) -> grouping.Computing:
    """How fast the machine computes just now."""
    began = time.thread_time()
    fibonacci.naive(PROBED)
    call_seconds = (time.thread_time() - began) / fibonacci.calls(PROBED)
    placed = placement.place(pin, workers, uses_embedded_database=False)
    return grouping.Computing(call_seconds=call_seconds, cores=len(placed.server_cpus or placed.cores))


def run(plan: Plan, variables: Mapping[str, str], options: ExecutionOptions, emit: Emit = ignore) -> Path:
    """Carry out a plan from its beginning; returns the run's folder. `variables`: of the user's application."""
    expansion = expand_plan(plan, variables)
    options = _planned(plan, options)
    checked = _check(expansion, options)
    for remark in preflight.remarks(expansion.cells, options.pin):
        log.info(remark)
    with exclusive(expansion.cells, wait=options.wait):
        matrix = _prepare(plan, expansion, checked, options, None)
        with stored(options, emit, name="matrix") as session:
            session.folder.write_run(matrix.record)
            _carry_out(matrix, session, None)
            return session.folder.publish()


def resume(
    path: Path,
    variables: Mapping[str, str],
    options: ExecutionOptions,
    emit: Emit = ignore,
    project: ApplicationPlan | None = None,
) -> Path:
    """Go on with an interrupted run where it stopped; returns its folder. UsageError where what it was measured with
    has changed. `project`: the application where it is described now, of whose requests not everything is stored."""
    with holding.held(path):  # before it is read: what another harness still stores would be measured again
        return _resume(path, variables, options, emit, project)


def _resume(
    path: Path, variables: Mapping[str, str], options: ExecutionOptions, emit: Emit, project: ApplicationPlan | None
) -> Path:
    before = codec.read_run(path)
    record = before.record
    if not isinstance(record, MatrixRecord):
        raise UsageError(f"{path} is no matrix", cure="give the folder of one that was interrupted")
    if record.finished:
        log.info(f"{path} has come to its end: nothing is left to measure")
        return path
    plan = _whole(path, record, project)
    expansion = expand_plan(plan, variables)
    options = _planned(plan, options)
    checked = _check(expansion, options)
    with exclusive(expansion.cells, wait=options.wait):
        matrix = _prepare(plan, expansion, checked, options, record)
        _refuse_changes(path, record, matrix.record)
        with stored(options, emit, name="matrix", resume=path) as session:
            log.info(f"going on after {len(before.restarts)} stored restarts")
            _carry_out(matrix, session, before)
    return path


def _whole(path: Path, record: MatrixRecord, project: ApplicationPlan | None) -> Plan:
    """A stored plan with the headers, bodies and values of its requests."""
    stored = record.plan.application
    if stored is None:
        return record.plan
    if stored.described and (project is None or not project.described):
        raise UsageError(
            f"headers and bodies of the requests of {path} are not stored, and there is no harness.toml here that has "
            "them",
            cure="go on in the folder where it was begun, or name its plan: harness matrix PLAN --resume FOLDER",
        )
    if _digest(stored) != record.requests:
        stored = stored.with_contents(project)
    return record.plan.model_copy(update={"application": stored})


def _digest(application: ApplicationPlan) -> str | None:
    """Of what is requested; None where that cannot be told."""
    try:
        return request_source(application, Path(), []).digest
    except UsageError:
        return None


def _stored(plan: Plan) -> Plan:
    """A plan as it is stored."""
    if plan.application is None:
        return plan
    return plan.model_copy(update={"application": plan.application.without_contents()})


def _planned(plan: Plan, options: ExecutionOptions) -> ExecutionOptions:
    """The options, with what the plan says over them."""
    return dataclasses.replace(options, generator=plan.generator, pin=plan.pin)


def _check(expansion: Expansion, options: ExecutionOptions) -> Preflight:
    preflight.refuse_without_turns(expansion.cells)
    return preflight.check(expansion.cells, options, FOREVER)


def _prepare(
    plan: Plan, expansion: Expansion, checked: Preflight, options: ExecutionOptions, before: MatrixRecord | None
) -> PreparedMatrix:
    """`before`: the record of a run that is gone on with, whose sets stay as they are."""
    cells = expansion.cells
    databases = preflight.prepare_databases(cells, options)
    database = next((each for each in databases if each is not None), None)
    labels = [cell.label for cell in cells]
    if before is not None and [cell.label for cell in before.cells] == labels:
        sets, repeated = before.sets, before.repeated
    else:
        room = grouping.Room(memory_bytes=limits.available_bytes())
        if database is not None:
            room = dataclasses.replace(room, connections=database.connections.free)
        sets, twice = sets_of(expansion, plan, room)
        repeated = None if twice is None else labels[twice]
    specs = []
    for each in sets:
        members = [cells[place] for place in each.members]
        limits.check_capacity(sum(map(preflight.users_of, members)))
        of_members = [databases[place] for place in each.members]
        specs.append(preflight.server_specs(checked, members, of_members, options, together=True))
    record = MatrixRecord(
        **preflight.record_header(cells, checked, options, FOREVER, datetime.now(UTC)),
        plan=_stored(plan),
        impossible=expansion.impossible,
        sets=sets,
        repeated=repeated,
        database=_identity(database),
        requests=_requests(cells),
    )
    return PreparedMatrix(
        plan=plan, rules=rules_of(plan), cells=cells, checked=checked, sets=sets, specs=specs, record=record
    )


def _requests(cells: list[ResolvedCell]) -> str | None:
    application = cells[0].cell.variant.application
    return application.digest if isinstance(application, UserApplication) else None


def _identity(database: Database | None) -> DatabaseIdentity | None:
    if database is None:
        return None
    return DatabaseIdentity(
        kind=database.kind, version=database.version, server=database.server, checksums=database.checksums
    )


def _refuse_changes(path: Path, before: MatrixRecord, now: MatrixRecord) -> None:
    """Refuse to go on with a run under other conditions than those that it began with."""
    pairs: dict[str, list[object]] = {
        "the cells that its plan makes have changed": [[cell.label for cell in each.cells] for each in (before, now)],
        f"the machine is another one ({', '.join(before.host.differences(now.host))})": [
            before.host.identity,
            now.host.identity,
        ],
        "installed packages have changed": [
            clean({name: each.model_dump(mode="json") for name, each in record.environments.items()})
            for record in (before, now)
        ],
        "the load generator has changed": [before.generator, now.generator],
        "the database has changed": [
            None if each is None else clean(each.model_dump(mode="json")) for each in (before.database, now.database)
        ],
        "what is requested of the application has changed": [before.requests, now.requests],
    }
    for what, (old, new) in pairs.items():
        if old != new:
            raise UsageError(
                f"{path} cannot be gone on with: {what} since it began",
                cure="begin a new run; what it holds can still be reported",
            )


def _carry_out(matrix: PreparedMatrix, session: Session, before: StoredRun | None) -> None:
    """All restarts that are not stored yet."""
    record = matrix.record if before is None else before.record
    assert isinstance(record, MatrixRecord)
    restarts = Restarts(matrix.sets, matrix.specs, matrix.record, matrix.checked.generator, matrix.rules, session)
    if before is not None:
        restarts.take(before)
    try:
        restarts.carry_out()
    except (HarnessError, signals.Ended):
        if restarts.count:
            stored_so_far = counted(restarts.count, "restart")
            log.info(f"stored: {stored_so_far}; go on with: harness matrix --resume {session.folder.path}")
        raise
    session.folder.write_run(record.model_copy(update={"finished": True}))
