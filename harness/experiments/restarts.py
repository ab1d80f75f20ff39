"""The restarts of a matrix: which set of cells is to be started next, until everything is sure or the time is over."""

from __future__ import annotations

import logging
import math
import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

from harness.analysis import contrasts
from harness.analysis import rotation as analysis
from harness.config import grouping
from harness.config.cells import ResolvedCell
from harness.deploy.spec import ServerSpec
from harness.experiments.session import Session
from harness.experiments.sets import CellsUp, SetRestarts
from harness.load.generator import Generator
from harness.measure import schedule
from harness.model.comparison import Contrast
from harness.model.counting import counted
from harness.model.events import MatrixProgress, RestartFinished
from harness.model.metrics import MetricName
from harness.model.plan import CellSet
from harness.model.quantities import duration
from harness.model.record import FailureRecord, MatrixRecord, StoredRun
from harness.stats.simultaneous import LEAST_RESTARTS, POOLED_LEVEL, quantile

log = logging.getLogger(__name__)

MEMBER_SECONDS = 3.0
"""Of slots of each member in a restart."""
LEAST_MEMBER_SECONDS = 1.0
"""The same where the time is short."""
BOOT_SECONDS, MEMBER_BOOT_SECONDS = 2.0, 0.7 + schedule.FIRST_SLOT
"""What a restart takes besides slots that count, by experience: at all, and for each member with its first slot."""
SHORTEST_SLOT = 0.12
"""Seconds of a slot with its gap, where nothing is waited for."""
SLOT_NOISE = 0.07
"""Standard deviation of the throughput of a slot, of what its whole round has not in common."""
START_NOISE = 0.01
"""The same of a restart, beyond that of its slots: connections are split between workers otherwise at each start."""
UNKNOWN = 0.5
"""Half-width that a ratio counts for at the most where it is asked what one more restart gains."""
LATEST = 1.5
"""Of the time that was given: until then the least number of restarts is made."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """How sure and how long."""

    precision: float
    """Half-width of the intervals of throughput at which it is sure enough, as a share."""
    margin: float
    against: str | None
    """The server with which all others are compared, and not with each other."""
    most_seconds: float
    seed: int


def slots_seconds(sets: Sequence[CellSet], most_seconds: float) -> list[float]:
    """Of each set: how long the slots of a restart take together, so that the least number of restarts fits into the
    time."""
    whole = sum(LEAST_RESTARTS * (overhead_seconds(each) + MEMBER_SECONDS * len(each.members)) for each in sets)
    fixed = sum(LEAST_RESTARTS * overhead_seconds(each) for each in sets)
    share = 1.0 if whole <= most_seconds else (most_seconds - fixed) / (whole - fixed)
    each_member = max(LEAST_MEMBER_SECONDS, MEMBER_SECONDS * share)
    return [each_member * len(each.members) for each in sets]


def overhead_seconds(cells: CellSet) -> float:
    """What a restart of a set takes besides its slots."""
    return BOOT_SECONDS + MEMBER_BOOT_SECONDS * len(cells.members)


def restart_seconds(
    cells: CellSet, slots: float, members: Sequence[ResolvedCell], computing: grouping.Computing | None = None
) -> float:
    """What a restart of a set takes: at least one round, of which slots may be long by what is waited for and computed
    in them. After each slot what is queued is still served."""
    first = a_round = 0.0
    for each in members:
        response = grouping.response_seconds(each, computing)
        queued = response if response > SHORTEST_SLOT else 0.0  # the time of shorter ones is in that of any restart
        first += schedule.first_slots_seconds(queued, each.subject.known_seconds) - schedule.FIRST_SLOT
        a_round += max(SHORTEST_SLOT, grouping.slot_seconds(each, computing) + queued)
    return overhead_seconds(cells) + first + max(slots, a_round)


def expected_half_width(sets: Sequence[CellSet], most_seconds: float, *, against_one: bool = False) -> float:
    """Of ratios of throughput after the least number of restarts, from the noise of slots and starts on a calm machine:
    the median over sets. `against_one`: of those with one member only."""
    halves = []
    for cells, seconds in zip(sets, slots_seconds(sets, most_seconds), strict=True):
        rounds = max(1.0, seconds / len(cells.members) / SHORTEST_SLOT)
        error = math.sqrt(2 / LEAST_RESTARTS * (SLOT_NOISE**2 / rounds + START_NOISE**2))
        freedom = (LEAST_RESTARTS - 1) * max(1, len(cells.members) - 1)
        members = max(2, len(cells.members))
        halves.append(quantile(POOLED_LEVEL, members, freedom, against_one=against_one) * error)
    return math.expm1(statistics.median(halves))


class Restarts(SetRestarts):
    """A matrix under way. What is started next follows from what is stored alone, so that a run that is gone on with
    equals one that was never interrupted."""

    def __init__(
        self,
        sets: Sequence[CellSet],
        specs: Sequence[Sequence[ServerSpec]],
        record: MatrixRecord,
        generator: Generator,
        rules: Rules,
        session: Session,
    ) -> None:
        super().__init__(record, generator, session, rules.seed)
        self._rules = rules
        for cells, of_set, seconds in zip(sets, specs, slots_seconds(sets, rules.most_seconds), strict=True):
            self._add(cells, of_set, seconds)
        self._spent, self._began = 0.0, time.monotonic()
        self._contrasts: list[Contrast] = []
        self._warned = False

    def take(self, before: StoredRun) -> None:
        """What an interrupted run has stored. Members whose restart was not stored any more do not count."""
        numbers = {restart.number for restart in before.restarts}
        for restart in before.restarts:
            self._sets[restart.set - 1].restarts.append(restart)
            self._spent += restart.seconds
        for visit in before.visits:
            assert visit.place is not None
            cells = self._sets[visit.place.set - 1]
            if isinstance(visit, FailureRecord):
                numbers.add(visit.place.restart)
                cells.up.remove(visit.place.member - 1)
            if visit.place.restart in numbers:
                cells.visits.append(visit)
        self._number = max(numbers, default=0)
        for cells in self._sets:
            failures = sum(isinstance(visit, FailureRecord) for visit in cells.visits)
            cells.attempts = len(cells.restarts) + failures
            cells.observe(self._record)
        self._compare()

    @property
    def _passed(self) -> float:
        return self._spent + time.monotonic() - self._began

    def _next(self) -> CellsUp | None:
        short = [each for each in self._sets if each.short()]
        if short:
            if self._passed > LATEST * self._rules.most_seconds:
                return None
            fewest = min(each.attempts for each in short)
            order = random.Random(f"{self._rules.seed}/{fewest}").sample(self._sets, len(self._sets))
            return next(each for each in order if each in short and each.attempts == fewest)
        unsure = [each for each in self._contrasts if (each.ratio.half_width or math.inf) > self._rules.precision]
        gains = [
            (self._gain(each, unsure), each)
            for each in self._sets
            if not each.disturbed() and self._passed + self._duration(each) <= self._rules.most_seconds
        ]
        gain, cells = max(gains, key=lambda each: each[0], default=(0.0, None))
        return cells if gain > 0 else None

    def _gain(self, cells: CellsUp, unsure: Sequence[Contrast]) -> float:
        """By how much one more restart of a set narrows the contrasts that are not sure yet, for each second that it
        takes: a half-width goes with the root of their number, and half of it is a set's that has one side only."""
        labels = {cells.labels[place] for place in cells.up}
        width = sum(
            min(UNKNOWN, each.ratio.half_width or UNKNOWN) * sum(side.cell in labels for side in (each.a, each.b)) / 2
            for each in unsure
        )
        return width / max(1, len(cells.restarts)) / self._duration(cells)

    def _duration(self, cells: CellsUp) -> float:
        if cells.restarts:
            return statistics.fmean(each.seconds for each in cells.restarts)
        return overhead_seconds(cells.cells) + cells.seconds

    def _observed(self, cells: CellsUp) -> None:
        self._compare()
        self._warn()
        self._tell(cells)

    def _warn(self) -> None:
        """Once every set was up: that they take too long to be known."""
        if self._warned or not all(each.restarts for each in self._sets):
            return
        self._warned = True
        needed = sum(LEAST_RESTARTS * self._duration(each) for each in self._sets)
        if needed > LATEST * self._rules.most_seconds:
            longest = max(self._sets, key=self._duration)
            log.info(
                f"{LEAST_RESTARTS} restarts of every set take about {duration(needed)}, one of {_described(longest)} "
                f"takes {duration(self._duration(longest))}: not all of them fit into the time, and what has fewer "
                f"stays inconclusive; allow more (--max-time {math.ceil(needed / 60)}m), or take fewer users, whose "
                "queues are what takes so long"
            )

    def _compare(self) -> None:
        observations = [each for cells in self._sets for each in cells.observations]
        compared = contrasts.compare(observations, self._rules.margin, (self._primary(),), self._rules.against)
        self._contrasts = compared.contrasts

    def _primary(self) -> MetricName:
        open_load = all(spec.cell.load.rate is not None for cells in self._sets for spec in cells.specs)
        return analysis.CPU if open_load else analysis.THROUGHPUT

    def _tell(self, cells: CellsUp) -> None:
        halves = [each.ratio.half_width for each in self._contrasts]
        known = [half for half in halves if half is not None]
        sure = sum(half <= self._rules.precision for half in known)
        left = sum(max(0, LEAST_RESTARTS - len(each.restarts)) * self._duration(each) for each in self._sets)
        if sure < len(halves) or not halves:
            left = max(left, self._rules.most_seconds - self._passed)
        latest = LATEST * self._rules.most_seconds + max(map(self._duration, self._sets))
        left = min(left, max(0.0, latest - self._passed))
        last = cells.restarts[-1] if cells.restarts and cells.restarts[-1].number == self._number else None
        failed = cells.visits[-1] if last is None and cells.visits else None
        self._session.emit(
            RestartFinished(
                number=self._number,
                void=analysis.void(last) if last is not None else failed.reasons[0].message if failed else None,
                ratio=None,
                matrix=MatrixProgress(
                    what=_described(cells),
                    fraction=min(1.0, self._passed / (self._passed + left)) if self._passed + left else 1.0,
                    seconds_left=left,
                    sure=sure,
                    ratios=len(halves),
                    median_half_width=statistics.median(known) if known else None,
                ),
            )
        )


def _described(cells: CellsUp) -> str:
    """A set in a few words: `4 cells of select?user_id=1`."""
    works = dict.fromkeys(spec.cell.variant.application.work_label for spec in cells.specs)
    return f"{counted(len(cells.up), 'cell')} of {', '.join(works)}"
