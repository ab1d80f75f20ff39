"""The charts of a run: each the rows that it shows and what to draw of them, in the language of Vega-Lite.

The same charts are drawn in the HTML report, as PNG and as SVG. Colours that are no data are left to the theme.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from harness.analysis.overview import EvaluatedVisit
from harness.model.comparison import Interval
from harness.model.overview import CellOverview, Overview
from harness.report.words import served, variant, workload_of
from harness.stats.quantiles import Mixture

Row = dict[str, Any]
Spec = dict[str, Any]

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
PANEL_WIDTH, PANEL_HEIGHT = 250, 190
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6bb1", "#7f7f7f")
"""Okabe and Ito's palette, which colour-blind readers can tell apart, without its black and its yellow."""
PERCENTILES = (0, 10, 25, 50, 75, 90, 95, 97.5, 99, 99.5, 99.9, 99.95, 99.99, 99.999)


@dataclass(frozen=True, kw_only=True, slots=True)
class Chart:
    """One chart."""

    name: str
    """Short, for files and anchors."""
    title: str
    description: str
    """What it shows and how to read it, in a sentence."""
    rows: list[Row]
    spec: Spec
    """Of the rows, as the data set `rows`."""
    columns: tuple[tuple[str, str], ...]
    """(field, heading) of the table behind it."""
    own: tuple[str, ...] = ()
    """Fields of its rows that do not follow from their cell."""

    def drawn(self) -> Spec:
        """The specification with its data."""
        return {**self.spec, "datasets": {"rows": self.rows}}

    def own_rows(self) -> list[Row]:
        """The rows without what follows from their cell."""
        return [
            {name: value for name, value in row.items() if "cell" not in row or name == "cell" or name in self.own}
            for row in self.rows
        ]


def of_run(overview: Overview, judged: Sequence[EvaluatedVisit]) -> list[Chart]:
    """Every chart of cells that the run has data for; those of ratios are in `ratios.py`."""
    places = {cell.name: place for place, cell in enumerate(overview.cells)}
    cells = [{"cell": place, **of_cell(cell, overview.cells)} for place, cell in enumerate(overview.cells)]
    found: list[Chart] = []
    shown = [row for row in cells if row["rps"] is not None]
    found.extend(_throughput_by("workers", "worker processes", shown))
    found.extend(_throughput_by("users", "users", [row for row in shown if row["users"] is not None]))
    curves = _curves(judged, places, cells)
    if curves:
        found.append(_latency(curves))
    priced = [row for row in shown if row["cpu"] is not None]
    if len(priced) > 1:
        found.append(_cost(priced))
    if len(shown) > 1:
        found.append(_memory(shown))
    return found


def timelines(judged: Sequence[EvaluatedVisit], overview: Overview) -> dict[int, list[tuple[str, str, list[float]]]]:
    """Cell → (block, verdict, requests/s of each slice) of each visit."""
    places = {cell.name: place for place, cell in enumerate(overview.cells)}
    found: dict[int, list[tuple[str, str, list[float]]]] = {}
    for each in judged:
        if each.visit.facts is None:
            continue
        rates = [piece.requests / piece.seconds for piece in each.visit.facts.slices]
        block = f"{each.visit.block}{' again' if each.visit.repeat else ''}"
        found.setdefault(places[_name(each)], []).append(
            (block, each.verdict, [round(rate, 1 if rate < 100 else None) for rate in rates])
        )
    return found


TIMELINE: Spec = {
    "$schema": SCHEMA,
    "data": {"name": "rows"},
    "width": "container",
    "height": 150,
    "mark": {"type": "line", "point": {"size": 18}, "strokeWidth": 1.5},
    "encoding": {
        "x": {"field": "t", "type": "quantitative", "title": "seconds into the window"},
        "y": {"field": "rps", "type": "quantitative", "title": "requests/s", "scale": {"zero": True}},
        "color": {"field": "block", "type": "nominal", "title": "visit in block", "scale": {"range": list(COLOURS)}},
        "strokeDash": {
            "field": "verdict",
            "type": "nominal",
            "title": "verdict",
            "scale": {"domain": ["valid", "invalid", "failed"], "range": [[1, 0], [4, 3], [1, 3]]},
        },
        "tooltip": [
            {"field": "block", "title": "block"},
            {"field": "t", "type": "quantitative", "title": "second"},
            {"field": "rps", "type": "quantitative", "format": ",.0f", "title": "requests/s"},
            {"field": "verdict"},
        ],
    },
}


def _name(judged: EvaluatedVisit) -> str:
    visit = judged.visit
    return visit.cell.label


def of_cell(cell: CellOverview, among: Sequence[CellOverview]) -> Row:
    """What a cell is called and filtered by, and its figures."""
    memory = cell.figures["rss_peak_bytes"].interval
    return {
        "name": cell.name,
        "workload": workload_of(cell),
        "server": served(cell),
        "style": variant(cell, among),
        "workers": cell.cell.variant.workers,
        "threads": cell.cell.variant.threads,
        "pool_size": cell.cell.variant.pool_size,
        "users": cell.cell.load.users,
        "load": cell.cell.load.label,
        **_bounds("rps", cell.throughput),
        **_bounds("cpu", cell.figures["cpu_us_per_request"].interval),
        "mb": None if memory is None else round(memory.estimate / cell.cell.variant.workers / 1_000_000, 1),
        "ceiling": None if cell.ceiling is None else round(cell.ceiling.rps, 1),
        "limit": "" if cell.ceiling is None else cell.ceiling.limit,
    }


def _bounds(name: str, interval: Interval | None) -> Row:
    values = (None, None, None) if interval is None else (interval.estimate, interval.low, interval.high)
    return {
        key: None if value is None else round(value, 2)
        for key, value in zip((name, f"{name}_low", f"{name}_high"), values, strict=True)
    }


def _panels(field: str, spec: Spec, *, independent: tuple[str, ...] = ("y",)) -> Spec:
    """Small multiples; the page wraps them to its width."""
    return {
        "$schema": SCHEMA,
        "data": {"name": "rows"},
        "facet": {"field": field, "type": "nominal", "title": None, "header": {"labelLimit": PANEL_WIDTH}},
        "columns": 3,
        "spec": {"width": PANEL_WIDTH, "height": PANEL_HEIGHT, **spec},
        "resolve": {"scale": dict.fromkeys(independent, "independent")},
    }


def _of_server() -> Spec:
    return {"field": "server", "type": "nominal", "title": "server", "scale": {"range": list(COLOURS)}}


def _of_style(channel: str = "shape") -> Spec:
    found: Spec = {"field": "style", "type": "nominal", "title": "style"}
    return {channel: found}


def _tooltip(*more: tuple[str, str, str]) -> list[Spec]:
    named: list[Spec] = [{"field": "name", "type": "nominal", "title": "cell"}]
    return named + [
        {"field": field, "title": title, **({"type": "quantitative", "format": form} if form else {"type": "nominal"})}
        for field, title, form in more
    ]


def _throughput_by(field: str, title: str, rows: list[Row]) -> Iterator[Chart]:
    """Lines over workers or users, with intervals and ceilings, where there is more than one number of them."""
    others = ("load" if field == "workers" else "workers", "threads", "pool_size")
    varying = [each for each in others if len({row[each] for row in rows} - {None}) > 1]
    panelled = [
        {
            **row,
            "panel": " · ".join(
                (row["workload"], row["style"], *(f"{each.replace('_', ' ')} {row[each]}" for each in varying))
            ),
        }
        for row in rows
    ]
    options: dict[str, set[int]] = {}
    for row in panelled:
        options.setdefault(row["panel"], set()).add(row[field])
    panelled = [row for row in panelled if len(options[row["panel"]]) > 1]
    if not panelled:
        return
    x: Spec = {"field": field, "type": "ordinal" if field == "workers" else "quantitative", "title": title}
    if field == "workers":
        x["axis"] = {"labelAngle": 0}
    yield Chart(
        name=f"throughput-by-{field}",
        title=f"Throughput against {title}",
        description="Geometric means over blocks with 95 % intervals. Short grey bars are ceilings: what the "
        "workload's own waits allow at most.",
        rows=panelled,
        spec=_panels(
            "panel",
            {
                "layer": [
                    {
                        # Where there is none, or one far away, an unseen bar lies on the point.
                        "transform": [
                            {"calculate": "datum.ceiling != null && datum.ceiling < 3 * datum.rps", "as": "near"},
                            {"calculate": "datum.near ? datum.ceiling : datum.rps", "as": "shown"},
                        ],
                        "mark": {"type": "tick", "orient": "horizontal", "width": 26, "thickness": 2, "color": "#999"},
                        "encoding": {
                            "x": x,
                            "y": {"field": "shown", "type": "quantitative"},
                            "opacity": {"condition": {"test": "datum.near", "value": 1}, "value": 0},
                            "tooltip": _tooltip(("limit", "ceiling", ""), ("ceiling", "req/s", ",.1f")),
                        },
                    },
                    {
                        "mark": {"type": "rule", "strokeWidth": 1.5, "opacity": 0.7},
                        "encoding": {
                            "x": x,
                            "y": {"field": "rps_low", "type": "quantitative"},
                            "y2": {"field": "rps_high"},
                            "color": _of_server(),
                        },
                    },
                    {
                        "mark": {"type": "line", "point": {"filled": True, "size": 45}, "strokeWidth": 1.8},
                        "encoding": {
                            "x": x,
                            "y": {
                                "field": "rps",
                                "type": "quantitative",
                                "title": "requests/s",
                                "scale": {"zero": True},
                            },
                            "color": _of_server(),
                            "tooltip": _tooltip(
                                ("rps", "requests/s", ",.1f"), ("rps_low", "from", ",.1f"), ("rps_high", "to", ",.1f")
                            ),
                        },
                    },
                ]
            },
        ),
        columns=(
            ("name", "cell"),
            ("rps", "requests/s"),
            ("rps_low", "from"),
            ("rps_high", "to"),
            ("ceiling", "ceiling"),
        ),
        own=("panel",),
    )


def _curves(judged: Sequence[EvaluatedVisit], places: dict[str, int], cells: Sequence[Row]) -> list[Row]:
    """Quantiles of the pooled samples of each cell's valid visits."""
    by_cell: dict[int, list[EvaluatedVisit]] = {}
    for each in judged:
        if each.settled is not None and each.settled.grid:
            by_cell.setdefault(places[_name(each)], []).append(each)
    rows = []
    for place, visits in by_cell.items():
        pooled = Mixture([(each.settled.grid, each.settled.requests) for each in visits if each.settled is not None])
        shared = {name: cells[place][name] for name in ("cell", "name", "workload", "server", "style")}
        for percentile in PERCENTILES:
            value = pooled.quantile(percentile)
            if value:
                rows.append({**shared, "percentile": percentile, "ms": round(value, 3)})
    return rows


def _latency(rows: list[Row]) -> Chart:
    return Chart(
        name="latency",
        title="Latency",
        description="Quantiles of the pooled samples of all valid visits. Both axes are logarithmic: to the right the "
        "share of slower requests falls by ten with each step.",
        rows=rows,
        spec=_panels(
            "workload",
            {
                "transform": [{"calculate": "-log(1 - datum.percentile / 100) / LN10", "as": "nines"}],
                "mark": {"type": "line", "strokeWidth": 1.6, "point": {"size": 14, "filled": True}},
                "encoding": {
                    "x": {
                        "field": "nines",
                        "type": "quantitative",
                        "title": "quantile",
                        "axis": {
                            "values": [0, 1, 2, 3, 4],
                            "labelExpr": "datum.value == 0 ? 'min' : datum.value == 1 ? 'p90' : datum.value == 2 ? "
                            "'p99' : datum.value == 3 ? 'p99.9' : 'p99.99'",
                        },
                    },
                    "y": {
                        "field": "ms",
                        "type": "quantitative",
                        "title": "ms",
                        "scale": {"type": "log", "nice": False},
                    },
                    "color": _of_server(),
                    **_of_style("strokeDash"),
                    "detail": {"field": "cell", "type": "nominal"},
                    "tooltip": _tooltip(("percentile", "percentile", ""), ("ms", "ms", ",.2f")),
                },
            },
        ),
        columns=(("name", "cell"), ("percentile", "percentile"), ("ms", "ms")),
        own=("percentile", "ms"),
    )


def _cost(rows: list[Row]) -> Chart:
    bars: list[Spec] = []
    for along, across in (("x", "y"), ("y", "x")):
        fields = {"x": "rps", "y": "cpu"}
        bars.append(
            {
                "mark": {"type": "rule", "opacity": 0.5},
                "encoding": {
                    along: {"field": f"{fields[along]}_low", "type": "quantitative"},
                    f"{along}2": {"field": f"{fields[along]}_high"},
                    across: {"field": fields[across], "type": "quantitative"},
                    "color": _of_server(),
                },
            }
        )
    return Chart(
        name="cost",
        title="CPU time per request against throughput",
        description="To the right is faster, further down is cheaper; the cross is the 95 % interval of both.",
        rows=rows,
        spec=_panels(
            "workload",
            {
                "layer": [
                    *bars,
                    {
                        "mark": {"type": "point", "filled": True, "size": 60, "opacity": 0.9},
                        "encoding": {
                            "x": {
                                "field": "rps",
                                "type": "quantitative",
                                "title": "requests/s",
                                "scale": {"zero": False},
                            },
                            "y": {
                                "field": "cpu",
                                "type": "quantitative",
                                "title": "µs CPU per request",
                                "scale": {"zero": False},
                            },
                            "color": _of_server(),
                            **_of_style(),
                            "tooltip": _tooltip(("rps", "requests/s", ",.1f"), ("cpu", "µs per request", ",.0f")),
                        },
                    },
                ]
            },
            independent=("x", "y"),
        ),
        columns=(
            ("name", "cell"),
            ("rps", "requests/s"),
            ("cpu", "µs per request"),
            ("cpu_low", "from"),
            ("cpu_high", "to"),
        ),
    )


def _memory(rows: list[Row]) -> Chart:
    return Chart(
        name="memory",
        title="Memory per worker",
        description="Peak resident memory of all processes of a server ÷ its workers; pages that processes share "
        "count in each.",
        rows=rows,
        spec=_panels(
            "workload",
            {
                "width": {"step": 34},
                "mark": {"type": "point", "filled": True, "size": 55},
                "encoding": {
                    "x": {"field": "server", "type": "nominal", "title": None, "axis": {"labelAngle": -35}},
                    "y": {"field": "mb", "type": "quantitative", "title": "MB per worker", "scale": {"zero": True}},
                    "color": {"field": "workers", "type": "nominal", "title": "workers", "scale": {"range": COLOURS}},
                    **_of_style(),
                    "tooltip": _tooltip(("mb", "MB per worker", ",.1f")),
                },
            },
        ),
        columns=(("name", "cell"), ("mb", "MB per worker")),
    )
