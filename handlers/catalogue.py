"""What there is to choose from: workloads (found by their files), styles, frameworks, and which pairs cannot exist.

Other distributions add workloads by entry points of the group `harness.workloads`.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from dataclasses import dataclass, replace
from types import ModuleType
from typing import TYPE_CHECKING, Literal

from . import workloads
from .styles import STYLES
from .workload import Params, Workload

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "harness.workloads"
PACKAGE = "harness.handlers"
"""Name of this package, in a server's process too: what is called `handlers` there belongs to the user, and a workload
of another distribution finds what it imports by one name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Framework:
    """One framework that mounts workloads. Its mount is `handlers/mounts/<name>.py`, imported by a server only."""

    name: str
    interface: Literal["asgi", "wsgi"]
    styles: tuple[str, ...]
    request_loops: tuple[str, ...]
    """Styles in which an event loop lives for one request only, so that no async pool can serve them."""
    distributions: tuple[str, ...]
    """Distributions that the server's environment needs."""

    def shares_pools(self, style: str) -> bool:
        """Whether all requests of a style can take their database connections from one pool."""
        return style not in self.request_loops

    @property
    def target(self) -> str:
        """Where the application factory is: `module:function`."""
        return f"{PACKAGE}.mounts.{self.name}:create"


FRAMEWORKS = {
    framework.name: framework
    for framework in (
        Framework(
            name="fastapi",
            interface="asgi",
            styles=("async", "sync", "blocking", "offloaded", "wrapped"),
            request_loops=("wrapped",),
            distributions=("fastapi", "anyio", "annotated-types"),
        ),
        Framework(
            name="flask",
            interface="wsgi",
            styles=("sync", "async"),
            request_loops=("async",),
            distributions=("flask", "asgiref", "anyio", "annotated-types"),
        ),
    )
}


def workload_names() -> tuple[str, ...]:
    """The names of all workloads: the files in `handlers/workloads/`, and the entry points. Imports none of them."""
    return tuple(sorted({*_files(), *(entry.name for entry in _entries())}))


def workload(name: str) -> Workload:
    """The workload called `name`, which must be one of `workload_names()`. ValueError where two have that name, or
    where what another distribution offers is no workload."""
    entries = [entry for entry in _entries() if entry.name == name]
    ours = name in _files()
    if ours + len(entries) > 1:
        origins = (*(["the harness' own"] if ours else []), *(f"that of {_distribution(each)}" for each in entries))
        raise ValueError(f"several workloads are called {name}: {' and '.join(origins)}")
    return load(name)


def load(name: str) -> Workload:
    """The workload called `name`, as a server's process loads it. Entry points are looked through only where no file
    has that name: importlib.metadata would add to what a server's memory is measured to be."""
    if name in _files():
        origin = f"handlers/workloads/{name}.py"
        return _checked(importlib.import_module(f"{workloads.__name__}.{name}").WORKLOAD, name, origin)
    entry = next(each for each in _entries() if each.name == name)
    origin = f"{entry.value} of {_distribution(entry)}"
    try:
        loaded = entry.load()
    except Exception as error:
        raise ValueError(f"{origin} cannot be imported: {type(error).__name__}: {error}") from error
    workload = getattr(loaded, "WORKLOAD", None) if isinstance(loaded, ModuleType) else loaded
    work = _checked(workload, name, origin)
    return replace(work, distributions=(*work.distributions, _distribution(entry)))


def _checked(workload: object, name: str, origin: str) -> Workload:
    if not isinstance(workload, Workload):
        raise ValueError(f"{origin} defines no WORKLOAD")
    if workload.name != name:
        raise ValueError(f"{origin} calls its workload {workload.name}, not {name}")
    return workload


def _files() -> set[str]:
    return {module.name for module in pkgutil.iter_modules(workloads.__path__)}


@functools.cache
def _entries() -> tuple[EntryPoint, ...]:
    from importlib.metadata import entry_points

    return tuple(entry_points(group=GROUP))


def _distribution(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist else "an unknown distribution"


def refusal(framework: str, style: str, work: Workload, params: Params) -> str | None:
    """Why this combination cannot exist, or None."""
    carried = FRAMEWORKS[framework].styles
    if style not in carried:
        return f"{framework} carries the styles {' and '.join(carried)} only"
    return work.refused_styles.get(style) or work.refuse(STYLES[style].twin, params)


def endpoints(framework: str) -> tuple[tuple[str, str], ...]:
    """Every (style, workload name) that the framework can mount."""
    return tuple(
        (style, name)
        for style in FRAMEWORKS[framework].styles
        for name in workload_names()
        if style not in workload(name).refused_styles
    )
