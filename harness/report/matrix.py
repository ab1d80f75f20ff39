"""What a run says, as text for a terminal: a table per workload, what is tied, what could not be told and why."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.model.claims import ClaimResult
from harness.model.comparison import Axis, Contrast, Interval, MainEffect, Metric, Noise, Ranking
from harness.model.overview import CellOverview, Overview

WIDTH = 100
"""Where there is no terminal."""
LABELS: dict[Metric, str] = {
    "throughput_rps": "throughput",
    "p50_ms": "p50",
    "p99_ms": "p99",
    "cpu_us_per_request": "CPU per request",
}
LEGEND = (
    ("*", "best of its column, or not told apart from the best"),
    ("^", "at its ceiling: tells no servers apart"),
    ("!", "no valid visit"),
    ("x", "failed"),
)


def show(overview: Overview, path: Path | None, claims: Sequence[ClaimResult] = ()) -> None:
    """Print it to standard output."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
    with console.capture() as captured:
        for part in parts(overview, path, console.width, claims):
            console.print(part)
    print("\n".join(line.rstrip() for line in captured.get().splitlines()))


def parts(
    overview: Overview, path: Path | None, width: int, claims: Sequence[ClaimResult] = ()
) -> Iterator[Text | Table]:
    """Everything that is printed, in order."""
    yield _heading(overview)
    for workload in dict.fromkeys(map(_workload, overview.cells)):
        cells = [cell for cell in overview.cells if _workload(cell) == workload]
        yield from _tables(workload, cells, overview, width)
    yield from _verdicts(overview)
    yield from _claims(claims)
    yield from _problems(overview)
    if path is not None:
        yield Text(f"\nstored in {path}")


def _heading(overview: Overview) -> Text:
    made = (
        f"{overview.visits} visits"
        if overview.visits == overview.planned
        else (f"{overview.visits} of {overview.planned} visits so far")
    )
    blocks = "1 block" if overview.blocks == 1 else f"{overview.blocks} blocks"
    minutes = f"{overview.seconds / 60:.0f} min" if overview.seconds >= 100 else f"{overview.seconds:.0f} s"
    cells = "1 cell" if len(overview.cells) == 1 else f"{len(overview.cells)} cells"
    title = f"{overview.title}: " if overview.title else ""
    return Text(f"{title}{cells} in {blocks}, {made} in {minutes}", style="bold")


def _tables(workload: str, cells: Sequence[CellOverview], overview: Overview, width: int) -> Iterator[Text | Table]:
    """Servers down, style × workers across, in as many tables as the width asks for."""
    yield Text(f"\n{workload}", style="bold")
    best = _best(workload, overview)
    rows = list(dict.fromkeys(_row(cell, cells) for cell in cells))
    columns = list(dict.fromkeys(_column(cell, cells) for cell in cells))
    found = {(_row(cell, cells), _column(cell, cells)): cell for cell in cells}
    texts = {key: _figure(cell, cell.name in best) for key, cell in found.items()}
    label = max(len(row) for row in rows)
    widths = [
        max(len(column), *(len(texts[row, column]) for row in rows if (row, column) in texts)) + 2 for column in columns
    ]
    for first, last in _chunks(widths, width - label - 4):
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
        table.add_column("req/s", style="none", no_wrap=True)
        for column in columns[first:last]:
            table.add_column(column, justify="right", no_wrap=True)
        for row in rows:
            shown = [texts.get((row, column), Text("–", style="dim")) for column in columns[first:last]]
            table.add_row(f"  {row}", *shown)
        yield table
    marks = {mark for text in texts.values() for mark, _ in LEGEND if text.plain.endswith(mark)}
    said = [f"{mark} {meaning}" for mark, meaning in LEGEND if mark in marks]
    if any("±" in text.plain for text in texts.values()):
        said.append("± 95 % interval over blocks")
    if said:
        yield Text("  " + "; ".join(said), style="dim")


def _chunks(widths: Sequence[int], room: int) -> Iterator[tuple[int, int]]:
    """Ranges of columns that fit, one column at least."""
    first = used = 0
    for place, width in enumerate(widths):
        if place > first and used + width > room:
            yield first, place
            first, used = place, 0
        used += width
    yield first, len(widths)


def _figure(cell: CellOverview, best: bool) -> Text:
    """Throughput with its interval, and what to know of it at a glance."""
    if cell.verdict != "valid":
        mark, style = ("x", "red") if cell.verdict == "failed" else ("!", "yellow")
        rate = "" if cell.unproven_rps is None else f"{_number(cell.unproven_rps)} "
        return Text(f"{rate}{mark}", style=style)
    assert cell.throughput_rps is not None
    mark, style = ("^", "dim") if cell.at_ceiling else ("*", "bold green") if best else ("", "none")
    return Text(f"{_number(cell.throughput_rps.estimate)}{_half(cell.throughput_rps)}{mark}", style=style)


def _half(interval: Interval) -> str:
    half = half_width(interval)
    if half is None:
        return ""
    if half >= 1:
        return " ±>100%"
    return f" ±{half:.0%}" if half >= 0.0095 else f" ±{half:.1%}"


def half_width(interval: Interval) -> float | None:
    """Of an interval, as a fraction of its estimate; None where it has none."""
    if interval.low is None or interval.high is None or not interval.estimate:
        return None
    return math.sqrt(interval.high / interval.low) - 1 if interval.low > 0 else None


def _best(workload: str, overview: Overview) -> set[str]:
    """Names of the cells in the best group among the servers of each stratum, where there are verdicts."""
    found: set[str] = set()
    if _too_few(overview):
        return found
    for ranking in overview.comparison.rankings:
        if ranking.workload == workload and ranking.axis == "server" and ranking.metric == "throughput_rps":
            for side in ranking.groups[0].members if ranking.groups else []:
                found.add(f"{side.environment}:{side.cell}" if side.environment else side.cell)
    return found


def _verdicts(overview: Overview) -> Iterator[Text]:
    """What each axis does: tie groups where there are several options, main effects where one number can stand."""
    comparison = overview.comparison
    if not comparison.contrasts:
        return
    yield Text("\nWhat makes a difference", style="bold")
    if _too_few(overview):
        yield Text("  too few blocks for verdicts, six are needed: ratios with their intervals only", style="yellow")
    noise = {each.metric: each for each in comparison.noise}
    for metric in ("throughput_rps", "cpu_us_per_request"):
        said = list(_of_metric(overview, metric))
        if said:
            yield Text(f"  {LABELS[metric]}: {_noise(noise[metric])}", style="dim")
            yield from said


def _too_few(overview: Overview) -> bool:
    """Whether no contrast has a verdict, for want of blocks."""
    return all(each.reason is not None for each in overview.comparison.contrasts)


def _of_metric(overview: Overview, metric: Metric) -> Iterator[Text]:
    comparison = overview.comparison
    families = dict.fromkeys((each.workload, each.axis) for each in comparison.contrasts if each.metric == metric)
    several = len(set(map(_workload, overview.cells))) > 1
    for workload, axis in families:
        family = [
            each for each in comparison.contrasts if (each.workload, each.axis, each.metric) == (workload, axis, metric)
        ]
        effects = [
            each
            for each in comparison.main_effects
            if (each.workload, each.axis, each.metric) == (workload, axis, metric) and each.effect is not None
        ]
        yield Text(f"    {workload}, by {_axis(axis)}" if several else f"    by {_axis(axis)}")
        if effects and len(effects) == len({(each.a.option, each.b.option) for each in family}):
            for effect in effects:
                yield Text(f"      {_main(effect)}")
            continue
        for ranking in comparison.rankings:
            if (ranking.workload, ranking.axis, ranking.metric) == (workload, axis, metric):
                yield from _ranking(ranking, family)


def _ranking(ranking: Ranking, family: Sequence[Contrast]) -> Iterator[Text]:
    """Two options as their ratio; more of them as tie groups, and how far the next is behind."""
    within = [each for each in family if each.stratum == ranking.stratum]
    stratum = f"{ranking.stratum}: " if ranking.stratum else ""
    if len(within) == 1:
        yield _coloured(within[0], f"      {stratum}{contrast(within[0])}")
        return
    groups = [" = ".join(side.option for side in group.members) for group in ranking.groups]
    yield Text(f"      {stratum}{' > '.join(groups)}")
    for before, after in pairwise(ranking.groups):
        pair = {before.members[0].option, after.members[0].option}
        for each in within:
            if {each.a.option, each.b.option} == pair:
                yield _coloured(each, f"        {contrast(each)}")


def contrast(each: Contrast) -> str:
    """A contrast in words: `granian 1.21× of uvicorn [1.15, 1.28], faster`."""
    said = f"{each.b.option} {each.ratio.estimate:.2f}× of {each.a.option}{_bounds(each.ratio)}, {each.verdict}"
    if each.reason:
        return f"{said} ({each.reason})"
    if each.verdict == "undecided" and each.could_be is not None:
        return f"{said}: could be up to {each.could_be:.0%}"
    return said


def _coloured(each: Contrast, text: str) -> Text:
    return Text(text, style={"faster": "green", "slower": "red"}.get(each.verdict, "none"))


def _main(effect: MainEffect) -> str:
    assert effect.effect is not None
    return (
        f"{effect.b} {effect.effect.estimate:.2f}× of {effect.a}{_bounds(effect.effect)} in all {effect.strata} cases"
    )


def _bounds(interval: Interval) -> str:
    if interval.low is None or interval.high is None:
        return ""
    return f" [{interval.low:.2f}, {interval.high:.2f}]"


def _noise(noise: Noise) -> str:
    if noise.aa is None:
        return "no cell was visited twice, so 3% is taken for what the machine itself makes differ"
    ceiling = ", at its ceiling" if noise.at_ceiling else ""
    warning = "; the two differ, so something else than the cells is at work" if noise.excludes_one else ""
    return (
        f"the same cell twice{ceiling}: {noise.aa.estimate:.3f}×{_bounds(noise.aa)}; differences below "
        f"{noise.delta:.1%} are not told{warning}"
    )


CLAIM_COLOURS = {"confirmed": "green", "refuted": "red", "undecided": "none", "cannot be told": "dim"}


def _claims(claims: Sequence[ClaimResult]) -> Iterator[Text | Table]:
    """Claim by claim: published ratio, measured one with its interval, verdict and why."""
    if not claims:
        return
    yield Text("\nWhat the published study claims (ratios of throughput)", style="bold")
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("claim", "published", "here", "verdict"):
        table.add_column(column, overflow="fold")
    for each in claims:
        case = f" ({each.case})" if each.case else ""
        here = "–" if each.measured is None else f"{each.measured.estimate:.2f}×{_bounds(each.measured)}"
        verdict = Text(each.verdict, style=CLAIM_COLOURS[each.verdict])
        if each.why:
            verdict.append(f": {each.why}", style="none")
        table.add_row(f"  {each.claim} {each.text}{case}", f"{each.published:.2f}×", here, verdict)
    yield table


def _problems(overview: Overview) -> Iterator[Text]:
    """What is kept out of comparisons, with the reason."""
    troubled = [cell for cell in overview.cells if cell.invalid or cell.failed]
    if troubled:
        yield Text("\nNot valid, and kept out", style="bold")
    for cell in troubled:
        parts = [f"{count} {name}" for name, count in (("failed", cell.failed), ("invalid", cell.invalid)) if count]
        visits = cell.valid + cell.invalid + cell.failed
        why = "; ".join(each.reason for each in cell.reasons[:2])
        yield Text(f"  {cell.name}: {' and '.join(parts)} of {visits} visits: {why}")
    capped = [cell for cell in overview.cells if cell.at_ceiling and cell.ceiling is not None]
    if capped:
        yield Text(
            "\nAt their ceiling: their throughput says what limits them, not which server is faster", style="bold"
        )
    for cell in capped:
        assert cell.ceiling is not None
        yield Text(f"  {cell.name}: {_number(cell.ceiling.rps)} req/s = {cell.ceiling.limit}")
    if overview.impossible:
        yield Text("\nCannot exist", style="bold")
    for name, reason in overview.impossible:
        yield Text(f"  {name}: {reason}")


def _workload(cell: CellOverview) -> str:
    application = cell.cell.application
    return f"{application.workload}?{application.query}" if application.query else application.workload


def _row(cell: CellOverview, among: Sequence[CellOverview]) -> str:
    """Environment, server and load, as far as they vary."""
    options = ",".join(f"{key}={value}" for key, value in cell.cell.options.items())
    parts = [cell.environment] if cell.environment else []
    parts.append(f"{cell.cell.server}:{options}" if options else cell.cell.server)
    for letter, of in (("t", _threads), ("p", _pool), ("", _load)):
        if len({of(each) for each in among}) > 1:
            parts.append(f"{letter}{of(cell)}")
    return " ".join(parts)


def _column(cell: CellOverview, among: Sequence[CellOverview]) -> str:
    application = cell.cell.application
    several = len({each.cell.application.framework for each in among}) > 1
    framework = f"{application.framework} " if several else ""
    return f"{framework}{application.style} w{cell.cell.workers}"


def _threads(cell: CellOverview) -> int:
    return cell.cell.threads


def _pool(cell: CellOverview) -> int | None:
    return cell.cell.pool_size


def _load(cell: CellOverview) -> str:
    return f"c{cell.cell.vus}" if cell.cell.vus is not None else f"r{cell.cell.rate:g}"


def _axis(axis: Axis) -> str:
    return axis.replace("_", " ")


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:,.1f}"
