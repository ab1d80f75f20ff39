"""A server without an adapter of its own: a command with places for what is asked for."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from string import Formatter
from typing import Any

from .adapter import BACKLOG, LOOP_CLASSES, Adapter, Interface, Launch, Option, Production, Target

PYTHON = "python"
"""A command that begins with it is run by the environment's interpreter."""
PLACES = (
    *("target", "module", "attribute", "interface", "host", "port", "workers", "threads", "connections", "backlog"),
    PYTHON,
)
"""What stands for values of a cell in a command: `{port}`."""


@dataclass(frozen=True, kw_only=True)
class CommandServer(Adapter):
    """What is known of such a server: its command, and what its author says of it."""

    name: str  # type: ignore[misc]  # of the instance, where other adapters have it of the class
    command: str
    interfaces: tuple[Interface, ...] = ("asgi", "wsgi")  # type: ignore[misc]
    distribution: str | None = None  # type: ignore[misc]
    environment: Mapping[str, str] = field(default_factory=dict)
    loop: str | None = None
    """The event loop that its workers are to have."""
    limits: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Option] = field(default_factory=dict, init=False)  # type: ignore[misc]

    def __post_init__(self) -> None:
        """ValueError where the command is none."""
        words = shlex.split(self.command)
        if not words:
            raise ValueError("the command is empty")
        named = {name for word in words for _, name, *_ in Formatter().parse(word) if name is not None}
        if unknown := sorted(named - {*PLACES}):
            raise ValueError(
                f"{{{unknown[0]}}} stands for nothing; known are {', '.join(map('{{{}}}'.format, PLACES))}"
            )
        if "target" not in named and not {"module", "attribute"} <= named:
            raise ValueError("it has no {target}, which is the application that it is to serve")
        if "port" not in named:
            raise ValueError("it has no {port}, on which it is to listen")

    def _has(self, place: str) -> bool:
        return f"{{{place}}}" in self.command

    @property
    def maximum_workers(self) -> int | None:  # type: ignore[override]
        """One, where the command does not say how many."""
        return None if self._has("workers") else 1

    @property
    def program(self) -> str | None:  # type: ignore[override]
        """What it runs, if that is not the interpreter."""
        first = shlex.split(self.command)[0]
        return None if first in (PYTHON, f"{{{PYTHON}}}") else first

    def launch(self, target: Target, options: Mapping[str, str]) -> Launch:
        values = {name: getattr(target, name, None) for name in PLACES}
        values |= {"target": f"{target.module}:{target.attribute}", "backlog": BACKLOG}
        first, *rest = (word.format_map(values) for word in shlex.split(self.command))
        program = target.python if self.program is None else find_program(target.python, self.program)
        return Launch(argv=(program or first, *rest), env=self.environment)

    def production(self, target: Target, options: Mapping[str, str]) -> Production:
        first = PYTHON if self.program is None else self.program
        return Production(argv=(first, *self.launch(target, options).argv[1:]), differences={})

    def expects(self, target: Target, options: Mapping[str, str]) -> Mapping[str, Any]:
        return {} if self.loop is None or target.interface == "wsgi" else {"loop": LOOP_CLASSES[self.loop]}

    def threads(self, target: Target, options: Mapping[str, str], facts: Mapping[str, Any]) -> int | None:
        unsaid = target.interface == "wsgi" and not self._has("threads")
        return None if unsaid else super().threads(target, options, facts)

    def declared_limits(self, target: Target, options: Mapping[str, str]) -> Mapping[str, str]:
        unsaid = target.interface == "wsgi" and not self._has("threads")
        return ({"threads": "its command says nothing of threads"} if unsaid else {}) | dict(self.limits)


def find_program(python: str, program: str) -> str | None:
    """A program beside an interpreter, else on PATH; None where there is none."""
    return shutil.which(program, path=os.pathsep.join((os.path.dirname(python), os.environ.get("PATH", ""))))
