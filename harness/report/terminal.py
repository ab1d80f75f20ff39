"""Parts of a report as text: as wide as the terminal, and coloured if it is one and wants it (NO_COLOR)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable

from rich.console import Console, RenderableType

WIDTH = 100
"""Columns where there is no terminal."""


def text(parts: Callable[[int], Iterable[RenderableType]]) -> str:
    """What `parts` yields for a width, without blanks at the ends of lines."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
    with console.capture() as captured:
        for part in parts(console.width):
            console.print(part)
    return "\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n"


def where(path: object) -> str:
    """Where a run is stored, and how to see more of it."""
    return f"stored in {path}\nas a page: harness report {path} --format html"
