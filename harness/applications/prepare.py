"""Prepares a user's application from its description, so that it can be measured."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from harness.applications.inspect import inspect_application
from harness.applications.prepared import PreparedApplication
from harness.applications.requests import RequestSource, request_source
from harness.applications.served import Hook, ProcessContext
from harness.applications.user import ServedUserApplication
from harness.applications.values import locate
from harness.environments import interpreters
from harness.errors import UsageError
from harness.host import redaction
from harness.model.application import UserApplication
from harness.model.plan import ApplicationPlan
from harness.model.quantities import parse_duration
from harness.model.requests import VARIABLE, AppRequest


def prepare_application(
    plan: ApplicationPlan, python: str | None, pairs: Mapping[str, str], base: Path = Path()
) -> PreparedApplication:
    """Inspect the application in its environment, read its requests, and make everything ready that measuring needs.

    `python`: interpreter, over that of the plan; `pairs`: environment variables; `base`: the folder that paths of the
    plan are from. UsageError where something of the plan cannot be, TargetError where the application does not import.
    """
    folder = locate(base, plan.app_dir or ".").resolve()
    if not folder.is_dir():
        raise UsageError(f"--app-dir {plan.app_dir}: no such folder", cure="give the folder of the application")
    working = locate(base, plan.cwd).resolve() if plan.cwd else folder
    if not working.is_dir():
        raise UsageError(f"--cwd {plan.cwd}: no such folder", cure="give the folder in which the application runs")
    lacking = [name for name in plan.env if name not in pairs]
    if lacking:
        raise UsageError(
            f"{lacking[0]} was given to the application before", cure=f"give it again: --env {lacking[0]}=…"
        )
    executable = python or plan.python
    variables = _env_file(base, plan.env_file) | dict(pairs)
    redaction.learn_surroundings()
    redaction.learn(variables)
    context = ProcessContext(
        environment=_environment(executable, variables), folder=working, given=variables, imports=folder
    )
    environment = interpreters.inspect(executable)
    inspected = inspect_application(plan, environment.executable, context)
    source = request_source(plan, base, inspected.routes)
    _learn_used(source)
    _refuse_literals(plan, source, variables)
    application = UserApplication(
        target=plan.app,
        factory=plan.factory,
        folder=_folder_name(plan.app_dir),
        requests=source.lines,
        digest=source.digest,
        wait_seconds=None if plan.wait is None else parse_duration("--wait", plan.wait),
    )
    served = ServedUserApplication(
        application=application,
        steps=source.steps,
        values=source.values,
        files=source.files,
        variables={**os.environ, **variables},
        context=context,
        script=source.script,
        hook=_hook("--before-visit", plan.before_visit, context),
    )
    served.request_mix(None, ["" for _ in source.steps])  # raises where a name is not known
    interface = plan.interface or inspected.interface
    assert interface is not None
    return PreparedApplication(
        served=served,
        interface=interface,
        python=executable,
        packages=environment.packages,
        setup=_hook("--setup", plan.setup, context),
        teardown=_hook("--teardown", plan.teardown, context),
    )


def _folder_name(folder: str | None) -> str | None:
    """A folder's name in results, which hold no path of one machine."""
    path = None if folder is None else Path(folder).expanduser()
    return path.name if path is not None and path.is_absolute() else folder


def _env_file(base: Path, name: str | None) -> dict[str, str]:
    if name is None:
        return {}
    path = locate(base, name)
    if not path.is_file():
        raise UsageError(f"--env-file {name}: no such file", cure="give a file with NAME=VALUE lines")
    from dotenv import dotenv_values
    from dotenv.parser import parse_stream

    cure = "give a file with NAME=VALUE lines, in UTF-8"
    try:
        with path.open(encoding="utf-8") as file:
            broken = next((each.original.line for each in parse_stream(file) if each.error), None)
        values = {key: value for key, value in dotenv_values(path).items() if value is not None}
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--env-file {name} cannot be read: {error}", cure=cure) from error
    if broken is not None:
        raise UsageError(f"--env-file {name}: line {broken} is not NAME=VALUE", cure=cure)
    for key, value in values.items():
        if not key or "\0" in key + value:
            raise UsageError(f"--env-file {name}: {key!r} cannot be a variable", cure=cure)
    return values


def _requests(source: RequestSource) -> list[AppRequest]:
    return [step.request for step in source.steps]


def _learn_used(source: RequestSource) -> None:
    """Hide what requests take from the surroundings."""
    text = json.dumps([each.model_dump(mode="json", by_alias=True) for each in _requests(source)])
    redaction.learn({name: os.environ[name] for name in VARIABLE.findall(text) if name in os.environ})


def _refuse_literals(plan: ApplicationPlan, source: RequestSource, variables: Mapping[str, str]) -> None:
    """Refuse a secret in what is stored as it was given: without it, the run could not be gone on with."""
    texts = {f"--{name.replace('_', '-')}": getattr(plan, name) or "" for name in ("setup", "before_visit", "teardown")}
    texts |= {f"the request {each.label}": each.path + each.label for each in _requests(source)}
    for name, value in variables.items():
        for what, text in texts.items():
            if redaction.unmistakable(name, value) and value in text:
                written = f"${{{name}}}" if what.startswith("the") else f"${name}"
                raise UsageError(
                    f"{what} holds the value of {name}, and is stored", cure=f"write {written} in its place"
                )


def _environment(python: str | None, variables: Mapping[str, str]) -> dict[str, str]:
    """Environment variables as in an activated virtual environment, with the application's database and its own."""
    interpreter = sys.executable if python is None else shutil.which(os.path.expanduser(python)) or python
    folder = str(Path(interpreter).absolute().parent)
    kept = {name: os.environ[name] for name in ("DATABASE_URL",) if name in os.environ}
    path = os.pathsep.join(filter(None, (folder, os.environ.get("PATH", os.defpath))))
    return {**kept, "PATH": path, **variables}


def _hook(option: str, command: str | None, context: ProcessContext) -> Hook | None:
    return None if command is None else Hook(option=option, command=command, context=context)
