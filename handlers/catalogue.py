"""What there is to choose from: workloads (found by their files), styles, frameworks, and which pairs cannot exist."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from typing import Literal

from . import workloads
from .styles import STYLES
from .workload import Params, Workload

LINKED = "harness_handlers"
"""Name of this package in a server's process: what is called `handlers` there belongs to the user."""


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
        return f"{LINKED}.mounts.{self.name}:create"


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
    """The names of all workloads: the files in `handlers/workloads/`. Imports none of them."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(workloads.__path__)))


def workload(name: str) -> Workload:
    """The workload called `name`, which must be one of `workload_names()`."""
    found = importlib.import_module(f"{workloads.__name__}.{name}").WORKLOAD
    assert isinstance(found, Workload), f"handlers/workloads/{name}.py must define WORKLOAD"
    assert found.name == name, f"handlers/workloads/{name}.py calls its workload {found.name}"
    return found


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
