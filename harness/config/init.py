"""Writes the `harness.toml` of a project."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tomli_w

from harness.applications.detect import DetectedApplication, detect_applications
from harness.applications.inspect import inspect_application
from harness.applications.served import ProcessContext
from harness.config import files
from harness.errors import HarnessError, UsageError
from harness.model.plan import ApplicationPlan

FILE = Path("harness.toml")
MOST_PATHS = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class InitResult:
    """A configuration that was written, and the applications that it rests on."""

    path: Path
    applications: list[DetectedApplication]
    description: str
    """Framework and interface of the first one, or why it could not be imported."""


def init(python: str | None) -> InitResult:
    """Write `harness.toml` in the current folder; UsageError where the project has a configuration already."""
    table = files.project_table()
    if table is not None or FILE.exists():
        path = FILE if table is None else table[0]
        raise UsageError(f"{path} configures the harness already", cure="edit it there; nothing was written")
    applications = sorted(detect_applications(Path()))
    if not applications:
        raise UsageError(
            "no application was found in this folder (FastAPI, Flask, Starlette, Litestar, Quart, Django)",
            cure="run this in the folder of a project, or name it: harness run --app MODULE:OBJECT --path /",
        )
    first = applications[0]
    python = python or _own_interpreter()
    plan = ApplicationPlan(app=first.target, app_dir=first.folder or None, factory=first.factory)
    routes: list[str] = []
    folder = Path(first.folder or ".").resolve()
    try:
        inspected = inspect_application(plan, python, ProcessContext(environment={}, folder=folder))
        routes = inspected.routes
        description = f"{inspected.framework or inspected.kind}, {inspected.interface or 'interface unknown'}"
    except HarnessError as error:
        description = f"it could not be looked at: {error.what}"
    with FILE.open("x", encoding="utf-8") as file:
        file.write(text(applications, python, routes, description))
    return InitResult(path=FILE, applications=applications, description=description)


def _own_interpreter() -> str | None:
    """The project's virtual environment, where it has one in a usual place."""
    return next((str(path) for name in (".venv", "venv") if (path := Path(name, "bin", "python")).exists()), None)


def text(applications: list[DetectedApplication], python: str | None, routes: list[str], description: str) -> str:
    """The configuration of the first application, with the others and further keys as comments."""
    first, *others = applications
    paths = routes[:MOST_PATHS] or ["/"]
    lines = [
        "# What `harness` measures in this project. Try it: harness run --server granian --workers 2",
        "# All keys: docs/applications.md of the harness. Options of the command line stand over what is here.",
        "",
        "[application]",
        f'app = "{first.target}"  # {description}',
        *(f'# app = "{each.target}"' + ("  # with factory = true" if each.factory else "") for each in others[:5]),
        f'app_dir = "{first.folder}"'
        if first.folder
        else '# app_dir = "src"  # imported from, and where the server runs',
        "factory = true" if first.factory else "# factory = true  # the object makes the application when called",
        f'python = "{python}"  # the environment that holds the application and its servers'
        if python
        else '# python = ".venv/bin/python"  # the environment that holds the application and its servers',
        "",
        "# What is requested: GETs of these paths, each equally often",
        f"path = [{', '.join(_quoted(path) for path in paths)}]",
        *(f"#   {_quoted(path)}" for path in routes[MOST_PATHS : MOST_PATHS + 10]),
        "",
        '# env_file = ".env"',
        '# wait = "100ms"  # how long a request waits by itself, if that is known: gives a ceiling',
        '# setup = "python manage.py migrate"  # before everything; also before_visit and teardown',
        "",
        "# Requests with methods, bodies, weights and expected answers, in place of path:",
        "# [[application.requests]]",
        '# method = "POST"',
        '# path = "/orders"',
        '# json = { item = "{item}", quantity = 1 }',
        '# headers = { Authorization = "Bearer ${TOKEN}" }  # from --env, env_file or the environment; never stored',
        "# weight = 2",
        '# expect = { status = 201, json = { state = "pending" } }',
        "# [application.values]",
        '# item = [1, 2, 3]  # or { csv = "items.csv", column = "id" }',
        "",
        "# For `harness matrix` alone:",
        "# [matrix]",
        "# [[matrix.cells]]",
        '# server = ["uvicorn", "granian"]',
        "# workers = [1, 2]",
        "# vus = [64]",
    ]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """A text as TOML writes it."""
    return tomli_w.dumps({"text": text}).removeprefix("text = ").rstrip("\n")
