"""What a run says, free of any format: text, Markdown and the HTML page only lay a `View` out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from harness.model.axes import Axis, axis
from harness.model.capacity import Capacity
from harness.model.claims import StudyResult
from harness.model.comparison import TOO_FEW, Contrast, MainEffect, Ranking
from harness.model.counting import counted
from harness.model.metrics import METRICS, Metric, MetricName, contrasted
from harness.model.overload import Overload
from harness.model.overview import CellOverview, Overview
from harness.model.recommendation import Recommendation
from harness.model.rotation import Rotation
from harness.report import capacity, overload, recommendation, rotation, words
from harness.report.answers import answers, question
from harness.report.words import column_of, half_width, ratio, row_of

MEANINGS = {
    "*": "best of its column, or not told apart from the best",
    "^": "at its ceiling: cells at the same one are not told apart",
    "!": "no valid restart",
    "x": "failed",
    "±": "95 % interval over restarts",
}
"""Mark of a figure → what it means, in the order of a legend."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TableFigure:
    """A metric of a cell, as tables show it."""

    value: float | None
    """In the metric's unit."""
    text: str
    """In the metric's unit of tables; a dash where there is no value."""
    half_width: str
    """Such as `±4%`; empty where there is no interval."""
    mark: str
    """One of MEANINGS, or empty."""

    def __str__(self) -> str:
        if self.value is None:
            return self.mark or self.text
        return f"{self.text} {self.half_width}".rstrip() + (f" {self.mark}" if self.mark in ("!", "x") else self.mark)


@dataclass(frozen=True, kw_only=True, slots=True)
class TableCell:
    """A cell of the run in its place of a table."""

    cell: CellOverview
    place: int
    """Among the cells of the run, from 0."""
    figures: dict[MetricName, TableFigure]


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """The cells of one workload, by the axes that tables have as rows and as columns."""

    workload: str
    axes: str
    """What its rows are."""
    columns: list[str]
    rows: list[tuple[str, list[TableCell | None]]]
    """Heading, and a cell for each column; None where the run has none."""

    @property
    def cells(self) -> list[TableCell]:
        """All cells, row by row."""
        return [cell for _, row in self.rows for cell in row if cell is not None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Statement:
    """A sentence, and what it rests on."""

    text: str
    verdict: str = ""
    """The one that it tells, for colours; empty where it tells none or several."""
    details: list[Statement] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What the options along an axis make of a metric, for one workload."""

    metric: Metric
    axis: Axis
    workload: str
    statements: list[Statement]
    contrasts: list[Contrast]


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """What was published beside what was measured."""

    text: str
    published: str
    here: str
    verdict: str
    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """Everything that a report says, in sentences, tables and lists."""

    title: str
    heading: str = ""
    """How much was measured, in how long."""
    question: str
    answers: list[str]
    command: str = ""
    """A command line that follows from the answers."""
    warnings: list[str] = field(default_factory=list)
    grids: list[rotation.Grid] = field(default_factory=list)
    """Figures and differences, where all cells were loaded in turn; capacities and curves, where they were searched."""
    basis: list[tuple[str, str]] = field(default_factory=list)
    """Name and text of what these rest on."""
    tables: list[Table] = field(default_factory=list)
    legend: list[tuple[str, str]] = field(default_factory=list)
    """Mark → meaning, of those in the tables."""
    controls: dict[MetricName, str] = field(default_factory=dict)
    """What a cell that is there twice differs by from itself."""
    findings: list[Finding] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    claimed: str = ""
    """Whose claims they are, as a heading."""
    differences: list[str] = field(default_factory=list)
    """In what the run differs from the study that it judges."""
    kept_out: list[tuple[str, list[tuple[str, str]]]] = field(default_factory=list)
    """Title → cells, each with the reason."""


def headline() -> Metric:
    """The metric of tables that show one only."""
    return next(metric for metric in METRICS.values() if metric.headline)


def of_overview(overview: Overview, study: StudyResult | None = None) -> View:
    """What a matrix or a single cell says. `study`: what it makes of published claims."""
    places = {cell.name: place for place, cell in enumerate(overview.cells)}
    best = _best(overview)
    tables = [_table(workload, cells, places, best) for workload, cells in words.by_work(overview.cells).items()]
    return View(
        title=overview.cells[0].name
        if len(overview.cells) == 1
        else overview.title or "Which Python server, which handler style and how many workers?",
        heading=words.heading(overview),
        question=question(overview),
        answers=answers(overview),
        warnings=list(_warnings(overview)),
        tables=tables,
        legend=_legend(tables),
        controls={each.metric: words.control(each) for each in overview.comparison.controls},
        findings=list(_findings(overview)),
        claims=[] if study is None else claims(study),
        claimed="" if study is None else study.title,
        differences=[] if study is None else study.differences,
        kept_out=[(title, cells) for title, cells in _kept_out(overview) if cells],
    )


def of_rotation(answer: Rotation) -> View:
    """What cells say that were loaded in turn."""
    named = rotation.names(answer)
    return View(
        title=" and ".join(named.short.values()) + (f", {named.common}" if named.common else ""),
        heading=rotation.heading(answer),
        question=rotation.question(answer),
        answers=[f"{sentence}." for sentence, _ in rotation.answers(answer)],
        warnings=[f"{named.shortened(outcome)}." for outcome in answer.outcomes],
        grids=[rotation.figures(answer), *rotation.differences(answer)],
        basis=list(rotation.basis(answer)),
    )


def of_recommendation(answer: Recommendation) -> View:
    """What a search for the best configuration advises."""
    return View(
        title=recommendation.title(answer),
        heading=recommendation.heading(answer),
        question=recommendation.question(answer),
        answers=recommendation.answers(answer),
        command="" if answer.production is None else answer.production.command,
        grids=recommendation.grids(answer),
        basis=list(recommendation.basis(answer)),
    )


def of_capacity(answer: Capacity) -> View:
    """What cells hold under objectives."""
    return View(
        title=capacity.title(answer),
        heading=capacity.heading(answer),
        question=capacity.question(answer),
        answers=list(capacity.answers(answer)),
        grids=capacity.grids(answer),
        basis=list(capacity.basis(answer)),
    )


def of_overload(answer: Overload) -> View:
    """What became of an overload."""
    return View(
        title=overload.title(answer),
        question=overload.question(answer),
        answers=list(overload.answers(answer)),
        grids=[overload.figures(answer)],
        basis=list(overload.basis(answer)),
    )


def claims(study: StudyResult) -> list[Claim]:
    """Published claims, in words."""
    return [
        Claim(
            text=f"{each.claim} {each.text}" + (f" ({each.case})" if each.case else ""),
            published="above 1" if each.published == 1 else f"{each.published:.2f}×",
            here=ratio(each.measured),
            verdict=each.verdict,
            why=each.why,
        )
        for each in study.claims
    ]


def figures(cell: CellOverview, best: dict[MetricName, set[str]] | None = None) -> dict[MetricName, TableFigure]:
    """Every metric of a cell; `best` names the cells that none is decided to be better than."""
    return {name: _figure(cell, metric, cell.name in (best or {}).get(name, ())) for name, metric in METRICS.items()}


def _figure(cell: CellOverview, metric: Metric, best: bool) -> TableFigure:
    if not cell.valid:
        mark = "x" if cell.verdict == "failed" else "!"
    else:
        mark = "^" if cell.at_ceiling and metric.capped else "*" if best else ""
    figure = cell.figures[metric.name]
    value = cell.unproven_rps if metric.name == "throughput_rps" and figure.value is None else figure.value
    return TableFigure(
        value=value,
        text="–" if value is None else metric.format(value),
        half_width=half_width(figure.interval),
        mark=mark,
    )


def _table(
    workload: str, cells: Sequence[CellOverview], places: dict[str, int], best: dict[MetricName, set[str]]
) -> Table:
    grid = {
        (row_of(cell, cells), column_of(cell, cells)): TableCell(
            cell=cell, place=places[cell.name], figures=figures(cell, best)
        )
        for cell in cells
    }
    columns = list(dict.fromkeys(column for _, column in grid))
    rows = [(row, [grid.get((row, column)) for column in columns]) for row in dict.fromkeys(row for row, _ in grid)]
    axes = ", ".join(each.label for each in words.table_axes(cells, "row"))
    return Table(workload=workload, axes=axes, columns=columns, rows=rows)


def _best(overview: Overview) -> dict[MetricName, set[str]]:
    """Metric → cells that are in the first group of every ranking along what tables have as rows."""
    best: dict[MetricName, set[str]] = {}
    if words.too_few(overview):
        return best
    for metric in contrasted():
        rankings = [
            each
            for each in overview.comparison.rankings
            if each.metric == metric.name and axis(each.axis).side == "row" and each.groups
        ]
        leading = {side.cell for each in rankings for side in each.groups[0].members}
        behind = {side.cell for each in rankings for group in each.groups[1:] for side in group.members}
        best[metric.name] = leading - behind
    return best


def _legend(tables: Sequence[Table]) -> list[tuple[str, str]]:
    figures = [figure for table in tables for cell in table.cells for figure in cell.figures.values()]
    marks = {figure.mark for figure in figures} | {figure.half_width[:1] for figure in figures}
    return [(mark, meaning) for mark, meaning in MEANINGS.items() if mark in marks]


def _warnings(overview: Overview) -> Iterator[str]:
    for each in overview.comparison.controls:
        if each.excludes_one:
            yield (
                f"The same cell twice ({each.cell}) differs from itself in {METRICS[each.metric].label}, "
                f"{ratio(each.ratio, digits=3)}: something else than the cells is at work, and differences as small as "
                "that are not to be trusted."
            )
    yield from (f"{note}." for note in overview.notes)
    if not overview.finished:
        yield "Not finished: this is what the restarts so far say."
    without = [cell for cell in overview.cells if not cell.valid]
    if without:
        yield (
            f"{len(without)} of {len(overview.cells)} cells have no valid restart; their figures are shown and "
            "compared with nothing. Why: see 'Kept out of comparisons'."
        )
    fewer = [cell for cell in overview.cells if cell.valid and (cell.invalid or cell.failed)]
    if fewer:
        yield f"{len(fewer)} cells have restarts that do not count: their intervals stand on fewer of them."
    filling = [cell for cell in overview.cells if cell.filling]
    if filling:
        yield (
            f"{len(filling)} cells have measurements whose latencies are left out: their users wait for so much longer "
            "than the warm-up lasts that the queue was still filling."
        )


def _kept_out(overview: Overview) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    invalid = [cell for cell in overview.cells if cell.invalid or cell.failed]
    yield "Not valid, and kept out", [(cell.name, _why(cell)) for cell in invalid]
    capped = [cell for cell in overview.cells if cell.at_ceiling and cell.ceiling is not None]
    yield (
        "At their ceiling: that is what limits them, and cells at the same one are not told apart",
        [(cell.name, words.ceiling(cell)) for cell in capped],
    )
    yield "Cannot exist", overview.impossible


def _why(cell: CellOverview) -> str:
    counts = [f"{count} {name}" for name, count in (("failed", cell.failed), ("invalid", cell.invalid)) if count]
    visits = cell.valid + cell.invalid + cell.failed
    return f"{' and '.join(counts)} of {counted(visits, 'restart')}: {'; '.join(map(words.reason, cell.reasons[:2]))}"


def _findings(overview: Overview) -> Iterator[Finding]:
    comparison = overview.comparison
    for metric in contrasted():
        families: dict[tuple[str, str], list[Contrast]] = {}
        for each in comparison.contrasts:
            if each.metric == metric.name:
                families.setdefault((each.workload, each.axis), []).append(each)
        for (workload, along), contrasts in families.items():
            family = (workload, along, metric.name)
            effects = [each for each in comparison.main_effects if (each.workload, each.axis, each.metric) == family]
            rankings = [each for each in comparison.rankings if (each.workload, each.axis, each.metric) == family]
            yield Finding(
                metric=metric,
                axis=axis(along),
                workload=workload,
                statements=list(_statements(contrasts, effects, rankings)),
                contrasts=contrasts,
            )


def _statements(
    contrasts: Sequence[Contrast], effects: Sequence[MainEffect], rankings: Sequence[Ranking]
) -> Iterator[Statement]:
    """Main effects where one number can stand for all strata of each pair; else what holds in each stratum."""
    whole = [each for each in effects if each.effect is not None]
    if whole and len(whole) == len({(each.a.option, each.b.option) for each in contrasts}):
        for effect in whole:
            yield Statement(text=f"{effect.b} {ratio(effect.effect, of=effect.a)} in all {effect.strata} cases")
        return
    for ranking in rankings:
        stratum = f"{ranking.stratum}: " if ranking.stratum else ""
        within = [each for each in contrasts if each.stratum == ranking.stratum]
        if len(within) == 1:
            yield Statement(text=f"{stratum}{words.contrast(within[0])}", verdict=within[0].verdict)
        elif all(each.reason == TOO_FEW for each in within):
            first = ranking.groups[0].members[0].option
            for each in within:
                if first in (each.a.option, each.b.option):
                    yield Statement(text=f"{stratum}{words.contrast(each)}")
        else:
            groups = " > ".join(" = ".join(side.option for side in group.members) for group in ranking.groups)
            yield Statement(text=f"{stratum}{groups}", details=list(_gaps(ranking, within)))


def _gaps(ranking: Ranking, contrasts: Sequence[Contrast]) -> Iterator[Statement]:
    """How far the best of each tie group is from the best of the next."""
    for before, after in pairwise(ranking.groups):
        pair = {before.members[0].option, after.members[0].option}
        for each in contrasts:
            if {each.a.option, each.b.option} == pair:
                yield Statement(text=words.contrast(each), verdict=each.verdict)
