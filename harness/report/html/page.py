"""The HTML report: one file that holds everything it shows, loads nothing, and can be mailed.

Texts of a result are escaped by the template, data is handed to the script as JSON, and the page's security policy runs
no script but its own.
"""

from __future__ import annotations

import base64
import dataclasses
import gzip
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from markupsafe import Markup

from harness import __version__
from harness.analysis import overload, probes, review, studies
from harness.analysis import overview as overviews
from harness.analysis.overview import EvaluatedVisit
from harness.analysis.recommendation import recommend
from harness.model.claims import StudyResult
from harness.model.comparison import TOO_FEW
from harness.model.metrics import METRICS, MetricName
from harness.model.overview import CellOverview, Overview
from harness.model.recommendation import Recommendation
from harness.model.record import CapacityRecord, OverloadRecord, RecommendationRecord, RunRecord, StoredRun
from harness.report import rotation, view
from harness.report.charts import cells as cell_charts
from harness.report.charts import ratios
from harness.report.charts import rotation as turns
from harness.report.charts.base import Chart
from harness.report.html import details, template
from harness.report.render import charts_of
from harness.report.view import View
from harness.report.words import varying, workload_of

SHADES = 8
LIBRARY = "window.vegaEmbed = vegaEmbed;"


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """Everything that a page is made of."""

    record: RunRecord
    overview: Overview
    judged: Sequence[EvaluatedVisit]
    protocols: Sequence[int]
    """Versions of the rules under which it was measured."""
    study: StudyResult | None = None
    answer: View | None = None
    """Of cells that were loaded in turn, or whose capacity was searched,"""
    answer_charts: Sequence[Chart] = ()
    """with its charts."""
    in_effect: Sequence[tuple[str, str]] = ()
    """Name of a member and the settings that its workers had."""
    recommendation: Recommendation | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """What the template shows beside the view; texts, not yet escaped."""

    started_at: str
    """As in the record."""
    started: str
    """The same for readers, in UTC."""
    measured: str
    filters: list[tuple[str, str, list[str]]]
    """Field of the data's cells, legend, options."""
    shades: dict[tuple[int, MetricName], int]
    """Place of a cell and metric → how strong its colour is, from 0 to SHADES."""
    findings: list[tuple[Chart, list[str]]]
    charts: list[Chart]
    claim_charts: list[Chart]
    cells: list[details.CellDetails]

    @property
    def every_chart(self) -> list[Chart]:
        """The charts of all sections."""
        return [*self.charts, *(chart for chart, _ in self.findings), *self.claim_charts]


def run_of(stored: StoredRun) -> Run:
    """What a page of a stored run is made of."""
    if isinstance(stored.record, CapacityRecord | OverloadRecord):
        if isinstance(stored.record, CapacityRecord):
            told = view.of_capacity(probes.capacity_of(stored))
        else:
            told = view.of_overload(overload.overload_of(stored))
        return Run(
            record=stored.record,
            overview=review.review(replace(stored, visits=[])),
            judged=[],
            protocols=sorted({visit.protocol for visit in stored.visits}),
            answer=told,
            answer_charts=charts_of(stored),
        )
    answer = rotation.of_stored(stored)
    if answer is not None:
        return Run(
            record=stored.record,
            overview=review.review(stored),
            judged=[],
            protocols=[],
            answer=view.of_rotation(answer),
            answer_charts=list(turns.of_rotation(answer, stored.restarts)),
            in_effect=list(rotation.in_effect(answer, stored.restarts)),
        )
    overview, advice = review.review(stored), None
    if isinstance(stored.record, RecommendationRecord):
        advice = recommend(stored)  # which decides by rules of its own before a contrast has enough restarts
        enough = [each for each in overview.comparison.contrasts if each.reason != TOO_FEW]
        comparison = overview.comparison.model_copy(update={"contrasts": enough})
        overview = overview.model_copy(update={"comparison": comparison})
    return Run(
        record=stored.record,
        overview=overview,
        judged=overviews.evaluate_all(review.visits(stored)),
        protocols=sorted({visit.protocol for visit in stored.visits}),
        study=studies.judge(stored),
        recommendation=advice,
    )


def render(run: Run) -> str:
    """The whole file."""
    overview = run.overview
    report = _view(run)
    page = _page(run, report)
    data = {
        "cells": [
            {**cell_charts.of_cell(cell, overview.cells), "filters": _filtered(cell, overview)}
            for cell in overview.cells
        ],
        "charts": {
            each.name: {"spec": each.spec, "rows": each.own_rows(), "columns": each.columns}
            for each in page.every_chart
        },
        "timeline": cell_charts.TIMELINE,
        "timelines": [cell.timeline for cell in page.cells],
        "restarts": [cell.restarts for cell in page.cells],
        "restart_columns": list(details.restart_columns()),
    }
    library = _library()
    return template.render(
        "report.html.j2",
        ["common.js", "report.js"],
        libraries=[library],
        view=report,
        page=page,
        metrics=METRICS,
        sections=list(_sections(page, report)),
        protocol=[*details.protocol(run.record, run.overview, run.judged, run.protocols), *run.in_effect],
        reproduce=list(details.reproduce(run.record)),
        packages=[
            (f"Packages of {each.executable} (Python {each.python})", sorted(each.packages.items()))
            for each in run.record.environments.values()
        ],
        harness=__version__,
        library=Markup(base64.b64encode(gzip.compress(library.encode("utf-8"), mtime=0)).decode("ascii")),
        data=Markup(_json(data)),
    )


def _view(run: Run) -> View:
    if run.answer is not None:
        return run.answer
    evidence = view.of_overview(run.overview, run.study)
    if run.recommendation is None:
        return evidence
    advice = view.of_recommendation(run.recommendation)
    return dataclasses.replace(
        advice, tables=evidence.tables, dots=evidence.dots, legend=evidence.legend, kept_out=evidence.kept_out
    )


def _json(data: Any) -> str:
    """JSON that ends no script element, whatever its texts are."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _library() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script, which the page holds compressed."""
    import vl_convert

    return vl_convert.javascript_bundle(LIBRARY)


def _page(run: Run, report: View) -> Page:
    overview = run.overview
    host = run.record.host
    where = f"on {host.cpus_available} cores of {host.cpu_model or host.machine}"
    return Page(
        started_at=run.record.started_at,
        started=run.record.started_at[:16].replace("T", " "),
        measured=f"{report.heading}, {where}",
        filters=list(_filters(overview)),
        shades=_shades(report),
        findings=[
            (
                chart,
                [
                    f"{finding.workload} · {statement.text}"
                    for finding in report.findings
                    if (finding.metric, finding.axis) == (metric, axis)
                    for statement in finding.statements
                ],
            )
            for metric, axis, chart in ratios.contrasts(overview)
        ],
        charts=_charts(run),
        claim_charts=list(ratios.claims([] if run.study is None else run.study.claims)),
        cells=details.cells(overview, run.judged),
    )


def _charts(run: Run) -> list[Chart]:
    if run.answer is not None:
        return list(run.answer_charts)
    return cell_charts.of_run(run.overview, run.judged)


def _filtered(cell: CellOverview, overview: Overview) -> dict[str, str]:
    """What a cell is filtered by: its work, and its options along the axes that vary."""
    options = {axis.name: axis.option(cell.cell) for axis in varying(overview.cells)}
    return {"workload": workload_of(cell), **options}


def _filters(overview: Overview) -> Iterator[tuple[str, str, list[str]]]:
    legends = {"workload": "workload", **{axis.name: axis.label for axis in varying(overview.cells)}}
    rows = [_filtered(cell, overview) for cell in overview.cells]
    for name, legend in legends.items():
        options = list(dict.fromkeys(row[name] for row in rows if row[name]))
        if len(options) > 1:
            yield name, legend, options


def _sections(page: Page, report: View) -> Iterator[tuple[str, str]]:
    """Anchor and heading of what there is."""
    sections = (
        ("comparison", "Comparison", report.grids),
        ("matrix", "All figures", report.dots),
        ("findings", "Comparisons", page.findings),
        ("charts", "Charts", page.charts),
        ("claims", report.claimed, report.claims),
        ("kept-out", "Excluded", report.kept_out),
        ("cells", "Configurations", page.cells),
        ("protocol", "How this was measured", True),
    )
    return ((anchor, heading) for anchor, heading, content in sections if content)


def _shades(report: View) -> dict[tuple[int, MetricName], int]:
    """By the logarithm, from the least to the most of each table and metric; none without a valid restart."""
    shades: dict[tuple[int, MetricName], int] = {}
    for table in report.tables:
        for metric in METRICS:
            values = [(cell.place, cell.figures[metric].value) for cell in table.cells if cell.cell.valid]
            logs = {place: math.log(value) for place, value in values if value is not None and value > 0}
            low, high = min(logs.values(), default=0.0), max(logs.values(), default=0.0)
            for place, log in logs.items():
                shades[place, metric] = round(SHADES * (log - low) / (high - low)) if high > low else SHADES // 2
    return shades
