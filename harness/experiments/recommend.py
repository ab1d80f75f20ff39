"""Looks for the best server, worker count and thread count of an application, stage by stage."""

from __future__ import annotations

import dataclasses
import itertools
import logging
import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from harness.analysis import search
from harness.analysis.rotation import void
from harness.analysis.trials import trials
from harness.analysis.verdicts import MARGIN, TAIL_SECONDS
from harness.config import grouping
from harness.config.cells import CellSpec, ResolvedCell, resolve_cell
from harness.errors import HarnessError, ImpossibleError, LackError, UsageError
from harness.experiments import capacity, preflight
from harness.experiments import restarts as schedule
from harness.experiments.capacity import CapacityOptions, CapacityResult
from harness.experiments.preflight import Preflight
from harness.experiments.session import ExecutionOptions, Session, exclusive, stored
from harness.experiments.sets import CellsUp, SetRestarts
from harness.host import limits, placement, signals
from harness.model.application import BundledApplication, UserApplication
from harness.model.axes import DEFAULT_THREADS
from harness.model.capacity import Objective
from harness.model.counting import counted
from harness.model.events import Emit, MatrixProgress, RestartFinished, ignore
from harness.model.load import FOREVER
from harness.model.plan import CellSet
from harness.model.quantities import duration
from harness.model.recommendation import Configuration, ProductionCommand, Recommendation, Stage
from harness.model.record import RecommendationRecord, StoredRun
from harness.servers.adapter import Target

MEMBER_SECONDS = 2.0
"""Of slots of each member in a restart."""
LATENCY_SLOTS_SECONDS = 6.0
FINALISTS = 2
"""Configurations whose capacity is searched for: each takes some minutes."""
PORT = 8000
"""Of production commands."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class RecommendOptions:
    """How long it takes, and what matters."""

    most_seconds: float = 600.0
    """No restart begins that would end later."""
    margin: float = MARGIN
    """Difference of throughput that does not matter, as a share."""
    users: int | None = None
    """Of each configuration; None: as many as it takes to see what is short."""
    objectives: tuple[Objective, ...] = ()
    """What `capacities` is to be asked of the finalists, so that what cannot be asked is refused at once."""
    seed: int = 1


def run(
    template: CellSpec,
    servers: Sequence[str],
    rules: RecommendOptions,
    options: ExecutionOptions,
    emit: Emit = ignore,
) -> Path:
    """Search, and store each restart at once; returns the run's folder.

    `template`: what is served, whatever its server, workers, threads and load. UsageError, LackError or TargetError
    where no server can be measured.
    """
    began = time.monotonic()
    started = datetime.now(UTC)
    cells, left_out, checked = _servers(template, servers, options)
    if rules.objectives:
        capacity.refuse(cells, CapacityOptions(objectives=rules.objectives), checked.generator)
    log.info(preflight.remarks(cells, options.pin)[0])
    log.info(f"searching for {duration(rules.most_seconds)} at most; what is measured stays when it is interrupted")
    with exclusive(cells, wait=options.wait), stored(options, emit, name="recommend") as session:
        cores = placement.place(options.pin, 1, uses_embedded_database=False)
        record = RecommendationRecord(
            **preflight.record_header(cells, checked, options, FOREVER, started) | {"cells": []},
            impossible=left_out,
            sets=[],
            stages=[],
            margin=rules.margin,
            most_seconds=rules.most_seconds,
            production={},
            scope=placement.scope(cores),
        )
        names = [cell.cell.variant.server_label for cell in cells]
        work = _Search(template, names, len(cores.server_cpus or cores.cores), record, checked, rules, options, session)
        work.end_at(began + rules.most_seconds)
        try:
            work.carry_out()
        except (HarnessError, signals.Ended):
            if work.count:
                log.info(f"what the restarts so far say: harness report {session.folder.publish()}")
            raise
        work.conclude()
        return session.folder.publish()


def capacities(
    template: CellSpec, answer: Recommendation, rules: CapacityOptions, options: ExecutionOptions, emit: Emit = ignore
) -> CapacityResult:
    """How many requests per second the best configuration and the first that equals it hold under objectives."""
    assert answer.best is not None
    finalists = [answer.best.configuration, *answer.equals][:FINALISTS]
    log.info(f"capacity: {', '.join(each.server for each in finalists)}")
    cells = [
        resolve_cell(
            dataclasses.replace(template, server=each.server, workers=each.workers, threads=each.threads, users=1)
        )
        for each in finalists
    ]
    return capacity.run(cells, rules, options, emit)


def _servers(
    template: CellSpec, servers: Sequence[str], options: ExecutionOptions
) -> tuple[list[ResolvedCell], list[tuple[str, str]], Preflight]:
    """Cells of the servers that can be measured here, and why the others cannot."""
    cells: list[ResolvedCell] = []
    left_out: list[tuple[str, str]] = []
    last: HarnessError | None = None
    for name in servers:
        try:
            resolved = resolve_cell(dataclasses.replace(template, server=name, users=search.FIRST_USERS))
            preflight.check_environments([resolved], options)
        except (ImpossibleError, LackError) as error:
            last = error
            left_out.append((name, f"{error.what}; {error.cure}" if isinstance(error, LackError) else error.what))
        else:
            cells.append(resolved)
    for cell in cells[grouping.MOST_MEMBERS :]:
        left_out.append((cell.cell.variant.server_label, f"{grouping.MOST_MEMBERS} at once are the most; see --server"))
    cells = cells[: grouping.MOST_MEMBERS]
    if not cells:
        raise last or UsageError("no server is named", cure="see what there is with: harness list servers")
    preflight.refuse_without_turns(cells)
    return cells, left_out, preflight.check(cells, options, FOREVER)


class _Search(SetRestarts):
    """A search under way: what is tried next follows from what is stored."""

    def __init__(
        self,
        template: CellSpec,
        servers: Sequence[str],
        cores: int,
        record: RecommendationRecord,
        checked: Preflight,
        rules: RecommendOptions,
        options: ExecutionOptions,
        session: Session,
    ) -> None:
        super().__init__(record, checked.generator, session, rules.seed)
        self._template, self._checked, self._options, self._rules = template, checked, options, rules
        self._end = self._began = time.monotonic()
        self._room = grouping.Room(memory_bytes=limits.available_bytes())
        self._bounds = search.Bounds(
            servers=servers, cores=cores, margin=rules.margin, users=rules.users, fits=self._fits
        )

    def end_at(self, moment: float) -> None:
        """No restart begins that would end after this moment, by the monotonic clock."""
        self._end = moment

    @property
    def _own(self) -> RecommendationRecord:
        assert isinstance(self._record, RecommendationRecord)
        return self._record

    def _run(self) -> StoredRun:
        return StoredRun(
            folder="",
            record=self._own,
            visits=list(itertools.chain.from_iterable(each.visits for each in self._sets)),
            restarts=sorted(
                itertools.chain.from_iterable(each.restarts for each in self._sets), key=lambda each: each.number
            ),
        )

    def _next(self) -> CellsUp | None:
        found = trials(self._run())
        left = self._end - time.monotonic()
        current = self._sets[-1] if self._sets else None
        move = search.next_move(found, self._bounds, left, 0.0 if current is None else self._duration(current))
        match move:
            case None:
                return None
            case search.Again():
                assert current is not None
                gone = {current.labels[place]: place for place in current.up}
                for each in move.leave:
                    place = next(place for label, place in gone.items() if self._configuration(current, place) == each)
                    current.up.remove(place)
                    log.info(f"{current.labels[place]} leaves: it is clearly worse than the best, or failed")
                return current if current.up else None
            case search.Begin():
                begun = self._begin(move)
                return begun if self._duration(begun) <= left or len(self._sets) == 1 else None

    def _configuration(self, cells: CellsUp, place: int) -> Configuration:
        return Configuration.of(cells.specs[place].cell)

    def _cell(self, each: Configuration, users: int | None, rate: float | None = None) -> ResolvedCell:
        return resolve_cell(
            dataclasses.replace(
                self._template, server=each.server, workers=each.workers, threads=each.threads, users=users, rate=rate
            )
        )

    def _fits(self, each: Configuration) -> bool:
        """Whether there is room for a configuration and two more like it, which is more than are up beside it."""
        try:
            cell = self._cell(each, search.FIRST_USERS)
        except ImpossibleError:  # some servers have no more than so many workers
            return False
        return grouping.fits([cell] * 3, self._room)

    def _begin(self, move: search.Begin) -> CellsUp:
        """A stage with its cells, stored as far as it is known."""
        users = None if move.rate else move.users
        resolved = [self._cell(each, users, move.rate) for each in move.members]
        limits.check_capacity(sum(map(preflight.users_of, resolved)))
        databases = preflight.prepare_databases(resolved, self._options)
        if databases[0] is not None:
            self._room = dataclasses.replace(self._room, connections=databases[0].connections.free)
        specs = preflight.server_specs(self._checked, resolved, databases, self._options, together=True)
        labels = [cell.label for cell in self._own.cells]
        new = [each.cell for each in resolved if each.label not in labels]
        cells = [*self._own.cells, *new]
        places = [[cell.label for cell in cells].index(each.label) for each in resolved]
        update = {
            "cells": cells,
            "sets": [*self._own.sets, CellSet(members=places, reference=None)],
            "stages": [*self._own.stages, Stage(name=move.name, seconds=round(move.seconds, 1))],
            "production": self._own.production | {each.label: production(each) for each in resolved},
        }
        self._record = self._session.folder.cleaned(self._own.model_copy(update=update))
        self._session.folder.write_run(self._record)
        latency = move.rate is not None
        seconds = LATENCY_SLOTS_SECONDS if latency else MEMBER_SECONDS * len(resolved)
        extra = {"least": TAIL_SECONDS * 1.2} if latency else {}
        log.info(f"{move.name}: {', '.join(each.label for each in resolved)}")
        return self._add(self._own.sets[-1], specs, seconds, **extra)

    def _duration(self, cells: CellsUp) -> float:
        """Seconds of one more restart of a set."""
        if cells.restarts:
            return cells.restarts[-1].seconds * max(0.5, len(cells.up) / len(cells.restarts[-1].cells))
        return schedule.overhead_seconds(cells.cells) + cells.seconds

    def _observed(self, cells: CellsUp) -> None:
        passed = time.monotonic() - self._began
        whole = max(1.0, self._end - self._began)
        last = cells.restarts[-1] if cells.restarts and cells.restarts[-1].number == self._number else None
        failed = cells.visits[-1] if last is None and cells.visits else None
        reason = getattr(failed, "reasons", None)
        why = void(last) if last is not None else reason[0].message if reason else None
        found = trials(self._run())[-1]
        what = f"{self._own.stages[-1].name}: {counted(len(cells.up), 'configuration')}"
        if why is None and len(found.known) > 1:
            best = found.known[0]
            what += f", {best.server} with {counted(best.workers, 'worker')} leads"
        self._session.emit(
            RestartFinished(
                number=self._number,
                void=why,
                ratio=None,
                matrix=MatrixProgress(
                    what=what,
                    fraction=min(1.0, passed / whole),
                    seconds_left=max(0.0, self._end - time.monotonic()),
                    sure=0,
                    ratios=0,
                    median_half_width=None,
                ),
            )
        )

    def conclude(self) -> None:
        """Store that it has ended."""
        self._record = self._own.model_copy(update={"finished": True})
        self._session.folder.write_run(self._record)


def production(resolved: ResolvedCell) -> ProductionCommand:
    """The command line of a cell in production."""
    variant, adapter = resolved.cell.variant, resolved.adapter
    application = variant.application
    module, attribute, steps = "MODULE", "APP", []
    if isinstance(application, UserApplication):
        module, _, attribute = application.target.partition(":")
        if application.folder:
            steps.append(f"run it in the folder {application.folder}")
        if application.factory:
            steps.append(f"write in {module}: app = {attribute}()")
            attribute = "app"
    else:
        assert isinstance(application, BundledApplication)
        steps.append("MODULE:APP stands for an application of yours like the built-in one")
    if variant.interface == "wsgi" and adapter.wraps_wsgi(resolved.options):
        steps.append(
            f"write in {module}: asgi = a2wsgi.WSGIMiddleware({attribute}, workers={variant.threads}), since "
            f"{variant.server} calls WSGI through a2wsgi here"
        )
        attribute = "asgi"
    elif variant.interface == "asgi" and variant.threads != DEFAULT_THREADS:
        steps.append(
            "set the threads when the application starts: "
            f"anyio.to_thread.current_default_thread_limiter().total_tokens = {variant.threads}"
        )
    target = Target(
        python="python",
        module=module,
        attribute=attribute,
        interface=variant.interface,
        host="0.0.0.0",
        port=PORT,
        workers=variant.workers,
        threads=variant.threads,
        connections=0,
    )
    found = adapter.production(target, resolved.options)
    reasons: dict[str, list[str]] = {}
    for what, why in found.differences.items():
        reasons.setdefault(why, []).append(what)
    return ProductionCommand(
        command=shlex.join(found.argv),
        steps=steps,
        differences=[f"{', '.join(what)} {why}" for why, what in reasons.items()],
    )
