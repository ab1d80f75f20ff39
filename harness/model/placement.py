"""Which cores the server, the generator and the database were given."""

from __future__ import annotations

from typing import Literal

from harness.model import Value


class Placement(Value):
    """Which cores each side was given; None means all."""

    pin: Literal["split", "none"]
    server_cpus: list[int] | None
    generator_cpus: list[int] | None
    database_cpus: list[int] | None
    cores: list[int]
    """The cores in use: of server and generator together, or all that there were."""
    note: str | None
    """What the placement cannot show, if anything."""
