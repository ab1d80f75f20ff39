"""The house stays one that a reader finds his way in: no module is longer than can be read at once."""

from __future__ import annotations

from tests.conftest import ROOT

LINES, COMMAND_LINES = 400, 250
"""Of a module at most, and of one of the command line, which only gathers options and calls."""
MODULES = sorted(path for room in ("harness", "servers", "handlers") for path in (ROOT / room).rglob("*.py"))


def test_no_module_is_longer_than_can_be_read_at_once() -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in MODULES}
    limits = {path: COMMAND_LINES if path.parent == ROOT / "harness" / "cli" else LINES for path in MODULES}
    assert len(MODULES) > 200
    assert {str(path.relative_to(ROOT)): lines for path, lines in lengths.items() if lines > limits[path]} == {}
