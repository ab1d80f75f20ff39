"""What `harness doctor` finds."""

from __future__ import annotations

from typing import Literal

from harness.model import Value


class Finding(Value):
    """One thing that measurements depend on."""

    subject: str
    state: Literal["ok", "warning", "lack"]
    """`warning`: it will hurt a measurement; `lack`: without it a run cannot work."""
    found: str
    cure: str | None = None
