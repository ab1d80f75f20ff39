"""What a server is started from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from packaging.utils import canonicalize_name

from harness.applications.served import ServedApplication
from harness.model.database import Database
from harness.model.environment import Environment
from harness.model.placement import Placement
from harness.model.variant import Cell
from harness.servers.adapter import Adapter


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerSpec:
    """A cell with everything that is needed to serve it."""

    cell: Cell
    adapter: Adapter
    subject: ServedApplication
    options: Mapping[str, str]
    """Every server option, given or default."""
    environment: Environment
    placement: Placement
    users: int
    """Virtual users of the generator, under open load as many as the rate needs; each holds a connection."""
    database: Database | None
    boot_deadline_seconds: float
    diagnose: bool = True
    """Let the workers look at what their requests wait for."""

    @property
    def server_version(self) -> str:
        """That of the server's distribution; `unknown` where that is not known."""
        distribution = self.adapter.distribution
        return "unknown" if distribution is None else self.environment.packages[canonicalize_name(distribution)]
