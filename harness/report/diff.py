"""Two runs, configuration by configuration, as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table
from rich.text import Text

from harness.model.comparison import RunComparison
from harness.model.metrics import METRICS
from harness.report import gate, terminal
from harness.report.words import difference, verdict


def text(comparison: RunComparison) -> str:
    """The comparison, and whether it passes its limit."""
    return terminal.text(lambda _: parts(comparison))


def parts(comparison: RunComparison) -> Iterator[Text | Table]:
    """Whether the limit is kept, what is compared, configuration by configuration, and what is not and why."""
    if all(each.reason for each in comparison.contrasts):
        yield Text(
            "nothing could be compared: it takes three configurations that both runs hold, valid in six restarts of "
            "each.\nServers are compared within one run: harness matrix, or harness compare",
            style="bold yellow",
        )
    else:
        for line, state in gate.lines(gate.of_runs(comparison), comparison.limit):
            yield Text(line, style=f"bold {gate.COLOURS[state]}")
    yield Text(f"{METRICS[comparison.metric].label}, second run against the first", style="bold")
    yield Text(
        f"threshold {comparison.margin:.1%}; 95% confidence intervals, adjusted for all configurations together",
        style="dim",
    )
    if comparison.shift is not None:
        yield Text(
            f"all configurations together: {difference(comparison.shift)}; taken as a change of the machine and "
            "subtracted below",
            style="dim",
        )
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for _ in range(3):
        table.add_column(overflow="fold")
    for each in comparison.contrasts:
        table.add_row(f"  {each.name}", difference(each.ratio), terminal.coloured(verdict(each), each.verdict))
    yield table
    for name, reason in comparison.excluded:
        yield Text(f"  {name}: {reason}", style="dim")
