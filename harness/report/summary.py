"""What fits one screen of a run: figures by its first question, what limits them, what is excluded, how sure it is."""

from __future__ import annotations

import re
import statistics
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from harness.model.axes import AXES, Axis
from harness.model.comparison import Ranking
from harness.model.counting import counted
from harness.model.metrics import METRICS
from harness.model.overview import CellOverview, Overview
from harness.report import words

MOST_ROWS = 12
"""Of the compact table; further rows are told with all details."""
MOST_LINES, MOST_OF_WIDE = 16, 24
"""Configurations that are drawn a line each; of more there is a compact table, unless it would be too wide."""
MOST_COLUMNS = 8
LONGEST_WORDS = 20
"""Letters of what a row says that leave room for its figures."""
LIMITED = "limited by the load"
"""What a row says that ranks nothing; several of them are counted only."""
THROUGHPUT = "throughput_rps"


@dataclass(frozen=True, kw_only=True, slots=True)
class Compact:
    """A table whose columns are the options of the first axis that varies."""

    title: str
    columns: list[str]
    rows: list[tuple[str, list[CellOverview | None], str]]
    """Name, a configuration for each column, and what the row says."""
    left_out: str
    """Which rows there are besides; empty where there are none."""


def drawn(overview: Overview) -> dict[str, list[tuple[str, CellOverview]]]:
    """Workload → its configurations by what they differ in, if there are few enough for a line each; else nothing."""
    if len(overview.cells) < 2 or not _has_lines(overview):
        return {}
    axes = words.varying(overview.cells)

    def ordered(cells: Sequence[CellOverview]) -> Sequence[CellOverview]:
        """Servers by what they serve, the most first; what is counted, such as workers, stays in its order."""
        if not axes or axes[0].name != "server":
            return cells
        return sorted(cells, key=lambda cell: -(cell.throughput.estimate if cell.throughput else 0.0))

    return {
        workload: [
            (" ".join(words.spoken(axis, axis.option(cell.cell)) for axis in axes), cell) for cell in ordered(of)
        ]
        for workload, of in words.by_work(overview.cells).items()
    }


def shown(overview: Overview) -> Sequence[CellOverview]:
    """The configurations whose figures stand in the short form."""
    table = compact(overview)
    return overview.cells if table is None else [cell for _, row, _ in table.rows for cell in row if cell is not None]


def _has_lines(overview: Overview) -> bool:
    """Whether each configuration is drawn on a line of its own."""
    axes = words.varying(overview.cells)
    columns = {axes[0].option(cell.cell) for cell in overview.cells} if axes else ()
    return len(overview.cells) <= (MOST_OF_WIDE if len(columns) > MOST_COLUMNS else MOST_LINES)


def compact(overview: Overview) -> Compact | None:
    """The throughput of all configurations, or of those with the first option along axes for which there is no room."""
    axes = words.varying(overview.cells)
    if _has_lines(overview) or not axes:
        return None
    first, *others = axes
    cells = list(overview.cells)
    fixed: list[str] = []
    for each in sorted(others, key=lambda along: -AXES.index(along)):
        if len(_rows(cells, others)) <= MOST_ROWS:
            break
        if each.letter or each.name == "load":
            kept = each.option(cells[0].cell)
            cells = [cell for cell in cells if each.option(cell.cell) == kept]
            fixed.append(words.spoken(each, kept))
    rows = _rows(cells, [each for each in others if each in words.varying(cells)])
    columns = list(dict.fromkeys(first.option(cell.cell) for cell in cells))
    named = [
        (
            name,
            [next((each for each in row if first.option(each.cell) == column), None) for column in columns],
            _says(overview, first, row),
        )
        for name, row in rows.items()
    ]
    limited = [row for row in named if row[2] == LIMITED]
    if len(limited) > 1:
        named = [row for row in named if row[2] != LIMITED]
    others_left = [f"{counted(len(limited), 'row')} {LIMITED}"] if len(limited) > 1 else []
    others_left += [f"{len(named) - MOST_ROWS} more rows"] if len(named) > MOST_ROWS else []
    return Compact(
        title=", ".join((METRICS[THROUGHPUT].heading, *fixed)),
        columns=columns,
        rows=named[:MOST_ROWS],
        left_out=" and ".join(others_left),
    )


def _rows(cells: Sequence[CellOverview], others: Sequence[Axis]) -> dict[str, list[CellOverview]]:
    rows: dict[str, list[CellOverview]] = {}
    works = words.by_work(cells)
    short = words.short_work(list(works))
    for work, members in works.items():
        for cell in members:
            options = (words.spoken(each, each.option(cell.cell)) for each in others)
            rows.setdefault(" ".join((short[work], *options)), []).append(cell)
    return rows


def _says(overview: Overview, first: Axis, row: Sequence[CellOverview]) -> str:
    """Who is fastest or slower in a row, or why it does not say so."""
    names = {cell.name for cell in row}
    for ranking in overview.comparison.rankings:
        members = [side for group in ranking.groups for side in group.members]
        if (ranking.axis, ranking.metric) == (first.name, THROUGHPUT) and any(side.cell in names for side in members):
            return _ranked(overview, ranking)
    verdicts = [
        each.verdict
        for each in overview.comparison.contrasts
        if (each.axis, each.metric) == (first.name, THROUGHPUT) and each.b.cell in names
    ]
    if verdicts:  # all were compared with one option only
        decided = [f"{verdicts.count(each)} {each}" for each in ("faster", "slower") if each in verdicts]
        return ", ".join(decided) or _undecided(verdicts)
    if all(not cell.valid for cell in row):
        return "excluded"
    if any(cell.at_ceiling for cell in row):
        return LIMITED
    return ""


def _ranked(overview: Overview, ranking: Ranking) -> str:
    leaders, behind = ranking.groups[0].members, [side for group in ranking.groups[1:] for side in group.members]
    if behind:
        if len(leaders) == 1:
            return f"{leaders[0].option} fastest"
        named = f"{', '.join(side.option for side in behind)} slower"
        return named if len(named) <= LONGEST_WORDS else f"{len(behind)} of {len(leaders) + len(behind)} slower"
    pairs = {side.cell for side in leaders}
    verdicts = {
        each.verdict
        for each in overview.comparison.contrasts
        if each.metric == THROUGHPUT and {each.a.cell, each.b.cell} <= pairs
    }
    return _undecided(verdicts)


def _undecided(verdicts: Collection[str]) -> str:
    return "no difference" if set(verdicts) == {"equivalent"} else "inconclusive"


def remarks(overview: Overview) -> Iterator[tuple[str, str]]:
    """Name and text of what a reader should know besides the figures."""
    limits = Counter(cell.diagnosis.bound_by for cell in overview.cells if cell.diagnosis and cell.diagnosis.bound_by)
    if len(overview.cells) > 1 and limits:
        named = [f"{words.limit(name)} {count}×" for name, count in limits.most_common()]
        yield "limited by", ", ".join(named)
    if len(overview.cells) == 1 and (diagnosis := overview.cells[0].diagnosis) is not None:
        bound = f"{words.limit(diagnosis.bound_by)}: " if diagnosis.bound_by else ""
        yield "limited by", bound + words.remedied(diagnosis.message, diagnosis.remedies)
    capped = [cell.ceiling for cell in overview.cells if cell.at_ceiling and cell.ceiling is not None]
    if capped and len(overview.cells) > 1 and any(cell.at_ceiling for cell in shown(overview)):
        setting = words.listed([*dict.fromkeys(words.limit(each.bound_by) for each in capped), "waits"])
        yield "at a ceiling", f"{counted(len(capped), 'configuration')} (^): set by {setting}, not by the server"
    yield from (("excluded", text) for text in excluded(overview))
    halves = [
        half
        for each in overview.comparison.contrasts
        if each.metric == THROUGHPUT and (half := each.ratio.half_width) is not None
    ]
    if halves:
        half = statistics.median(halves)
        text = f"differences of throughput are known to ±{words.percent(half)} (median); smaller ones rarely show"
        yield "precision", text
    for each in overview.comparison.controls:
        if each.metric == THROUGHPUT:
            yield "noise", words.control(each)


def excluded(overview: Overview) -> Iterator[str]:
    """How many configurations have no valid restart, for each reason once."""
    reasons: dict[str, list[CellOverview]] = {}
    for cell in overview.cells:
        if not cell.valid and cell.reasons:
            reasons.setdefault(re.sub(r"[\d.,]+", "", cell.reasons[0].reason), []).append(cell)
    for cells in reasons.values():
        first = cells[0].reasons[0]
        yield f"{counted(len(cells), 'configuration')}: {words.remedied(first.reason, first.remedies)}"
    if overview.impossible:
        yield f"{counted(len(overview.impossible), 'combination')} that the software does not support"
