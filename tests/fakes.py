"""Stand-ins for what experiments act on, so that what they do is tested without processes and without waiting."""

from __future__ import annotations

import functools
import importlib.metadata
import os
from collections.abc import Sequence
from contextlib import suppress
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
from harness.environments import interpreters
from harness.errors import HarnessError, TargetError
from harness.experiments import matrix, single
from harness.host import quiet, signals
from harness.load import k6
from harness.load.generator import Load
from harness.measure import Job, Measured
from harness.model.application import UserApplication
from harness.model.environment import Environment
from harness.model.events import Emit, Event, MeasurementProgress
from harness.model.measurement import AnswerChecks, Failures, MachineFacts, Measurement
from harness.model.requests import AppRequest

MEASUREMENT_SECONDS = 8.0
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
        """In place of `hooks.run_alone`."""
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
        history=history,
    )
    for module in (single, matrix):
        patch.setattr(module, "measure", found.deployments.measure)
    patch.setattr(load, "find", found.find_generator)
    patch.setattr(k6, "find", lambda path: found.find_generator("k6", path))
    patch.setattr(hooks, "run_alone", found.run_hook)
    patch.setattr(interpreters, "inspect", environment)
    patch.setattr(prepare, "inspect_application", lambda *_: INSPECTED)
    patch.setattr(quiet, "lost_share", lambda: 0.0)
    patch.setattr("time.monotonic", clock.monotonic)
    patch.setattr("time.sleep", clock.sleep)
    patch.setattr("tempfile.tempdir", str(folder))  # the lock of this test alone
    return found


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
    secrets: Sequence[str] = (),
) -> PreparedApplication:
    """A user's application that is ready to be measured."""
    place = Path("/nowhere", folder or "")
    served = ServedUserApplication(
        application=UserApplication(target=target, folder=folder, requests=["GET /"], digest="0"),
        requests=[AppRequest(path="/")],
        values={},
        variables={},
        context=ProcessContext(environment={}, folder=place),
    )

    def hook(option: str, command: str | None) -> Hook | None:
        return (
            None
            if command is None
            else Hook(option=option, command=command, context=ProcessContext(environment={}, folder=place))
        )

    return PreparedApplication(
        served=served,
        interface="asgi",
        python=None,
        setup=hook("--setup", setup),
        teardown=hook("--teardown", teardown),
        secrets=frozenset(secrets),
    )


def files_with(folder: Path, text: str) -> list[Path]:
    """Files below a folder that hold a text."""
    found = []
    for path in folder.rglob("*"):
        with suppress(IsADirectoryError):
            if text.encode() in path.read_bytes():
                found.append(path)
    return found
