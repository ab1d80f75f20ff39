"""How each server is launched: one adapter per file, found by file name. May be imported by `environments` and the
rooms above; it imports nothing of the harness."""

from __future__ import annotations

import importlib
import pkgutil

from .adapter import Adapter


def names() -> tuple[str, ...]:
    """The names of all servers: the files of this folder. Imports none of them."""
    return tuple(sorted(item.name for item in pkgutil.iter_modules(__path__) if item.name != "adapter"))


def adapter(name: str) -> Adapter:
    """The adapter called `name`, which must be one of `names()`."""
    found = importlib.import_module(f"{__name__}.{name}").ADAPTER
    assert isinstance(found, Adapter), f"servers/{name}.py must define ADAPTER"
    assert found.name == name, f"servers/{name}.py calls its adapter {found.name}"
    return found
