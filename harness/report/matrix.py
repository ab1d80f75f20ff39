"""What a run says, as text for a terminal: a table per workload, what is tied, what could not be told and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from rich.table import Table
from rich.text import Text

from harness.model.claims import ClaimResult
from harness.model.comparison import TOO_FEW_BLOCKS, Contrast, MainEffect, Ranking
from harness.model.metrics import METRICS, MetricName
from harness.model.overview import CellOverview, Overview
from harness.report import terminal
from harness.report.words import (
    MEANINGS,
    best_cells,
    column_of,
    contrast,
    figure,
    heading,
    noise,
    number,
    ratio,
    remedied,
    row_of,
    too_few_blocks,
    workload_of,
)

STYLES = {"*": "bold green", "^": "dim", "!": "yellow", "x": "red"}
BAR = 30
"""Columns of the longest bar."""


def text(overview: Overview, path: Path | None, claims: Sequence[ClaimResult] = ()) -> str:
    """All of it."""
    return terminal.text(lambda width: parts(overview, path, width, claims))


def parts(
    overview: Overview, path: Path | None, width: int, claims: Sequence[ClaimResult] = ()
) -> Iterator[Text | Table]:
    """Everything that is printed, in order."""
    yield Text(heading(overview), style="bold")
    for workload in dict.fromkeys(map(workload_of, overview.cells)):
        cells = [cell for cell in overview.cells if workload_of(cell) == workload]
        yield from _tables(workload, cells, overview, width)
    yield from _verdicts(overview)
    yield from _duets(overview)
    yield from _claims(claims)
    yield from _problems(overview)
    if path is not None:
        yield Text(f"\n{terminal.where(path)}")


def _tables(workload: str, cells: Sequence[CellOverview], overview: Overview, width: int) -> Iterator[Text | Table]:
    """Servers down, style × workers across, in as many tables as the width asks for."""
    yield Text(f"\n{workload}", style="bold")
    best = best_cells(overview)
    rows = list(dict.fromkeys(row_of(cell, cells) for cell in cells))
    columns = list(dict.fromkeys(column_of(cell, cells) for cell in cells))
    found = {(row_of(cell, cells), column_of(cell, cells)): cell for cell in cells}
    texts = {key: _coloured_figure(figure(cell, cell.name in best)) for key, cell in found.items()}
    label = max(len(row) for row in rows)
    widths = [
        max(len(column), *(len(texts[row, column]) for row in rows if (row, column) in texts)) + 2 for column in columns
    ]
    for first, last in _chunks(widths, width - label - 4):
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
        table.add_column("req/s", style="none", no_wrap=True)
        for column in columns[first:last]:
            table.add_column(column, justify="right", no_wrap=True)
        if len(columns) == 1:
            table.add_column("", no_wrap=True)
        for row in rows:
            shown = [texts.get((row, column), Text("–", style="dim")) for column in columns[first:last]]
            bars = [_bar(found[row, columns[0]], cells)] if len(columns) == 1 else []
            table.add_row(f"  {row}", *shown, *bars)
        yield table
    marks = {mark for text in texts.values() for mark in MEANINGS if text.plain.endswith(mark)}
    said = [f"{mark} {meaning}" for mark, meaning in MEANINGS.items() if mark in marks]
    if any("±" in text.plain for text in texts.values()):
        said.append("± 95 % interval over blocks")
    if said:
        yield Text("  " + "; ".join(said), style="dim")


def _bar(cell: CellOverview, among: Sequence[CellOverview]) -> Text:
    """The throughput beside that of the others; empty without a valid visit."""
    known = [each.throughput.estimate for each in among if each.throughput is not None]
    if cell.throughput is None:
        return Text()
    return Text(terminal.bar(cell.throughput.estimate / max(known), BAR), style="dim")


def _coloured_figure(text: str) -> Text:
    return Text(text, style=STYLES.get(text[-1], "none"))


def _chunks(widths: Sequence[int], room: int) -> Iterator[tuple[int, int]]:
    """Ranges of columns that fit, one column at least."""
    first = used = 0
    for place, width in enumerate(widths):
        if place > first and used + width > room:
            yield first, place
            first, used = place, 0
        used += width
    yield first, len(widths)


def _verdicts(overview: Overview) -> Iterator[Text]:
    """What each axis does: tie groups where there are several options, main effects where one number can stand."""
    comparison = overview.comparison
    if not comparison.contrasts:
        return
    yield Text("\nWhat makes a difference", style="bold")
    if too_few_blocks(overview):
        yield Text("  too few blocks for verdicts, six are needed: ratios with their intervals only", style="yellow")
    noises = {each.metric: each for each in comparison.noise}
    for metric in ("throughput_rps", "cpu_us_per_request"):
        said = list(_of_metric(overview, metric))
        if said:
            yield Text(f"  {METRICS[metric].label}: {noise(noises[metric])}", style="dim")
            yield from said


def _of_metric(overview: Overview, metric: MetricName) -> Iterator[Text]:
    comparison = overview.comparison
    families = dict.fromkeys((each.workload, each.axis) for each in comparison.contrasts if each.metric == metric)
    several = len(set(map(workload_of, overview.cells))) > 1
    for workload, axis in families:
        family = [
            each for each in comparison.contrasts if (each.workload, each.axis, each.metric) == (workload, axis, metric)
        ]
        effects = [
            each
            for each in comparison.main_effects
            if (each.workload, each.axis, each.metric) == (workload, axis, metric) and each.effect is not None
        ]
        what = axis.replace("_", " ")
        yield Text(f"    {workload}, by {what}" if several else f"    by {what}")
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
    if all(each.reason == TOO_FEW_BLOCKS for each in within):
        first = ranking.groups[0].members[0].option
        for each in within:
            if first in (each.a.option, each.b.option):
                yield Text(f"      {stratum}{contrast(each)}")
        return
    groups = [" = ".join(side.option for side in group.members) for group in ranking.groups]
    yield Text(f"      {stratum}{' > '.join(groups)}")
    for before, after in pairwise(ranking.groups):
        pair = {before.members[0].option, after.members[0].option}
        for each in within:
            if {each.a.option, each.b.option} == pair:
                yield _coloured(each, f"        {contrast(each)}")


def _coloured(each: Contrast, text: str) -> Text:
    return Text(text, style={"faster": "green", "slower": "red"}.get(each.verdict, "none"))


def _main(effect: MainEffect) -> str:
    assert effect.effect is not None
    return f"{effect.b} {ratio(effect.effect, of=effect.a)} in all {effect.strata} cases"


def _duets(overview: Overview) -> Iterator[Text]:
    """Every server against the baseline, loaded at the same time."""
    if not overview.duets:
        return
    yield Text("\nDuets: CPU time per request, loaded at the same time", style="bold")
    for each in overview.duets:
        cost = {"faster": "costs less", "slower": "costs more"}.get(each.verdict, each.verdict)
        style = {"faster": "green", "slower": "red"}.get(each.verdict, "none")
        yield Text(f"  {each.second}\n    {ratio(each.ratio, of=each.first, digits=3)}: {cost}", style=style)


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
        verdict = Text(each.verdict, style=CLAIM_COLOURS[each.verdict])
        if each.why:
            verdict.append(f": {each.why}", style="none")
        table.add_row(f"  {each.claim} {each.text}{case}", f"{each.published:.2f}×", ratio(each.measured), verdict)
    yield table


def _problems(overview: Overview) -> Iterator[Text]:
    """What is kept out of comparisons, with the reason."""
    troubled = [cell for cell in overview.cells if cell.invalid or cell.failed]
    if troubled:
        yield Text("\nNot valid, and kept out", style="bold")
    for cell in troubled:
        parts = [f"{count} {name}" for name, count in (("failed", cell.failed), ("invalid", cell.invalid)) if count]
        visits = cell.valid + cell.invalid + cell.failed
        why = "; ".join(remedied(each.reason, each.remedies) for each in cell.reasons[:2])
        yield Text(f"  {cell.name}: {' and '.join(parts)} of {visits} visits: {why}")
    capped = [cell for cell in overview.cells if cell.at_ceiling and cell.ceiling is not None]
    if capped:
        yield Text(
            "\nAt their ceiling: their throughput says what limits them, not which server is faster", style="bold"
        )
    for cell in capped:
        assert cell.ceiling is not None
        yield Text(f"  {cell.name}: {number(cell.ceiling.rps)} req/s = {cell.ceiling.limit}")
    if overview.impossible:
        yield Text("\nCannot exist", style="bold")
    for name, reason in overview.impossible:
        yield Text(f"  {name}: {reason}")
