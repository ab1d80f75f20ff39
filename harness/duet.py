"""Carries out a duet: two cells loaded at the same time, started anew until their costs are told apart."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from harness import __version__, store
from harness.application import Side
from harness.errors import UsageError
from harness.judge import duet as judging
from harness.judge.statistics import difference, usable
from harness.judge.verdict import judge
from harness.load import k6
from harness.measure import Job, Measured, Progress, Service, hooks, measure
from harness.model.cell import Cell, Environment, Timing
from harness.model.comparison import Interval
from harness.model.duet import Duet, Interference, Restart
from harness.model.measurement import Facts, Place
from harness.plan import Choice
from harness.runner import (
    BOOT_SECONDS,
    check_connections,
    database_url_of,
    prepare_database,
    prepare_environment,
    service_of,
    users_of,
)
from harness.system import host, interpreters, limits, lock, signals

INTERFERENCE_ROUNDS = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Everything about a duet that is not its cells."""

    timing: Timing
    precision: float
    """Half-width of the interval at which to stop, as a fraction; and δ, the difference from which on one matters."""
    most_seconds: float
    """No restart begins that would end later, but for the first."""
    limit: float | None = None
    """How much worse the second may be, as a fraction."""
    interference: bool = True
    k6: str | None = None
    database_url: str | None = None
    pin: str = "auto"
    out: Path = Path("results")
    boot_seconds: float = BOOT_SECONDS


class Reporter(Protocol):
    """Shows how a duet goes on."""

    def tell(self, message: str) -> None:
        """Something that happened."""

    def observe(self, step: Progress) -> None:
        """A step of a restart."""

    def restarted(self, restart: Restart, ratio: Interval | None) -> None:
        """A restart has ended; what is known so far."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """The answer, and where it is stored."""

    duet: Duet
    folder: Path


def names(*sides: Side) -> tuple[str, ...]:
    """The cells' written forms, each after its interpreter where these differ."""
    several = len({side.python for side in sides}) > 1
    return tuple(
        f"{side.python}:{side.choice.cell.id}" if several and side.python else side.choice.cell.id for side in sides
    )


def run(first: Side, second: Side, settings: Settings, shown: Reporter) -> Outcome:
    """Compare two cells by what a request costs, when no other harness measures."""
    with lock.machine(shown.tell), hooks.around(first.application or second.application):
        return perform(first, second, settings, shown)


def perform(first: Side, second: Side, settings: Settings, shown: Reporter) -> Outcome:
    """The same for one who holds the machine's lock."""
    host.require_linux()
    started = datetime.now(UTC)
    generator = k6.find(settings.k6)
    cells = [side.choice.cell for side in (first, second)]
    if cells[0].vus is None or cells[0].vus != cells[1].vus:
        raise UsageError(
            "a duet needs equal users on both sides and no arrival rate",
            cure="give --vus N once, for both",
        )
    environments = [prepare_environment(side.choice, side.python) for side in (first, second)]
    limits.check_capacity(2 * users_of(first.choice))
    sides = _sides(first.choice, second.choice, environments, settings, shown.tell)
    secrets = frozenset().union(*(side.application.secrets for side in (first, second) if side.application))
    with store.RunFolder.create(settings.out, "duet", started, secrets) as folder:
        named = names(first, second)
        folder.write_run(_document(named, cells, environments, settings, started))
        work = _Work(
            named, sides, Job(sides=sides, timing=settings.timing, generator=generator), settings, folder, shown
        )
        try:
            found = work.carry_out()
        except signals.Ended:
            if work.restarts:
                work.conclude()
                shown.tell(f"interrupted after {len(work.restarts)} restarts; what they say is in {folder.publish()}")
            raise
        return Outcome(duet=found, folder=folder.publish())


def _sides(
    first: Choice, second: Choice, environments: Sequence[Environment], settings: Settings, tell: Callable[[str], None]
) -> tuple[Service, ...]:
    """Both cells, on the cores that the one with more workers gets, and Postgres with them."""
    sides = [
        _service(choice, environment, settings, tell)
        for choice, environment in zip((first, second), environments, strict=True)
    ]
    database = next((side.database for side in sides if side.database is not None), None)
    if database is not None:
        check_connections(database, first, second)
    places = [side.placement for side in sides]
    shared = max(places, key=lambda place: (len(place.server_cpus or ()), place.database_cpus is not None))
    return tuple(dataclasses.replace(side, placement=shared) for side in sides)


def _document(
    names: Sequence[str],
    cells: Sequence[Cell],
    environments: Sequence[Environment],
    settings: Settings,
    started: datetime,
) -> store.Document:
    """What was asked for, on which host, with which packages."""
    return {
        "harness": __version__,
        "command": host.command(),
        "started_at": started.isoformat(timespec="milliseconds"),
        "duet": list(names),
        "cells": list(dict.fromkeys(cell.id for cell in cells)),
        "precision": settings.precision,
        "warmup_seconds": settings.timing.warmup_seconds,
        "window_seconds": settings.timing.window_seconds,
        "pin": settings.pin,
        "host": host.facts(),
        "environments": [
            {"python_option": None, **environment.model_dump(mode="json")}
            for environment in {each.executable: each for each in environments}.values()
        ],
    }


def _service(choice: Choice, environment: Environment, settings: Settings, tell: Callable[[str], None]) -> Service:
    database = prepare_database(choice, database_url_of(choice, settings.database_url), tell)
    return service_of(
        choice,
        environment,
        database,
        pin=settings.pin,
        users=users_of(choice),
        boot_seconds=settings.boot_seconds,
        diagnose=False,  # its cost would be a part of what is compared
    )


class _Work:
    """A duet under way."""

    def __init__(
        self,
        names: Sequence[str],
        sides: Sequence[Service],
        job: Job,
        settings: Settings,
        folder: store.RunFolder,
        shown: Reporter,
    ) -> None:
        self._names, self._sides, self._job, self._settings = names, sides, job, settings
        self._folder, self._shown = folder, shown
        self._began = time.monotonic()
        self.restarts: list[Restart] = []
        self._logs: list[float] = []
        self._alone: tuple[list[Facts], list[Facts]] = ([], [])
        self._together: tuple[list[Facts], list[Facts]] = ([], [])

    def carry_out(self) -> Duet:
        """Restart until the interval is narrow enough or the time is over; then look at what the partners do."""
        while True:
            self._restart()
            passed = time.monotonic() - self._began
            another = passed / len(self.restarts)
            late = passed + another > self._settings.most_seconds
            if late or judging.enough(self._logs, self._settings.precision):
                break
        if self._settings.interference:
            for _ in range(INTERFERENCE_ROUNDS):
                self._beside_idle()
        return self.conclude()

    def _restart(self) -> None:
        number = len(self.restarts) + 1
        swapped = number % 2 == 0
        found = self._measure(self._ordered(swapped), number)
        first, second = (each.facts for each in (found[::-1] if swapped else found))
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
        self._shown.restarted(restart, judging.estimate(self._logs) if self._logs else None)
        signals.deliver()

    def _ordered(self, swapped: bool) -> Job:
        return dataclasses.replace(self._job, sides=tuple(self._sides[::-1])) if swapped else self._job

    def _measure(self, job: Job, number: int) -> list[Measured]:
        """Measure and store each side."""
        found = measure(job, self._shown.observe)
        for position, each in enumerate(found, 1):
            place = Place(block=number, position=position, attempt=1, repeat=False)
            judgement = judge(each.facts)
            document = store.as_document(each.facts, judgement, self._folder.final, place)
            self._folder.write_measurement(document | {"beside": len(found) - 1})
        self._folder.publish()
        return found

    def _beside_idle(self) -> None:
        """Each side loaded alone, with its partner up and idle."""
        for side, partner, alone in (
            (self._sides[0], self._sides[1], self._alone[0]),
            (self._sides[1], self._sides[0], self._alone[1]),
        ):
            job = dataclasses.replace(self._job, sides=(side,), idle=partner)
            (found,) = self._measure(job, len(self.restarts) + len(alone) + 1)
            alone.append(found.facts)
            signals.deliver()

    def conclude(self) -> Duet:
        """The answer so far, stored."""
        ratio = judging.estimate(self._logs) if self._logs else None
        verdict, reason = judging.verdict(ratio, self._settings.precision)
        database = [each.database.cpu_cores for each in self._together[0] if each.database is not None]
        cores = [each for each in database if each is not None]
        found = Duet(
            first=self._names[0],
            second=self._names[1],
            servers=(_server(self._sides[0]), _server(self._sides[1])),
            ratio=ratio,
            verdict=verdict,
            reason=reason,
            delta=self._settings.precision,
            reached=judging.enough(self._logs, self._settings.precision),
            limit=self._settings.limit,
            worse=judging.beyond(ratio, self._settings.limit),
            seconds=round(time.monotonic() - self._began, 1),
            restarts=self.restarts,
            interference=[
                Interference(cell=name, ratio=found)
                for name, together, alone in zip(self._names, self._together, self._alone, strict=True)
                if (found := _interference(together, alone)) is not None
            ],
            database_cores=round(sum(cores) / len(cores), 3) if cores else None,
        )
        self._folder.write_answer(found.model_dump(mode="json"))
        return found


def _server(side: Service) -> str:
    """Server and Python with their versions."""
    version = side.environment.packages[interpreters.normal(side.adapter.distribution)]
    return f"{side.cell.server} {version} on Python {side.environment.python}"


def _database_us(facts: Facts) -> float | None:
    """CPU of Postgres per request in microseconds, for this side alone."""
    requests = sum(piece.requests for piece in facts.slices)
    seconds = sum(piece.seconds for piece in facts.slices)
    cores = facts.database.own_cpu_cores if facts.database is not None else None
    return round(cores * seconds / requests * 1e6, 3) if cores is not None and requests else None


def _interference(together: Sequence[Facts], alone: Sequence[Facts]) -> Interval | None:
    """CPU per request in the duet ÷ alone, with the restarts and the visits alone as two samples."""
    logs = [
        [math.log(cost) for each in facts if usable(cost := each.server.cpu_us_per_request)]
        for facts in (alone, together)
    ]
    return difference(logs[0], logs[1])[0] if all(logs) else None
