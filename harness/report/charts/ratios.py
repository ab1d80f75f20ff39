"""Charts of ratios with their intervals: contrasts of a matrix, claims of the published study, duets."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.model.axes import AxisName
from harness.model.claims import ClaimResult
from harness.model.comparison import Contrast, Interval
from harness.model.duet import Duet
from harness.model.metrics import METRICS, MetricName
from harness.model.overview import Overview
from harness.report.charts.cells import COLOURS, SCHEMA, Chart, Row, Spec
from harness.report.words import sentence, verdict

GOOD, BAD, NEUTRAL, OPEN = "#009e73", "#d55e00", "#7f7f7f", "#b8a000"
VERDICTS = {"faster": GOOD, "slower": BAD, "equivalent": NEUTRAL, "undecided": OPEN}
COSTS = {"costs less": GOOD, "costs more": BAD, "equivalent": NEUTRAL, "undecided": OPEN}
CLAIMS = {"confirmed": GOOD, "refuted": BAD, "undecided": OPEN, "cannot be told": NEUTRAL}
CONTRASTED: tuple[MetricName, ...] = ("throughput_rps", "cpu_us_per_request", "p99_ms")
WIDEST = 100.0
"""An interval whose ends differ by more is not drawn."""
MOST_ROWS = 60
"""Of contrasts: those that are farthest from 1 where there are more."""
COLUMNS = (("contrast", "contrast"), ("ratio", "ratio"), ("low", "from"), ("high", "to"), ("said", "verdict"))


def contrasts(overview: Overview) -> Iterator[tuple[MetricName, AxisName, Chart]]:
    """One chart for each metric and axis."""
    noise = {each.metric: each.delta for each in overview.comparison.noise}
    for metric in CONTRASTED:
        of_metric = [each for each in overview.comparison.contrasts if each.metric == metric]
        for axis in dict.fromkeys(each.axis for each in of_metric):
            family = [each for each in of_metric if each.axis == axis]
            yield metric, axis, _contrasts(metric, axis.replace("_", " "), family, noise[metric])


def _contrasts(metric: MetricName, axis: str, family: Sequence[Contrast], delta: float) -> Chart:
    ranks = {id(each): rank for rank, each in enumerate(sorted(family, key=lambda each: -_distance(each.ratio)))}
    rows: list[Row] = [
        {
            "contrast": " · ".join(
                part for part in (f"{each.b.option} ÷ {each.a.option}", each.workload, each.stratum) if part
            ),
            **_drawn(each.ratio),
            "verdict": each.verdict,
            "said": verdict(each),
            "rank": ranks[id(each)],
        }
        for each in family
    ]
    left_out = max(0, len(family) - MOST_ROWS)
    return Chart(
        name=f"contrasts-{metric.split('_')[0]}-by-{axis.replace(' ', '-')}",
        title=sentence(f"{METRICS[metric].label} by {axis}"),
        description="Ratios with intervals that hold for the whole family together. The grey band is "
        f"±{delta:.1%}: what differs by less is taken for equivalent. "
        f"{'Beyond' if metric == 'throughput_rps' else 'Below'} 1 the first of the two is better."
        + (f" {left_out} contrasts that are closest to 1 are left out." if left_out else ""),
        rows=rows,
        spec={
            **_forest(f"{METRICS[metric].label}, ratio (logarithmic)", VERDICTS, within=delta),
            "transform": [{"filter": f"datum.rank < {MOST_ROWS}"}],
        },
        columns=COLUMNS,
    )


def claims(found: Sequence[ClaimResult]) -> Iterator[Chart]:
    """What the published study states, and what was measured; nothing for other runs."""
    if not found:
        return
    rows: list[Row] = [
        {
            "contrast": " · ".join(part for part in (f"{each.claim} {each.text}", each.case) if part),
            **_drawn(each.measured),
            "published": each.published,
            "verdict": each.verdict,
            "said": f"{each.verdict}: {each.why}" if each.why else each.verdict,
        }
        for each in found
    ]
    spec = _forest("throughput, ratio (logarithmic)", CLAIMS)
    spec["layer"].append(
        {
            "mark": {"type": "point", "shape": "diamond", "size": 55, "color": NEUTRAL, "opacity": 1},
            "encoding": {
                "x": {**spec["layer"][-1]["encoding"]["x"], "field": "published"},
                "y": spec["layer"][-1]["encoding"]["y"],
                "tooltip": [{"field": "published", "type": "quantitative", "format": ".3f"}],
            },
        }
    )
    yield Chart(
        name="claims",
        title="Claims of the published study: here (points with intervals) and published (diamonds)",
        description="Each claim is a ratio of two throughputs. Points are what was measured here, with 95 % intervals; "
        "diamonds are what the study printed.",
        rows=rows,
        spec=spec,
        columns=(*COLUMNS[:1], ("published", "published"), *COLUMNS[1:]),
    )


def duets(found: Sequence[Duet]) -> Iterator[Chart]:
    """The answers of several duets in one picture."""
    rows: list[Row] = [
        {
            "contrast": _pair(each),
            **_drawn(each.ratio),
            "verdict": (cost := {"faster": "costs less", "slower": "costs more"}.get(each.verdict, each.verdict)),
            "said": cost,
        }
        for each in found
        if each.ratio is not None
    ]
    if rows:
        yield Chart(
            name="duets",
            title="CPU time per request, of pairs loaded at the same time",
            description="Ratios with 95 % intervals. Below 1 the first of the two costs less.",
            rows=rows,
            spec=_forest("CPU time per request, ratio (logarithmic)", COSTS),
            columns=COLUMNS,
        )


def _pair(duet: Duet) -> str:
    """What the two differ in, and what they have in common."""
    first, second = duet.first.split("/"), duet.second.split("/")
    if len(first) != len(second) or first == second:
        return f"{duet.second} ÷ {duet.first}"
    differ = [place for place, pair in enumerate(zip(first, second, strict=True)) if pair[0] != pair[1]]
    sides = ("/".join(side[place] for place in differ) for side in (second, first))
    common = "/".join(part for place, part in enumerate(first) if place not in differ)
    return f"{' ÷ '.join(sides)} · {common}"


def restarts(duet: Duet) -> Iterator[Chart]:
    """The ratio of every restart of a duet, with the answer's interval behind it."""
    rows: list[Row] = [
        {
            "restart": each.number,
            "ratio": each.ratio,
            "swapped": "second first" if each.swapped else "first first",
            "counts": "counts" if each.void is None else "void",
            "why": each.void or "",
        }
        for each in duet.restarts
        if each.ratio is not None
    ]
    if not rows or duet.ratio is None:
        return
    band: Row = {"low": duet.ratio.low, "high": duet.ratio.high, "estimate": duet.ratio.estimate}
    lowest = min([row["ratio"] for row in rows] + ([duet.ratio.low] if duet.ratio.low is not None else []))
    highest = max([row["ratio"] for row in rows] + ([duet.ratio.high] if duet.ratio.high is not None else []))
    room = 0.1 * (max(highest, 1) - min(lowest, 1)) or 0.01
    scale = {"domain": [min(lowest, 1) - room, max(highest, 1) + room], "zero": False, "nice": False}
    layers: list[Spec] = []
    if duet.ratio.low is not None:
        layers.append(
            {
                "data": {"values": [band]},
                "mark": {"type": "rect", "opacity": 0.18, "color": COLOURS[0]},
                "encoding": {
                    "y": {"field": "low", "type": "quantitative", "scale": scale, "title": "CPU, second ÷ first"},
                    "y2": {"field": "high"},
                },
            }
        )
    layers += [
        {
            "data": {"values": [band]},
            "mark": {"type": "rule", "color": COLOURS[0]},
            "encoding": {"y": {"field": "estimate", "type": "quantitative", "scale": scale}},
        },
        {
            "data": {"values": [{"one": 1}]},
            "mark": {"type": "rule", "strokeDash": [4, 4], "color": "currentColor", "opacity": 0.6},
            "encoding": {"y": {"field": "one", "type": "quantitative", "scale": scale}},
        },
        {
            "mark": {"type": "point", "filled": True, "size": 60},
            "encoding": {
                "x": {"field": "restart", "type": "ordinal", "title": "restart", "axis": {"labelAngle": 0}},
                "y": {"field": "ratio", "type": "quantitative", "scale": scale},
                "color": {
                    "field": "counts",
                    "type": "nominal",
                    "title": None,
                    "scale": {"domain": ["counts", "void"], "range": [COLOURS[0], COLOURS[1]]},
                },
                "shape": {"field": "swapped", "type": "nominal", "title": "started"},
                "tooltip": [
                    {"field": "restart"},
                    {"field": "ratio", "type": "quantitative", "format": ".4f"},
                    {"field": "swapped", "title": "started"},
                    {"field": "why", "title": "void"},
                ],
            },
        },
    ]
    yield Chart(
        name="restarts",
        title="CPU time per request, second ÷ first, of every restart",
        description="Each point is a restart of both servers; the line and the band are the answer with its 95 % "
        "interval; the dashed line is 1, where both cost the same.",
        rows=rows,
        spec={
            "$schema": SCHEMA,
            "data": {"name": "rows"},
            "width": {"step": 28},
            "height": 240,
            "layer": layers,
        },
        columns=(("restart", "restart"), ("ratio", "ratio"), ("swapped", "started"), ("counts", ""), ("why", "")),
    )


def _forest(title: str, colours: Mapping[str, str], *, within: float | None = None) -> Spec:
    """A forest plot of rows with `contrast`, `ratio`, `low`, `high` and `verdict`: the last layer is its points."""
    x: Spec = {
        "type": "quantitative",
        "scale": {"type": "log", "nice": False},
        "title": title,
        "axis": {"format": "~g", "tickCount": 5},
    }
    y: Spec = {"field": "contrast", "type": "nominal", "sort": None, "title": None, "axis": {"labelLimit": 420}}
    colour: Spec = {
        "field": "verdict",
        "type": "nominal",
        "title": "verdict",
        "scale": {"domain": list(colours), "range": list(colours.values())},
    }
    bands: list[Spec] = []
    if within is not None:
        bands.append(
            {
                "data": {"values": [{"from": 1 / (1 + within), "to": 1 + within}]},
                "mark": {"type": "rect", "color": "#888", "opacity": 0.18},
                "encoding": {"x": {**x, "field": "from"}, "x2": {"field": "to"}},
            }
        )
    return {
        "$schema": SCHEMA,
        "data": {"name": "rows"},
        "width": 380,
        "height": {"step": 19},
        "layer": [
            *bands,
            {
                "data": {"values": [{"one": 1}]},
                "mark": {"type": "rule", "color": "#888"},
                "encoding": {"x": {**x, "field": "one"}},
            },
            {
                "mark": {"type": "rule", "strokeWidth": 2},
                "encoding": {"x": {**x, "field": "low"}, "x2": {"field": "high"}, "y": y, "color": colour},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 50},
                "encoding": {
                    "x": {**x, "field": "ratio"},
                    "y": y,
                    "color": colour,
                    "tooltip": [
                        {"field": "contrast"},
                        {"field": "ratio", "type": "quantitative", "format": ".3f"},
                        {"field": "low", "type": "quantitative", "format": ".3f", "title": "from"},
                        {"field": "high", "type": "quantitative", "format": ".3f", "title": "to"},
                        {"field": "verdict"},
                    ],
                },
            },
        ],
    }


def _drawn(ratio: Interval | None) -> dict[str, Any]:
    """Ratio and bounds; no bounds where the interval is so wide that it would press all others together."""
    if ratio is None:
        return {"ratio": None, "low": None, "high": None}
    bounds: dict[str, Any] = {"ratio": round(ratio.estimate, 4), "low": None, "high": None}
    if ratio.low is not None and ratio.high is not None and ratio.high <= WIDEST * ratio.low:
        bounds |= {"low": round(ratio.low, 4), "high": round(ratio.high, 4)}
    return bounds


def _distance(ratio: Interval) -> float:
    return abs(math.log(ratio.estimate))
