"""A Postgres, and the shop that it holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from harness.model import Value


@dataclass(frozen=True, kw_only=True, slots=True)
class Connections:
    """What a Postgres allows."""

    allowed: int
    """`max_connections`."""
    reserved: int
    """Kept for administrators."""
    used: int
    """By others, just now."""

    @property
    def free(self) -> int:
        """What the workers may open."""
        return self.allowed - self.reserved - self.used


@dataclass(frozen=True, kw_only=True, slots=True)
class Database:
    """Where the workloads' Postgres is, and what it allows."""

    url: str = field(repr=False)
    """May hold a password: goes to the server's environment, and nowhere else."""
    kind: Literal["embedded", "external"]
    version: str
    server: str
    """Where it is, without user and password."""
    connections: Connections
    settings: dict[str, str]
    """Those of its settings that bear on what is measured, as the server shows them."""
    rows: dict[str, int]
    """Table → rows."""
    checksums: dict[str, str]
    """Table → checksum of what was filled in."""
    scale: float
    """Of the shop; 1 is the published study's size."""
    seed: int
    postmaster: int | None
    """Process id of the embedded server; None where it is not ours to look at."""
    life: str = ""
    """When it began, by which a server that ended and was started again is told from the one that was there before."""


class TableStatus(Value):
    """One table of the shop."""

    rows: int
    checksum: str
    """Of what was filled in; the same for the same scale and seed, on every machine and version of Postgres."""


class ShopStatus(Value):
    """A shop that is filled."""

    scale: float
    """1 is the published study's size."""
    seed: int
    size_bytes: int
    """Disk space of tables and indexes."""
    tables: dict[str, TableStatus]
    seconds: float
    """How long filling it took."""
    filled_at: str


class DatabaseStatus(Value):
    """What `harness db status` tells."""

    kind: Literal["embedded", "external"]
    server: str
    """Where it is, without user and password; of the embedded one the data folder."""
    running: bool
    pid: int | None
    """Process of the embedded server."""
    version: str | None
    settings: dict[str, str] | None
    connections_free: int | None
    shop: ShopStatus | None
    problems: list[str] | None
    """What `--verify` found; None where it was not asked for."""
