"""What `harness doctor` finds, as text for a terminal."""

from __future__ import annotations

from rich.text import Text

from harness.model.doctor import Finding
from harness.report import terminal

COLOURS = {"ok": "green", "warning": "yellow", "lack": "red"}
WIDTH = 31


def show(finding: Finding) -> None:
    """Print one finding, and what cures it."""
    console = terminal.console(160, soft_wrap=True)
    line = Text.assemble((f"{finding.state:<8}", COLOURS[finding.state]), f"{finding.subject:<{WIDTH}}", finding.found)
    console.print(line)
    if finding.cure:
        console.print(Text(f"{'':<{8 + WIDTH}}→ {finding.cure}"))
