"""Carries out a duet: two cells loaded at the same time, started anew until their costs are told apart."""

from __future__ import annotations

import dataclasses
import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from packaging.utils import canonicalize_name

from harness.analysis import duet as judging
from harness.config.cells import ResolvedCell
from harness.deploy.spec import ServerSpec
from harness.errors import UsageError
from harness.experiments import preflight
from harness.experiments.preflight import Preflight
from harness.experiments.session import ExecutionOptions, Session, exclusive, stored
from harness.host import signals
from harness.measure import Job, measure
from harness.model.comparison import Interval
from harness.model.duet import Duet, Interference, Restart
from harness.model.events import Emit, RestartFinished, ignore
from harness.model.load import Timing
from harness.model.measurement import Measurement
from harness.model.record import DuetRecord, MeasurementRecord, Place
from harness.stats.intervals import difference, usable

INTERFERENCE_ROUNDS = 3

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class DuetOptions:
    """How long a duet takes, and what it is to tell."""

    timing: Timing
    precision: float
    """Half-width of the interval at which to stop, as a fraction; and the difference from which on one matters."""
    most_seconds: float
    """No restart begins that would end later, but for the first."""
    limit: float | None = None
    """How much worse the second may be, as a fraction."""
    interference: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class DuetResult:
    """The answer, and where it is stored."""

    duet: Duet
    folder: Path


def run(
    cells: tuple[ResolvedCell, ResolvedCell], rules: DuetOptions, options: ExecutionOptions, emit: Emit = ignore
) -> DuetResult:
    """Compare two cells by what a request costs, when no other harness measures."""
    checked = check(cells, rules, options)
    with exclusive(cells):
        return perform(cells, rules, options, checked, emit)


def check(cells: tuple[ResolvedCell, ResolvedCell], rules: DuetOptions, options: ExecutionOptions) -> Preflight:
    """Refuse what cannot be compared so, before anything is started."""
    users = [cell.cell.load.users for cell in cells]
    if users[0] is None or users[0] != users[1]:
        raise UsageError(
            "a duet needs equal users on both sides and no arrival rate",
            cure="give --vus N once, for both",
        )
    return preflight.check(cells, options, rules.timing, together=True)


def perform(
    cells: tuple[ResolvedCell, ResolvedCell],
    rules: DuetOptions,
    options: ExecutionOptions,
    checked: Preflight,
    emit: Emit = ignore,
) -> DuetResult:
    """Compare two cells that were checked, for one who holds the machine's lock."""
    started = datetime.now(UTC)
    options = dataclasses.replace(options, diagnose=False)  # its cost would be a part of what is compared
    sides = preflight.prepare(checked, cells, options, together=True)
    with stored(cells, options, emit, name="duet") as session:
        header = preflight.record_header(cells, checked, options, rules.timing, started)
        session.folder.write_run(DuetRecord(**header, precision=rules.precision))
        work = _Work(sides, Job(sides=tuple(sides), timing=rules.timing, generator=checked.generator), rules, session)
        try:
            found = work.carry_out()
        except signals.Ended:
            if work.restarts:
                work.conclude()
                folder = session.folder.publish()
                log.info(f"interrupted after {len(work.restarts)} restarts; what they say is in {folder}")
            raise
        return DuetResult(duet=found, folder=session.folder.publish())


class _Work:
    """A duet under way."""

    def __init__(self, sides: Sequence[ServerSpec], job: Job, rules: DuetOptions, session: Session) -> None:
        self._names = [side.cell.label for side in sides]
        self._sides, self._job, self._rules, self._session = sides, job, rules, session
        self._began = time.monotonic()
        self.restarts: list[Restart] = []
        self._logs: list[float] = []
        self._alone: tuple[list[Measurement], list[Measurement]] = ([], [])
        self._together: tuple[list[Measurement], list[Measurement]] = ([], [])

    def carry_out(self) -> Duet:
        """Restart until the interval is narrow enough or the time is over; then look at what the partners do."""
        while True:
            self._restart()
            passed = time.monotonic() - self._began
            another = passed / len(self.restarts)
            late = passed + another > self._rules.most_seconds
            if late or judging.enough(self._logs, self._rules.precision):
                break
        if self._rules.interference:
            for _ in range(INTERFERENCE_ROUNDS):
                self._beside_idle()
        return self.conclude()

    def _restart(self) -> None:
        number = len(self.restarts) + 1
        swapped = number % 2 == 0
        found = self._measure(self._ordered(swapped), number)
        first, second = found[::-1] if swapped else found
        why = judging.void(first, second)
        log = None if why else judging.restart_log(first, second)
        if log is not None:
            self._logs.append(log)
            self._together[0].append(first)
            self._together[1].append(second)
        restart = Restart(
            number=number,
            swapped=swapped,
            slices=len(first.slices),
            ratio=None if log is None else math.exp(log),
            first_us=first.server.cpu_us_per_request,
            second_us=second.server.cpu_us_per_request,
            first_database_us=_database_us(first),
            second_database_us=_database_us(second),
            void=why,
        )
        self.restarts.append(restart)
        ratio = judging.estimate(self._logs) if self._logs else None
        self._session.emit(RestartFinished(number=restart.number, void=restart.void, ratio=ratio))

    def _ordered(self, swapped: bool) -> Job:
        return dataclasses.replace(self._job, sides=tuple(self._sides[::-1])) if swapped else self._job

    def _measure(self, job: Job, number: int) -> list[MeasurementRecord]:
        """Measure and store each side."""
        with signals.section():
            measured = measure(job, self._session.emit)
            return [
                self._session.store(each, Place(block=number, position=position, attempt=1, repeat=False))
                for position, each in enumerate(measured, 1)
            ]

    def _beside_idle(self) -> None:
        """Each side loaded alone, with its partner up and idle."""
        for side, partner, alone in (
            (self._sides[0], self._sides[1], self._alone[0]),
            (self._sides[1], self._sides[0], self._alone[1]),
        ):
            job = dataclasses.replace(self._job, sides=(side,), idle=partner)
            (found,) = self._measure(job, len(self.restarts) + len(alone) + 1)
            alone.append(found)

    def conclude(self) -> Duet:
        """The answer so far, stored."""
        ratio = judging.estimate(self._logs) if self._logs else None
        verdict, reason = judging.verdict(ratio, self._rules.precision)
        database = [each.database.cpu_cores for each in self._together[0] if each.database is not None]
        cores = [each for each in database if each is not None]
        found = Duet(
            first=self._names[0],
            second=self._names[1],
            servers=(_server(self._sides[0]), _server(self._sides[1])),
            ratio=ratio,
            verdict=verdict,
            reason=reason,
            delta=self._rules.precision,
            reached=judging.enough(self._logs, self._rules.precision),
            limit=self._rules.limit,
            worse=judging.beyond(ratio, self._rules.limit),
            seconds=round(time.monotonic() - self._began, 1),
            restarts=self.restarts,
            interference=[
                Interference(cell=name, ratio=found)
                for name, together, alone in zip(self._names, self._together, self._alone, strict=True)
                if (found := _interference(together, alone)) is not None
            ],
            database_cores=round(sum(cores) / len(cores), 3) if cores else None,
        )
        self._session.folder.write_answer(found)
        return found


def _server(side: ServerSpec) -> str:
    """Server and Python with their versions."""
    version = side.environment.packages[canonicalize_name(side.adapter.distribution)]
    return f"{side.cell.variant.server} {version} on Python {side.environment.python}"


def _database_us(facts: Measurement) -> float | None:
    """CPU of Postgres per request in microseconds, for this side alone."""
    requests = sum(piece.requests for piece in facts.slices)
    seconds = sum(piece.seconds for piece in facts.slices)
    cores = facts.database.own_cpu_cores if facts.database is not None else None
    return round(cores * seconds / requests * 1e6, 3) if cores is not None and requests else None


def _interference(together: Sequence[Measurement], alone: Sequence[Measurement]) -> Interval | None:
    """CPU per request in the duet ÷ alone, with the restarts and the visits alone as two samples."""
    logs = [
        [math.log(cost) for each in facts if usable(cost := each.server.cpu_us_per_request)]
        for facts in (alone, together)
    ]
    return difference(logs[0], logs[1])[0] if all(logs) else None
