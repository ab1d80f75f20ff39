"""What a run says, free of any format: text, Markdown and the HTML page only lay a `View` out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from harness.model.axes import axis
from harness.model.capacity import Capacity
from harness.model.claims import StudyResult
from harness.model.counting import counted
from harness.model.metrics import METRICS, Metric, MetricName, contrasted
from harness.model.overload import Overload
from harness.model.overview import CellOverview, Overview
from harness.model.recommendation import Recommendation
from harness.model.rotation import Rotation
from harness.report import capacity, gate, members, overload, recommendation, rotation, summary, words
from harness.report.answers import answers, by_axis, unanswered
from harness.report.asked import question
from harness.report.claims import Claim, judged
from harness.report.findings import Finding, findings
from harness.report.members import names
from harness.report.words import column_of, half_width, row_of

MEANINGS = {
    "*": "best, or within noise of the best",
    "^": "limited by the load or its own waits, not by the server",
    "!": "not trustworthy (see Excluded)",
    "x": "failed",
    "±": "95% confidence interval",
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
class Dot:
    """A configuration's throughput with its interval, as shares of the largest of its workload."""

    place: int
    """Among the cells of the run, from 0."""
    name: str
    text: str
    at: float | None
    low: float
    high: float
    best: bool
    limited_by: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Card:
    """An answer as the page begins with it."""

    title: str
    value: str = ""
    """A figure with its unit; empty where the lines say it."""
    lines: list[str] = field(default_factory=list)


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
    main: list[str] = field(default_factory=list)
    """The answers that fit a screen."""
    cards: list[Card] = field(default_factory=list)
    remarks: list[tuple[str, str]] = field(default_factory=list)
    """Name and text of what limits the figures, how sure they are, and what else a reader should know."""
    dots: list[tuple[str, list[Dot]]] = field(default_factory=list)
    """Workload → its configurations, with the place of each figure and interval."""
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
    works = words.by_work(overview.cells)
    tables = [_table(workload, cells, places, best) for workload, cells in works.items()]
    return View(
        title=title(overview),
        heading=words.heading(overview),
        question=question(overview),
        answers=answers(overview),
        main=answers(overview, main=True),
        cards=_cards(overview),
        remarks=[*summary.remarks(overview), *_notes(overview)],
        dots=[(workload, _dots(overview, cells, places, best)) for workload, cells in works.items()]
        if len(overview.cells) > 1
        else [],
        warnings=list(_warnings(overview)),
        tables=tables,
        legend=_legend(tables),
        controls={each.metric: words.control(each) for each in overview.comparison.controls},
        findings=list(findings(overview)),
        claims=[] if study is None else judged(study),
        claimed="" if study is None else study.title,
        differences=[] if study is None else study.differences,
        kept_out=[(title, cells) for title, cells in _kept_out(overview) if cells],
    )


def title(overview: Overview) -> str:
    """What was compared, in words."""
    if len(overview.cells) == 1:
        return words.title(overview.cells[0].cell)
    if overview.title:
        return overview.title
    return f"Which {words.listed([each.label for each in words.varying(overview.cells)]) or 'configuration'}?"


def _cards(overview: Overview) -> list[Card]:
    """The answer to each question; of a single configuration its figures."""
    if len(overview.cells) == 1:
        (cell,) = overview.cells
        shown = [(METRICS[name], each) for name, each in figures(cell).items() if each.value is not None]
        cards = [
            Card(title=metric.label, value=f"{each.text} {metric.shown_unit or metric.unit}", lines=[each.half_width])
            for metric, each in shown
        ]
        trust = {"valid": "yes", "invalid": "no", "failed": "no: failed"}[cell.verdict]
        return [*cards, Card(title="trustworthy", value=trust, lines=[words.reason(each) for each in cell.reasons])]
    axes: dict[str, list[str]] = {}
    for each in by_axis(overview):
        axes.setdefault(words.sentence(axis(each.axis).label), []).append(f"{each.about}: {each.text}.")
    if not axes:
        return [Card(title="Answer", lines=[unanswered(overview)])]
    return [Card(title=title, lines=lines) for title, lines in axes.items()]


def _dots(
    overview: Overview, cells: Sequence[CellOverview], places: dict[str, int], best: dict[MetricName, set[str]]
) -> list[Dot]:
    axes = words.varying(overview.cells)
    metric = headline()
    highs = [each.high or each.estimate for cell in cells if (each := cell.throughput) is not None]
    most = max(highs, default=1.0)
    dots = []
    for cell in sorted(cells, key=lambda cell: -(cell.throughput.estimate if cell.throughput else 0.0)):
        over, bound = cell.throughput, cell.diagnosis.bound_by if cell.diagnosis else None
        dots.append(
            Dot(
                place=places[cell.name],
                name=" ".join(words.spoken(each, each.option(cell.cell)) for each in axes),
                text=str(figures(cell)[metric.name]),
                at=None if over is None else over.estimate / most,
                low=0.0 if over is None else (over.low or over.estimate) / most,
                high=0.0 if over is None else min(1.0, (over.high or over.estimate) / most),
                best=cell.name in best.get(metric.name, ()),
                limited_by=words.limit(bound) if bound else "",
            )
        )
    return dots


def of_rotation(answer: Rotation) -> View:
    """What cells say that were loaded in turn: first whether a limit is kept, where there is one."""
    named = names(answer)
    checks = gate.of_rotation(answer)
    limits = [line for line, _ in gate.lines(checks, answer.limit)]
    sentences = [f"{sentence}." for sentence, _ in rotation.answers(answer)]
    cards = [Card(title="Answer", lines=[words.sentence(sentence) for sentence in sentences])]
    if answer.limit is not None:
        judged = [gate.sentence(each, answer.limit) for each in checks]
        cards.insert(0, Card(title=f"Limit {answer.limit * 100:g}%", value=gate.state(checks), lines=judged))
    return View(
        title=" and ".join(named.short.values()) + (f", {named.common}" if named.common else ""),
        heading=rotation.heading(answer),
        question=rotation.question(answer),
        answers=[*limits, *sentences],
        cards=cards,
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
                f"Identical configurations ({each.cell}, A/A) differ in {METRICS[each.metric].label}, "
                f"{words.difference(each.ratio)}: results may be biased by as much."
            )
    if not overview.finished:
        yield "In progress: the restarts so far."
    without = [cell for cell in overview.cells if not cell.valid]
    if without:
        yield (
            f"{len(without)} of {len(overview.cells)} configurations could not be measured reliably and are excluded."
        )
    fewer = [cell for cell in overview.cells if cell.valid and (cell.invalid or cell.failed)]
    if fewer:
        yield f"{counted(len(fewer), 'configuration')} with invalid restarts: wider intervals."
    filling = [cell for cell in overview.cells if cell.filling]
    if filling:
        yield (
            f"No latencies for {counted(len(filling), 'configuration')}: the queue was still filling after the "
            "warm-up (--warmup)."
        )


def _notes(overview: Overview) -> Iterator[tuple[str, str]]:
    """What a reader should know of how configurations behaved in their turns."""
    if overview.notes:
        short = members.shortened([each.cell.label for each in overview.cells])
        yield from (("note", short.shortened(note)) for note in overview.notes)


def _kept_out(overview: Overview) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    invalid = [cell for cell in overview.cells if cell.invalid or cell.failed]
    yield "Excluded (measurement not trustworthy)", [(cell.name, _why(cell)) for cell in invalid]
    capped = [cell for cell in overview.cells if cell.at_ceiling and cell.ceiling is not None]
    yield (
        "Limited by the load: all servers reach the same maximum, so this does not rank them",
        [(cell.name, words.ceiling(cell)) for cell in capped],
    )
    yield "Unsupported combinations (skipped)", overview.impossible


def _why(cell: CellOverview) -> str:
    counts = [f"{count} {name}" for name, count in (("failed", cell.failed), ("invalid", cell.invalid)) if count]
    visits = cell.valid + cell.invalid + cell.failed
    return f"{' and '.join(counts)} of {counted(visits, 'restart')}: {'; '.join(map(words.reason, cell.reasons[:2]))}"
