"""What terminal and Markdown say alike: how cells, figures and contrasts are worded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from harness.model.axes import AXES, axis
from harness.model.comparison import TOO_FEW_BLOCKS, Contrast, Interval, Noise, RunContrast
from harness.model.counting import counted
from harness.model.evaluation import Remedy
from harness.model.overview import CellOverview, Overview

MEANINGS = {
    "*": "best of its column, or not told apart from the best",
    "^": "at its ceiling: tells no servers apart",
    "!": "no valid visit",
    "x": "failed",
}
"""Of the marks that a cell can carry."""


REMEDIES = {
    ("threads", "raise"): "raise --threads",
    ("workers", "raise"): "add workers",
    ("pool size", "raise"): "raise --pool-size",
    ("style", "choose"): "go {}",
    ("cores", "raise"): "give the server more cores and a worker for each",
    ("work", "lower"): "do less per request",
    ("blocking calls", "mend"): "move blocking calls to threads or await them",
    ("queries", "lower"): "ask less of Postgres",
    ("queries", "mend"): "look at the queries",
    ("database cores", "raise"): "give Postgres cores of its own",
    ("users", "raise"): "more users would give more throughput",
    ("rate", "raise"): "raise --rate",
    ("rate", "lower"): "lower --rate",
    ("cell", "choose"): "measure a slower cell",
    ("warm-up", "raise"): "warm up longer (--warmup {}s)",
    ("duration", "raise"): "measure longer (--duration {}s)",
    ("generator", "choose"): "measure with --generator {} if one GET is all that is sent",
    ("generator cores", "raise"): "give the generator more cores",
    ("drift", "mend"): "look at what changed meanwhile",
    ("machine", "mend"): "measure again at a quieter time",
}
"""Kind and direction of a remedy → its words, with the value in the place of `{}`."""


def remedy(change: Remedy) -> str:
    """What to do, such as `raise --threads`."""
    text = REMEDIES[change.kind, change.direction]
    return text.partition(" (")[0] if change.value is None else text.format(change.value)


def remedied(message: str, changes: Sequence[Remedy]) -> str:
    """A message with its remedies: `the p99 is queueing for 40 threads; raise --threads, or go async`."""
    return "; ".join(filter(None, (message, ", or ".join(map(remedy, changes)))))


def heading(overview: Overview) -> str:
    """How much was measured, in how long."""
    made = (
        counted(overview.visits, "visit")
        if overview.visits == overview.planned
        else (f"{overview.visits} of {overview.planned} visits so far")
    )
    blocks = counted(overview.blocks, "block")
    minutes = f"{overview.seconds / 60:.0f} min" if overview.seconds >= 100 else f"{overview.seconds:.0f} s"
    cells = counted(len(overview.cells), "cell")
    title = f"{overview.title}: " if overview.title else ""
    return f"{title}{cells} in {blocks}, {made} in {minutes}"


def figure(cell: CellOverview, best: bool) -> str:
    """Throughput with its interval, and a mark for what to know of it at a glance: `*` best of its column or not told
    apart from the best, `^` at its ceiling, `!` without a valid visit, `x` failed."""
    sign = mark(cell, best)
    if cell.throughput is None:
        return sign if cell.unproven_rps is None else f"{number(cell.unproven_rps)} {sign}"
    return f"{number(cell.throughput.estimate)} {half_width(cell.throughput)}".rstrip() + sign


def mark(cell: CellOverview, best: bool) -> str:
    """The sign that a cell carries; empty where there is nothing to know."""
    if cell.throughput is None:
        return "x" if cell.verdict == "failed" else "!"
    return "^" if cell.at_ceiling else "*" if best else ""


def half_width(interval: Interval) -> str:
    """`±4%`; empty where the interval is unbounded."""
    half = interval.half_width
    if half is None:
        return ""
    if half >= 1:
        return "±>100%"
    return f"±{half:.0%}" if half >= 0.0095 else f"±{half:.1%}"


def best_cells(overview: Overview) -> set[str]:
    """Names of the cells in the best group among the servers of each stratum, where there are verdicts."""
    found: set[str] = set()
    if too_few_blocks(overview):
        return found
    for ranking in overview.comparison.rankings:
        if ranking.axis == "server" and ranking.metric == "throughput_rps":
            for side in ranking.groups[0].members if ranking.groups else []:
                found.add(side.cell)
    return found


def too_few_blocks(overview: Overview) -> bool:
    """Whether no contrast has a verdict, for want of blocks."""
    return all(each.reason == TOO_FEW_BLOCKS for each in overview.comparison.contrasts)


def contrast(each: Contrast) -> str:
    """A contrast in words: `granian 1.21× [1.15, 1.28] of uvicorn, faster`."""
    return f"{each.b.option} {ratio(each.ratio, of=each.a.option)}, {verdict(each)}"


def verdict(each: Contrast | RunContrast) -> str:
    """A verdict, and of an undecided one why, or how large the difference could be."""
    if each.reason:
        return f"{each.verdict} ({each.reason})"
    if each.verdict == "undecided" and each.could_be is not None:
        return f"undecided: could be up to {each.could_be:.0%}"
    return each.verdict


def ratio(interval: Interval | None, *, of: str = "", digits: int = 2) -> str:
    """A ratio with its interval, such as `1.21× [1.15, 1.28] of uvicorn`; a dash where there is none."""
    if interval is None:
        return "–"
    said = f"{interval.estimate:.{digits}f}×"
    if interval.low is not None and interval.high is not None:
        said += f" [{interval.low:.{digits}f}, {interval.high:.{digits}f}]"
    return f"{said} of {of}" if of else said


def workload_of(cell: CellOverview) -> str:
    """With its parameters."""
    return cell.cell.variant.application.work_label


def row_of(cell: CellOverview, among: Sequence[CellOverview]) -> str:
    """What stands before a cell's row: its options along the axes that tables have as rows, as far as they vary."""
    return _options(cell, among, "row")


def column_of(cell: CellOverview, among: Sequence[CellOverview]) -> str:
    """What stands above a cell's column: its options along the axes that tables have as columns, as far as they vary."""
    return _options(cell, among, "column")


def _options(cell: CellOverview, among: Sequence[CellOverview], side: Literal["row", "column"]) -> str:
    shown = [
        each
        for each in AXES
        if each.side == side and (each.shown == "always" or len({each.option(one.cell) for one in among}) > 1)
    ]
    return " ".join(filter(None, (each.option(cell.cell) for each in shown)))


def variant(cell: CellOverview, among: Sequence[CellOverview]) -> str:
    """Style; the framework before it where that varies. Nothing for an application of the user's."""
    framework, style = (axis(name) for name in ("framework", "style"))
    several = len({framework.option(each.cell) for each in among}) > 1
    return " ".join(filter(None, (framework.option(cell.cell) if several else "", style.option(cell.cell))))


def served(cell: CellOverview) -> str:
    """The server with its options, after its environment where the run has several."""
    return " ".join(filter(None, (axis(name).option(cell.cell) for name in ("environment", "server"))))


def sentence(text: str) -> str:
    """The same with a capital letter."""
    return text[:1].upper() + text[1:]


def noise(each: Noise) -> str:
    """What the A/A cell says of a metric."""
    if each.aa is None:
        return (
            "no block has two valid visits of the cell that is visited twice, so 3% is taken for what the machine "
            "itself makes differ"
        )
    ceiling = ", at its ceiling" if each.at_ceiling else ""
    warning = "; the two differ, so something else than the cells is at work" if each.excludes_one else ""
    return (
        f"the same cell twice{ceiling}: {ratio(each.aa, digits=3)}; differences below {each.delta:.1%} are not "
        f"told{warning}"
    )


def number(value: float) -> str:
    """Requests per second in as many digits as mean something."""
    return f"{value:,.0f}" if value >= 100 else f"{value:,.1f}"
