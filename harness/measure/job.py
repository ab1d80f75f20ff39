"""What is to be measured, and how it is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.deploy.spec import ServerSpec
from harness.host import procfs
from harness.load.generator import Generator
from harness.model.load import Timing
from harness.model.placement import Placement


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """One server, and how to load it."""

    spec: ServerSpec
    timing: Timing
    generator: Generator

    @property
    def placement(self) -> Placement:
        """Which cores the server and the generator have."""
        return self.spec.placement

    @property
    def users(self) -> int:
        """Virtual users."""
        return self.spec.users

    @property
    def rate(self) -> float | None:
        """Open load: requests per second."""
        return self.spec.cell.load.rate

    @property
    def postmaster(self) -> int | None:
        """Process of the embedded Postgres, where the server uses it."""
        return None if self.spec.database is None else self.spec.database.postmaster


def postgres_processes(specs: Sequence[ServerSpec]) -> list[int]:
    """Processes of the embedded Postgres that servers use; none where there is none or it is not ours to look at."""
    postmaster = next((spec.database.postmaster for spec in specs if spec.database is not None), None)
    return [] if postmaster is None else [postmaster, *procfs.children(postmaster)]
