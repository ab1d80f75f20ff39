"""Carries out a matrix: every cell once per block, stored at once, gone on with after an interruption."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from harness.analysis.evaluation import evaluate
from harness.applications.prepare import prepare_application
from harness.applications.prepared import PreparedApplication
from harness.config import expand
from harness.config.cells import ResolvedCell
from harness.config.expand import Expansion
from harness.config.parsing import parse_timing
from harness.deploy.spec import ServerSpec
from harness.errors import HarnessError, TargetError, UsageError
from harness.experiments import preflight
from harness.experiments.preflight import Preflight
from harness.experiments.session import ExecutionOptions, Session, exclusive, stored
from harness.host import quiet, signals
from harness.measure import Job, measure
from harness.model.application import UserApplication
from harness.model.evaluation import Verdict
from harness.model.events import Emit, VisitFinished, VisitStarted, ignore
from harness.model.load import Timing
from harness.model.plan import Plan
from harness.model.record import DatabaseIdentity, FailureRecord, MatrixRecord, MeasurementRecord, Place, StoredRun
from harness.store import codec
from harness.store.redaction import without_home

REPEAT_SECONDS = 15.0
"""How long to wait for a quieter moment before a visit is repeated."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class PreparedMatrix:
    """A plan that is ready to be carried out."""

    plan: Plan
    timing: Timing
    expansion: Expansion
    checked: Preflight
    specs: list[ServerSpec]
    order: list[list[int]]
    repeated: int
    """Place of the A/A cell."""

    @property
    def visits(self) -> int:
        """Of all blocks, those of the A/A cell included."""
        return sum(map(len, self.order))

    def spec(self, place: int) -> ServerSpec:
        """The cell at a place of the order."""
        return self.specs[self.repeated if place == len(self.specs) else place]


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


def run(plan: Plan, variables: Mapping[str, str], options: ExecutionOptions, emit: Emit = ignore) -> Path:
    """Carry out a plan from its beginning; returns the run's folder. `variables`: of the user's application."""
    started = datetime.now(UTC)
    timing = parse_timing(plan.warmup, plan.duration)
    expansion = expand_plan(plan, variables)
    options = _planned(plan, options)
    checked = preflight.check(expansion.cells, options, timing)
    with exclusive(expansion.cells):
        matrix = _prepare(plan, timing, expansion, expand.repeated(expansion), checked, options)
        with stored(expansion.cells, options, emit, name="matrix") as session:
            session.folder.write_run(_record(matrix, options, started))
            _carry_out(matrix, session, {})
            return session.folder.publish()


def resume(path: Path, variables: Mapping[str, str], options: ExecutionOptions, emit: Emit = ignore) -> Path:
    """Go on with an interrupted run where it stopped, in the same order; returns its folder. UsageError where what it
    was measured with has changed."""
    run = codec.read_run(path)
    record = run.record
    if not isinstance(record, MatrixRecord):
        raise UsageError(f"{path} is no matrix", cure="give the folder of one that was interrupted")
    plan = record.plan
    timing = parse_timing(plan.warmup, plan.duration)
    expansion = expand_plan(plan, variables)
    options = _planned(plan, options)
    checked = preflight.check(expansion.cells, options, timing)
    with exclusive(expansion.cells):
        labels = [each.label for each in expansion.cells]
        repeated = labels.index(record.repeated) if record.repeated in labels else expand.repeated(expansion)
        matrix = _prepare(plan, timing, expansion, repeated, checked, options)
        _refuse_changes(path, record, _record(matrix, options, datetime.now(UTC)))
        with stored(expansion.cells, options, emit, name="matrix", resume=path) as session:
            log.info(f"going on after {len(run.visits)} stored visits")
            _carry_out(matrix, session, _by_place(run))
    return path


def _planned(plan: Plan, options: ExecutionOptions) -> ExecutionOptions:
    """The options, with what the plan says over them."""
    return dataclasses.replace(options, generator=plan.generator, pin=plan.pin)


def _prepare(
    plan: Plan,
    timing: Timing,
    expansion: Expansion,
    repeated: int,
    checked: Preflight,
    options: ExecutionOptions,
) -> PreparedMatrix:
    return PreparedMatrix(
        plan=plan,
        timing=timing,
        expansion=expansion,
        checked=checked,
        specs=preflight.prepare(checked, expansion.cells, options),
        order=expand.order(len(expansion.cells), plan.blocks, plan.seed),
        repeated=repeated,
    )


def _record(matrix: PreparedMatrix, options: ExecutionOptions, started: datetime) -> MatrixRecord:
    """What was asked for, on which host, with which packages."""
    cells = matrix.expansion.cells
    return MatrixRecord(
        **preflight.record_header(cells, matrix.checked, options, matrix.timing, started),
        plan=matrix.plan,
        impossible=matrix.expansion.impossible,
        order=matrix.order,
        repeated=cells[matrix.repeated].label,
        database=_database(matrix),
        requests=_requests(cells),
    )


def _requests(cells: list[ResolvedCell]) -> str | None:
    application = cells[0].cell.variant.application
    return application.digest if isinstance(application, UserApplication) else None


def _database(matrix: PreparedMatrix) -> DatabaseIdentity | None:
    identity = next((spec.database for spec in matrix.specs if spec.database is not None), None)
    if identity is None:
        return None
    return DatabaseIdentity(
        kind=identity.kind, version=identity.version, server=identity.server, checksums=identity.checksums
    )


def _refuse_changes(path: Path, before: MatrixRecord, now: MatrixRecord) -> None:
    """Refuse to go on with a run under other conditions than those that it began with."""
    pairs: dict[str, list[object]] = {
        "the cells that its plan makes have changed": [[cell.label for cell in each.cells] for each in (before, now)],
        "the order that its seed makes has changed": [before.order, now.order],
        "the machine is another one": [before.host.identity, now.host.identity],
        "installed packages have changed": [
            without_home({name: each.model_dump(mode="json") for name, each in record.environments.items()})
            for record in (before, now)
        ],
        "the load generator has changed": [before.generator, now.generator],
        "the database has changed": [
            None if each is None else without_home(each.model_dump(mode="json"))
            for each in (before.database, now.database)
        ],
        "what is requested of the application has changed": [before.requests, now.requests],
    }
    for what, (old, new) in pairs.items():
        if old != new:
            raise UsageError(
                f"{path} cannot be gone on with: {what} since it began",
                cure="begin a new run; what it holds can still be reported",
            )


def _by_place(run: StoredRun) -> dict[tuple[int, int], list[Verdict]]:
    """(block, position) → verdicts of the attempts that are stored."""
    verdicts: dict[tuple[int, int], list[Verdict]] = {}
    for visit in run.visits:
        assert visit.place is not None
        verdict: Verdict = "failed" if isinstance(visit, FailureRecord) else evaluate(visit).verdict
        verdicts.setdefault((visit.place.block, visit.place.position), []).append(verdict)
    return verdicts


def _carry_out(
    matrix: PreparedMatrix,
    session: Session,
    attempts: dict[tuple[int, int], list[Verdict]],
) -> None:
    """All visits that are not stored yet, block by block; those of a block that are not valid once more at its end."""
    seconds: list[float] = []
    try:
        for place in _places(matrix, attempts):
            spec = matrix.spec(matrix.order[place.block - 1][place.position - 1])
            session.emit(VisitStarted(cell=spec.cell.label, place=place))
            if attempts.get((place.block, place.position), [])[-1:] == ["invalid"]:
                quiet.wait(REPEAT_SECONDS)
            began = time.monotonic()
            with signals.section():
                record = _visit(spec, matrix, place, session)
                seconds.append(time.monotonic() - began)
                attempts.setdefault((place.block, place.position), []).append(record.verdict)
                left = matrix.visits - len(attempts)
                session.emit(
                    VisitFinished(
                        cell=spec.cell.label,
                        place=place,
                        blocks=len(matrix.order),
                        done=len(attempts),
                        visits=matrix.visits,
                        verdict=record.verdict,
                        throughput_rps=record.throughput_rps if isinstance(record, MeasurementRecord) else None,
                        reason=record.reasons[0].message if record.reasons else "",
                        seconds_left=left * sum(seconds) / len(seconds),
                    )
                )
    except (HarnessError, signals.Ended):
        if attempts:
            progress = f"{len(attempts)} of {matrix.visits} visits are stored"
            log.info(f"{progress}; go on with: harness matrix --resume {session.folder.path}")
        raise


def _visit(
    spec: ServerSpec, matrix: PreparedMatrix, place: Place, session: Session
) -> MeasurementRecord | FailureRecord:
    """Measure and store; a server that does not come up is an outcome of its own."""
    started = datetime.now(UTC)
    job = Job(spec=spec, timing=matrix.timing, generator=matrix.checked.generator)
    try:
        measured = measure(job, session.emit)
    except TargetError as error:
        signals.defer()
        return session.store_failure(spec.cell, error, place, started)
    return session.store(measured, place)


def _places(matrix: PreparedMatrix, attempts: dict[tuple[int, int], list[Verdict]]) -> Iterator[Place]:
    """What is to be visited next, by what was visited so far."""
    for block, places in enumerate(matrix.order, 1):
        for attempt in range(1, matrix.plan.attempts + 1):
            for position, place in enumerate(places, 1):
                earlier = attempts.get((block, position), [])
                if len(earlier) == attempt - 1 and "valid" not in earlier:
                    repeat = place == len(matrix.specs)
                    yield Place(block=block, position=position, attempt=attempt, repeat=repeat)
