"""A user's application that is ready to be measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.applications.served import Hook
from harness.applications.user import ServedUserApplication
from harness.model.variant import Interface


@dataclass(frozen=True, kw_only=True, slots=True)
class PreparedApplication:
    """An application with everything that measuring it needs."""

    served: ServedUserApplication
    interface: Interface
    python: str | None
    """Interpreter of its environment; None: the harness' own."""
    packages: Mapping[str, str]
    """What its environment has installed: canonical name → version."""
    setup: Hook | None
    """The user's command before all measurements."""
    teardown: Hook | None
    """The user's command after all measurements, whatever happened."""
