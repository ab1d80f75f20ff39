"""Charts of cells that were loaded in turn: differences, the ratio of every restart, and how slots settle."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.analysis import rotation as analysis
from harness.model.metrics import METRICS
from harness.model.rotation import Restart, Rotation, RotationContrast
from harness.report.charts.base import COLOURS, SCHEMA, Chart, Row, Spec, mark, name, number
from harness.report.charts.ratios import BAD, COLUMNS, GOOD, NEUTRAL, OPEN, bounds, forest
from harness.report.members import Names, names
from harness.report.words import verdict

VERDICTS = {"better": GOOD, "worse": BAD, "equivalent": NEUTRAL, "inconclusive": OPEN}
TICKS = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.3, 1.5, 2, 2.5, 3, 4, 5, 7, 10, 20]
"""Ratios that a wide axis names, as far as it reaches and has room."""
WIDE = 1.4
"""Largest ratio ÷ smallest from which on an axis is wide: by itself it would name none above 1."""
GROUPS = {"faster": "better", "slower": "worse", "undecided": "inconclusive"}


def of_rotation(rotation: Rotation, restarts: Sequence[Restart]) -> Iterator[Chart]:
    """Every chart that there is data for."""
    short = names(rotation)
    if rotation.contrasts:
        yield _contrasts(rotation, short)
    pairs = [each for each in rotation.contrasts if each.metric == "throughput_rps"]
    for place, each in enumerate(pairs):
        yield _restarts(rotation, each, short, restarts, "restarts" if len(pairs) == 1 else f"restarts-{place + 1}")
    if any(curve.seconds for curve in rotation.curves):
        yield _settling(rotation, short)


def _contrasts(rotation: Rotation, short: Names) -> Chart:
    several = len(rotation.members) > 2
    rows: list[Row] = [
        {
            "contrast": METRICS[each.metric].label
            + (f" · {short.short[each.b]} ÷ {short.short[each.a]}" if several else ""),
            **bounds(each.ratio),
            "verdict": GROUPS.get(each.verdict, each.verdict),
            "words": verdict(each),
        }
        for each in rotation.contrasts
    ]
    first, second = (short.short[label] for label in rotation.members[:2])
    spec = forest(
        f"{second} ÷ {first} (logarithmic)" if not several else "ratio (logarithmic)", VERDICTS, within=rotation.margin
    )
    ends = [row[field] for row in rows for field in ("ratio", "low", "high") if row[field] is not None]
    for layer in spec["layer"] if max(ends) > WIDE * min(ends) else ():
        layer["encoding"]["x"]["axis"] = {"values": TICKS, "format": "~g", "labelOverlap": "greedy"}
    return Chart(
        name="contrasts",
        title="Differences" if several else f"{second} against {first}",
        description="Ratios with intervals that hold for all pairs at once. The grey band is the margin of "
        f"{rotation.margin * 100:g}%, within which two are equivalent. More throughput is better; of all else, less.",
        rows=rows,
        spec=spec,
        columns=COLUMNS,
    )


def _restarts(
    rotation: Rotation, contrast: RotationContrast, short: Names, restarts: Sequence[Restart], chart: str
) -> Chart:
    """The ratio of throughput in each restart, with the answer's interval behind it."""
    a, b = (rotation.members.index(label) for label in (contrast.a, contrast.b))
    counting = [restart for restart in restarts if analysis.void(restart) is None]
    rows: list[Row] = []
    for restart, figures in zip(restarts, analysis.settled_figures(restarts, counting), strict=True):
        first, second = (figures.values[member].get("throughput_rps") for member in (a, b))
        if first and second:
            why = analysis.void(restart)
            counts = "counts" if why is None else "excluded"
            rows.append({"restart": restart.number, "ratio": second / first, "counts": counts, "why": why or ""})
    title = f"throughput, {short.short[contrast.b]} ÷ {short.short[contrast.a]}"
    answer = {**bounds(contrast.ratio), "one": 1}
    values = [value for value in (*answer.values(), *(row["ratio"] for row in rows)) if value is not None]
    room = 0.1 * (max(values) - min(values)) or 0.01
    scale = {"domain": [min(values) - room, max(values) + room], "zero": False, "nice": False}
    behind: list[Spec] = []
    if answer["low"] is not None:
        band = {"y": number("low", title, scale=scale), "y2": {"field": "high"}}
        behind.append(mark("rect", band, opacity=0.18, color=COLOURS[0]))
    behind.append(mark("rule", {"y": number("ratio", title, scale=scale)}, color=COLOURS[0]))
    behind.append(mark("rule", {"y": number("one", title, scale=scale)}, strokeDash=[4, 4], color="#888"))
    points = {
        "x": {"field": "restart", "type": "ordinal", "title": "restart", "axis": {"labelAngle": 0}},
        "y": number("ratio", title, scale=scale),
        "color": name("counts", None, scale={"domain": ["counts", "excluded"], "range": list(COLOURS[:2])}),
        "tooltip": [{"field": "restart"}, number("ratio", format=".4f"), {"field": "why", "title": "excluded"}],
    }
    layers = [
        *({"data": {"values": [answer]}, **layer} for layer in behind),
        mark("point", points, filled=True, size=60),
    ]
    return Chart(
        name=chart,
        title="Ratio of throughput in every restart",
        description="Each point is a restart of all members; the line and the band are the answer with its interval; "
        "at the dashed line both are equally fast.",
        rows=rows,
        spec={"$schema": SCHEMA, "data": {"name": "rows"}, "width": {"step": 34}, "height": 240, "layer": layers},
        columns=(("restart", "restart"), ("ratio", "ratio"), ("counts", ""), ("why", "excluded because")),
    )


def _settling(rotation: Rotation, short: Names) -> Chart:
    rows: list[Row] = [
        {
            "member": short.short[label],
            "ms": round(seconds * 1000, 2),
            "share": share,
            "given": round(curve.given_s * 1000, 2),
        }
        for label, curve in zip(rotation.members, rotation.curves, strict=False)
        for seconds, share in zip(curve.seconds, curve.share, strict=True)
    ]
    colour = name("member", None, scale={"domain": list(short.short.values()), "range": list(COLOURS)})
    x = number("ms", "ms since the slot's begin")
    rule = mark("rule", {"x": {**x, "field": "given", "aggregate": "min"}, "color": colour}, strokeDash=[4, 4])
    lines = {
        "x": x,
        "y": number("share", "rate ÷ rate of the slot's last half", scale={"zero": False}),
        "color": colour,
        "tooltip": [name("member", "member"), number("ms", "ms"), number("share", "rate", format=".3f")],
    }
    line = mark("line", lines, point={"size": 18, "filled": True}, strokeWidth=1.6)
    return Chart(
        name="settling",
        title="How a slot settles",
        description="Rate at which requests are finished, by the time since a slot's begin, over all slots. What lies "
        "before the dashed line of a member is left out of its throughput.",
        rows=rows,
        spec={"$schema": SCHEMA, "data": {"name": "rows"}, "width": 460, "height": 220, "layer": [rule, line]},
        columns=(("member", "member"), ("ms", "ms"), ("share", "rate"), ("given", "left out, ms")),
    )
