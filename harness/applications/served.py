"""The seam between a measurement and what is served: how it is loaded, what is requested, which answers are right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from harness.model.database import Database
from harness.model.load import RequestMix
from harness.model.measurement import Waits
from harness.model.variant import Interface


@dataclass(frozen=True, kw_only=True, slots=True)
class Serving:
    """How a server's process comes to the application."""

    target: str
    """`module:object`"""
    factory: bool
    """The object is called for the application."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables for the server."""
    links: Mapping[str, Path] = field(default_factory=dict)
    """Path below the folder that comes first on the import path → what is linked there."""
    folder: Path | None = None
    """Where the server runs, which is on its import path too; None: a private folder."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Probe:
    """One request by which an answer is verified before the load."""

    name: str
    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | None = None
    statuses: tuple[int, ...] | None = None
    """Right ones; None: all from 200 to 299."""


class ServedApplication(Protocol):
    """What is served."""

    @property
    def name(self) -> str:
        """What to call it in a sentence."""

    @property
    def distributions(self) -> tuple[str, ...]:
        """What the server's environment needs for it."""

    @property
    def connections(self) -> int:
        """Connections to the shop's database that one request uses at a time."""

    @property
    def pooled(self) -> bool:
        """Whether they come from a pool."""

    @property
    def known_seconds(self) -> float:
        """How long one request waits by itself, as far as that is known."""

    @property
    def plain(self) -> bool:
        """Whether it is requested by one GET, the same all the time."""

    def waits(self, interface: Interface) -> Waits:
        """How long a request waits, and what it occupies meanwhile."""

    def serving(self) -> Serving:
        """How a server comes to it."""

    def before_visit(self) -> Hook | None:
        """What is to be run before each measurement."""

    def probes(self) -> list[Probe]:
        """A request of each kind."""

    def request_mix(self, database: Database | None, bodies: list[str]) -> RequestMix:
        """What users send; `bodies`: the verified answer of each kind."""

    def wrong(self, kind: int, body: str, mix: RequestMix | None = None, iteration: int | None = None) -> str | None:
        """What is wrong with an answer of a kind; None when it is right. Without `mix` it is that of a probe."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Hook:
    """A command of the user's."""

    option: str
    """By which it was given."""
    command: str
    """For a shell."""
    environment: Mapping[str, str]
    folder: Path
