"""Selects the application that is measured: that of the options, over that of the project, or a bundled one."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from harness.applications.detect import DetectedApplication, detect_applications
from harness.applications.prepare import prepare_application
from harness.applications.prepared import PreparedApplication
from harness.config import files, registry
from harness.config.cells import CellSpec, ResolvedCell, options_as_installed, resolve_cell
from harness.environments import interpreters
from harness.errors import UsageError
from harness.model.plan import ApplicationPlan

DEFAULT_SERVERS = ("uvicorn", "granian", "gunicorn", "hypercorn")


@dataclass(frozen=True, kw_only=True, slots=True)
class ApplicationOptions:
    """Options of the command line that describe an application."""

    app: str | None = None
    app_dir: str | None = None
    cwd: str | None = None
    factory: bool | None = None
    interface: str | None = None
    path: list[str] | None = None
    requests: str | None = None
    k6_script: str | None = None
    env: list[str] | None = None
    env_file: str | None = None
    wait: str | None = None
    setup: str | None = None
    before_visit: str | None = None
    teardown: str | None = None

    def named(self) -> list[str]:
        """Options that are set, as they are written."""
        return [f"--{field.name.replace('_', '-')}" for field in fields(self) if getattr(self, field.name)]

    def pairs(self) -> dict[str, str]:
        """Variables of `--env NAME=VALUE`; `--env NAME` takes the value from the surroundings."""
        pairs = {}
        for text in self.env or ():
            name, equals, value = text.partition("=")
            if not name or (not equals and name not in os.environ):
                raise UsageError(f"--env {name}: not NAME=VALUE, and not set here", cure="write it as --env NAME=VALUE")
            pairs[name] = value if equals else os.environ[name]
        return pairs


def select_application(
    options: ApplicationOptions, bundled: Sequence[str], python: str | None
) -> PreparedApplication | None:
    """The user's application that is to be measured, prepared; None where it is a bundled one. `bundled`: options that
    ask for one."""
    plan = application_plan(options, bundled)
    return None if plan is None else prepare_application(plan, python, options.pairs())


def choose_application(
    subject: str | None, options: ApplicationOptions, bundled: Sequence[str], python: str | None
) -> PreparedApplication | None:
    """The same, where `subject` may name the application too, and where the only one in the current folder is taken if
    nothing else is said. UsageError where there is none, or where it is not clear which."""
    if subject is not None:
        if options.app is not None:
            raise UsageError(f"{subject} and --app {options.app} together", cure="give one of them")
        options = dataclasses.replace(options, app=subject)
    if not bundled and options.app is None and files.application() is None:
        only = _only_one()
        options = dataclasses.replace(
            options, app=only.target, app_dir=only.folder or options.app_dir, factory=only.factory or options.factory
        )
    return select_application(options, bundled, python)


def _only_one() -> DetectedApplication:
    """The only application in the current folder."""
    found = sorted(detect_applications(Path()))
    likely = [each for each in found if each.doubt == found[0].doubt]
    if len(likely) != 1:
        which = f"{len(likely)} applications are" if found else "no application is"
        example = likely[0].target if found else "MODULE:OBJECT"
        listed = f" (found: {', '.join(each.target for each in likely[:5])})" if found else ""
        raise UsageError(
            f"{which} in this folder",
            cure=f"name one: harness recommend {example} --path /{listed}; or try a built-in one: --workload cpu",
        )
    return likely[0]


def choose_server(named: str | None, application: PreparedApplication | None) -> str:
    """The server that is named; else uvicorn, or of a user's application the first of the four that its environment has
    with all that it needs, so that what is installed runs without a word."""
    if named is not None or application is None:
        return named or DEFAULT_SERVERS[0]
    for name in DEFAULT_SERVERS:
        adapter = registry.adapter(name)
        if application.interface in adapter.interfaces:
            options = options_as_installed(adapter, application.interface, {}, application.packages)
            needed = (adapter.distribution or name, *adapter.requires(application.interface, options))
            if not interpreters.missing(application.packages, needed):
                return name
    return DEFAULT_SERVERS[0]


def resolve_side(
    spec: CellSpec,
    options: ApplicationOptions,
    bundled: Sequence[str],
    python: str | None,
    folder: str | None,
    env: Sequence[str] = (),
) -> ResolvedCell:
    """One of two cells that are compared: with its own application if its written form or `folder` names one, else that
    of the options or the project. `python`: its interpreter, where the written form names none; `env`: variables that
    it has besides."""
    if spec.app is not None:
        app, _, app_dir = spec.app.partition("@")
        options = dataclasses.replace(options, app=app, app_dir=app_dir or options.app_dir)
    if folder is not None:
        options = dataclasses.replace(options, app_dir=folder)
    if env:
        options = dataclasses.replace(options, env=[*(options.env or ()), *env])
    interpreter = spec.python or python
    application = select_application(options, bundled, interpreter)
    return resolve_cell(dataclasses.replace(spec, application=application, python=interpreter))


def resolve_pair(
    specs: tuple[CellSpec, CellSpec],
    options: ApplicationOptions,
    bundled: Sequence[str],
    *,
    pythons: tuple[str | None, str | None],
    folders: tuple[str | None, str | None],
    envs: tuple[Sequence[str], Sequence[str]],
) -> tuple[ResolvedCell, ResolvedCell]:
    """Two cells that are compared; each is named after its interpreter where these differ."""
    interpreters = [spec.python or python for spec, python in zip(specs, pythons, strict=True)]
    several = interpreters[0] != interpreters[1]
    first, second = (
        resolve_side(
            dataclasses.replace(spec, python=python, environment=(python or "") if several else ""),
            options,
            bundled,
            python,
            folder,
            env,
        )
        for spec, python, folder, env in zip(specs, interpreters, folders, envs, strict=True)
    )
    return first, second


def application_plan(options: ApplicationOptions, bundled: Sequence[str]) -> ApplicationPlan | None:
    """The application of the options, else the project's; None for a bundled one, which the options named in `bundled`
    ask for. UsageError where both are asked for."""
    if bundled and options.named():
        raise UsageError(
            f"{bundled[0]} and {options.named()[0]} together: {bundled[0]} is for built-in workloads",
            cure=f"remove {bundled[0]}, or remove {options.named()[0]}",
        )
    return merge_options(options, None if bundled else files.application())


def merge_options(options: ApplicationOptions, project: ApplicationPlan | None) -> ApplicationPlan | None:
    """The application of the options, over that of the project; None where neither names one."""
    changes: dict[str, Any] = {
        field.name: value
        for field in fields(options)
        if field.name != "env" and (value := getattr(options, field.name)) is not None
    }
    if options.env:
        changes["env"] = sorted(options.pairs())
    if options.app is None and project is None:
        if options.named():
            raise UsageError(f"{options.named()[0]} without an application", cure="name one: --app MODULE:OBJECT")
        return None
    if options.app is not None:
        document = changes
    else:
        assert project is not None
        document = project.model_dump(mode="json", by_alias=True, exclude_unset=True)
        if {"path", "requests", "k6_script"} & changes.keys():
            document = {key: value for key, value in document.items() if key not in ("path", "requests", "k6_script")}
        document |= changes
    return files.parse_application(document, "the command line" if changes else "the project")
