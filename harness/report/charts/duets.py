"""Charts of cells that are loaded at the same time: the restarts of one pair, and the answers of several."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.model.duet import Duet
from harness.report.charts.base import COLOURS, SCHEMA, Chart, Row, Spec, mark, name, number
from harness.report.charts.ratios import BAD, COLUMNS, GOOD, NEUTRAL, OPEN, bounds, forest
from harness.report.duet import cost

COSTS = {"costs less": GOOD, "costs more": BAD, "equivalent": NEUTRAL, "undecided": OPEN}


def duets(answers: Sequence[Duet]) -> Iterator[Chart]:
    """The answers of several duets in one picture."""
    rows: list[Row] = [
        {"contrast": _pair(each), **bounds(each.ratio), "verdict": cost(each), "words": cost(each)}
        for each in answers
        if each.ratio is not None
    ]
    if rows:
        yield Chart(
            name="duets",
            title="CPU time per request, of pairs loaded at the same time",
            description="Ratios with 95 % intervals. Below 1 the first of the two costs less.",
            rows=rows,
            spec=forest("CPU time per request, ratio (logarithmic)", COSTS),
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
    answer = {"low": duet.ratio.low, "high": duet.ratio.high, "estimate": duet.ratio.estimate, "one": 1}
    values = [1, *(row["ratio"] for row in rows), *(value for value in answer.values() if value is not None)]
    room = 0.1 * (max(values) - min(values)) or 0.01
    scale = {"domain": [min(values) - room, max(values) + room], "zero": False, "nice": False}
    behind: list[Spec] = []
    if duet.ratio.low is not None:
        band = {"y": number("low", "CPU, second ÷ first", scale=scale), "y2": {"field": "high"}}
        behind.append(mark("rect", band, opacity=0.18, color=COLOURS[0]))
    behind.append(mark("rule", {"y": number("estimate", scale=scale)}, color=COLOURS[0]))
    one = {"y": number("one", scale=scale)}
    behind.append(mark("rule", one, strokeDash=[4, 4], color="currentColor", opacity=0.6))
    points = {
        "x": {"field": "restart", "type": "ordinal", "title": "restart", "axis": {"labelAngle": 0}},
        "y": number("ratio", scale=scale),
        "color": name("counts", None, scale={"domain": ["counts", "void"], "range": list(COLOURS[:2])}),
        "shape": name("swapped", "started"),
        "tooltip": [
            *({"field": "restart"}, number("ratio", format=".4f")),
            *({"field": "swapped", "title": "started"}, {"field": "why", "title": "void"}),
        ],
    }
    layers = [
        *({"data": {"values": [answer]}, **layer} for layer in behind),
        mark("point", points, filled=True, size=60),
    ]
    yield Chart(
        name="restarts",
        title="CPU time per request, second ÷ first, of every restart",
        description="Each point is a restart of both servers; the line and the band are the answer with its 95 % "
        "interval; the dashed line is 1, where both cost the same.",
        rows=rows,
        spec={"$schema": SCHEMA, "data": {"name": "rows"}, "width": {"step": 28}, "height": 240, "layer": layers},
        columns=(("restart", "restart"), ("ratio", "ratio"), ("swapped", "started"), ("counts", ""), ("why", "")),
    )
