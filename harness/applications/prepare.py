"""From a description of a user's application to one that is ready to be measured."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from harness.applications.inspect import inspect_application
from harness.applications.prepared import PreparedApplication
from harness.applications.requests import located, request_source
from harness.applications.secrets import secret_values
from harness.applications.served import Hook
from harness.applications.user import ServedUserApplication
from harness.errors import UsageError
from harness.model.application import UserApplication
from harness.model.plan import ApplicationPlan
from harness.model.quantities import parse_duration


def prepare_application(
    plan: ApplicationPlan, python: str | None, pairs: Mapping[str, str], base: Path = Path()
) -> PreparedApplication:
    """Read what is sent, look at the application in its environment, and gather everything."""
    folder = located(base, plan.app_dir or ".").resolve()
    if not folder.is_dir():
        raise UsageError(f"--app-dir {plan.app_dir}: no such folder", cure="give the folder of the application")
    lacking = [name for name in plan.env if name not in pairs]
    if lacking:
        raise UsageError(
            f"{lacking[0]} was given to the application before", cure=f"give it again: --env {lacking[0]}=…"
        )
    executable = python or plan.python
    variables = _env_file(base, plan.env_file) | dict(pairs)
    environment = _environment(executable, variables)
    seen = inspect_application(plan, executable, environment, folder)
    source = request_source(plan, base, seen["routes"])
    surroundings = {**os.environ, **variables}
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
        requests=source.requests,
        values=source.values,
        variables=surroundings,
        environment=environment,
        folder=folder,
        script=source.script,
        hook=plan.before_visit,
    )
    served.request_mix(None, ["" for _ in source.requests])  # names that are not known are told now
    return PreparedApplication(
        served=served,
        interface=plan.interface or seen["interface"],
        python=executable,
        setup=_hook("--setup", plan.setup, environment, folder),
        teardown=_hook("--teardown", plan.teardown, environment, folder),
        secrets=secret_values(variables, surroundings, source.requests),
    )


def _folder_name(given: str | None) -> str | None:
    """How a folder is called in results, which hold no path of one machine."""
    path = None if given is None else Path(given).expanduser()
    return path.name if path is not None and path.is_absolute() else given


def _env_file(base: Path, name: str | None) -> dict[str, str]:
    if name is None:
        return {}
    path = located(base, name)
    if not path.is_file():
        raise UsageError(f"--env-file {name}: no such file", cure="give a file with NAME=VALUE lines")
    from dotenv import dotenv_values

    return {key: value for key, value in dotenv_values(path).items() if value is not None}


def _environment(python: str | None, variables: Mapping[str, str]) -> dict[str, str]:
    """As in an activated virtual environment, with the application's database and variables."""
    found = sys.executable if python is None else shutil.which(os.path.expanduser(python)) or python
    folder = str(Path(found).absolute().parent)
    kept = {name: os.environ[name] for name in ("DATABASE_URL",) if name in os.environ}
    path = os.pathsep.join(filter(None, (folder, os.environ.get("PATH", os.defpath))))
    return {**kept, "PATH": path, **variables}


def _hook(option: str, command: str | None, environment: Mapping[str, str], folder: Path) -> Hook | None:
    if command is None:
        return None
    return Hook(option=option, command=command, environment=environment, folder=folder)
