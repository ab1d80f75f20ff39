"""Looks at a project and writes the configuration that `harness` reads there: `harness init`."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness import configuration
from harness.application import look
from harness.errors import HarnessError, UsageError
from harness.model.application import ApplicationPlan

FILE = Path("harness.toml")
PASSED_OVER = frozenset({"node_modules", "site-packages", "tests", "test", "docs", "build", "dist", "results"})
MOST_FILES = 5000
CLASSES = {"FastAPI": 0, "Flask": 0, "Starlette": 0, "Litestar": 0, "Quart": 0, "Sanic": 1, "Falcon": 1}
"""Calls whose result is an application → how late they are preferred."""
GETTERS = {"get_asgi_application": 0, "get_wsgi_application": 1}
"""The same of Django."""
FACTORIES = ("create_app", "make_app", "get_app", "build_app")
MOST_PATHS = 3


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Found:
    """An application object in a file; those that sort first are the likelier ones."""

    doubt: int
    depth: int
    target: str
    folder: str
    factory: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """What was written, and what it rests on."""

    path: Path
    applications: list[Found]
    looked: str
    """What looking at the first one told."""


def init(python: str | None) -> Written:
    """Write `harness.toml` in the current folder; UsageError where the project has a configuration already."""
    there = configuration.table()
    if there is not None or FILE.exists():
        path = FILE if there is None else there[0]
        raise UsageError(f"{path} configures the harness already", cure="edit it there; nothing was written")
    applications = sorted(find(Path()))
    if not applications:
        raise UsageError(
            "no application was found in this folder (FastAPI, Flask, Starlette, Litestar, Quart, Django)",
            cure="run this in the folder of a project, or name it: harness run --app MODULE:OBJECT --path /",
        )
    first = applications[0]
    python = python or _own_interpreter()
    plan = ApplicationPlan(app=first.target, app_dir=first.folder or None, factory=first.factory)
    routes: list[str] = []
    try:
        seen = look(plan, python, {}, Path(first.folder or ".").resolve())
        routes = seen["routes"]
        looked = f"{seen['framework'] or seen['kind']}, {seen['interface'] or 'interface unknown'}"
    except HarnessError as error:
        looked = f"it could not be looked at: {error.what}"
    with FILE.open("x", encoding="utf-8") as file:
        file.write(text(applications, python, routes, looked))
    return Written(path=FILE, applications=applications, looked=looked)


def find(root: Path) -> Iterator[Found]:
    """Every application object below a folder, by reading files without running them."""
    seen = 0
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in PASSED_OVER)
        if "pyvenv.cfg" in files:
            folders.clear()
            continue
        for name in sorted(files):
            if name.endswith(".py") and not name.startswith("test_") and name != "conftest.py":
                seen += 1
                if seen > MOST_FILES:
                    return
                yield from _in_file(Path(folder) / name, root)


def _in_file(path: Path, root: Path) -> Iterator[Found]:
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return
    folder, module = _module(path, root)
    depth = len(path.relative_to(root).parts)
    for node in tree.body:
        match node:
            case (
                ast.Assign(targets=[ast.Name(id=name), *_], value=ast.Call(func=called))
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.Call(func=called))
            ):
                doubt = {**CLASSES, **GETTERS}.get(_last_name(called))
                factory = False
            case ast.FunctionDef(name=name) if name in FACTORIES and not _needs_arguments(node):
                doubt, factory = 2, True
            case _:
                continue
        if doubt is not None:
            yield Found(doubt=doubt, depth=depth, target=f"{module}:{name}", folder=folder, factory=factory)


def _last_name(called: ast.expr) -> str:
    if isinstance(called, ast.Attribute):
        return called.attr
    return called.id if isinstance(called, ast.Name) else ""


def _needs_arguments(function: ast.FunctionDef) -> bool:
    arguments = function.args
    required = len(arguments.posonlyargs) + len(arguments.args) - len(arguments.defaults)
    return required > 0 or any(default is None for default in arguments.kw_defaults)


def _module(path: Path, root: Path) -> tuple[str, str]:
    """The folder to import from, as seen from the root (empty: the root), and the module's name: packages are folders
    with an `__init__.py`."""
    parts = [path.stem] if path.stem != "__init__" else []
    folder = path.parent
    while folder != root and (folder / "__init__.py").exists():
        parts.insert(0, folder.name)
        folder = folder.parent
    relative = folder.relative_to(root)
    if relative.parts and relative.parts[0] != "src":  # folders without __init__.py are packages too
        return "", ".".join((*relative.parts, *parts))
    return ("" if relative == Path() else str(relative)), ".".join(parts)


def _own_interpreter() -> str | None:
    """The project's virtual environment, where it has one in a usual place."""
    return next((str(path) for name in (".venv", "venv") if (path := Path(name, "bin", "python")).exists()), None)


def text(applications: list[Found], python: str | None, routes: list[str], looked: str) -> str:
    """The configuration, with what else there is as comments."""
    first, *others = applications
    paths = routes[:MOST_PATHS] or ["/"]
    lines = [
        "# What `harness` measures in this project. Try it: harness run --server granian --workers 2",
        "# All keys: docs/applications.md of the harness. Options of the command line stand over what is here.",
        "",
        "[application]",
        f'app = "{first.target}"  # {looked}',
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
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
