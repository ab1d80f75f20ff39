"""How figures, intervals, cells and contrasts are worded, in whatever format."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from harness.model.axes import AXES, Axis, axis
from harness.model.comparison import TOO_FEW, Contrast, Control, Interval, RunContrast
from harness.model.counting import counted
from harness.model.evaluation import GateState, Remedy
from harness.model.load import LoadProfile
from harness.model.metrics import METRICS
from harness.model.overview import CellOverview, Count, Overview
from harness.model.quantities import duration


def heading(overview: Overview) -> str:
    """How much was measured, in how long."""
    title = f"{overview.title}: " if overview.title else ""
    sets = f" of {overview.sets} sets" if overview.sets > 1 else ""
    so_far = "" if overview.finished else " so far"
    restarts = f"{counted(overview.restarts, 'restart')}{sets}{so_far}"
    return f"{title}{counted(len(overview.cells), 'cell')}, {restarts} in {duration(overview.seconds)}"


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


def control(each: Control) -> str:
    """What the cell that is there twice says of a metric."""
    warning = "; the two differ, so something else than the cells is at work" if each.excludes_one else ""
    return f"the same cell twice: {ratio(each.ratio, digits=3)}{warning}"


def too_few(overview: Overview) -> bool:
    """Whether no contrast has a verdict, for want of restarts."""
    return all(each.reason == TOO_FEW for each in overview.comparison.contrasts)


def load(profile: LoadProfile) -> str:
    """`100 users`, or `200 requests/s offered as a Poisson process`."""
    if profile.users is not None:
        return counted(profile.users, "user")
    how = "as a Poisson process" if profile.arrivals == "poisson" else "at equal distances"
    return f"{profile.rate:g} requests/s offered {how}"


def ceiling(cell: CellOverview) -> str:
    """The most that a cell can reach, and how that follows; empty where it is not known."""
    return "" if cell.ceiling is None else f"{number(cell.ceiling.rps)} req/s = {cell.ceiling.limit}"


def reason(each: Count) -> str:
    """Why restarts are not valid, and how many."""
    return f"{remedied(each.reason, each.remedies)} ({each.restarts}×)"


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


def gates(states: Sequence[GateState]) -> str:
    """How many gates passed, and which could not be evaluated: `9 passed; not evaluated: steady`."""
    passed = sum(each.state == "passed" for each in states)
    unknown = [each.gate for each in states if each.state == "not evaluated"]
    return f"{passed} passed" + (f"; not evaluated: {', '.join(unknown)}" if unknown else "")


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
    ("clock", "mend"): "measure again, with nothing that sets the clock or lets the machine sleep meanwhile",
    ("quota", "raise"): "give the container whole cores (cpuset) in place of a quota, or a higher one",
}
"""Kind and direction of a remedy → its words, with the value in the place of `{}`."""


def remedy(change: Remedy) -> str:
    """What to do, such as `raise --threads`."""
    text = REMEDIES[change.kind, change.direction]
    return text.partition(" (")[0] if change.value is None else text.format(change.value)


def remedied(message: str, changes: Sequence[Remedy]) -> str:
    """A message with its remedies: `the p99 is queueing for 40 threads; raise --threads, or go async`."""
    return "; ".join(filter(None, (message, ", or ".join(map(remedy, changes)))))
