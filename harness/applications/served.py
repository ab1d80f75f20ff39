"""The protocol of served applications: how a server loads one, which requests it gets, which answers are right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from harness.model.database import Database
from harness.model.load import RequestMix
from harness.model.measurement import Waits
from harness.model.requests import Drawn
from harness.model.variant import Interface


@dataclass(frozen=True, kw_only=True, slots=True)
class Serving:
    """How a server's process imports the application."""

    target: str
    """`module:object`"""
    factory: bool
    """Whether the object is a function that makes the application."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Environment variables for the server."""
    links: Mapping[str, Path] = field(default_factory=dict)
    """Path below the folder that comes first on the import path → what is linked there."""
    folder: Path | None = None
    """The server's working folder; None: a private one."""
    imports: Path | None = None
    """The folder that is on its import path; None: the working folder."""
    asked_folder: Path | None = None
    """The folder from which it must be imported, where the user named one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Probe:
    """One request by which an answer is verified before the load."""

    name: str
    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | bytes | None = None
    statuses: tuple[int, ...] | None = None
    """Right statuses; None: all from 200 to 299."""
    saves: Mapping[str, str] = field(default_factory=dict)
    """Name → where its value is in the answer, for the probes that follow; see `AppRequest.save`."""


class ServedApplication(Protocol):
    """An application that a server can serve and a generator can load."""

    @property
    def name(self) -> str:
        """The application in a sentence."""

    @property
    def distributions(self) -> tuple[str, ...]:
        """Distributions that the server's environment must have installed."""

    @property
    def connections(self) -> int:
        """Connections to the shop's database that one request uses at a time."""

    @property
    def pooled(self) -> bool:
        """Whether connections to the database come from a pool."""

    @property
    def known_seconds(self) -> float:
        """Seconds that one request waits by itself, as far as they are declared; 0 where nothing is."""

    @property
    def fibonacci_calls(self) -> int:
        """Calls of the recursion that our workloads compute with, of one request; 0 where nothing is known."""

    @property
    def plain(self) -> bool:
        """Whether all requests are one GET that is always the same."""

    def waits(self, interface: Interface) -> Waits:
        """How long a request waits, and what it occupies meanwhile."""

    def serving(self) -> Serving:
        """How a server's process imports the application."""

    def before_visit(self) -> Hook | None:
        """The user's command before each measurement; None where there is none."""

    def probes(self, saved: Mapping[str, Drawn] | None = None) -> list[Probe]:
        """A request of each kind, by which its answer is verified before the load, with what was `saved` so far."""

    def request_mix(self, database: Database | None, bodies: list[str]) -> RequestMix:
        """The requests that the generator sends; `bodies`: the verified answer of each kind."""

    def wrong(self, kind: int, body: str, mix: RequestMix | None = None, iteration: int | None = None) -> str | None:
        """The fault of an answer of a kind; None when it is right. Without `mix` it is the answer to a probe."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ProcessContext:
    """Environment variables and working folder of an application's processes: its server, its import, its hooks."""

    environment: Mapping[str, str]
    folder: Path
    """In which they run."""
    imports: Path | None = None
    """From which the application is imported; None: the same."""
    given: Mapping[str, str] = field(default_factory=dict)
    """Those of the variables that the user gave."""

    @property
    def import_folder(self) -> Path:
        """From which the application is imported."""
        return self.imports or self.folder


@dataclass(frozen=True, kw_only=True, slots=True)
class Hook:
    """A shell command of the user's."""

    option: str
    """The option that sets it, for messages."""
    command: str
    context: ProcessContext
