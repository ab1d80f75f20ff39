"""Charts of ratios with their intervals: contrasts of a matrix, and published claims."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.model.axes import Axis, axis
from harness.model.claims import ClaimResult
from harness.model.comparison import Contrast, Interval
from harness.model.metrics import Metric, contrasted
from harness.model.overview import Overview
from harness.report.charts.base import SCHEMA, Chart, Row, Spec, mark, name, number
from harness.report.words import claim_verdict, sentence, verdict

GOOD, BAD, NEUTRAL, OPEN = "#009e73", "#d55e00", "#7f7f7f", "#b8a000"
VERDICTS = {"faster": GOOD, "slower": BAD, "equivalent": NEUTRAL, "inconclusive": OPEN}
CLAIMS = {"confirmed": GOOD, "refuted": BAD, "inconclusive": OPEN, "not testable here": NEUTRAL}
WIDEST = 100.0
"""An interval whose ends differ by more is not drawn."""
MOST_ROWS = 60
"""Of contrasts: those that are farthest from 1 where there are more."""
COLUMNS = (("contrast", "comparison"), ("ratio", "ratio"), ("low", "from"), ("high", "to"), ("words", "verdict"))


def contrasts(overview: Overview) -> Iterator[tuple[Metric, Axis, Chart]]:
    """One chart for each metric and axis."""
    for metric in contrasted():
        family = [each for each in overview.comparison.contrasts if each.metric == metric.name]
        for along in map(axis, dict.fromkeys(each.axis for each in family)):
            members = [each for each in family if each.axis == along.name]
            yield metric, along, _contrasts(metric, along, members, overview.comparison.margin)


def _contrasts(metric: Metric, along: Axis, family: Sequence[Contrast], margin: float) -> Chart:
    by_distance = sorted(family, key=lambda each: -abs(math.log(each.ratio.estimate)))
    ranks = {id(each): rank for rank, each in enumerate(by_distance)}
    rows: list[Row] = [
        {
            "contrast": " · ".join(filter(None, (f"{each.b.option} ÷ {each.a.option}", each.workload, each.stratum))),
            **bounds(each.ratio),
            "verdict": "inconclusive" if each.verdict == "undecided" else each.verdict,
            "words": verdict(each),
            "rank": ranks[id(each)],
        }
        for each in family
    ]
    left_out = max(0, len(family) - MOST_ROWS)
    return Chart(
        name=f"contrasts-{metric.option}-by-{along.name.replace('_', '-')}",
        title=sentence(f"{metric.label} by {along.label}"),
        description="Each dot is a ratio with its 95% confidence interval (adjusted for multiple comparisons). "
        f"Grey: differences too small to matter (±{margin:.0%}). "
        f"{'Right' if metric.better == 'higher' else 'Left'} of 1: the first one is better."
        + (f" The {left_out} closest to 1 are left out." if left_out else ""),
        rows=rows,
        spec={
            **forest(f"{metric.label}, ratio (logarithmic)", VERDICTS, within=margin),
            "transform": [{"filter": f"datum.rank < {MOST_ROWS}"}],
        },
        columns=COLUMNS,
    )


def claims(results: Sequence[ClaimResult]) -> Iterator[Chart]:
    """What was published, and what was measured; nothing for other runs."""
    results = [each for each in results if each.verdict != "impossible"]
    if not results:
        return
    whose = "authors of servers" if results[0].source else "the published study"
    rows: list[Row] = [
        {
            "contrast": " · ".join(filter(None, (f"{each.claim} {each.text}", each.case))),
            **bounds(each.measured),
            "published": each.published,
            "verdict": claim_verdict(each.verdict),
            "words": ": ".join(filter(None, (claim_verdict(each.verdict), each.why))),
        }
        for each in results
    ]
    spec = forest("throughput, ratio (logarithmic)", CLAIMS)
    points = spec["layer"][-1]["encoding"]
    diamonds = {
        "x": {**points["x"], "field": "published"},
        "y": points["y"],
        "tooltip": [number("published", format=".3f")],
    }
    spec["layer"].append(mark("point", diamonds, shape="diamond", size=55, color=NEUTRAL, opacity=1))
    yield Chart(
        name="claims",
        title=f"Claims of {whose}: here (points with intervals) and published (diamonds)",
        description="Each claim is a ratio of two throughputs. Points are what was measured here, with 95% intervals; "
        "diamonds are what was published.",
        rows=rows,
        spec=spec,
        columns=(*COLUMNS[:1], ("published", "published"), *COLUMNS[1:]),
    )


def forest(title: str, colours: Mapping[str, str], *, within: float | None = None) -> Spec:
    """A forest plot of rows with `contrast`, `ratio`, `low`, `high` and `verdict`: the last layer is its points."""
    scale = {"scale": {"type": "log", "nice": False}, "axis": {"format": "~g", "tickCount": 5}}

    def x(field: str) -> Spec:
        return number(field, title, **scale)

    y = name("contrast", None, sort=None, axis={"labelLimit": 420})
    colour = name("verdict", "verdict", scale={"domain": list(colours), "range": list(colours.values())})
    bands: list[Spec] = []
    if within is not None:
        band = mark("rect", {"x": x("from"), "x2": {"field": "to"}}, color="#888", opacity=0.18)
        bands.append({"data": {"values": [{"from": 1 / (1 + within), "to": 1 + within}]}, **band})
    fields = (("ratio", "ratio"), ("low", "from"), ("high", "to"))
    points = {
        "x": x("ratio"),
        "y": y,
        "color": colour,
        "tooltip": [
            name("contrast", "comparison"),
            *(number(field, text, format=".3f") for field, text in fields),
            name("verdict", "verdict"),
        ],
    }
    return {
        "$schema": SCHEMA,
        "data": {"name": "rows"},
        "width": 380,
        "height": {"step": 19},
        "layer": [
            *bands,
            {"data": {"values": [{"one": 1}]}, **mark("rule", {"x": x("one")}, color="#888")},
            mark("rule", {"x": x("low"), "x2": {"field": "high"}, "y": y, "color": colour}, strokeWidth=2),
            mark("point", points, filled=True, size=50),
        ],
    }


def bounds(ratio: Interval | None) -> dict[str, Any]:
    """Ratio and bounds; no bounds where the interval is so wide that it would press all others together."""
    if ratio is None:
        return {"ratio": None, "low": None, "high": None}
    narrow = ratio.low is not None and ratio.high is not None and ratio.high <= WIDEST * ratio.low
    low, high = (ratio.low, ratio.high) if narrow else (None, None)
    values = {"ratio": ratio.estimate, "low": low, "high": high}
    return {field: None if value is None else round(value, 4) for field, value in values.items()}
