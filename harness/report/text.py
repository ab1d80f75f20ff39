"""What a run says, as text for a terminal: the answers, the picture that carries them, and all details if asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from harness.model.claims import StudyResult
from harness.model.overview import CellOverview, Overview
from harness.report import claims, summary, terminal, view, words
from harness.report.terminal import coloured

STYLES = {"*": "bold green", "^": "dim", "!": "yellow", "x": "red"}
SHORTEST_BAR, BAR = 16, 30
"""Columns of the longest bar, where names are long, and where they are not."""


def text(overview: Overview, path: Path | None, study: StudyResult | None = None, *, details: bool = True) -> str:
    """A matrix or a single cell, and where it is stored if that is to be told. `details`: more than one screen."""
    return terminal.text(lambda width: parts(overview, path, width, study, details=details))


def parts(
    overview: Overview, path: Path | None, width: int, study: StudyResult | None = None, *, details: bool = True
) -> Iterator[Text | Table]:
    """The text's paragraphs and tables, in order: the answer, what carries it, what limits it, and then all details."""
    report = view.of_overview(overview, study)
    yield Text(report.heading, style="dim")
    for warning in report.warnings:
        yield Text(warning, style="bold yellow")
    yield Text()
    for answer in report.answers if details else report.main:
        yield Text(answer, style="bold")
    constant = " ".join(words.constant(overview.cells))
    for workload, lines in summary.drawn(overview).items():
        yield from _dots(", ".join(filter(None, (workload, constant))), lines, width)
    picture = summary.compact(overview)
    if picture is not None:
        yield from _compact(picture)
    if study is not None and study.claims:
        yield Text()
        yield Text(claims.summary(study))
    yield Text()
    yield terminal.facts([*(report.remarks if details else _shortened(report.remarks)), *_more(path, details)])
    if details:
        yield from _details(report, width)


def _shortened(remarks: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """All but further notes, which are counted."""
    notes = [text for name, text in remarks if name == "note"]
    yield from (each for each in remarks if each[0] != "note")
    if notes:
        yield "note", notes[0] + (f"; {len(notes) - 1} more with --details" if notes[1:] else "")


def _more(path: Path | None, details: bool) -> Iterator[tuple[str, str]]:
    """Where the run is stored, and how to see more of it."""
    if path is not None:
        if not details:
            yield "details", f"harness report {path} --details"
        yield "page", f"harness report {path} --format html"


def _dots(workload: str, lines: Sequence[tuple[str, CellOverview]], width: int) -> Iterator[Text | Table]:
    """A dot with its interval for each configuration, on an axis that begins at zero."""
    metric = view.headline()
    intervals = [each.throughput for _, each in lines]
    most = max((each.high or each.estimate for each in intervals if each is not None), default=1.0)
    head = f"{metric.unit}, 95% CI"
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column(f"{workload}\n", overflow="fold")  # alone gives way to what is wide
    table.add_column(f"{metric.label}\n{head}", justify="right", no_wrap=True)
    longest = max(len(name) for name, _ in lines)
    bar = min(BAR, max(SHORTEST_BAR, width - longest - len(head) - len("limited by") - 10))
    table.add_column(f"0 to {words.number(most)}", no_wrap=True)
    table.add_column("limited by", no_wrap=True)
    for name, cell in lines:
        figure = view.figures(cell)[metric.name]
        bound = cell.diagnosis.bound_by if cell.diagnosis else None
        table.add_row(
            Padding(name, (0, 0, 0, 2)),
            Text(str(figure), style=STYLES.get(figure.mark, "none")),
            Text(terminal.dot(cell.throughput, most, bar), style="cyan"),
            Text(words.limit(bound) if bound else "–", style="dim"),
        )
    yield Text()
    yield table


def _compact(picture: summary.Compact) -> Iterator[Text | Table]:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column(picture.title, overflow="fold", max_width=34)
    for column in picture.columns:
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("", overflow="fold")
    for name, row, says in picture.rows:
        figures = [None if cell is None else view.figures(cell)[view.headline().name] for cell in row]
        texts = [
            Text("–" if figure is None else str(figure), style=STYLES.get(figure.mark if figure else "", "none"))
            for figure in figures
        ]
        table.add_row(f"  {name}", *texts, Text(says, style="dim"))
    yield Text()
    yield table
    if picture.left_out:
        yield Text(f"  besides: {picture.left_out} (--details)", style="dim")


def _details(report: view.View, width: int) -> Iterator[Text | Table]:
    """All figures and comparisons, and what is excluded."""
    for table in report.tables:
        yield from _tables(table, width)
    if report.legend:
        yield Text("\n" + "; ".join(f"{mark} {meaning}" for mark, meaning in report.legend), style="dim")
    yield from _findings(report)
    if report.claims:
        yield _title(f"{report.claimed} (ratios of throughput)")
        yield _claims(report.claims)
        yield Text()
        yield from (Text(f"  {each}") for each in report.differences)
    for title, cells in report.kept_out:
        yield _title(title)
        yield from (Text(f"  {name}: {why}") for name, why in cells)


def _title(words: str, before: str = "\n") -> Text:
    return Text(f"{before}{words}", style="bold")


def _tables(table: view.Table, width: int) -> Iterator[Text | Table]:
    """One metric of a workload's cells, in as many tables as the width asks for."""
    metric = view.headline()
    figures = [[None if cell is None else cell.figures[metric.name] for cell in row] for _, row in table.rows]
    most = max((figure.value or 0 for row in figures for figure in row if figure is not None), default=0)
    label = max(len(metric.unit), *(len(name) + 2 for name, _ in table.rows))
    widths = [
        max(len(heading), *(len(str(row[place])) for row in figures)) + 2 for place, heading in enumerate(table.columns)
    ]
    yield _title(table.workload)
    for first, last in _chunks(widths, width - label - 2):
        part = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
        part.add_column(metric.unit, no_wrap=True)
        for heading in table.columns[first:last]:
            part.add_column(heading, justify="right", no_wrap=True)
        if len(table.columns) == 1:
            part.add_column("", no_wrap=True)
        for (name, _), row in zip(table.rows, figures, strict=True):
            bars = [_bar(row[0], most)] if len(table.columns) == 1 else []
            part.add_row(f"  {name}", *map(_figure, row[first:last]), *bars)
        yield part


def _figure(figure: view.TableFigure | None) -> Text:
    return Text("–", style="dim") if figure is None else Text(str(figure), style=STYLES.get(figure.mark, "none"))


def _bar(figure: view.TableFigure | None, most: float) -> Text:
    """A figure beside the largest; empty without a valid restart."""
    if figure is None or not figure.value or figure.mark in ("!", "x"):
        return Text()
    return Text(terminal.bar(figure.value / most, BAR), style="dim")


def _chunks(widths: Sequence[int], room: int) -> Iterator[tuple[int, int]]:
    """Ranges of columns that fit, one column at least."""
    first = used = 0
    for place, width in enumerate(widths):
        if place > first and used + width > room:
            yield first, place
            first, used = place, 0
        used += width
    yield first, len(widths)


def _findings(report: view.View) -> Iterator[Text]:
    """What each axis does to the metrics of the headlines."""
    findings = [each for each in report.findings if each.metric.headline]
    if findings:
        yield _title("Comparisons")
    for metric in {each.metric.name: each.metric for each in findings}.values():
        said = f": {report.controls[metric.name]}" if metric.name in report.controls else ""
        yield Text(f"  {metric.label}{said}", style="dim")
        for each in findings:
            if each.metric.name == metric.name:
                workload = f"{each.workload}, " if len(report.tables) > 1 else ""
                yield Text(f"    {workload}by {each.axis.label}")
                for statement in each.statements:
                    yield coloured(f"      {statement.text}", statement.verdict)
                    yield from (coloured(f"        {detail.text}", detail.verdict) for detail in statement.details)


def _claims(rows: Sequence[claims.Claim]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("claim", "published", "here", "verdict"):
        table.add_column(column, overflow="fold")
    for each in rows:
        verdict = coloured(each.verdict, each.verdict)
        if each.why:
            verdict.append(f": {each.why}", style="none")
        table.add_row(f"  {each.text}", each.published, each.here, verdict)
    return table
