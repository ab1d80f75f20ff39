"""The HTML report: one file that holds everything it shows, loads nothing, and can be mailed.

Texts of a result are escaped by the template, data is handed to the script as JSON, and the page's security policy runs
no script but its own.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import math
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from harness import __version__
from harness.analysis import overview as overviews
from harness.analysis import review
from harness.analysis.overview import EvaluatedVisit
from harness.model.claims import ClaimResult
from harness.model.duet import Duet
from harness.model.measurement import Measurement
from harness.model.metrics import METRICS
from harness.model.overview import CellOverview, Overview
from harness.model.quantities import duration
from harness.model.record import MatrixRecord, StoredRun
from harness.report import duet as duet_words
from harness.report import plan as plan_text
from harness.report.answers import answers, question, tie_groups
from harness.report.charts import cells as charts
from harness.report.charts import ratios
from harness.report.charts.cells import Chart
from harness.report.console import placement_words, route_words
from harness.report.words import (
    MEANINGS,
    best_cells,
    column_of,
    half_width,
    heading,
    mark,
    noise,
    number,
    ratio,
    remedied,
    row_of,
    sentence,
    too_few_blocks,
    workload_of,
)

FILTERED = ("server", "style", "workload", "workers", "threads", "pool_size", "load")
FOLDER = Path(__file__).with_name("templates")
SHADES = 8
LIBRARY = "window.vegaEmbed = vegaEmbed;"


class Run:
    """Everything that a page is made of."""

    def __init__(self, stored: StoredRun, claims: Sequence[ClaimResult] = ()) -> None:
        self.record = stored.record
        self.claims = claims
        self.duet = stored.answer
        self.protocols = sorted({visit.protocol for visit in stored.visits})
        compared = [] if self.duet is not None else review.visits(stored)
        self.overview = review.review(stored) if self.duet is None else review.empty()
        self.judged = overviews.evaluate_all(compared)


@dataclass(kw_only=True, slots=True)
class Page:
    """What the template shows; texts, not yet escaped."""

    title: str
    measured: str
    question: str
    answers: list[str]
    warnings: list[str]
    harness: str
    metrics: list[tuple[str, str]]
    legend: str
    protocol: list[tuple[str, str]]
    reproduce: list[tuple[str, str]]
    packages: list[tuple[str, list[tuple[str, str]]]]
    matrices: list[dict[str, Any]] = field(default_factory=list)
    filters: list[dict[str, Any]] = field(default_factory=list)
    noise: list[str] = field(default_factory=list)
    findings: list[dict[str, Any]] = field(default_factory=list)
    charts: list[Chart] = field(default_factory=list)
    claims: list[dict[str, str]] = field(default_factory=list)
    claims_charts: list[Chart] = field(default_factory=list)
    problems: list[dict[str, Any]] = field(default_factory=list)
    cells: list[dict[str, Any]] = field(default_factory=list)
    duet: list[tuple[str, str]] = field(default_factory=list)
    duets: list[str] = field(default_factory=list)
    duets_charts: list[Chart] = field(default_factory=list)

    @property
    def sections(self) -> list[tuple[str, str]]:
        """Anchor and heading of what there is."""
        found = [
            ("duet", "The duet", self.duet),
            ("matrix", "Matrix", self.matrices),
            ("findings", "What makes a difference", self.findings),
            ("duets", "Duets", self.duets),
            ("charts", "Charts", self.charts),
            ("claims", "The published study", self.claims),
            ("problems", "Kept out", self.problems),
            ("cells", "Cells", self.cells),
            ("protocol", "How this was measured", True),
        ]
        return [(anchor, text) for anchor, text, there in found if there]


def render(run: Run) -> str:
    """The whole file."""
    page = page_of(run)
    findings = (each["chart"] for each in page.findings)
    every = [*page.charts, *findings, *page.duets_charts, *page.claims_charts]
    overview = run.overview
    data = {
        "cells": [] if run.duet else [charts.of_cell(cell, overview.cells) for cell in overview.cells],
        "charts": {each.name: {"spec": each.spec, "rows": each.own_rows(), "columns": each.columns} for each in every},
        "timeline": charts.TIMELINE,
        "timelines": charts.timelines(run.judged, overview),
        "visits": {} if run.duet else _visits(run),
        "visit_columns": VISIT_COLUMNS,
    }
    library, script = _library(), (FOLDER / "report.js").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    return environment.get_template("report.html.j2").render(
        page=page,
        style=Markup((FOLDER / "report.css").read_text(encoding="utf-8")),
        library=Markup(base64.b64encode(gzip.compress(library.encode("utf-8"), mtime=0)).decode("ascii")),
        script=Markup(script),
        hashes=Markup(" ".join(map(_hash, (library, script)))),
        data=Markup(_json(data)),
    )


def _json(data: Any) -> str:
    """JSON that ends no script element, whatever its texts are."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _library() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script, which the page holds compressed."""
    import vl_convert

    return vl_convert.javascript_bundle(LIBRARY)


def _hash(script: str) -> str:
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    return f"'sha256-{digest}'"


def page_of(run: Run) -> Page:
    """What the template shows of a run."""
    overview = run.overview
    page = Page(
        title=_title(run),
        measured=_measured(run),
        question=question(overview),
        answers=answers(overview),
        warnings=[] if run.duet else list(_warnings(overview)),
        harness=__version__,
        metrics=[(name, metric.heading) for name, metric in METRICS.items()],
        legend="; ".join(f"{sign} {meaning}" for sign, meaning in MEANINGS.items())
        + "; ± 95 % interval over blocks; the stronger the colour, the more. A figure leads to its cell.",
        protocol=list(_protocol(run)),
        reproduce=list(_reproduce(run)),
        packages=[
            (f"Packages of {each.executable} (Python {each.python})", sorted(each.packages.items()))
            for each in run.record.environments.values()
        ],
    )
    if run.duet is not None:
        found = run.duet
        page.question = f"which costs less CPU time per request, {found.first} or {found.second}"
        page.answers = [
            f"{found.second} ÷ {found.first}: {ratio(found.ratio, digits=3)}, {duet_words.answer(found)}.",
            f"{sentence(duet_words.CANNOT)}.",
        ]
        page.duet = list(_duet(found))
        page.charts = list(ratios.restarts(found))
        return page
    page.matrices = [_matrix(workload, overview) for workload in dict.fromkeys(map(workload_of, overview.cells))]
    page.filters = list(_filters(overview))
    page.charts = charts.of_run(overview, run.judged)
    if overview.comparison.contrasts:
        page.noise = [
            f"{sentence(METRICS[each.metric].label)}: {noise(each)}."
            for each in overview.comparison.noise
            if each.metric in ratios.CONTRASTED
        ]
    page.findings = list(_findings(overview))
    page.duets = [
        f"{each.second} ÷ {each.first}: {ratio(each.ratio, digits=3)}, {duet_words.answer(each)}"
        for each in overview.duets
    ]
    page.duets_charts = list(ratios.duets(overview.duets))
    page.claims = [
        {
            "text": f"{each.claim} {each.text}" + (f" ({each.case})" if each.case else ""),
            "published": f"{each.published:.2f}×",
            "here": ratio(each.measured),
            "verdict": each.verdict,
            "why": each.why,
        }
        for each in run.claims
    ]
    page.claims_charts = list(ratios.claims(run.claims))
    page.problems = list(_problems(overview))
    page.cells = [_cell(place, cell, run) for place, cell in enumerate(overview.cells)]
    return page


def _title(run: Run) -> str:
    if run.duet is not None:
        return f"{run.duet.first} and {run.duet.second}, at the same time"
    if len(run.overview.cells) == 1:
        return run.overview.cells[0].name
    return run.overview.title or "Which Python server, which handler style and how many workers?"


def _measured(run: Run) -> str:
    host, started = run.record.host, run.record.started_at[:16].replace("T", " ")
    where = f"{host.cpus_available} cores of {host.cpu_model or host.machine}"
    if run.duet is not None:
        restarts = sum(each.void is None for each in run.duet.restarts)
        return f"{restarts} restarts in {duration(run.duet.seconds)}, {started} UTC, on {where}"
    return f"{heading(run.overview)}, {started} UTC, on {where}"


def _warnings(overview: Overview) -> Iterator[str]:
    if overview.visits < overview.planned:
        yield f"Not finished: {overview.visits} of {overview.planned} visits were made."
    without = [cell for cell in overview.cells if not cell.valid]
    if without:
        yield (
            f"{len(without)} of {len(overview.cells)} cells have no valid visit; their figures are shown and compared "
            "with nothing. Why: see 'Kept out of comparisons'."
        )
    fewer = [cell for cell in overview.cells if cell.valid and (cell.invalid or cell.failed)]
    if fewer:
        yield f"{len(fewer)} cells have visits that do not count: their intervals stand on fewer blocks."
    filling = [cell for cell in overview.cells if cell.filling]
    if filling:
        yield (
            f"{len(filling)} cells have visits whose latencies are left out: their users wait for so much longer than "
            "the warm-up lasts that the queue was still filling. A longer --warmup mends that."
        )


def _duet(found: Duet) -> Iterator[tuple[str, str]]:
    servers = ("", "") if found.servers is None else tuple(f", {each}" for each in found.servers)
    yield "second", found.second + servers[1]
    yield "first", found.first + servers[0]
    yield "CPU time per request", f"second ÷ first {ratio(found.ratio, digits=4)}"
    yield "verdict", duet_words.answer(found)
    yield "asked for", f"±{found.delta:.1%}" + ("" if found.reached else ", not reached")
    counted = [each for each in found.restarts if each.void is None]
    yield "restarts", f"{len(counted)} of {len(found.restarts)} count, {sum(each.slices for each in counted)} slices"
    for name in ("first", "second"):
        costs = [cost for each in counted if (cost := getattr(each, f"{name}_us")) is not None]
        if costs:
            yield f"{name}, µs per request", f"{sum(costs) / len(costs):,.1f}"
    if found.database_cores is not None:
        yield "Postgres", f"{found.database_cores:.2f} cores for both, in neither figure"
    for each in found.interference:
        yield (
            "interference",
            f"beside its partner's load {each.cell} costs {ratio(each.ratio, digits=3)} of its cost alone",
        )
    if found.limit is not None:
        yield "limit", f"{found.limit:.0%}: {'exceeded' if found.worse else 'not exceeded for certain'}"


def _filters(overview: Overview) -> Iterator[dict[str, Any]]:
    options: dict[str, list[str]] = {}
    for cell in overview.cells:
        for field_name, option in charts.of_cell(cell, overview.cells).items():
            if field_name in FILTERED and option is not None:
                options.setdefault(field_name, []).append(str(option))
    for field_name, found in options.items():
        distinct = list(dict.fromkeys(found))
        if len(distinct) > 1:
            yield {"field": field_name, "legend": field_name.replace("_", " "), "options": distinct}


def _figures(cell: CellOverview) -> dict[str, tuple[float | None, str, str]]:
    """Metric → (value, as it is shown, its half-width)."""
    found: dict[str, tuple[float | None, str, str]] = {}
    for name, figure in cell.figures.items():
        text = "–" if figure.value is None else METRICS[name].format(figure.value)
        found[name] = (figure.value, text, "" if figure.interval is None else half_width(figure.interval))
    if cell.unproven_rps is not None:
        found["throughput_rps"] = (cell.unproven_rps, number(cell.unproven_rps), "")
    return found


def _matrix(workload: str, overview: Overview) -> dict[str, Any]:
    places = {id(cell): place for place, cell in enumerate(overview.cells)}
    cells = [cell for cell in overview.cells if workload_of(cell) == workload]
    best = best_cells(overview)
    figures = {id(cell): _figures(cell) for cell in cells}
    bounds: dict[str, tuple[float, float]] = {}
    for metric in METRICS:
        logs = [math.log(value) for cell in cells if cell.valid and (value := figures[id(cell)][metric][0])]
        if logs:
            bounds[metric] = (min(logs), max(logs))

    def shade(cell: CellOverview, metric: str, value: float | None) -> int | None:
        if not value or not cell.valid:
            return None
        low, high = bounds[metric]
        return round(SHADES * (math.log(value) - low) / (high - low)) if high > low else SHADES // 2

    def shown(cell: CellOverview) -> dict[str, Any]:
        sign = mark(cell, cell.name in best)
        return {
            "place": places[id(cell)],
            "state": cell.verdict,
            "metrics": [
                {
                    "key": metric,
                    "value": "" if value is None else round(value, 4),
                    "text": text,
                    "half": half,
                    "heat": shade(cell, metric, value),
                    "mark": sign if metric == "throughput_rps" or sign in ("!", "x") else "",
                    "meaning": MEANINGS.get(sign, ""),
                }
                for metric, (value, text, half) in figures[id(cell)].items()
            ],
        }

    columns = list(dict.fromkeys(column_of(cell, cells) for cell in cells))
    found = {(row_of(cell, cells), column_of(cell, cells)): cell for cell in cells}
    return {
        "workload": workload,
        "columns": columns,
        "rows": [
            {
                "name": row,
                "cells": [None if (cell := found.get((row, column))) is None else shown(cell) for column in columns],
            }
            for row in dict.fromkeys(row_of(cell, cells) for cell in cells)
        ],
    }


def _findings(overview: Overview) -> Iterator[dict[str, Any]]:
    """Contrasts by axis and metric, each with its tie groups."""
    comparison = overview.comparison
    for metric, axis, chart in ratios.contrasts(overview):
        groups = [
            " · ".join(part for part in (each.workload, each.stratum) if part) + f": {tie_groups(each)}"
            for each in comparison.rankings
            if (each.axis, each.metric) == (axis, metric) and each.groups
        ]
        yield {"chart": chart, "groups": [] if too_few_blocks(overview) else groups}


def _problems(overview: Overview) -> Iterator[dict[str, Any]]:
    troubled = [cell for cell in overview.cells if cell.invalid or cell.failed]
    if troubled:
        yield {
            "title": "Visits that are not valid",
            "cells": [
                (
                    cell.name,
                    f"{cell.failed} failed, {cell.invalid} invalid, {cell.valid} valid: "
                    + "; ".join(f"{remedied(each.reason, each.remedies)} ({each.visits}×)" for each in cell.reasons),
                )
                for cell in troubled
            ],
        }
    capped = [(cell.name, cell.ceiling) for cell in overview.cells if cell.at_ceiling and cell.ceiling is not None]
    if capped:
        yield {
            "title": "At their ceiling: their throughput says what limits them, not which server is faster",
            "cells": [(name, f"{number(ceiling.rps)} req/s = {ceiling.limit}") for name, ceiling in capped],
        }
    if overview.impossible:
        yield {"title": "Asked for, but cannot exist", "cells": overview.impossible}


VISIT_COLUMNS = (
    "block",
    "started (UTC)",
    "verdict",
    "requests/s",
    "p50 ms",
    "p99 ms",
    "µs CPU per request",
    "MB",
    "failed",
    "why",
)


def _of(cell: CellOverview, run: Run) -> list[EvaluatedVisit]:
    return [each for each in run.judged if each.visit.cell.label == cell.cell.label]


def _visits(run: Run) -> list[list[list[str | float | None]]]:
    """Cell → visit → the columns VISIT_COLUMNS."""
    return [[_visit(each) for each in _of(cell, run)] for cell in run.overview.cells]


def _cell(place: int, cell: CellOverview, run: Run) -> dict[str, Any]:
    measured = [each.visit.facts for each in _of(cell, run) if each.visit.facts is not None]
    last = measured[-1] if measured else None
    return {
        "place": place,
        "name": cell.name,
        "verdict": cell.verdict,
        "facts": list(_of_cell(cell, last)),
        "command": None if last is None else shlex.join(last.argv.server),
    }


def _of_cell(cell: CellOverview, last: Measurement | None) -> Iterator[tuple[str, str]]:
    for metric, (value, text, half) in _figures(cell).items():
        if value is not None:
            yield METRICS[metric].heading, f"{text} {half}".strip()
    counts = ((cell.valid, "valid"), (cell.invalid, "invalid"), (cell.failed, "failed"))
    yield "visits", ", ".join(f"{count} {name}" for count, name in counts if count)
    if cell.diagnosis is not None:
        bound = f"bound by {cell.diagnosis.bound_by}: " if cell.diagnosis.bound_by else ""
        yield "why", bound + remedied(cell.diagnosis.message, cell.diagnosis.remedies)
    if cell.ceiling is not None:
        reached = "" if cell.ceiling_fraction is None else f"; reached {cell.ceiling_fraction:.0%}"
        yield "ceiling", f"{number(cell.ceiling.rps)} req/s = {cell.ceiling.limit}{reached}"
    for each in cell.reasons:
        yield "not valid", f"{remedied(each.reason, each.remedies)} ({each.visits}×)"
    if last is None:
        return
    yield "server", f"{cell.cell.variant.server} {last.server.version} on Python {last.server.python}"
    effective = {key: value for key, value in last.server.effective.items() if value is not None}
    yield "in effect", ", ".join(f"{key} {value}" for key, value in effective.items())
    for name, said in last.server.declared_limits.items():
        yield "declared limit", f"{name}: {said}"
    if len(last.routes) > 1:
        for route in last.routes:
            yield "requests of the last visit", route_words(route)
    yield "requests by worker", " / ".join(f"{count:,}" for count in last.server.requests_by_worker)
    if last.server.connections_by_worker:
        yield "connections by worker", " / ".join(map(str, last.server.connections_by_worker))
    if last.placement.note:
        yield "placement", last.placement.note


def _visit(judged: EvaluatedVisit) -> list[str | float | None]:
    facts, block = judged.visit.facts, f"{judged.visit.block}{' again' if judged.visit.repeat else ''}"
    why = "; ".join(remedied(each.message, each.remedies) for each in judged.reasons)
    if facts is None:
        return [block, "", judged.verdict, *[None] * 6, why]
    return [
        block,
        facts.started_at[11:19],
        judged.verdict,
        round(facts.throughput_rps, 1),
        facts.latency_ms.p50,
        facts.latency_ms.p99,
        facts.server.cpu_us_per_request,
        round(facts.server.rss_peak_bytes / 1e6, 1),
        facts.failures,
        why,
    ]


def _protocol(run: Run) -> Iterator[tuple[str, str]]:
    record, host = run.record, run.record.host
    yield "protocol", ", ".join(map(str, run.protocols))
    yield "each visit", f"{record.timing.warmup_seconds:g} s of warm-up, a window of {record.timing.window_seconds:g} s"
    if run.duet is None:
        yield "blocks", f"{run.overview.blocks}, each with every cell once, in an order that the next one reverses"
    measured = next((each.visit.facts for each in run.judged if each.visit.facts is not None), None)
    if measured is not None:
        yield "cores", placement_words(measured.placement)
        yield "generator", f"{measured.generator.name} {measured.generator.version}"
        yield "the generator's command", shlex.join(measured.argv.generator)
    yield "harness", record.harness
    names = {"system": "system", "kernel": "kernel", "distribution": "distribution", "cpu_model": "processor"}
    for name, label in names.items():
        if getattr(host, name):
            yield label, str(getattr(host, name))
    yield "cores available", f"{host.cpus_available} of {host.cpus_total}"
    if host.memory_bytes:
        yield "memory", f"{host.memory_bytes / 2**30:.1f} GiB"
    if host.hypervisor:
        yield "virtual machine", "yes: other guests of its host can take its time; how much is in every visit"


def _reproduce(run: Run) -> Iterator[tuple[str, str]]:
    if run.record.command:
        yield "The command", run.record.command
    if isinstance(run.record, MatrixRecord):
        yield "The plan, for harness matrix plan.toml", "\n".join(plan_text.toml(run.record.plan))
