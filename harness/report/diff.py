"""Two runs, cell by cell, as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table
from rich.text import Text

from harness.model.comparison import RunComparison
from harness.model.metrics import METRICS
from harness.report import terminal
from harness.report.words import ratio, verdict


def text(comparison: RunComparison) -> str:
    """The comparison, and whether it passes its limit."""
    return terminal.text(lambda _: parts(comparison))


def parts(comparison: RunComparison) -> Iterator[Text | Table]:
    """What is compared, cell by cell, what is not and why, and whether the limit is kept."""
    yield Text(f"{METRICS[comparison.metric].label}, second run ÷ first", style="bold")
    yield Text(
        f"differences below {comparison.margin:.1%} are not told; intervals are 95 % over all cells together",
        style="dim",
    )
    if comparison.shift is not None:
        yield Text(
            f"all cells together: {ratio(comparison.shift, digits=3)}; that is taken for the machine's, and what each "
            "cell does is told beyond it",
            style="dim",
        )
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for _ in range(3):
        table.add_column(overflow="fold")
    for each in comparison.contrasts:
        table.add_row(f"  {each.name}", ratio(each.ratio), terminal.coloured(verdict(each), each.verdict))
    yield table
    for name, reason in comparison.excluded:
        yield Text(f"  {name}: {reason}", style="dim")
    if all(each.reason for each in comparison.contrasts):
        yield Text(
            "\nno cell could be compared: it takes three that both runs hold, valid in six restarts of each.\n"
            "Servers are compared within one run: harness matrix, or harness compare",
            style="bold yellow",
        )
    elif comparison.limit is not None:
        yield _gate(comparison)


def _gate(comparison: RunComparison) -> Text:
    worse = [each.name for each in comparison.contrasts if each.worse]
    if not worse:
        return Text(f"\nno cell is worse by more than {comparison.limit:.0%} for certain", style="green")
    return Text(
        f"\nworse by more than {comparison.limit:.0%}, the whole interval: {', '.join(worse)}", style="bold red"
    )
