"""What a run says, as text for a terminal: a table per workload, what is tied, what could not be told and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from harness.model.claims import StudyResult
from harness.model.overview import Overview
from harness.report import terminal, view
from harness.report.terminal import coloured

STYLES = {"*": "bold green", "^": "dim", "!": "yellow", "x": "red"}
BAR = 30
"""Columns of the longest bar."""


def text(overview: Overview, path: Path | None, study: StudyResult | None = None) -> str:
    """A matrix or a single cell, and where it is stored if that is to be report."""
    return terminal.text(lambda width: parts(overview, path, width, study))


def parts(
    overview: Overview, path: Path | None, width: int, study: StudyResult | None = None
) -> Iterator[Text | Table]:
    """The text's paragraphs and tables, in order."""
    report = view.of_overview(overview, study)
    for warning in report.warnings:
        yield Text(warning, style="bold yellow")
    for answer in report.answers:
        yield Text(answer, style="bold")
    yield _title(report.heading)
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
    if path is not None:
        yield Text(f"\n{terminal.where(path)}")


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
        yield _title("What makes a difference")
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


def _claims(claims: Sequence[view.Claim]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("claim", "published", "here", "verdict"):
        table.add_column(column, overflow="fold")
    for each in claims:
        verdict = coloured(each.verdict, each.verdict)
        if each.why:
            verdict.append(f": {each.why}", style="none")
        table.add_row(f"  {each.text}", each.published, each.here, verdict)
    return table
