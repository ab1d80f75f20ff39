"""Carries out a rotation: all members restarted and loaded in turn, until their throughput is told apart."""

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

from harness.analysis import rotation as analysis
from harness.analysis.settling import settling_responses
from harness.analysis.verdicts import MARGIN
from harness.config.cells import ResolvedCell
from harness.deploy.spec import ServerSpec
from harness.errors import HarnessError, UsageError
from harness.experiments import preflight
from harness.experiments.databases import DatabaseWatch
from harness.experiments.generators import open_session
from harness.experiments.preflight import Preflight
from harness.experiments.session import ExecutionOptions, Session, exclusive, stored
from harness.host import signals
from harness.load.generator import Generator
from harness.measure import calibrate_users as users_calibration
from harness.measure import schedule
from harness.measure.job import Label, RotationJob
from harness.measure.rotation import measure_restart
from harness.model.comparison import Interval
from harness.model.counting import counted
from harness.model.events import Emit, RestartFinished, ignore
from harness.model.labels import unique
from harness.model.load import FOREVER, ClosedLoad
from harness.model.metrics import METRICS
from harness.model.record import RotationRecord
from harness.model.rotation import Restart, Rotation
from harness.stats import simultaneous

RESTART_SECONDS = 6.0
"""Slots of a restart: below some five seconds starting the servers eats the time, above eight nothing is won."""
MOST_USERS = 64
"""Users of each member that a calibration tries."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class RotationOptions:
    """How long a rotation takes, and what it is to tell."""

    precision: float
    """Half-width of the intervals of throughput at which to stop, as a share."""
    most_seconds: float
    """No restart begins that would end later, but for the first LEAST_RESTARTS."""
    margin: float = MARGIN
    """Difference from which on one matters, as a share."""
    limit: float | None = None
    """How much worse the second of two may be, as a share."""
    users: int | None = None
    """Of each member; None: the fewest that saturate all of them."""
    restart_seconds: float = RESTART_SECONDS
    least_slot_seconds: tuple[float, ...] = (schedule.LEAST_COUNTED,)
    """The shortest counted part of the slots of a round, from round to round in turn. Verdicts rest on the shortest."""
    seed: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class RotationResult:
    """The answer, and where it is stored."""

    rotation: Rotation
    restarts: list[Restart]
    folder: Path


def run(
    cells: Sequence[ResolvedCell], rules: RotationOptions, options: ExecutionOptions, emit: Emit = ignore
) -> RotationResult:
    """Compare cells that differ in anything but their load. UsageError, LackError or TargetError where that cannot be
    done."""
    options = dataclasses.replace(options, diagnose=False)  # watching would go on in members that have no turn
    checked = check(cells, options)
    started = datetime.now(UTC)
    with exclusive(cells, wait=options.wait), stored(options, emit, name="compare") as session:
        specs = preflight.prepare(checked, cells, options, together=True)
        work = _Work(cells, specs, checked.generator, rules, session)
        work.choose_users()
        header = preflight.record_header(cells, checked, options, FOREVER, started) | {"cells": work.cells}
        session.folder.write_run(RotationRecord(**header, precision=rules.precision, margin=rules.margin))
        try:
            rotation = work.carry_out()
        except (HarnessError, signals.Ended):
            if work.restarts:
                work.conclude()
                folder = session.folder.publish()
                log.info(f"interrupted after {len(work.restarts)} restarts; what they say is in {folder}")
            raise
        return RotationResult(rotation=rotation, restarts=work.restarts, folder=session.folder.publish())


def check(cells: Sequence[ResolvedCell], options: ExecutionOptions) -> Preflight:
    """Refuse what cannot be compared so, before anything is started."""
    if len(cells) < 2:
        raise UsageError("one cell alone compares with nothing", cure="name two")
    loads = {cell.cell.load.label for cell in cells}
    if len(loads) > 1:
        raise UsageError(
            f"cells under different loads ({', '.join(sorted(loads))}) are not compared with each other",
            cure="give --vus or --rate once, for all",
        )
    preflight.refuse_without_turns(cells)
    return preflight.check(cells, options, FOREVER, together=True)


class _Work:
    """A rotation under way."""

    def __init__(
        self,
        cells: Sequence[ResolvedCell],
        specs: Sequence[ServerSpec],
        generator: Generator,
        rules: RotationOptions,
        session: Session,
    ) -> None:
        self.cells = [cell.cell for cell in cells]
        self._specs, self._generator, self._rules, self._session = specs, generator, rules, session
        self._rate = cells[0].cell.load.rate
        self._began = time.monotonic()
        self._chance = random.Random(rules.seed)
        self._users, self._users_reason = 0, ""
        self._databases = DatabaseWatch(specs)
        self.restarts: list[Restart] = []

    @property
    def labels(self) -> list[str]:
        """The members' written forms, numbered where one is there twice."""
        return unique([cell.label for cell in self.cells])

    def carry_out(self) -> Rotation:
        """Restart until the intervals are narrow enough or the time is over."""
        while True:
            answer = self._restart()
            passed = time.monotonic() - self._began
            late = passed + passed / len(self.restarts) > self._rules.most_seconds
            if (
                answer.reached
                or analysis.decided(answer)
                or (answer.outcomes and len(self.restarts) >= simultaneous.LEAST_RESTARTS)
            ):
                break
            if late and (answer.restarts >= simultaneous.LEAST_RESTARTS or passed > 2 * self._rules.most_seconds):
                break
        return self.conclude()

    def choose_users(self) -> None:
        """Find the fewest users that saturate every member, where nothing else is asked for; the cells take them."""
        if self._rate is not None:
            self._users = max(spec.users for spec in self._specs)
            self._users_reason = f"{self._rate:g} requests per second, as a Poisson process"
        elif self._rules.users is not None:
            self._users, self._users_reason = self._rules.users, "as asked for"
        else:
            seed = self._chance.getrandbits(31)
            calibrated = self._databases.measured(
                self._specs, lambda specs: users_calibration.fewest(self._job(specs, 1), seed, MOST_USERS)
            )
            self._users, self._users_reason = calibrated.users, calibrated.reason
            log.info(f"{counted(calibrated.users, 'connection')} each: {calibrated.reason}")
        if self._rate is None:
            load = ClosedLoad(users=self._users)
            self.cells = [cell.model_copy(update={"load": load}) for cell in self.cells]

    def _job(self, specs: Sequence[ServerSpec], users: int) -> RotationJob:
        return RotationJob(
            specs=specs,
            generator=self._generator,
            open_session=open_session(self._generator),
            users=users,
            rate=self._rate,
            seconds=self._rules.restart_seconds,
            settling_responses=[settling_responses(self._counting, place) for place in range(len(self._specs))],
            least_slot_seconds=self._rules.least_slot_seconds,
        )

    @property
    def _counting(self) -> list[Restart]:
        return [restart for restart in self.restarts if analysis.void(restart) is None]

    def _restart(self) -> Rotation:
        """One more restart, stored; returns what all of them say."""
        number = len(self.restarts) + 1
        with signals.section():
            label = Label(number=number, cells=self.labels)
            seed = self._chance.getrandbits(31)
            restart = self._databases.measured(
                self._specs,
                lambda specs: measure_restart(self._job(specs, self._users), label, seed, self._session.emit).restart,
            )
            signals.defer()
            self.restarts.append(restart)
            self._session.folder.write_restart(restart)
            self._session.folder.publish()
            answer = self._answer()
            self._session.emit(
                RestartFinished(
                    number=number, void=analysis.void(restart), ratio=self._known_least(answer), what=self._compared
                )
            )
        return answer

    @property
    def _compared(self) -> str:
        """What that ratio is of."""
        metric = METRICS[analysis.CPU if self._rate is not None else analysis.THROUGHPUT].label
        return f"{metric}, " + ("second ÷ first" if len(self.labels) == 2 else "the pair that is known least")

    def _known_least(self, answer: Rotation) -> Interval | None:
        """The ratio of the pair of which least is known, in what decides when to stop."""
        primary = analysis.CPU if answer.users is None else analysis.THROUGHPUT
        ratios = [each.ratio for each in answer.contrasts if each.metric == primary]
        return max(ratios, key=lambda each: each.half_width or math.inf) if ratios else None

    def _answer(self) -> Rotation:
        question = analysis.Question(
            members=self.labels,
            servers=[server_version(spec) for spec in self._specs],
            users=None if self._rate is not None else self._users,
            users_reason=self._users_reason,
            margin=self._rules.margin,
            precision=self._rules.precision,
            limit=self._rules.limit,
        )
        return analysis.answer(question, self.restarts, time.monotonic() - self._began)

    def conclude(self) -> Rotation:
        """The answer so far, stored."""
        answer = self._answer()
        self._session.folder.write_rotation(answer)
        return self._session.folder.cleaned(answer)


def server_version(spec: ServerSpec) -> str:
    """Server and Python with their versions."""
    version = spec.server_version
    return f"{spec.cell.variant.server} {version} on Python {spec.environment.python}"
