"""From options and configuration to a user's application that is ready to be measured."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness import configuration, entry, plan
from harness.errors import TargetError, UsageError
from harness.model.application import ApplicationPlan
from harness.model.cell import Interface, OwnApplication
from harness.model.requests import VARIABLE, AppRequest, CsvColumn, Drawn, Requests
from harness.plan import Choice
from harness.subjects.own import Own
from harness.subjects.subject import Hook
from harness.system import interpreters
from harness.system.processes import Supervisor

PROBE_SECONDS = 120.0
SECRET_NAME = re.compile(r"PASS|SECRET|TOKEN|KEY|CREDENTIAL|DSN|_URL$", re.IGNORECASE)
"""Variables of the surroundings whose values are taken out of results."""
LEAST_SECRET = 6
"""Characters of a value that is taken out of results; shorter ones would take out anything."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """Options by which an application is described, as they were given."""

    app: str | None = None
    app_dir: str | None = None
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
        """Options that were given, as they are written."""
        return [f"--{field.name.replace('_', '-')}" for field in fields(self) if getattr(self, field.name)]

    def pairs(self) -> dict[str, str]:
        """Variables of `--env NAME=VALUE`; `--env NAME` takes the value from the surroundings."""
        found = {}
        for text in self.env or ():
            name, equals, value = text.partition("=")
            if not name or (not equals and name not in os.environ):
                raise UsageError(f"--env {name}: not NAME=VALUE, and not set here", cure="write it as --env NAME=VALUE")
            found[name] = value if equals else os.environ[name]
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Ready:
    """An application with everything that measuring it needs."""

    own: Own
    interface: Interface
    python: str | None
    """Its interpreter; None: the harness' own."""
    setup: Hook | None
    teardown: Hook | None
    secrets: frozenset[str]
    """Values that must not reach a result."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Side:
    """A cell, and where it runs."""

    choice: Choice
    python: str | None = None
    """Interpreter that runs the server; None: the harness' own."""
    application: Ready | None = None
    """The user's, if it is one."""


def chosen(given: Given, asked: Sequence[str], python: str | None) -> Ready | None:
    """The application that is to be measured: the options', else the project's unless a workload of ours was asked for
    by the options in `asked`. None: a workload of ours."""
    described = described_by(given, asked)
    return None if described is None else ready(described, python, given.pairs())


def side(request: plan.Request, given: Given, asked: Sequence[str], python: str | None, folder: str | None) -> Side:
    """A side of a duet: its own application if it names one, else that of the options or the project."""
    if request.app is not None:
        app, _, named = request.app.partition("@")
        given = dataclasses.replace(given, app=app, app_dir=named or given.app_dir)
    if folder is not None:
        given = dataclasses.replace(given, app_dir=folder)
    found = chosen(given, asked, python)
    if found is None:
        return Side(choice=plan.choose(request), python=python)
    request = dataclasses.replace(request, own=found.own, interface=found.interface)
    return Side(choice=plan.choose(request), python=found.python, application=found)


def described_by(given: Given, asked: Sequence[str]) -> ApplicationPlan | None:
    """The same, before anything is looked at."""
    if asked and given.named():
        raise UsageError(
            f"{asked[0]} and {given.named()[0]} together: either a workload of ours is measured or an application of "
            "yours",
            cure="give one of them",
        )
    return wanted(given, None if asked else configuration.application())


def wanted(given: Given, project: ApplicationPlan | None) -> ApplicationPlan | None:
    """The application of the options, over that of the project; None where neither names one."""
    changes: dict[str, Any] = {
        field.name: value
        for field in fields(given)
        if field.name != "env" and (value := getattr(given, field.name)) is not None
    }
    if given.env:
        changes["env"] = sorted(given.pairs())
    if given.app is None and project is None:
        if given.named():
            raise UsageError(f"{given.named()[0]} without an application", cure="name one: --app MODULE:OBJECT")
        return None
    if given.app is not None:
        document = changes
    else:
        assert project is not None
        document = project.model_dump(mode="json", by_alias=True, exclude_unset=True)
        if {"path", "requests", "k6_script"} & changes.keys():
            document = {key: value for key, value in document.items() if key not in ("path", "requests", "k6_script")}
        document |= changes
    return configuration.parse_application(document, "the command line" if changes else "the project")


def ready(wanted: ApplicationPlan, python: str | None, pairs: Mapping[str, str], base: Path = Path()) -> Ready:
    """Read what is sent, look at the application in its environment, and gather everything."""
    folder = (base / (wanted.app_dir or ".")).resolve()
    if not folder.is_dir():
        raise UsageError(f"--app-dir {wanted.app_dir}: no such folder", cure="give the folder of the application")
    lacking = [name for name in wanted.env if name not in pairs]
    if lacking:
        raise UsageError(
            f"{lacking[0]} was given to the application before", cure=f"give it again: --env {lacking[0]}=…"
        )
    executable = python or wanted.python
    variables = _env_file(base, wanted.env_file) | dict(pairs)
    environment = _environment(executable, variables)
    looked = look(wanted, executable, environment, folder)
    requests, values, script = _sent(wanted, base, looked)
    surroundings = {**os.environ, **variables}
    lines = _lines(requests) if script is None else [f"k6 script {script.name}"]
    application = OwnApplication(
        target=wanted.app,
        factory=wanted.factory,
        folder=_folder_name(wanted.app_dir),
        requests=lines,
        digest=_digest(requests, values, script),
        wait_seconds=None if wanted.wait is None else plan.seconds("--wait", wanted.wait),
    )
    own = Own(
        application=application,
        requests=requests,
        values=values,
        variables=surroundings,
        environment=environment,
        folder=folder,
        script=script,
        hook=wanted.before_visit,
    )
    own.outgoing(None, ["" for _ in requests])  # names that are not known are told now
    return Ready(
        own=own,
        interface=wanted.interface or looked["interface"],
        python=executable,
        setup=_hook("--setup", wanted.setup, environment, folder),
        teardown=_hook("--teardown", wanted.teardown, environment, folder),
        secrets=_secrets(variables, surroundings, requests),
    )


def _folder_name(given: str | None) -> str | None:
    """How a folder is called in results, which hold no path of one machine."""
    return Path(given).name if given is not None and Path(given).is_absolute() else given


def look(wanted: ApplicationPlan, python: str | None, environment: Mapping[str, str], folder: Path) -> dict[str, Any]:
    """What the application is, by importing it in its environment. TargetError where that fails."""
    interpreter = interpreters.inspect(python).executable
    with Supervisor() as supervisor:
        result = supervisor.folder / "probe.json"
        child = supervisor.start(
            (interpreter, str(entry.PROBE), wanted.app, "factory" if wanted.factory else "plain", str(result)),
            env={
                **interpreters.clean(),
                **environment,
                "PYTHONPATH": os.pathsep.join(filter(None, (str(folder), environment.get("PYTHONPATH", "")))),
            },
            cwd=folder,
            log=supervisor.folder / "probe.log",
        )
        try:
            child.process.wait(timeout=PROBE_SECONDS)
        except subprocess.TimeoutExpired:
            raise TargetError(
                f"importing {wanted.app} did not end within {PROBE_SECONDS:g} s",
                cure="start servers and loops only under if __name__ == '__main__'",
                detail=child.log_tail(),
            ) from None
        if not result.exists():
            raise TargetError(
                f"importing {wanted.app} ended its interpreter with exit code {child.returncode()}",
                cure="see what it printed below",
                detail=child.log_tail(),
            )
        found: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
    if "error" in found:
        raise TargetError(
            f"{wanted.app} cannot be imported: {found['error']}",
            cure=f"modules are looked for in {folder} and in the environment of {interpreter}; see --app-dir, --python "
            "and --factory",
            detail=found["traceback"],
        )
    if wanted.interface is None and found["interface"] is None:
        raise UsageError(
            f"{wanted.app} is a {found['kind']}, which looks neither like ASGI nor like WSGI",
            cure="name the application itself, add --factory if it is made by a function, or say --interface asgi|wsgi",
        )
    return found


def _sent(
    wanted: ApplicationPlan, base: Path, looked: Mapping[str, Any]
) -> tuple[list[AppRequest], dict[str, Sequence[Drawn]], Path | None]:
    """Requests with the values that are drawn for them, or a script."""
    given = [name for name in ("path", "requests", "k6_script") if getattr(wanted, name)]
    if len(given) > 1:
        options = " and ".join(f"--{name.replace('_', '-')}" for name in given)
        raise UsageError(f"{options} together: one of them says what is sent", cure="give one of them")
    if not given:
        routes = looked["routes"]
        hint = f"; it has {', '.join(routes[:5])}" if routes else ""
        raise UsageError(
            f"nothing says what to request of {wanted.app}", cure=f"give --path, --requests or --k6-script{hint}"
        )
    if wanted.k6_script:
        script = (base / wanted.k6_script).resolve()
        if not script.is_file():
            raise UsageError(f"--k6-script {wanted.k6_script}: no such file", cure="give the path of a k6 script")
        return [], {}, script
    if wanted.path:
        return [AppRequest(path=path) for path in wanted.path], _values(wanted.values, base), None
    if isinstance(wanted.requests, str):
        file = base / wanted.requests
        read = read_requests(file)
        return read.requests, _values({**wanted.values, **read.values}, file.parent), None
    assert wanted.requests is not None
    return wanted.requests, _values(wanted.values, base), None


def read_requests(path: Path) -> Requests:
    """Requests of a TOML file."""
    try:
        return Requests.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", cure="give the path of a TOML file") from error
    except ValidationError as error:
        raise UsageError(f"{path}: {configuration.first(error)}", cure="see docs/applications.md") from error
    except ValueError as error:
        raise UsageError(f"{path} is no TOML: {error}", cure="mend it there") from error


def _values(given: Mapping[str, Sequence[Drawn] | CsvColumn], base: Path) -> dict[str, Sequence[Drawn]]:
    return {
        name: _column(name, values, base) if isinstance(values, CsvColumn) else values for name, values in given.items()
    }


def _column(name: str, source: CsvColumn, base: Path) -> list[Drawn]:
    path = base / source.csv
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise UsageError(f"values {name}: cannot read {path}: {error.strerror}", cure="mend the path") from error
    if not rows or source.column not in rows[0]:
        known = ", ".join(rows[0]) if rows else "no row"
        raise UsageError(f"values {name}: {path} has no column {source.column!r}", cure=f"it has {known}")
    return [_number(row[source.column] or "") for row in rows]


def _number(text: str) -> Drawn:
    """A number where the text is one and is written as numbers are, so that it stays one in JSON."""
    return int(text) if re.fullmatch(r"-?(0|[1-9]\d*)", text) else text


def _lines(requests: Sequence[AppRequest]) -> list[str]:
    several = len(requests) > 1
    return [f"{each.method} {each.path}" + (f" ×{each.weight:g}" if several else "") for each in requests]


def _digest(requests: Sequence[AppRequest], values: Mapping[str, Sequence[Drawn]], script: Path | None) -> str:
    sent = [
        [each.model_dump(mode="json", by_alias=True) for each in requests],
        {name: list(each) for name, each in values.items()},
        None if script is None else script.read_text(encoding="utf-8"),
    ]
    return hashlib.sha256(json.dumps(sent, sort_keys=True).encode()).hexdigest()[:16]


def _env_file(base: Path, name: str | None) -> dict[str, str]:
    if name is None:
        return {}
    path = base / name
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


def _secrets(
    variables: Mapping[str, str], surroundings: Mapping[str, str], requests: Sequence[AppRequest]
) -> frozenset[str]:
    text = json.dumps([each.model_dump(mode="json", by_alias=True) for each in requests])
    used = set(VARIABLE.findall(text))
    named = {name for name in os.environ if SECRET_NAME.search(name)}
    values = [*variables.values(), *(surroundings[name] for name in used | named if name in surroundings)]
    return frozenset(value for value in values if len(value) >= LEAST_SECRET)
