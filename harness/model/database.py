"""A Postgres that answers and holds the shop."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, kw_only=True, slots=True)
class Database:
    """Where the workloads' Postgres is, and what it allows."""

    url: str = field(repr=False)
    """May hold a password: goes to the server's environment, and nowhere else."""
    kind: Literal["embedded", "external"]
    version: str
    server: str
    """Where it is, without user and password."""
    connections_free: int
    """Connections that the workers may open: `max_connections` less the reserved ones and those in use."""
    rows: dict[str, int]
    scale: float
    """Of the shop; 1 is the published study's size."""
    seed: int
    postmaster: int | None
    """Process id of the embedded server; None where it is not ours to look at."""
