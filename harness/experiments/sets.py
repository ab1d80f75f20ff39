"""Restarts a set of cells, and stores what each of them did: what every experiment of many cells has in common."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import UTC, datetime

from harness.analysis import overview, review
from harness.analysis import rotation as analysis
from harness.analysis.settling import settling_responses
from harness.deploy.spec import ServerSpec
from harness.errors import MemberError
from harness.experiments.databases import DatabaseWatch
from harness.experiments.generators import open_session
from harness.experiments.session import Session
from harness.host import quiet, signals
from harness.load.generator import Generator
from harness.measure import Measured, schedule
from harness.measure.job import Label, MeasuredRestart, RotationJob
from harness.measure.rotation import measure_restart
from harness.model.comparison import Observation
from harness.model.labels import twin
from harness.model.plan import CellSet
from harness.model.record import FailureRecord, MatrixRecord, MeasurementRecord, Place, RecommendationRecord, StoredRun
from harness.model.rotation import Restart
from harness.stats.simultaneous import LEAST_RESTARTS

MOST_VOID = 5
"""Restarts of a set in a row that others may disturb before it is left to what it has."""
QUIET_SECONDS = 15.0
"""How long to wait for a quieter moment after a restart that others disturbed."""
SetsRecord = MatrixRecord | RecommendationRecord
"""Of a run whose cells are up in sets."""


class CellsUp:
    """A set of cells, which of them come up, and what was measured of them."""

    def __init__(
        self,
        number: int,
        cells: CellSet,
        specs: Sequence[ServerSpec],
        labels: Sequence[str],
        repeated: str | None,
        seconds: float,
        least: float = schedule.LEAST_COUNTED,
    ) -> None:
        """`labels`: written forms of the members, as they are stored; `seconds`: of the slots of a restart together;
        `least`: of the counted part of a slot."""
        self.number, self.cells, self.specs, self.labels = number, cells, specs, labels
        self.seconds, self.least = seconds, least
        self.repeats = [label == repeated and label in labels[:place] for place, label in enumerate(labels)]
        self.up = list(range(len(specs)))
        """Places of members that have come up so far."""
        self.restarts: list[Restart] = []
        self.visits: list[MeasurementRecord | FailureRecord] = []
        self.attempts = 0
        self.observations: list[Observation] = []

    @property
    def counting(self) -> list[Restart]:
        """Restarts that count, with the members that still come up."""
        names = self.names()
        return [each for each in self.restarts if each.cells == names and analysis.void(each) is None]

    def names(self) -> list[str]:
        """What its members are called, of those that come up."""
        return [twin(self.labels[place]) if self.repeats[place] else self.labels[place] for place in self.up]

    def disturbed(self) -> bool:
        """Whether others disturbed so many restarts in a row that it is left to what it has."""
        last = self.restarts[-MOST_VOID:]
        return len(last) == MOST_VOID and all(analysis.void(each) is not None for each in last)

    def short(self) -> bool:
        """Whether it lacks restarts that a verdict takes."""
        return bool(self.up) and len(self.counting) < LEAST_RESTARTS and not self.disturbed()

    def observe(self, record: SetsRecord) -> None:
        """Take what is stored into what is compared."""
        run = StoredRun(folder="", record=record, visits=self.visits, restarts=self.restarts)
        self.observations = overview.observations(overview.evaluate_all(review.visits(run)))


class SetRestarts(ABC):
    """Restarts one set after the other, as long as the experiment names one."""

    def __init__(self, record: SetsRecord, generator: Generator, session: Session, seed: int) -> None:
        self._record: SetsRecord = session.folder.cleaned(record)
        self._generator, self._session, self._seed = generator, session, seed
        self._sets: list[CellsUp] = []
        self._databases = DatabaseWatch([])
        self._number = 0

    @property
    def count(self) -> int:
        """Restarts that are stored."""
        return sum(len(each.restarts) for each in self._sets)

    def carry_out(self) -> None:
        """Restart sets until there is none left to be."""
        while (chosen := self._next()) is not None:
            self._restart(chosen)

    @abstractmethod
    def _next(self) -> CellsUp | None:
        """The set that is to be restarted; None where nothing is left to do."""

    @abstractmethod
    def _observed(self, cells: CellsUp) -> None:
        """A restart of a set, or that it did not come up, is stored."""

    def _add(
        self,
        cells: CellSet,
        specs: Sequence[ServerSpec],
        seconds: float,
        least: float = schedule.LEAST_COUNTED,
    ) -> CellsUp:
        """One more set. `seconds`: of the slots of a restart together; `least`: of the counted part of a slot."""
        if any(spec.database is not None for spec in specs):
            self._databases = DatabaseWatch(specs)
        labels = [self._record.cells[place].label for place in cells.members]
        number = len(self._sets) + 1
        self._sets.append(CellsUp(number, cells, specs, labels, self._record.repeated, seconds, least))
        return self._sets[-1]

    def _restart(self, cells: CellsUp) -> None:
        if cells.restarts and analysis.void(cells.restarts[-1]) is not None:
            quiet.wait(QUIET_SECONDS)
        self._number += 1
        cells.attempts += 1
        seed = random.Random(f"{self._seed}/{cells.number}/{cells.attempts}").getrandbits(31)
        label = Label(number=self._number, cells=cells.names(), set=cells.number)
        started = datetime.now(UTC)
        with signals.section():
            try:
                measured = self._databases.measured(
                    [cells.specs[place] for place in cells.up],
                    lambda specs: measure_restart(self._job(cells, specs), label, seed, self._session.emit),
                )
            except MemberError as error:
                signals.defer()
                self._fail(cells, error, started)
            else:
                signals.defer()
                self._store(cells, measured)
            cells.observe(self._record)
            self._observed(cells)

    def _job(self, cells: CellsUp, specs: Sequence[ServerSpec]) -> RotationJob:
        return RotationJob(
            specs=specs,
            generator=self._generator,
            open_session=open_session(self._generator),
            users=max(spec.users for spec in specs),
            rate=specs[0].cell.load.rate,
            seconds=cells.seconds,
            settling_responses=[settling_responses(cells.counting, place) for place in range(len(specs))],
            least_slot_seconds=(cells.least,),
            least_rounds=1,
        )

    def _fail(self, cells: CellsUp, error: MemberError, started: datetime) -> None:
        """A server that does not come up is an outcome: its set goes on without it."""
        place = cells.up.pop(error.place)
        where = Place(restart=self._number, set=cells.number, member=place + 1, repeat=cells.repeats[place])
        cells.visits.append(self._session.store_failure(cells.specs[place].cell, error, where, started))

    def _store(self, cells: CellsUp, measured: MeasuredRestart) -> None:
        """Members first: the restart is the sign that all of them are stored."""
        for place, facts, log_tail in zip(cells.up, measured.measurements, measured.log_tails, strict=True):
            where = Place(restart=self._number, set=cells.number, member=place + 1, repeat=cells.repeats[place])
            cells.visits.append(self._session.store(Measured(facts=facts, log_tail=log_tail), where))
        self._session.folder.write_restart(measured.restart)
        cells.restarts.append(self._session.folder.cleaned(measured.restart))
