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
    """One service, or two that are loaded at the same time on the same cores; and how to load them."""

    sides: tuple[ServerSpec, ...]
    timing: Timing
    generator: Generator
    idle: ServerSpec | None = None
    """A partner that is started beside them and not loaded."""

    @property
    def placement(self) -> Placement:
        """Which cores both sides share, and which the generator has."""
        return self.sides[0].placement

    @property
    def users(self) -> int:
        """Virtual users of each side."""
        return self.sides[0].users

    @property
    def rate(self) -> float | None:
        """Open load: requests per second."""
        return self.sides[0].cell.load.rate

    def postmaster(self) -> int | None:
        """Process of the embedded Postgres, where a side uses it."""
        return next((side.database.postmaster for side in self.sides if side.database is not None), None)

    def postgres(self) -> list[int]:
        """Processes of the embedded Postgres; none where there is none or it is not ours to look at."""
        return postgres_processes(self.sides)


def postgres_processes(specs: Sequence[ServerSpec]) -> list[int]:
    """Processes of the embedded Postgres that servers use; none where there is none or it is not ours to look at."""
    postmaster = next((spec.database.postmaster for spec in specs if spec.database is not None), None)
    return [] if postmaster is None else [postmaster, *procfs.children(postmaster)]
