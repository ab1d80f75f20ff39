"""The house stays one that a reader finds his way in: no module is longer than can be read at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import ROOT

LINES, COMMAND_LINES = 400, 250
"""Of a module at most, and of one of the command line, which only gathers options and calls."""
MODULES = sorted(path for room in ("harness", "servers", "handlers") for path in (ROOT / room).rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_is_no_longer_than_can_be_read_at_once(path: Path) -> None:
    limit = COMMAND_LINES if path.parent == ROOT / "harness" / "cli" else LINES
    assert len(path.read_text().splitlines()) <= limit
