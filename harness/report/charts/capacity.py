"""Charts of a search for capacities, by the rate that is offered; and of an overload, by time."""

from __future__ import annotations

from collections.abc import Iterator

from harness.model.capacity import Capacity
from harness.model.overload import OverloadPlan
from harness.model.record import MeasurementRecord, StoredRun
from harness.report.capacity import rate, short, stable
from harness.report.charts.base import COLOURS, SCHEMA, Chart, Row, Spec, mark, name, number, panels

VERDICTS = {"pass": COLOURS[2], "cannot tell": COLOURS[4], "fail": COLOURS[1]}
QUANTILES = {"p50": COLOURS[5], "p90": COLOURS[0], "p99": COLOURS[3]}


def of_capacity(capacity: Capacity) -> Iterator[Chart]:
    """Both curves of each cell, where something was probed."""
    if any(cell.points for cell in capacity.cells):
        yield _goodput(capacity)
        yield _latency(capacity)


def _bounds(capacity: Capacity) -> dict[str, Row]:
    """Of each cell: its name, and both ends of where its capacity lies."""
    return {
        cell.cell: {
            "panel": f"{short(capacity, cell)}: {rate(cell.bounds.low)} to {rate(cell.bounds.high)} req/s",
            "low": cell.bounds.low,
            "high": cell.bounds.high,
        }
        for cell in capacity.cells
    }


def _behind(x: Spec) -> list[Spec]:
    """Where the capacity lies, behind the points."""
    band = {"x": {**x, "field": "low", "aggregate": "min"}, "x2": {"field": "high", "aggregate": "min"}}
    return [mark("rect", band, opacity=0.18, color=COLOURS[0])]


def _goodput(capacity: Capacity) -> Chart:
    bounds = _bounds(capacity)
    rows: list[Row] = [
        {
            **bounds[cell.cell],
            "offered": each.rate,
            "goodput": each.goodput,
            "served": each.served,
            "verdict": each.outcome,
        }
        for cell in capacity.cells
        for each in sorted(cell.points, key=lambda point: point.rate)
        if each.outcome != "invalid"
    ]
    x = number("offered", "offered, req/s")
    points = {
        "x": x,
        "y": number("goodput", "in time, req/s"),
        "color": name("verdict", None, scale={"domain": list(VERDICTS), "range": list(VERDICTS.values())}),
        "tooltip": [
            number("offered", "offered", format=",.0f"),
            number("goodput", "in time", format=",.0f"),
            number("served", "answered", format=",.0f"),
            name("verdict", "verdict"),
        ],
    }
    line = {"x": x, "y": number("goodput", "in time, req/s")}
    layers = [
        *_behind(x),
        mark("line", line, strokeWidth=1.2, color="#888"),
        mark("point", points, filled=True, size=60),
    ]
    return Chart(
        name="goodput",
        title="Goodput by offered rate",
        description="Answers within all objectives per second. Each point is a fresh start; the band is where the "
        "capacity lies. Beyond it goodput shows what becomes of a server that is asked for too much.",
        rows=rows,
        spec=panels("panel", {"layer": layers}, independent=("x", "y")),
        columns=(("panel", "cell"), ("offered", "offered"), ("goodput", "in time"), ("verdict", "verdict")),
    )


def _latency(capacity: Capacity) -> Chart:
    bounds = _bounds(capacity)
    rows: list[Row] = [
        {**bounds[cell.cell], "offered": each.rate, "quantile": quantile, "ms": value}
        for cell in capacity.cells
        for each in sorted(cell.points, key=lambda point: point.rate)
        if each.outcome != "invalid" and stable(cell, each)
        for quantile, value in zip(QUANTILES, (each.p50_ms, each.p90_ms, each.p99_ms), strict=True)
        if value is not None
    ]
    x = number("offered", "offered, req/s")
    lines = {
        "x": x,
        "y": number("ms", "latency, ms"),
        "color": name("quantile", None, scale={"domain": list(QUANTILES), "range": list(QUANTILES.values())}),
        "tooltip": [
            number("offered", "offered", format=",.0f"),
            name("quantile", ""),
            number("ms", "ms", format=",.1f"),
        ],
    }
    layers = [*_behind(x), mark("line", lines, point={"size": 36, "filled": True}, strokeWidth=1.2)]
    return Chart(
        name="latency",
        title="Latency by offered rate",
        description="From the moment when a request was due, only where the queue is stable: beyond the capacity it is "
        "as long as one waits, and latency would be that of the window's length.",
        rows=rows,
        spec=panels("panel", {"layer": layers}, independent=("x", "y")),
        columns=(("panel", "cell"), ("offered", "offered"), ("quantile", ""), ("ms", "ms")),
    )


def of_overload(stored: StoredRun, plan: OverloadPlan) -> Iterator[Chart]:
    """How late requests were answered, by time since the burst began."""
    measured = [visit.arrivals for visit in stored.visits if isinstance(visit, MeasurementRecord)]
    starts = [arrivals for arrivals in measured if arrivals is not None]  # without the closed load before them
    rows: list[Row] = [
        {
            "start": f"start {number}",
            "seconds": round(piece * arrivals.slice_seconds - plan.base_seconds, 3),
            "ms": median,
            "begins": 0,
            "ends": plan.burst_seconds,
        }
        for number, arrivals in enumerate(starts, 1)
        for piece, median in enumerate(arrivals.p50_ms)
        if median is not None
    ]
    if not rows:
        return
    x = number("seconds", "seconds since the burst began")
    band = {"x": {**x, "field": "begins", "aggregate": "min"}, "x2": {"field": "ends", "aggregate": "min"}}
    lines = {
        "x": x,
        "y": number("ms", "median latency of what was due then, ms"),
        "color": name("start", None, scale={"range": list(COLOURS)}),
    }
    layers = [mark("rect", band, opacity=0.18, color=COLOURS[1]), mark("line", lines, strokeWidth=1.4)]
    yield Chart(
        name="recovery",
        title="Latency through a burst and after it",
        description="Median latency of the requests that were due in each quarter of a second; the band is the burst. "
        "A server that refuses nothing drains its queue afterwards along a straight line.",
        rows=rows,
        spec={"$schema": SCHEMA, "data": {"name": "rows"}, "width": 520, "height": 240, "layer": layers},
        columns=(("start", "start"), ("seconds", "seconds"), ("ms", "ms")),
    )
