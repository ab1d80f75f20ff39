"""Stand-ins for what experiments act on, so that what they do is tested without processes and without waiting."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NoReturn

import pytest
from packaging.utils import canonicalize_name

from harness import load
from harness.applications import hooks, prepare
from harness.applications.inspect import InspectedApplication
from harness.applications.prepared import PreparedApplication
from harness.applications.served import Hook, ProcessContext
from harness.applications.user import ServedUserApplication
from harness.applications.values import DrawnValues
from harness.deploy.launch import target_of
from harness.deploy.spec import ServerSpec
from harness.environments import interpreters
from harness.errors import HarnessError, MemberError, TargetError
from harness.experiments import rotation, sets, single
from harness.host import procfs, quiet, redaction, signals
from harness.host.procfs import CpuTimes
from harness.load import k6
from harness.load.generator import Load
from harness.load.turns import Body, Lane, TurnReport
from harness.measure import Job, Measured, calibrate_users, collect, members
from harness.measure import rotation as restarts
from harness.measure.meters import Reading
from harness.model.application import UserApplication
from harness.model.environment import Environment
from harness.model.events import Emit, Event, MeasurementProgress
from harness.model.measurement import AnswerChecks, Failures, MachineFacts, Measurement
from harness.model.requests import AppRequest, Expectation, Step
from harness.model.variant import Variant

MEASUREMENT_SECONDS = 8.0
PACKAGES = dict.fromkeys(("uvicorn", "granian", "gunicorn", "hypercorn", "uvloop", "httptools", "a2wsgi"), "1.0")
"""What the environment of a fake application has installed."""
Outcome = Literal["valid", "disturbed", "wrong", "failed"] | HarnessError | signals.Ended
"""Of a measurement: a verdict (`disturbed`: invalid through others; `wrong`: by its answers), or what it raises."""


class FakeClock:
    """Time that passes only where somebody sleeps, or where a measurement takes it."""

    def __init__(self, history: list[str]) -> None:
        self.now = 1000.0
        self._history = history

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        if self._history[-1:] != ["waited"]:
            self._history.append("waited")


@dataclass(kw_only=True)
class FakeGenerator:
    """A load generator that is never started."""

    name: str = "k6"
    version: str = "1.1.0"
    window_method: str = "none"
    scripts: tuple[str, ...] = ()
    refused: str | None = None

    def refusal(self, **_: object) -> str | None:
        return self.refused

    def start(self, load: Load, supervisor: object, cpus: Sequence[int] | None) -> NoReturn:
        raise AssertionError("nothing is loaded here")


class FakeDeployments:
    """Servers, and measurements of them; each has the next outcome, or is valid after the last."""

    def __init__(self, template: Measurement, clock: FakeClock, history: list[str]) -> None:
        self._template, self._clock, self._history = template, clock, history
        self.outcomes: list[Outcome] = []
        self.broken: set[str] = set()
        """Servers that do not come up."""
        self.echo = ""
        """What servers repeat wherever they can: in answers that are wrong by it, and in their logs."""

    def measure(self, job: Job, emit: Emit) -> Measured:
        """In place of `harness.measure.measure`."""
        self._history.append(job.spec.cell.label)
        emit(MeasurementProgress(phase="boot"))
        self._clock.now += MEASUREMENT_SECONDS
        server = job.spec.cell.variant.server
        if server in self.broken:
            raise TargetError(f"{server} ended while starting", cure="see its log", detail=f"no: {self.echo}")
        outcome = self.outcomes.pop(0) if self.outcomes else "valid"
        if isinstance(outcome, BaseException):
            raise outcome
        return Measured(facts=self._facts(job, outcome), log_tail=f"the server's log {self.echo}")

    def _facts(self, job: Job, outcome: str) -> Measurement:
        template = self._template
        wrong = bool(self.echo) or outcome == "wrong"
        users = {"users": job.users, "users_accounted": float(job.users)}
        return template.model_copy(
            update={
                "cell": job.spec.cell,
                "placement": job.placement,
                "generator": template.generator.model_copy(update=users),
                "failures_by_kind": Failures(timeout=0, connection=0, status=500 if outcome == "failed" else 0),
                "machine": MachineFacts(cpus=4, stolen_cores=2.0 if outcome == "disturbed" else 0.0),
                "sampled": AnswerChecks(checked=1, wrong=int(wrong), unchecked=0, example=f"not {self.echo}"),
            }
        )


@dataclass(kw_only=True)
class Laboratory:
    """Everything that experiments act on, and what they did, in order."""

    clock: FakeClock
    generator: FakeGenerator
    deployments: FakeDeployments
    rotation: FakeRotation
    history: list[str]
    """Labels of the cells that were measured, the user's commands, and `waited`."""
    events: list[Event] = field(default_factory=list)
    failing: set[str] = field(default_factory=set)
    """Commands of the user's that fail."""
    generators: list[tuple[str, str | None]] = field(default_factory=list)
    """Names and paths by which generators were looked for."""

    @property
    def measured(self) -> list[str]:
        """Labels of the cells that were measured."""
        return [each for each in self.history if "/" in each]

    def run_hook(self, hook: Hook) -> None:
        """In place of `hooks.run`."""
        self.history.append(hook.command)
        if hook.command in self.failing:
            raise TargetError(f"{hook.command} ended with exit code 1", cure="mend it")

    def find_generator(self, name: str, path: str | None = None) -> FakeGenerator:
        """In place of `load.find`."""
        self.generators.append((name, path))
        self.generator.name = name
        return self.generator


def laboratory(template: Measurement, patch: pytest.MonkeyPatch, folder: Path) -> Laboratory:
    """A laboratory in the place of everything that would start a process or wait."""
    history: list[str] = []
    clock = FakeClock(history)
    found = Laboratory(
        clock=clock,
        generator=FakeGenerator(),
        deployments=FakeDeployments(template, clock, history),
        rotation=FakeRotation(clock, history),
        history=history,
    )
    patch.setattr(single, "measure", found.deployments.measure)
    patch.setattr(load, "find", found.find_generator)
    patch.setattr(k6, "find", lambda path: found.find_generator("k6", path))
    patch.setattr(hooks, "Supervisor", nullcontext)
    patch.setattr(hooks, "run", lambda hook, _: found.run_hook(hook))
    patch.setattr(interpreters, "inspect", environment)
    patch.setattr(prepare, "inspect_application", lambda *_: INSPECTED)
    patch.setattr(quiet, "lost_share", lambda: 0.0)
    patch.setattr("time.monotonic", clock.monotonic)
    patch.setattr("time.sleep", clock.sleep)
    found.rotation.install(patch, folder)
    patch.setattr("tempfile.tempdir", str(folder))  # the lock of this test alone
    return found


BOOT_SECONDS, GAP_SECONDS = 1.5, 0.002
"""Of a restart of a rotation, and between two of its slots."""
RestartOutcome = Literal["valid", "disturbed", "wrong", "failed", "lost"] | BaseException
"""Of a restart: what members do in it, or what it raises as soon as they are up."""


class FakeMember:
    """A server that serves at a rate of its own while its lane has a turn; it is its own deployment and meter."""

    def __init__(self, spec: ServerSpec, rate: float, world: FakeRotation) -> None:
        self.spec, self._rate, self._world = spec, rate, world
        self.target, self.bodies = target_of(spec, 1, Path("/nowhere")), ["{}"] * len(spec.subject.probes())
        self.decoded_bytes = None
        self.child, self.argv = _Log(world.echo), ("server", spec.cell.variant.server)
        self.folder, self.boot_seconds = Path("/nowhere"), BOOT_SECONDS
        self.workers: list[object] = []
        self.rss_peak_bytes, self.processes = 50_000_000, 1
        self._served = 0.0
        self._turn: tuple[float, float, float, int] | None = None

    def turn(self, users: int, rate: float | None, seconds: float) -> None:
        """Serve some users from now on: one alone reaches a quarter of what the server can."""
        speed = min(self._rate, users * self._rate / 4) if rate is None else rate
        work = self.spec.cell.variant.application.work_label.partition("?")[0]
        noise = self._world.noise_of.get(work, self._world.noise)
        self._turn = (self._world.clock.now, seconds, speed * max(0.1, self._world.chance.gauss(1.0, noise)), users)

    def finish(self) -> int:
        """End the turn; returns the requests that it served."""
        before = int(self._served)
        self._served, self._turn = self._total(), None
        return int(self._served) - before

    def _total(self) -> float:
        if self._turn is None:
            return self._served
        began, seconds, speed, users = self._turn
        served = min(self._world.clock.now - began, seconds) * speed
        return self._served + (served // users * users if self._world.in_step else served)

    def read(self) -> Reading:
        return Reading(at=self._world.clock.now, finished=int(self._total()), cpu=self._total() / self._rate)

    def in_flight(self) -> int:
        return 0

    def census(self) -> None:
        pass

    def requests_by_worker(self) -> list[int]:
        return [int(self._total())]

    def started(self) -> int:
        return int(self._total())

    def switches(self) -> int:
        return int(self._total() / 20)

    def workers_lost(self) -> int:
        return int(self._world.outcome == "lost")


@dataclass(frozen=True)
class _Log:
    text: str

    def log_tail(self) -> str:
        return self.text


class FakeTurns:
    """A turn session of such members."""

    argv = ("k6",)

    def __init__(self, lanes: Sequence[Lane], members: Sequence[FakeMember], world: FakeRotation) -> None:
        self._lanes, self._world = lanes, world
        each = len(lanes) // len(members)  # a calibration has several lanes of a member
        self._members = [members[place // each] for place in range(len(lanes))]
        self._served, self._warm = 0, set[int]()

    def begin(self, lane: int, seconds: float, spread: float = 0.0) -> float:
        self._members[lane].turn(self._lanes[lane].users, self._lanes[lane].rate, seconds)
        return self._world.clock.now

    def wait(self, until: float) -> None:
        self._world.clock.now = max(self._world.clock.now, until)

    def drained(self, lane: int, seconds: float) -> bool:
        self._world.clock.now += GAP_SECONDS
        self._served = self._members[lane].finish()
        return True

    def report(self, lane: int) -> TurnReport:
        served, outcome = self._served, self._world.outcome
        failures = served // 100 if outcome == "failed" else 0
        said = self._world.echo or self._world.answer
        wrong = [Body(text=said, kind=0, iteration=None)] if outcome == "wrong" else []
        lasted = 1000 if lane in self._warm else self._world.cold_us
        self._warm.add(lane)
        return TurnReport(
            answers=served - failures,
            begun_ms=[60] * (served - failures),
            lasted_us=[lasted] * (served - failures),
            status=failures,
            matched=1,
            bodies=wrong,
        )

    def total(self, lane: int) -> int | None:
        return None

    def cpu_seconds(self) -> float:
        return 0.0

    def end(self) -> None:
        pass


class FakeRotation:
    """Members that are up at once and take turns; each restart has the next outcome, or is valid after the last."""

    def __init__(self, clock: FakeClock, history: list[str]) -> None:
        self.clock, self._history = clock, history
        self.rates = {"uvicorn": 1000.0, "granian": 1500.0, "gunicorn": 900.0, "hypercorn": 500.0}
        """Server → requests per second of a core."""
        self.law: Callable[[Variant], float] = lambda variant: self.rates[variant.server]
        """What a variant serves per second."""
        self.noise = 0.005
        """Standard deviation of a slot's rate, as a share,"""
        self.noise_of: dict[str, float] = {}
        """and of those of a workload, where it is another one."""
        self.chance = random.Random(1)
        self.outcomes: list[RestartOutcome] = []
        self.outcome: RestartOutcome = "valid"
        self.in_step = False
        """Users who began at once are answered at once, in waves."""
        self.cold_us = 1000
        """How long requests of a member's first turn take."""
        self.answer = "no"
        """What a member says in the place of an answer."""
        self.echo = ""
        """What members repeat wherever they can: in wrong answers, in their logs, and where they do not come up."""
        self.broken: set[str] = set()
        """Servers that do not come up."""
        self._members: list[FakeMember] = []

    def deploy(self, specs: Sequence[ServerSpec], supervisor: object, order: Sequence[int]) -> list[FakeMember]:
        """In place of `deploy`."""
        self._history.append(" | ".join(spec.cell.label for spec in specs))
        self.clock.now += BOOT_SECONDS
        self.outcome = self.outcomes.pop(0) if self.outcomes else "valid"
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        for place, spec in enumerate(specs):
            server = spec.cell.variant.server
            if server in self.broken:
                down = TargetError(f"{server} ended while starting", cure="see its log", detail=f"no: {self.echo}")
                raise MemberError(place, down)
        self._members = [FakeMember(spec, self.law(spec.cell.variant), self) for spec in specs]
        return self._members

    def open_session(self, lanes: Sequence[Lane], *_: object) -> FakeTurns:
        """In place of opening a generator."""
        return FakeTurns(lanes, self._members, self)

    def cpu_times(self, cpus: Sequence[int]) -> CpuTimes:
        """In place of `procfs.cpu_times`: other guests take a fifth where they disturb."""
        share = 0.2 if self.outcome == "disturbed" else 0.0
        return CpuTimes(busy=0.0, stolen=share * self.clock.now * len(cpus))

    def install(self, patch: pytest.MonkeyPatch, folder: Path) -> None:
        """In the place of everything that a restart and a calibration act on."""

        @contextmanager
        def nothing(*_: object) -> Iterator[_Folder]:
            yield _Folder(folder)

        for module in (restarts, calibrate_users):
            patch.setattr(module, "deploy", self.deploy)
            patch.setattr(module, "DeploymentMeter", lambda deployment: deployment)
            patch.setattr(module, "Supervisor", nothing)
            patch.setattr(module, "confined", nothing)
            patch.setattr(module, "place_database", lambda *_: None)
        for module in (restarts, members, collect):
            patch.setattr(module, "reported", lambda *_: {"threads": None})
        for module in (restarts, collect):
            patch.setattr(module, "unmet", lambda *_: {})
        for experiment in (rotation, sets):
            patch.setattr(experiment, "open_session", lambda _: self.open_session)
        patch.setattr(procfs, "connections", lambda *_: None)
        patch.setattr(procfs, "cpu_times", self.cpu_times)
        patch.setattr("time.process_time", lambda: 0.0)


@dataclass(frozen=True)
class _Folder:
    folder: Path


def environment(python: str | None) -> Environment:
    """What every interpreter has here: the packages of the tests' own."""
    executable = os.path.expanduser(python or "/usr/bin/python")
    return Environment(python="3.11.7", implementation="CPython", executable=executable, packages=_packages())


@functools.cache
def _packages() -> dict[str, str]:
    return {canonicalize_name(each.name): each.version for each in importlib.metadata.distributions()}


INSPECTED = InspectedApplication(interface="asgi", framework=None, routes=["/"], kind="shop.App")


def application(
    target: str = "shop:app",
    *,
    folder: str | None = None,
    setup: str | None = None,
    teardown: str | None = None,
    before: str | None = None,
    expect: Expectation | None = None,
    secrets: Sequence[str] = (),
) -> PreparedApplication:
    """A user's application that is ready to be measured."""
    place = Path("/nowhere", folder or "")
    redaction.learn({f"SECRET_{number}": value for number, value in enumerate(secrets)})

    def hook(option: str, command: str | None) -> Hook | None:
        return (
            None
            if command is None
            else Hook(option=option, command=command, context=ProcessContext(environment={}, folder=place))
        )

    served = ServedUserApplication(
        application=UserApplication(target=target, folder=folder, requests=["GET /"], digest="0"),
        steps=[Step(request=AppRequest(path="/", expect=expect or Expectation()))],
        values=DrawnValues(rows={}),
        variables={},
        context=ProcessContext(environment={}, folder=place),
        hook=hook("--before-visit", before),
    )
    return PreparedApplication(
        served=served,
        interface="asgi",
        python=None,
        packages=PACKAGES,
        setup=hook("--setup", setup),
        teardown=hook("--teardown", teardown),
    )


def files_with(folder: Path, text: str) -> list[Path]:
    """Files below a folder that hold a text."""
    found = []
    for path in folder.rglob("*"):
        with suppress(IsADirectoryError):
            if text.encode() in path.read_bytes():
                found.append(path)
    return found
