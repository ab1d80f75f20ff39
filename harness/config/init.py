"""Writes the `harness.toml` of a project."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from string import Template

import tomli_w

from harness import resources
from harness.applications.detect import DetectedApplication, detect_applications
from harness.applications.inspect import inspect_application
from harness.applications.served import ProcessContext
from harness.config import files
from harness.environments import interpreters
from harness.errors import HarnessError, UsageError
from harness.model.plan import ApplicationPlan

FILE = Path("harness.toml")
MOST_PATHS, MOST_OTHERS = 3, 5
TRYING_SECONDS = 20.0
"""After which an application that cannot be imported is not tried in another way."""


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
            "no application was found in this folder (FastAPI, Flask, Starlette, Litestar, Quart, Falcon, Django)",
            cure="run this in the folder of a project, or name it: harness run --app MODULE:OBJECT --path /",
        )
    python = python or _own_interpreter()
    routes: list[str] = []
    cwd: str | None = None
    description = ""
    deadline = time.monotonic() + TRYING_SECONDS
    for first, working in _ways(applications[0]):
        plan = ApplicationPlan(app=first.target, app_dir=first.folder or None, factory=first.factory)
        folder = Path(first.folder or ".").resolve()
        try:
            interpreter = interpreters.inspect(python).executable
            inspected = inspect_application(
                plan, interpreter, ProcessContext(environment={}, folder=working, imports=folder)
            )
        except HarnessError as error:
            description = description or f"it could not be looked at: {error.what}"
            if time.monotonic() > deadline:
                break
        else:
            applications[0] = first
            routes = inspected.routes
            description = f"{inspected.framework or inspected.kind}, {inspected.interface or 'interface unknown'}"
            cwd = None if working == folder else "."
            break
    description = "".join(each if each.isprintable() else " " for each in description)  # a comment is one line
    with FILE.open("x", encoding="utf-8") as file:
        file.write(text(applications, python, routes, description, cwd))
    return InitResult(path=FILE, applications=applications, description=description)


def _ways(found: DetectedApplication) -> Iterator[tuple[DetectedApplication, Path]]:
    """How an application may be meant to be imported, and in which folder: a folder above it that is no package may be
    where its imports begin, as `backend` of `backend/app/main.py`; what it reads then may lie there, or beside it."""
    module, _, attribute = found.target.partition(":")
    parts = module.split(".")
    folder = Path(found.folder)
    for place in range(len(parts)):
        imports = folder.joinpath(*parts[:place])
        if place and (imports / "__init__.py").exists():
            return
        target = f"{'.'.join(parts[place:])}:{attribute}"
        name = "" if imports == Path() else str(imports)
        way = dataclasses.replace(found, target=target, folder=name)
        for working in dict.fromkeys((imports.resolve(), Path().resolve())):
            yield way, working


def _own_interpreter() -> str | None:
    """The project's virtual environment, where it has one in a usual place."""
    return next((str(path) for name in (".venv", "venv") if (path := Path(name, "bin", "python")).exists()), None)


def text(
    applications: list[DetectedApplication],
    python: str | None,
    routes: list[str],
    description: str,
    cwd: str | None = None,
) -> str:
    """The configuration of the first application, with the others and further keys as comments."""
    first, *others = applications
    alternatives = [f'# app = "{each.target}"{"  # with factory = true" if each.factory else ""}\n' for each in others]
    return Template(resources.text("harness.toml")).substitute(
        app=_quoted(first.target),
        description=description,
        others="".join(alternatives[:MOST_OTHERS]),
        app_dir=f"app_dir = {_quoted(first.folder)}" if first.folder else '# app_dir = "src"',
        cwd='# cwd = "."' if cwd is None else f"cwd = {_quoted(cwd)}",
        factory="factory = true" if first.factory else "# factory = true",
        python=f"python = {_quoted(python)}" if python else '# python = ".venv/bin/python"',
        paths=", ".join(map(_quoted, routes[:MOST_PATHS] or ["/"])),
        more_paths="".join(f"#   {_quoted(path)}\n" for path in routes[MOST_PATHS : MOST_PATHS + 10]),
    )


def _quoted(text: str) -> str:
    """A text as TOML writes it."""
    return tomli_w.dumps({"text": text}).removeprefix("text = ").rstrip("\n")
