"""The charts of a run's cells: throughput, latency, cost and memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.analysis.overview import EvaluatedVisit
from harness.model.axes import AXES
from harness.model.overview import CellOverview, Overview
from harness.report.charts.base import COLOURS, SCHEMA, Chart, Row, Spec, mark, name, number, panels, tooltip
from harness.report.words import by_work, handler, options, server_of, table_axes, workload_of
from harness.stats.quantiles import Mixture

PERCENTILES = (0, 10, 25, 50, 75, 90, 95, 97.5, 99, 99.5, 99.9, 99.95, 99.99, 99.999)
SERVER = name("server", "server", scale={"range": list(COLOURS)})
STYLE = name("style", "style")
RPS, CPU = "throughput_rps", "cpu_us_per_request"
CELL_COLUMN = ("name", "configuration")


def of_run(overview: Overview, judged: Sequence[EvaluatedVisit]) -> list[Chart]:
    """Every chart of cells that the run has data for; those of ratios are in `ratios.py`."""
    rows = [{"cell": place, **of_cell(cell, overview.cells)} for place, cell in enumerate(overview.cells)]
    charts = [*_throughput_by("workers", "workers", "worker processes", rows, overview)]
    charts += _throughput_by("users", "load", "users", rows, overview)
    curves = _curves(by_cell(overview, judged), rows)
    if curves:
        charts.append(_latency(curves))
    measured = [row for row in rows if row[RPS] is not None]
    priced = [row for row in measured if row[CPU] is not None]
    if len(priced) > 1:
        charts.append(_cost(priced))
    if len(measured) > 1:
        charts.append(_memory(measured))
    return charts


def of_cell(cell: CellOverview, among: Sequence[CellOverview]) -> Row:
    """What charts need of a cell: what it is called, and its figures with the ends of their intervals."""
    memory = cell.figures["rss_peak_bytes"].interval
    row: Row = {
        "name": cell.name,
        "workload": workload_of(cell),
        **{column: of(cell.cell) for axis in AXES for column, of in axis.columns.items()},
        "server": server_of(cell),
        "style": handler(cell, among),
        "mb": None if memory is None else round(memory.estimate / cell.cell.variant.workers / 1_000_000, 1),
        "ceiling": None if cell.ceiling is None else round(cell.ceiling.rps, 1),
        "limit": "" if cell.ceiling is None else cell.ceiling.limit,
    }
    for metric in (RPS, CPU):
        over = cell.figures[metric].interval
        values = (None, None, None) if over is None else (over.estimate, over.low, over.high)
        for field, value in zip((metric, f"{metric}_low", f"{metric}_high"), values, strict=True):
            row[field] = None if value is None else round(value, 2)
    return row


def by_cell(overview: Overview, judged: Sequence[EvaluatedVisit]) -> list[list[EvaluatedVisit]]:
    """What was measured of each cell."""
    visits: dict[str, list[EvaluatedVisit]] = {cell.name: [] for cell in overview.cells}
    for each in judged:
        visits[each.visit.cell.label].append(each)
    return list(visits.values())


def timeline(judged: EvaluatedVisit) -> list[float]:
    """Requests/s of each slice of a measurement."""
    slices = [] if judged.visit.facts is None else judged.visit.facts.slices
    return [round(rate, 1 if rate < 100 else None) for rate in (each.requests / each.seconds for each in slices)]


TIMELINE: Spec = {
    "$schema": SCHEMA,
    "data": {"name": "rows"},
    "width": "container",
    "height": 150,
    **mark(
        "line",
        {
            "x": number("t", "slice"),
            "y": number("rps", "requests/s", scale={"zero": True}),
            "color": name("restart", "restart", scale={"range": list(COLOURS)}),
            "strokeDash": name(
                "verdict",
                "verdict",
                scale={"domain": ["valid", "invalid", "failed"], "range": [[1, 0], [4, 3], [1, 3]]},
            ),
            "tooltip": [
                name("restart", "restart"),
                number("t", "slice"),
                number("rps", "requests/s", format=",.0f"),
                name("verdict", "verdict"),
            ],
        },
        point={"size": 18},
        strokeWidth=1.5,
    ),
}


def _throughput_by(field: str, along: str, title: str, rows: Sequence[Row], overview: Overview) -> Iterator[Chart]:
    """Lines over workers or users, with intervals and ceilings, where there is more than one number of them.

    Panels are by everything else in which cells differ, but for what the lines are coloured by.
    """
    axes = {
        workload: [each for each in table_axes(cells) if each.name not in ("environment", "server", along)]
        for workload, cells in by_work(overview.cells).items()
    }
    panelled = [
        {**row, "panel": " · ".join((work := workload_of(cell), *options(cell, axes[work])))}
        for row, cell in zip(rows, overview.cells, strict=True)
        if row[RPS] is not None and row[field] is not None
    ]
    numbers: dict[str, set[int]] = {}
    for row in panelled:
        numbers.setdefault(row["panel"], set()).add(row[field])
    panelled = [row for row in panelled if len(numbers[row["panel"]]) > 1]
    if not panelled:
        return
    x = number(field, title)
    if field == "workers":
        x |= {"type": "ordinal", "axis": {"labelAngle": 0}}
    ceilings = mark(
        "tick",
        {
            "x": x,
            "y": number("y"),
            "opacity": {"condition": {"test": "datum.near", "value": 1}, "value": 0},
            "tooltip": tooltip(("limit", "ceiling", ""), ("ceiling", "req/s", ",.1f")),
        },
        orient="horizontal",
        width=26,
        thickness=2,
        color="#999",
    )
    # Where there is none, or one far away, an unseen bar lies on the point.
    ceilings["transform"] = [
        {"calculate": f"datum.ceiling != null && datum.ceiling < 3 * datum.{RPS}", "as": "near"},
        {"calculate": f"datum.near ? datum.ceiling : datum.{RPS}", "as": "y"},
    ]
    intervals = {"x": x, "y": number(f"{RPS}_low"), "y2": number(f"{RPS}_high"), "color": SERVER}
    ends = ((f"{RPS}_low", "from", ",.1f"), (f"{RPS}_high", "to", ",.1f"))
    lines = {
        "x": x,
        "y": number(RPS, "requests/s", scale={"zero": True}),
        "color": SERVER,
        "tooltip": tooltip((RPS, "requests/s", ",.1f"), *ends),
    }
    layers = [
        ceilings,
        mark("rule", intervals, strokeWidth=1.5, opacity=0.7),
        mark("line", lines, point={"filled": True, "size": 45}, strokeWidth=1.8),
    ]
    yield Chart(
        name=f"throughput-by-{field}",
        title=f"Throughput against {title}",
        description="Geometric means over restarts with 95 % intervals. Short grey bars are ceilings: what the "
        "workload's own waits allow at most.",
        rows=panelled,
        spec=panels("panel", {"layer": layers}),
        columns=(CELL_COLUMN, (RPS, "requests/s"), *((end, text) for end, text, _ in ends), ("ceiling", "ceiling")),
        own=("panel",),
    )


def _curves(visits: Sequence[Sequence[EvaluatedVisit]], cells: Sequence[Row]) -> list[Row]:
    """Quantiles of the pooled samples of each cell's valid restarts."""
    rows = []
    for cell, judged in zip(cells, visits, strict=True):
        pooled = Mixture([(facts.grid, facts.requests) for each in judged if (facts := each.settled) and facts.grid])
        shared = {field: cell[field] for field in ("cell", "name", "workload", "server", "style")}
        for percentile in PERCENTILES if pooled.count else ():
            value = pooled.quantile(percentile)
            if value:
                rows.append({**shared, "percentile": percentile, "ms": round(value, 3)})
    return rows


def _latency(rows: list[Row]) -> Chart:
    labels = {"0": "min", "1": "p90", "2": "p99", "3": "p99.9"}
    label = "".join(f"datum.value == {value} ? '{text}' : " for value, text in labels.items()) + "'p99.99'"
    encoding = {
        "x": number("nines", "quantile", axis={"values": [0, 1, 2, 3, 4], "labelExpr": label}),
        "y": number("ms", "ms", scale={"type": "log", "nice": False}),
        "color": SERVER,
        "strokeDash": STYLE,
        "detail": {"field": "cell", "type": "nominal"},
        "tooltip": tooltip(("percentile", "percentile", ""), ("ms", "ms", ",.2f")),
    }
    return Chart(
        name="latency",
        title="Latency",
        description="Quantiles of the pooled samples of valid restarts. Both axes are logarithmic: to the right the "
        "share of slower requests falls by ten with each step.",
        rows=rows,
        spec=panels(
            "workload",
            {
                "transform": [{"calculate": "-log(1 - datum.percentile / 100) / LN10", "as": "nines"}],
                **mark("line", encoding, strokeWidth=1.6, point={"size": 14, "filled": True}),
            },
        ),
        columns=(CELL_COLUMN, ("percentile", "percentile"), ("ms", "ms")),
        own=("percentile", "ms"),
    )


def _cost(rows: list[Row]) -> Chart:
    bars = [
        mark(
            "rule",
            {
                along: number(f"{field}_low"),
                f"{along}2": {"field": f"{field}_high"},
                across: number(other),
                "color": SERVER,
            },
            opacity=0.5,
        )
        for along, field, across, other in (("x", RPS, "y", CPU), ("y", CPU, "x", RPS))
    ]
    points = {
        "x": number(RPS, "requests/s", scale={"zero": False}),
        "y": number(CPU, "µs CPU per request", scale={"zero": False}),
        "color": SERVER,
        "shape": STYLE,
        "tooltip": tooltip((RPS, "requests/s", ",.1f"), (CPU, "µs per request", ",.0f")),
    }
    return Chart(
        name="cost",
        title="CPU time per request against throughput",
        description="To the right is faster, further down is cheaper; the cross is the 95 % interval of both.",
        rows=rows,
        spec=panels(
            "workload",
            {"layer": [*bars, mark("point", points, filled=True, size=60, opacity=0.9)]},
            independent=("x", "y"),
        ),
        columns=(
            *(CELL_COLUMN, (RPS, "requests/s"), (CPU, "µs per request")),
            *((f"{CPU}_low", "from"), (f"{CPU}_high", "to")),
        ),
    )


def _memory(rows: list[Row]) -> Chart:
    encoding = {
        "x": name("server", None, axis={"labelAngle": -35}),
        "y": number("mb", "MB per worker", scale={"zero": True}),
        "color": name("workers", "workers", scale={"range": COLOURS}),
        "shape": STYLE,
        "tooltip": tooltip(("mb", "MB per worker", ",.1f")),
    }
    return Chart(
        name="memory",
        title="Memory per worker",
        description="Peak resident memory of all processes of a server ÷ its workers; pages that processes share "
        "count in each.",
        rows=rows,
        spec=panels("workload", {"width": {"step": 34}, **mark("point", encoding, filled=True, size=55)}),
        columns=(CELL_COLUMN, ("mb", "MB per worker")),
    )
