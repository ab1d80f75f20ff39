"""Finds applications in a project by reading its files, without running them."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

IGNORED = frozenset({"node_modules", "site-packages", "tests", "test", "docs", "build", "dist", "results"})
MOST_FILES = 5000
CLASSES = {"FastAPI": 0, "Flask": 0, "Starlette": 0, "Litestar": 0, "Quart": 0, "Sanic": 1, "Falcon": 1}
"""Calls whose result is an application → how late they are preferred."""
GETTERS = {"get_asgi_application": 0, "get_wsgi_application": 1}
"""Functions of Django whose result is an application → how late they are preferred."""
FACTORIES = ("create_app", "make_app", "get_app", "build_app", "create_application", "make_application", "build")
CALLED_FACTORIES = dict.fromkeys(FACTORIES, 1)
"""Functions whose name says that they make an application, where a module calls them, as wsgi.py does."""
USUAL_NAMES = ("app", "application", "asgi", "wsgi", *FACTORIES)
FALCON = ("falcon.App", "falcon.asgi.App", "falcon.API")


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class DetectedApplication:
    """An application object in a file; those that sort first are the likelier ones."""

    doubt: int
    depth: int
    unusual: bool
    """Whether its name is none of those that applications usually have, as of one that is mounted in another."""
    target: str
    folder: str
    factory: bool


def detect_applications(root: Path) -> Iterator[DetectedApplication]:
    """Every application object below a folder, by reading files without running them."""
    count = 0
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in IGNORED)
        if "pyvenv.cfg" in files:
            folders.clear()
            continue
        for name in sorted(files):
            if name.endswith(".py") and not name.startswith("test_") and name != "conftest.py":
                count += 1
                if count > MOST_FILES:
                    return
                yield from _in_file(Path(folder) / name, root)


def _in_file(path: Path, root: Path) -> Iterator[DetectedApplication]:
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return
    folder, module = _module(path, root)
    if not all(part.isidentifier() for part in module.split(".")):
        return
    depth = len(path.relative_to(root).parts)
    for node in tree.body:
        match node:
            case (
                ast.Assign(targets=[ast.Name(id=name), *_], value=ast.Call(func=function))
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.Call(func=function))
            ):
                doubt = {**CLASSES, **GETTERS, **CALLED_FACTORIES}.get(_last_name(function))
                if doubt is None and ast.unparse(function) in FALCON:
                    doubt = 0
                factory = False
            case ast.FunctionDef(name=name) if name in FACTORIES and not _needs_arguments(node):
                doubt, factory = 2, True
            case _:
                continue
        if doubt is not None:
            yield DetectedApplication(
                doubt=doubt,
                depth=depth,
                unusual=name not in USUAL_NAMES,
                target=f"{module}:{name}",
                folder=folder,
                factory=factory,
            )


def _last_name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


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
    relative = folder.relative_to(root).parts
    # Folders without __init__.py are packages too, unless no module can be called so.
    last = next((at for at in range(len(relative), 0, -1) if not relative[at - 1].isidentifier()), 0)
    imports = max(last, len(relative) if relative[:1] == ("src",) else 0)
    return str(Path(*relative[:imports])) if imports else "", ".".join((*relative[imports:], *parts))
