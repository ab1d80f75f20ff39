"""How much cells can take under objectives: fresh starts under rates that a search proposes, cell by cell in turn."""

from __future__ import annotations

import dataclasses
import logging
import math
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from harness.analysis import capacity as search
from harness.analysis import probes as analysis
from harness.config.cells import MAXIMUM_USERS, ResolvedCell
from harness.deploy.spec import ServerSpec
from harness.errors import TargetError, UsageError
from harness.experiments import preflight
from harness.experiments.databases import DatabaseWatch
from harness.experiments.session import ExecutionOptions, Session, exclusive, stored
from harness.host import facts, limits, quiet, signals
from harness.load import arrivals, k6
from harness.load.generator import Generator, Judging
from harness.measure import Job, measure
from harness.measure.job import Offered
from harness.model.capacity import Capacity, Objective
from harness.model.counting import counted
from harness.model.events import Emit, ProbeFinished, ignore
from harness.model.load import ClosedLoad, LoadProfile, OpenLoad, Timing
from harness.model.measurement import Crowds
from harness.model.record import CapacityRecord, HostFacts, MeasurementRecord, Place, StoredRun
from harness.stats import crowding
from harness.store import codec

CLOSED_USERS = 64
CLOSED = Timing(warmup_seconds=1.0, window_seconds=3.0)
"""Of the first visit of each cell, under closed load: what it serves then is where the search begins."""
START_SECONDS = 4.0
"""What a fresh start takes besides its load, until it is known better."""
TAIL_SECONDS = 0.3
"""Beyond the longest limit, for which the load goes on after the window."""
SLICE_SECONDS = 1.0
MOST_INVALID = 5
"""Probes of a cell in a row that may be invalid before it is left to what it has."""
QUIET_SECONDS = 20.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class CapacityOptions:
    """What is asked, how sure, and how long it may take."""

    objectives: tuple[Objective, ...]
    precision: float = 0.10
    """How close the bounds should come, as a share of the lower one."""
    most_seconds: float | None = None
    """No probe begins that would end later; None: five minutes for each cell."""
    rate: float | None = None
    """Requests per second that are to be served: the answer says what it takes."""
    core_hour_price: float | None = None
    """Of one core for an hour, in any currency: the answer says what a million requests cost."""
    seed: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class CapacityResult:
    """The answer, and where it is stored."""

    capacity: Capacity
    folder: Path


def run(
    cells: Sequence[ResolvedCell],
    rules: CapacityOptions,
    options: ExecutionOptions,
    emit: Emit = ignore,
    *,
    resume: Path | None = None,
) -> CapacityResult:
    """Find the highest rates that cells hold. UsageError, LackError or TargetError where that cannot be done.

    `resume`: the folder of a search of the same cells, interrupted or to be known better, that is gone on with; its
    objectives are its own.
    """
    started = datetime.now(UTC)
    cells = [closed(cell) for cell in cells]
    checked = preflight.check(cells, options, CLOSED)
    refuse(cells, rules, checked.generator)
    most = rules.most_seconds or 300.0 * len(cells)
    before = None if resume is None else _before(resume, cells)
    with exclusive(cells, wait=options.wait), stored(options, emit, name="capacity", resume=resume) as session:
        specs = preflight.prepare(checked, cells, options)
        record = CapacityRecord(
            **preflight.record_header(cells, checked, options, CLOSED, started),
            objectives=list(rules.objectives) if before is None else _of(before).objectives,
            precision=rules.precision,
            most_seconds=most,
            rate=rules.rate,
            core_hour_price=rules.core_hour_price,
            seed=rules.seed,
        )
        session.folder.write_run(record)
        searches = _Searches(cells, specs, checked.generator, record, session)
        if before is not None:
            searches.take(before)
        try:
            searches.carry_out()
        except signals.Ended:
            if searches.visits:
                folder = session.folder.publish()
                told = counted(len(searches.visits), "visit")
                log.info(f"interrupted after {told}; what they say: harness report {folder}")
                log.info(f"go on with the same command and --resume {folder}")
            raise
        return CapacityResult(capacity=searches.answer(), folder=session.folder.publish())


def _of(run: StoredRun) -> CapacityRecord:
    assert isinstance(run.record, CapacityRecord)
    return run.record


def _before(path: Path, cells: Sequence[ResolvedCell]) -> StoredRun:
    """A search that can be gone on with. UsageError where it is another one, or of another machine."""
    run = codec.read_run(path)
    if not isinstance(run.record, CapacityRecord):
        raise UsageError(f"{path} is no search for a capacity", cure="give the folder of one: harness list runs")
    then, now = [each.label for each in run.record.cells], [cell.label for cell in cells]
    if then != now:
        raise UsageError(
            f"{path} searched {', '.join(then)}, not {', '.join(now)}", cure="give the options that it was begun with"
        )
    if run.record.host.identity != HostFacts.model_validate(facts.facts()).identity:
        raise UsageError(f"{path} was begun on another machine", cure="begin a new search")
    return run


def closed(cell: ResolvedCell) -> ResolvedCell:
    """A cell under the closed load with which its search begins."""
    return loaded(cell, ClosedLoad(users=CLOSED_USERS))


def loaded(cell: ResolvedCell, load: LoadProfile) -> ResolvedCell:
    """A cell under another load."""
    return dataclasses.replace(cell, cell=cell.cell.model_copy(update={"load": load}))


def refuse(cells: Sequence[ResolvedCell], rules: CapacityOptions, generator: Generator) -> None:
    """Refuse what cannot be probed."""
    if not rules.objectives:
        raise UsageError("nothing says what must hold", cure="give one: --objective 'p99<50ms'")
    if rules.precision <= search.CLOSEST:
        raise UsageError(
            f"--precision {100 * rules.precision:.3g}%: no number of probes brings the two rates closer than "
            f"{search.CLOSEST:.1%}, since how lateness grows with the rate is known no better",
            cure="give --precision 5%, or 10% for an answer within five minutes",
        )
    refuse_pace(cells, generator)
    for cell in cells:
        wait = cell.subject.known_seconds * 1000
        for objective in rules.objectives:
            if objective.limit_ms is not None and objective.limit_ms <= wait:
                raise UsageError(
                    f"--objective {objective.text}: a request of {analysis.name_of(cell.label)} waits for {wait:g} ms "
                    "by itself, so no rate holds that",
                    cure="give a limit above it, or another workload: --workload select",
                )


def refuse_pace(cells: Sequence[ResolvedCell], generator: Generator) -> None:
    """Refuse what sends at a pace of its own."""
    for cell in cells:
        preflight.check_generator(generator, loaded(cell, OpenLoad(rate=1.0)), CLOSED)
        if cell.application is not None and cell.application.served.script is not None:
            raise UsageError(
                f"{cell.label} cannot be offered a rate: a k6 script of your own sends at its own pace",
                cure="give requests that the harness sends: --path, --requests",
            )


def probe_job(
    spec: ServerSpec,
    cell: ResolvedCell,
    generator: Generator,
    rate: float,
    offered: Offered,
    timing: Timing,
    *,
    users: int = 0,
) -> Job:
    """A fresh start under open load whose highest rate is `rate`, with `users` at least."""
    one = loaded(cell, OpenLoad(rate=rate))
    users = min(MAXIMUM_USERS, max(users, preflight.users_of(one)))
    limits.check_capacity(users)
    return Job(
        spec=dataclasses.replace(spec, cell=one.cell, users=users), timing=timing, generator=generator, offered=offered
    )


class _Searches:
    """The searches of all cells under way, each of which has a probe in turn."""

    def __init__(
        self,
        cells: Sequence[ResolvedCell],
        specs: Sequence[ServerSpec],
        generator: Generator,
        record: CapacityRecord,
        session: Session,
    ) -> None:
        self._cells, self._specs, self._generator, self._session = cells, specs, generator, session
        self._databases = DatabaseWatch(specs)
        self._record = session.folder.cleaned(record)
        self._names = analysis.names(self._record)
        self._began = time.monotonic()
        self._starts: list[float] = []
        self.visits: list[MeasurementRecord] = []

    def take(self, before: StoredRun) -> None:
        """What was probed already, and the time that it took."""
        self.visits = [each for each in before.visits if isinstance(each, MeasurementRecord)]
        self._began -= analysis.capacity_of(before).seconds

    def carry_out(self) -> None:
        """Probe until every cell is known well enough, or the time is over."""
        chance = random.Random(self._record.seed)
        for place in range(len(self._cells)):
            if analysis.closed_rps(self._of(place)) is None:
                self._closed(place)
        left = list(range(len(self._cells)))
        while left:
            for place in chance.sample(left, len(left)):
                if not self._probe(place):
                    left.remove(place)

    def answer(self) -> Capacity:
        """What all probes say."""
        run = StoredRun(folder="", record=self._record, visits=list(self.visits))
        return analysis.capacity_of(run, time.monotonic() - self._began)

    def _of(self, place: int) -> list[MeasurementRecord]:
        return analysis.of_cell(self.visits, place)

    def _closed(self, place: int) -> None:
        """What a cell serves under closed load, from which its search begins."""
        record = self._measure(Job(spec=self._specs[place], timing=CLOSED, generator=self._generator), place)
        if not record.requests:
            raise TargetError(
                f"{self._names[place]} served nothing: {'; '.join(each.message for each in record.reasons)}",
                cure="try it by hand: harness serve",
            )

    def _probe(self, place: int) -> bool:
        """The next probe of a cell; returns whether there may be another one."""
        visits = self._of(place)
        question = analysis.question(self._record, visits)
        probes = analysis.probes(visits, self._record.objectives)
        rate = search.propose(question, probes)
        if rate is None or rate > MAXIMUM_USERS:
            return False
        if len(probes) >= MOST_INVALID and not any(each.valid for each in probes[-MOST_INVALID:]):
            return False
        if probes and not probes[-1].valid:
            quiet.wait(QUIET_SECONDS)
        window = math.ceil(search.window_seconds(question, probes, rate))
        timing = Timing(warmup_seconds=search.lead_seconds(question), window_seconds=float(window))
        passed = time.monotonic() - self._began
        start = sum(self._starts) / len(self._starts) if self._starts else START_SECONDS
        if passed + timing.warmup_seconds + window + start > self._record.most_seconds:
            return False
        job = self._job(place, rate, timing, len(self.visits))
        record = self._measure(job, place)
        self._tell(place, rate, record)
        return True

    def _job(self, place: int, rate: float, timing: Timing, number: int) -> Job:
        limits_ms = sorted({each.limit_ms for each in self._record.objectives if each.limit_ms is not None})
        longest = max(limits_ms, default=0.0) / 1000
        tail = longest + TAIL_SECONDS
        seconds = timing.warmup_seconds + timing.window_seconds + tail + arrivals.AFTER_SECONDS
        # What the objective lets wait is there from the begin: a probe starts with a queue, not with an empty server.
        queue = min(round(rate * longest), k6.users_for_rate(rate, self._cells[place].subject.known_seconds))
        seed = random.Random(f"{self._record.seed}/{number}").getrandbits(31)
        due_ms = arrivals.phases_ms([(rate, seconds)], seed, queue)
        slices = round(timing.window_seconds / SLICE_SECONDS)
        offered = Offered(
            due_ms=due_ms,
            crowded=self._crowded(place, due_ms, rate, timing.warmup_seconds, slices),
            judging=Judging(
                slice_seconds=SLICE_SECONDS,
                slices=slices,
                limits_ms=tuple(limits_ms),
                tail_seconds=tail,
            ),
        )
        return probe_job(self._specs[place], self._cells[place], self._generator, rate, offered, timing)

    def _crowded(self, place: int, due_ms: Sequence[float], rate: float, begin: float, slices: int) -> list[Crowds]:
        edges = [begin + SLICE_SECONDS * piece for piece in range(slices + 1)]
        moments = [moment / 1000 for moment in due_ms]
        throughput, servers = analysis.queue(self._of(place))
        return [
            [[1.0] * slices]
            if objective.limit_ms is None
            else crowding.crowded(moments, rate, objective.share, edges, throughput=throughput, servers=servers)
            for objective in self._record.objectives
        ]

    def _measure(self, job: Job, place: int) -> MeasurementRecord:
        """A fresh start, stored the moment it ends."""
        began = time.monotonic()
        with signals.section():
            measured = self._databases.measured(
                [job.spec], lambda specs: measure(dataclasses.replace(job, spec=specs[0]), self._session.emit)
            )
            where = Place(restart=len(self.visits) + 1, member=place + 1)
            record = self._session.store(measured, where)
            self.visits.append(record)
        if job.offered is not None:
            load = job.timing.warmup_seconds + job.timing.window_seconds
            self._starts.append(time.monotonic() - began - load)
        return record

    def _tell(self, place: int, rate: float, record: MeasurementRecord) -> None:
        visits = self._of(place)
        question = analysis.question(self._record, visits)
        probes = analysis.probes(visits, self._record.objectives)
        bounds = search.known(question, probes).bounds
        self._session.emit(
            ProbeFinished(
                number=len(self.visits),
                cell=self._names[place],
                rate=rate,
                outcome=search.outcome(probes[-1], self._record.objectives),
                why=analysis.why_invalid(record, self._record.objectives)
                or analysis.missing(probes[-1], self._record.objectives),
                low=bounds.low,
                high=bounds.high,
                fraction=min(1.0, (time.monotonic() - self._began) / self._record.most_seconds),
            )
        )
