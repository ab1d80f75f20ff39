"""How figures, intervals, cells and contrasts are worded, in whatever format."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from harness.model.axes import AXES, Axis, axis
from harness.model.comparison import TOO_FEW_BLOCKS, Contrast, Interval, Noise, RunContrast
from harness.model.counting import counted
from harness.model.load import LoadProfile
from harness.model.metrics import METRICS
from harness.model.overview import CellOverview, Count, Overview


def heading(overview: Overview) -> str:
    """How much was measured, in how long."""
    visits = (
        counted(overview.visits, "visit")
        if overview.visits == overview.planned
        else f"{overview.visits} of {overview.planned} visits so far"
    )
    minutes = f"{overview.seconds / 60:.0f} min" if overview.seconds >= 100 else f"{overview.seconds:.0f} s"
    title = f"{overview.title}: " if overview.title else ""
    return (
        f"{title}{counted(len(overview.cells), 'cell')} in {counted(overview.blocks, 'block')}, {visits} in {minutes}"
    )


def half_width(interval: Interval | None) -> str:
    """`±4%`; empty where there is no interval, or an unbounded one."""
    half = None if interval is None else interval.half_width
    if half is None:
        return ""
    if half >= 1:
        return "±>100%"
    return f"±{half:.0%}" if half >= 0.0095 else f"±{half:.1%}"


def ratio(interval: Interval | None, *, of: str = "", digits: int = 2) -> str:
    """A ratio with its interval, such as `1.21× [1.15, 1.28] of uvicorn`; a dash where there is none."""
    if interval is None:
        return "–"
    text = f"{interval.estimate:.{digits}f}×"
    if interval.low is not None and interval.high is not None:
        text += f" [{interval.low:.{digits}f}, {interval.high:.{digits}f}]"
    return f"{text} of {of}" if of else text


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


def too_few_blocks(overview: Overview) -> bool:
    """Whether no contrast has a verdict, for want of blocks."""
    return all(each.reason == TOO_FEW_BLOCKS for each in overview.comparison.contrasts)


def load(profile: LoadProfile) -> str:
    """`100 users`, or `200 requests/s offered`."""
    return f"{profile.rate:g} requests/s offered" if profile.users is None else counted(profile.users, "user")


def ceiling(cell: CellOverview) -> str:
    """The most that a cell can reach, and how that follows; empty where it is not known."""
    return "" if cell.ceiling is None else f"{number(cell.ceiling.rps)} req/s = {cell.ceiling.limit}"


def reason(each: Count) -> str:
    """Why visits are not valid, and how many."""
    return f"{each.reason} ({each.visits}×)"


def workload_of(cell: CellOverview) -> str:
    """The workload with its parameters, or the user's application: cells of different work share no table."""
    return cell.cell.variant.application.work_label


def by_work(cells: Iterable[CellOverview]) -> dict[str, list[CellOverview]]:
    """The cells by their work."""
    works: dict[str, list[CellOverview]] = {}
    for cell in cells:
        works.setdefault(workload_of(cell), []).append(cell)
    return works


def varying(cells: Sequence[CellOverview]) -> list[Axis]:
    """The axes along which cells of the same work differ."""
    works = by_work(cells)
    return [each for each in AXES if any(len({each.option(one.cell) for one in work}) > 1 for work in works.values())]


def table_axes(cells: Sequence[CellOverview], side: Literal["row", "column"] | None = None) -> list[Axis]:
    """The axes that tables of these cells name: always, or because the cells vary along them. None: both sides."""
    several = varying(cells)
    return [each for each in AXES if side in (None, each.side) and (each.shown == "always" or each in several)]


def options(cell: CellOverview, axes: Iterable[Axis]) -> list[str]:
    """A cell's options along axes, as far as it has a place on them."""
    return [text for each in axes if (text := each.option(cell.cell))]


def row_of(cell: CellOverview, among: Sequence[CellOverview]) -> str:
    """What stands before a cell's row of a table."""
    return " ".join(options(cell, table_axes(among, "row")))


def column_of(cell: CellOverview, among: Sequence[CellOverview]) -> str:
    """What stands above a cell's column of a table."""
    return " ".join(options(cell, table_axes(among, "column")))


def handler(cell: CellOverview, among: Sequence[CellOverview]) -> str:
    """Style; the framework before it where that varies. Nothing for an application of the user's."""
    framework, style = (axis(name) for name in ("framework", "style"))
    several = len({framework.option(each.cell) for each in among}) > 1
    return " ".join(filter(None, (framework.option(cell.cell) if several else "", style.option(cell.cell))))


def server_of(cell: CellOverview) -> str:
    """The server with its options, after its environment where the run has several."""
    return " ".join(options(cell, map(axis, ("environment", "server"))))


def sentence(text: str) -> str:
    """A text with a capital letter."""
    return text[:1].upper() + text[1:]


def number(value: float) -> str:
    """Requests per second in as many digits as mean something."""
    return METRICS["throughput_rps"].format(value)
