"""What lies around a user's application: files in place of a server, and settings that it would take from there."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.applications.served import Serving
from harness.config.cells import ResolvedCell
from harness.environments import interpreters
from harness.errors import UsageError


def check(cell: ResolvedCell) -> None:
    """Refuse a file of the application's that would be imported in place of the server, as `gunicorn.py` would."""
    if cell.application is None:
        return
    needed = (cell.adapter.name, *cell.adapter.requires(cell.cell.variant.interface, cell.options))
    for folder in _folders(cell.subject.serving()):
        for name in needed:
            found = _hiding(folder, name.replace("-", "_"))
            if found is not None:
                raise UsageError(
                    f"{found} would be imported in place of the package {name}, which {cell.adapter.name} needs",
                    cure="give it another name; settings of gunicorn are usually in gunicorn.conf.py",
                )


def remarks(cells: Sequence[ResolvedCell]) -> list[str]:
    """What is not as the application's surroundings suggest, a sentence each: settings that a server would take from
    there, and choices that the environment made."""
    return list(dict.fromkeys(sentence for cell in cells for sentence in _remarks(cell)))


def _remarks(cell: ResolvedCell) -> Iterator[str]:
    adapter = cell.adapter
    if cell.application is None:
        return
    left = [
        str(folder / name)
        for folder in _folders(cell.subject.serving())[:1]
        for name in adapter.own_files
        if (folder / name).is_file()
    ]
    prefix = adapter.environment_prefix
    left += sorted(name for name in os.environ if prefix and name.startswith(prefix))
    if left:
        yield (
            f"{', '.join(left)}: left aside, since the harness sets every server alike; measure such settings with "
            f"--server-command, where {adapter.name} offers no option for them"
        )
    chosen = [f"{key}={value}" for key, value in cell.options.items() if _replaced(cell, key, value)]
    if chosen:
        yield f"{adapter.name} runs with {', '.join(chosen)}, as its environment has nothing better installed"


def _replaced(cell: ResolvedCell, key: str, value: str) -> bool:
    """Whether the default of an option was not taken since what it needs is not installed."""
    option = cell.adapter.options[key]
    if cell.application is None or not option.as_installed or value == option.default:
        return False
    needed = cell.adapter.requires(cell.cell.variant.interface, {**cell.options, key: option.default})
    return bool(interpreters.missing(cell.application.packages, needed))


def _folders(serving: Serving) -> list[Path]:
    """Where the server runs, and what it imports from there."""
    return list(dict.fromkeys(each for each in (serving.folder, serving.imports) if each is not None))


def _hiding(folder: Path, module: str) -> Path | None:
    """A module of that name; None if there is none, or if it is a program of its own, as in a server's own checkout."""
    file, package = folder / f"{module}.py", folder / module
    if file.is_file():
        return file
    return package if (package / "__init__.py").is_file() and not (package / "__main__.py").exists() else None
