"""How figures, intervals, cells and contrasts are worded, in whatever format."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from harness.model.axes import AXES, Axis, axis
from harness.model.comparison import TOO_FEW, Contrast, Control, Interval, RunContrast
from harness.model.counting import counted
from harness.model.evaluation import GateState, Remedy
from harness.model.load import LoadProfile
from harness.model.metrics import METRICS, Metric
from harness.model.overview import CellOverview, Count, Overview
from harness.model.quantities import duration
from harness.model.rotation import RotationContrast
from harness.model.variant import Cell
from harness.stats.intervals import excludes


def heading(overview: Overview) -> str:
    """How much was measured, in how long."""
    title = f"{overview.title}: " if overview.title else ""
    so_far = "in progress, " if not overview.finished else ""
    sets = f" of {overview.sets} sets" if overview.sets > 1 else ""
    restarts = f"{counted(overview.restarts, 'restart')}{sets}"
    return f"{title}{so_far}{counted(len(overview.cells), 'configuration')}, {restarts}, {duration(overview.seconds)}"


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


TIMES = 3.0
"""Ratio from which on a difference is told as a multiple, not in percent."""
COSTS = ("cpu_us_per_request", "rss_peak_bytes")
"""Metrics of which less is cheaper, not faster."""


def percent(share: float) -> str:
    """`39%`, and of less than ten percent `5.7%`."""
    return f"{share:.0%}" if share >= 0.0995 else f"{share:.1%}"


def signed(ratio: float | None, digits: int | None = None) -> str:
    """A ratio as a signed difference: `+39%`, of less than ten percent `+5.7%`; a dash where there is none."""
    if ratio is None:
        return "–"
    text = f"{ratio - 1:+.{(0 if share(ratio) >= 0.0995 else 1) if digits is None else digits}%}"
    return text[1:] if float(text[1:-1]) == 0 else text


def confidence(ratio: Interval, digits: int | None = None) -> str:
    """The ends of an interval as signed differences: `+14.5% to +16.9%`; empty where it has none."""
    if ratio.low is None or ratio.high is None:
        return ""
    return f"{signed(ratio.low, digits)} to {signed(ratio.high, digits)}"


def inverse(ratio: Interval) -> Interval:
    """a ÷ b of b ÷ a."""
    low, high = (None if end is None else 1 / end for end in (ratio.high, ratio.low))
    return Interval(estimate=1 / ratio.estimate, low=low, high=high, n=ratio.n)


def difference(ratio: Interval | None) -> str:
    """A ratio as a difference with its interval: `-29% (95% CI -39% to -18%)`; a dash where there is none."""
    if ratio is None:
        return "–"
    ends = confidence(ratio)
    return signed(ratio.estimate) + (f" (95% CI {ends})" if ends else "")


def share(ratio: float) -> float:
    """A ratio as a difference: 0.39 of 0.61 and of 1.39."""
    return abs(ratio - 1)


def than(ratio: float, metric: Metric) -> str:
    """A ratio as a difference in words: `39% slower`, `2.4 times as fast`, `17% costlier`."""
    words = ("costlier", "cheaper") if metric.name in COSTS else ("higher", "lower")
    more, less = ("faster", "slower") if metric.better == "higher" else words
    if ratio >= TIMES:
        times = "fast" if metric.better == "higher" else "costly" if metric.name in COSTS else "much"
        return f"{ratio:.1f} times as {times}"
    return f"{percent(share(ratio))} {more if ratio > 1 else less}"


def versus(difference: str) -> str:
    """`39% slower than`, `2.4 times as fast as`."""
    return f"{difference} {'as' if ' times as ' in difference else 'than'}"


def best(metric: Metric) -> str:
    """What the best is called: `fastest`, `cheapest`."""
    return "fastest" if metric.better == "higher" else "cheapest" if metric.name in COSTS else "lowest"


def spoken(along: Axis, option: str) -> str:
    """An option as people say it: `2 workers` of `w2`."""
    if along.name == "load" and option[:1] == "c" and option[1:].isdigit():
        return counted(int(option[1:]), "connection")
    count = option.removeprefix(along.letter)
    if along.letter and count.isdigit():
        return counted(int(count), along.label.removesuffix(" count"))
    return option


LIMITS = {"users": "the load", "cpu": "CPU"}
"""What limits a configuration → what it is called where people read, if not so."""


def limit(bound_by: str) -> str:
    """What limits the throughput, as people say it."""
    return LIMITS.get(bound_by, bound_by)


def contrast(each: Contrast) -> str:
    """A contrast in words: `granian against uvicorn: +21% (95% CI +15% to +28%), faster`."""
    return f"{each.b.option} against {each.a.option}: {difference(each.ratio)}, {verdict(each)}"


def verdict(each: Contrast | RunContrast | RotationContrast) -> str:
    """A verdict: of CPU `cheaper` or `costlier`; of an inconclusive one why, if not because of its interval."""
    if each.verdict != "undecided":
        words = {"faster": "cheaper", "slower": "costlier"} if each.metric in COSTS else {}
        return words.get(each.verdict, each.verdict)
    if each.reason:
        return f"inconclusive ({each.reason})"
    return "inconclusive (not significant among all comparisons)" if excludes(each.ratio, 1.0) else "inconclusive"


def claim_verdict(verdict: str) -> str:
    """What a claim's verdict is called where people read."""
    return {"undecided": "inconclusive", "cannot be told": "not testable here"}.get(verdict, verdict)


def control(each: Control) -> str:
    """What the configuration that is there twice says of a metric."""
    warning = ". Identical configurations differ: results may be biased" if each.excludes_one else ""
    return f"the same configuration twice (A/A) {difference(each.ratio)}{warning}"


def too_few(overview: Overview) -> bool:
    """Whether no contrast has a verdict, for want of restarts."""
    return all(each.reason == TOO_FEW for each in overview.comparison.contrasts)


def load(profile: LoadProfile) -> str:
    """`100 connections`, or `200 requests/s offered as a Poisson process`."""
    if profile.users is not None:
        return counted(profile.users, "connection")
    how = "as a Poisson process" if profile.arrivals == "poisson" else "at equal distances"
    return f"{profile.rate:g} requests/s offered {how}"


def ceiling(cell: CellOverview) -> str:
    """The most that a cell can reach, and how that follows; empty where it is not known."""
    return "" if cell.ceiling is None else f"{number(cell.ceiling.rps)} req/s = {cell.ceiling.limit}"


def reason(each: Count) -> str:
    """Why restarts are not valid, and how many."""
    return f"{remedied(each.reason, each.remedies)} ({each.restarts}×)"


def work_of(cell: Cell) -> str:
    """The workload with its parameters, or the user's application."""
    return cell.variant.application.work_label


def workload_of(cell: CellOverview) -> str:
    """The same of a cell of a run: cells of different work share no table."""
    return work_of(cell.cell)


def short_work(works: Sequence[str]) -> dict[str, str]:
    """Workloads → what tells them apart: without parameters that are the same in all of the same name."""
    split = {work: (work.partition("?")[0], work.partition("?")[2].split("&")) for work in works}
    return {
        work: " ".join(
            (
                name,
                *(each for each in params if any(other == name and each not in more for other, more in split.values())),
            )
        )
        for work, (name, params) in split.items()
    }


def title(cell: Cell) -> str:
    """What was measured, in words: `granian, 4 workers: fastapi async, sleep?ms=100, 100 connections`."""
    named = {each.name: spoken(each, each.option(cell)) for each in AXES if each.part(cell)}
    server = ", ".join(named[name] for name in ("server", "workers", "threads") if name in named)
    served = " ".join(named[name] for name in ("framework", "style") if name in named)
    work = ", ".join(filter(None, (served, work_of(cell), load(cell.load))))
    return f"{server}: {work}"


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


def constant(cells: Sequence[CellOverview]) -> list[str]:
    """What all configurations have in common, as far as tables name it always."""
    several = varying(cells)
    named = (each for each in table_axes(cells) if each not in several)
    return [spoken(each, text) for each in named for text in options(cells[0], [each])]


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
    """Handler style; the framework before it where that varies. Nothing for an application of the user's."""
    framework, style = (axis(name) for name in ("framework", "style"))
    several = len({framework.option(each.cell) for each in among}) > 1
    return " ".join(filter(None, (framework.option(cell.cell) if several else "", style.option(cell.cell))))


def server_of(cell: CellOverview) -> str:
    """The server with its options, after its environment where the run has several."""
    return " ".join(options(cell, map(axis, ("environment", "server"))))


def listed(names: Sequence[str]) -> str:
    """`a, b and c`."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def sentence(text: str) -> str:
    """A text with a capital letter."""
    return text[:1].upper() + text[1:]


def number(value: float) -> str:
    """Requests per second in as many digits as mean something."""
    return METRICS["throughput_rps"].format(value)


def gates(states: Sequence[GateState]) -> str:
    """How many checks passed, and which could not be evaluated: `9 checks passed; not evaluated: steady`."""
    passed = sum(each.state == "passed" for each in states)
    unknown = [each.gate for each in states if each.state == "not evaluated"]
    return f"{passed} checks passed" + (f"; not evaluated: {', '.join(unknown)}" if unknown else "")


REMEDIES = {
    ("threads", "raise"): "raise --threads",
    ("workers", "raise"): "add workers",
    ("pool size", "raise"): "raise --pool-size",
    ("style", "choose"): "use --style {}",
    ("cores", "raise"): "give the server more cores and a worker for each",
    ("work", "lower"): "do less per request",
    ("blocking calls", "mend"): "move blocking calls to threads or await them",
    ("garbage", "lower"): "call gc.freeze() once the application is up",
    ("queries", "lower"): "ask less of Postgres",
    ("queries", "mend"): "look at the queries",
    ("database cores", "raise"): "give Postgres cores of its own",
    ("users", "raise"): "raise --vus",
    ("rate", "raise"): "raise --rate",
    ("rate", "lower"): "lower --rate",
    ("cell", "choose"): "measure a slower configuration",
    ("warm-up", "raise"): "warm up longer (--warmup {}s)",
    ("duration", "raise"): "measure longer (--duration {}s)",
    ("generator", "choose"): "measure with --generator {}",
    ("generator cores", "raise"): "give the generator more cores",
    ("drift", "mend"): "check what changed meanwhile",
    ("machine", "mend"): "measure again when the machine is quiet",
    ("clock", "mend"): "measure again, with nothing that sets the clock or lets the machine sleep meanwhile",
    ("quota", "raise"): "give the container whole cores (cpuset) in place of a quota, or a higher one",
}
"""Kind and direction of a remedy → its words, with the value in place of `{}`."""


def remedy(change: Remedy) -> str:
    """What to do, such as `raise --threads`."""
    text = REMEDIES[change.kind, change.direction]
    return text.partition(" (")[0] if change.value is None else text.format(change.value)


def remedied(message: str, changes: Sequence[Remedy]) -> str:
    """A message with its remedies: `the p99 is queueing for 40 threads; raise --threads, or use --style async`."""
    return "; ".join(filter(None, (message, ", or ".join(map(remedy, changes)))))
