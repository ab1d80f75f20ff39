"""Parts of a report as text: as wide as the terminal, and coloured if it is one and wants it (NO_COLOR)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from harness.model.comparison import Interval

BARS = "▁▂▃▄▅▆▇█"
EIGHTHS = " ▏▎▍▌▋▊▉"
WIDTH = 100
"""Columns where there is no terminal."""
NARROWEST = 60
"""Columns that are written at least; a narrower terminal folds them itself, in place of losing them."""
COLOURS = {
    **{"faster": "green", "slower": "red", "equivalent": "dim"},
    **{"confirmed": "green", "refuted": "red", "impossible": "red", "not testable here": "dim"},
    **{"valid": "green", "invalid": "yellow", "failed": "red"},
}
"""Verdict → colour; those that are missing have none."""


def console(piped: int = WIDTH, *, soft_wrap: bool = False) -> Console:
    """Standard output: as wide as its terminal, `piped` columns where it is none. Names are shown as they are."""
    width = max(NARROWEST, Console().width) if sys.stdout.isatty() else piped
    return Console(highlight=False, markup=False, emoji=False, width=width, soft_wrap=soft_wrap)


def text(parts: Callable[[int], Iterable[RenderableType]]) -> str:
    """What `parts` yields for a width, without blanks at the ends of lines."""
    screen = console()
    with screen.capture() as captured:
        for part in parts(screen.width):
            screen.print(part)
    return "\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n"


def coloured(line: str, verdict: str) -> Text:
    """A line in the colour of its verdict."""
    return Text(line, style=COLOURS.get(verdict, "none"))


def facts(rows: Iterable[tuple[str, Text | str]]) -> Table:
    """Names with what there is to say of each."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(f"  {name}", Text(value) if isinstance(value, str) else value)
    return table


def spark(values: Sequence[float]) -> str:
    """Values as small bars from zero to the largest of them, so that a dip is as deep as it was."""
    most = max(values, default=0.0)
    return "".join(BARS[round((len(BARS) - 1) * value / most)] if most > 0 else BARS[0] for value in values)


def bar(share: float, width: int) -> str:
    """A bar of a share of `width` columns, in eighths."""
    eighths = round(max(0.0, min(1.0, share)) * width * 8)
    return "█" * (eighths // 8) + (EIGHTHS[eighths % 8] if eighths % 8 else "")


def dot(interval: Interval | None, most: float, width: int) -> str:
    """A dot with its interval on an axis of `width` columns from zero to `most`: `    ├──●──┤`; empty without one."""
    if interval is None or most <= 0:
        return ""
    low, at, high = (
        round((width - 1) * min(1.0, (interval.estimate if end is None else end) / most))
        for end in (interval.low, interval.estimate, interval.high)
    )
    line = [" "] * low + ["├"] + ["─"] * (high - low - 1) + (["┤"] if high > low else [])
    line[at] = "●"
    return "".join(line)


def where(path: object) -> str:
    """Where a run is stored, and how to see more of it."""
    return f"stored in {path}\nas a page: harness report {path} --format html"
