"""What an adapter is: how to launch one server, what it can be set to, and what it cannot.

An adapter never imports its server. It turns a `Target` and options into a `Launch`; everything else is the harness'.
The same settings hold for every server unless an option changes them: uvloop, a backlog of 2,048, no access log,
warnings only, keep-alive without limit, no websockets, `Target.threads` threads per worker for sync code.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

Interface = Literal["asgi", "wsgi"]

BACKLOG = 2048
KEEP_ALIVE_SECONDS = 3600
UNLIMITED = "unlimited"
LOOP_CLASSES = {
    "uvloop": "uvloop.Loop",
    "asyncio": "asyncio.unix_events._UnixSelectorEventLoop",
    "rloop": "rloop.loop.RLoop",
}
"""Event loops → the class that a worker reports when the loop runs."""
LOOPS = ("uvloop", "asyncio")
"""Those that most ASGI servers offer; the first is the default."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Option:
    """A setting of the server that a cell may choose: `NAME:key=value`."""

    choices: tuple[str, ...]
    """Accepted values; the first is the default."""
    help: str
    interface: Interface | None = None
    """Only for this interface; None for both."""
    as_installed: bool = False
    """Whether a user's application, where none is given and its environment lacks what the default needs, is measured
    with the next choice that it has."""

    @property
    def default(self) -> str:
        """The value when none is given."""
        return self.choices[0]


BRIDGE = Option(
    choices=("a2wsgi", "native"),
    help="how its event loop calls WSGI: a2wsgi takes any number of threads, the server's own way does not",
    interface="wsgi",
)
"""For ASGI servers that serve WSGI from threads beside their event loop."""


def most_option(help: str, interface: Interface | None = None) -> Option:
    """How many at once a worker takes before it turns others away or lets them wait, as an option."""
    return Option(choices=(UNLIMITED, "16", "64", "256", "1024"), help=help, interface=interface)


def loop_option(choices: tuple[str, ...] = LOOPS, interface: Interface | None = None) -> Option:
    """The event loop as an option."""
    return Option(choices=choices, help="event loop", interface=interface, as_installed=True)


def loop_distributions(options: Mapping[str, str]) -> tuple[str, ...]:
    """What must be installed for the event loop that is chosen, if one is."""
    return () if options.get("loop") in (None, "asyncio") else (options["loop"],)


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """What a server is to serve, and with what."""

    python: str
    """The environment's interpreter."""
    module: str
    attribute: str
    """`module:attribute` is the application: a WSGI callable under `wsgi`, else an ASGI one."""
    interface: Interface
    host: str
    port: int
    workers: int
    threads: int
    """Threads that one worker may use for sync code."""
    connections: int
    """The most connections that the load will open; a server that limits them must allow that many on one worker."""
    folder: str = ""
    """Where the launch's files are; the server may run elsewhere."""

    def file(self, name: str) -> str:
        """Path of one of the launch's files."""
        return os.path.join(self.folder, name)


@dataclass(frozen=True, kw_only=True, slots=True)
class Launch:
    """How to start the server: run `argv` in a folder that holds `files`, with `env` added."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    """File name → text."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Production:
    """How one starts the server in production."""

    argv: tuple[str, ...]
    differences: Mapping[str, str]
    """What was set for measuring alone, as it was written → why."""


KEPT_OPEN = "so that no connection is opened anew while it is measured"
QUIET = "so that no time goes into logging"
ENDS_SOON = "so that a measurement ends soon"
LARGE_LOADS = "so that large loads are not turned away"
ALIKE = "so that all servers have it alike"
"""Why adapters set what is not for production."""


class Adapter:
    """The shape of all adapters. A file in this folder subclasses it and names one instance ADAPTER."""

    name: ClassVar[str]
    distribution: ClassVar[str | None]
    """What pip installs; None where that is not known."""
    program: ClassVar[str | None] = None
    """What the launch runs, beside the interpreter or on PATH; None: the interpreter itself."""
    interfaces: ClassVar[tuple[Interface, ...]]
    options: ClassVar[Mapping[str, Option]] = {}
    maximum_workers: ClassVar[int | None] = None
    """The most worker processes that it can run; None: no limit."""
    environment_prefix: ClassVar[str | None] = None
    """Variables by which the server would take settings from the surroundings; they are kept from it."""
    own_files: ClassVar[tuple[str, ...]] = ()
    """Files of the folder in which it runs from which it would take settings; they are kept from it."""
    measured_only: ClassVar[Mapping[str, str]] = {}
    """Options and variables of the launch that are for measuring alone → why; production goes without them."""
    parsers: ClassVar[Mapping[str, str]] = {}
    """Imported module → the HTTP parser in effect, as the entry sees it in the worker. First hit counts."""
    built_in_parser: ClassVar[str | None] = None
    """The HTTP parser when none of `parsers` is imported."""

    def launch(self, target: Target, options: Mapping[str, str]) -> Launch:
        """The command that starts the server. `options` holds every option, given or default."""
        raise NotImplementedError

    def production(self, target: Target, options: Mapping[str, str]) -> Production:
        """The command that starts the server in production: that of the launch without `measured_only`."""
        launch = self.launch(target, options)
        kept: list[str] = []
        chosen = {f"--{key.replace('_', '-')}" for key, value in options.items() if value != self.options[key].default}
        differences = {f"{name}={value}": self.measured_only.get(name, ALIKE) for name, value in launch.env.items()}
        words = list(launch.argv[2:] if launch.argv[1:2] == ("-m",) else launch.argv)
        while words:
            word = words.pop(0)
            if word in chosen or word not in self.measured_only:
                kept.append(word)
                continue
            value = [words.pop(0)] if words and not words[0].startswith("-") else []
            differences[" ".join((word, *value))] = self.measured_only[word]
        return Production(argv=tuple(kept), differences=differences)

    def wraps_wsgi(self, options: Mapping[str, str]) -> bool:
        """Whether under `wsgi` the server is given an ASGI application that wraps the WSGI one (a2wsgi)."""
        return options.get("bridge") == "a2wsgi"

    def requires(self, interface: Interface, options: Mapping[str, str]) -> tuple[str, ...]:
        """Distributions that this choice needs besides the server's own."""
        return ()

    def expects(self, target: Target, options: Mapping[str, str]) -> Mapping[str, Any]:
        """Facts that each worker must report for the settings to count as in effect."""
        return {}

    def threads(self, target: Target, options: Mapping[str, str], facts: Mapping[str, Any]) -> int | None:
        """Threads that one worker really has for sync code, from what its entry reported. None: not known."""
        reported = facts.get("anyio_threads")
        if reported is not None:
            return int(reported)
        return target.threads if target.interface == "wsgi" else None

    def declared_limits(self, target: Target, options: Mapping[str, str]) -> Mapping[str, str]:
        """What the server cannot be set to: setting → what it does instead, and why."""
        return {}
