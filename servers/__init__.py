"""How each server is launched: one adapter per file, found by file name; other distributions add theirs by entry points
of the group `harness.servers`, and a user offers commands of servers that have none. May be imported by `environments`
and the rooms above; it imports nothing of the harness."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType

from .adapter import Adapter
from .command import CommandServer

GROUP = "harness.servers"
SHARED = {"adapter", "command", "forked"}
"""Files that are no adapter."""
_offered: dict[str, CommandServer] = {}


def names() -> tuple[str, ...]:
    """The names of all servers: those that have an adapter, and the commands that were offered. Imports none."""
    return tuple(sorted({*adapted(), *_offered}))


def adapted() -> set[str]:
    """The names of the servers that have an adapter: the files of this folder, and the entry points."""
    return {*_files(), *(entry.name for entry in _entries())}


def offer(server: CommandServer) -> None:
    """Let a command be known by its name in this process. ValueError where an adapter has that name."""
    if server.name in adapted():
        raise ValueError(f"there is a server called {server.name} already")
    _offered[server.name] = server


def adapter(name: str) -> Adapter:
    """The adapter called `name`, which must be one of `names()`. ValueError where two have that name, or where what
    another distribution offers is no adapter."""
    if name in _offered:
        return _offered[name]
    entries = [entry for entry in _entries() if entry.name == name]
    ours = name in _files()
    if ours + len(entries) > 1:
        raise ValueError(f"several servers are called {name}: {_origins(entries, ours)}")
    if ours:
        adapter = importlib.import_module(f"{__name__}.{name}").ADAPTER
        origin = f"servers/{name}.py"
    else:
        (entry,) = entries
        origin = f"{entry.value} of {distribution(entry)}"
        try:
            loaded = entry.load()
        except Exception as error:
            raise ValueError(f"{origin} cannot be imported: {type(error).__name__}: {error}") from error
        adapter = getattr(loaded, "ADAPTER", None) if isinstance(loaded, ModuleType) else loaded
    if not isinstance(adapter, Adapter):
        raise ValueError(f"{origin} defines no ADAPTER")
    if adapter.name != name:
        raise ValueError(f"{origin} calls its adapter {adapter.name}, not {name}")
    return adapter


def distribution(entry: EntryPoint) -> str:
    """Name of the distribution that an entry point belongs to."""
    return entry.dist.name if entry.dist else "an unknown distribution"


def _files() -> set[str]:
    return {item.name for item in pkgutil.iter_modules(__path__)} - SHARED


@functools.cache
def _entries() -> tuple[EntryPoint, ...]:
    return tuple(entry_points(group=GROUP))


def _origins(entries: list[EntryPoint], ours: bool) -> str:
    return " and ".join((*(("the harness' own",) if ours else ()), *(f"that of {distribution(e)}" for e in entries)))
