"""A run as tidy tables: one row per cell and metric, one per cell and restart. Columns and units: docs/results.md."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars

from harness.analysis import rotation as analysis
from harness.analysis.overview import EvaluatedVisit
from harness.model.application import BundledApplication
from harness.model.axes import AXES
from harness.model.capacity import Capacity
from harness.model.measurement import Measurement, Route
from harness.model.metrics import METRICS, Metric, MetricName
from harness.model.overload import Overload
from harness.model.overview import CellOverview, Figure, Overview
from harness.model.rotation import Restart, Rotation
from harness.model.variant import Cell

Columns = Mapping[str, tuple[type, Callable[[Any], Any]]]
"""Name → type, and what a row's source has there."""


def write(folder: Path, form: str, overview: Overview, judged: Sequence[EvaluatedVisit]) -> list[Path]:
    """Write the tables into a folder, as `csv` or `parquet`; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    tables = {"cells": cells(overview), "restarts": restarts_of(judged)}
    if any(each.visit.facts is not None and len(each.visit.facts.routes) > 1 for each in judged):
        tables["routes"] = routes(judged)
    return _files(folder, form, tables)


def write_rotation(folder: Path, form: str, rotation: Rotation, restarts: Sequence[Restart]) -> list[Path]:
    """Write the tables of cells that were loaded in turn into a folder, as `csv` or `parquet`; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = restart_rows(rotation, restarts)
    return _files(folder, form, {"members": members(rotation), "contrasts": contrasts(rotation), "restarts": rows})


def write_capacity(folder: Path, form: str, capacity: Capacity) -> list[Path]:
    """Write the tables of a search for capacities: its cells and their probes."""
    folder.mkdir(parents=True, exist_ok=True)
    found = [
        {
            **cell.model_dump(include={"cell", "workers", "cores", "binding", "cliff", "reached", "cost_per_million"}),
            **cell.bounds.model_dump(),
        }
        for cell in capacity.cells
    ]
    points = [
        {"cell": cell.cell, **each.model_dump(exclude={"missed"}), "missed": max(each.missed)}
        for cell in capacity.cells
        for each in cell.points
    ]
    frames = {"cells": found, "probes": points}
    return _files(
        folder, form, {name: polars.DataFrame(rows, infer_schema_length=None) for name, rows in frames.items()}
    )


def write_overload(folder: Path, form: str, overload: Overload) -> list[Path]:
    """Write the table of the starts of an overload."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        {"cell": overload.cell, **each.model_dump(exclude={"refused"}), "ratio": each.ratio} for each in overload.starts
    ]
    return _files(folder, form, {"starts": polars.DataFrame(rows, infer_schema_length=None)})


def _files(folder: Path, form: str, tables: Mapping[str, polars.DataFrame]) -> list[Path]:
    paths = []
    for name, table in tables.items():
        path = folder / f"{name}.{form}"
        if form == "csv":
            table.write_csv(path)
        else:
            table.write_parquet(path)
        paths.append(path)
    return paths


def cells(overview: Overview) -> polars.DataFrame:
    """One row per cell and metric; of latency the pooled quantile, with the interval of the restarts' own ones."""
    rows = [
        row
        for cell in overview.cells
        for row in (
            *((cell, name, METRICS[name].unit, figure) for name, figure in cell.figures.items()),
            (cell, "failure_share", "share", Figure(value=cell.failure_share, interval=None)),
        )
    ]
    return _frame(rows, {**_identity(lambda row: row[0].cell), **CELL})


def restarts_of(judged: Iterable[EvaluatedVisit]) -> polars.DataFrame:
    """One row per cell and restart; what was not measured is null."""
    metrics: Columns = {name: (float, _measured(metric.of)) for name, metric in METRICS.items()}
    return _frame(judged, {**_identity(lambda row: row.visit.cell), **PLACE, **VISIT, **metrics})


def routes(judged: Iterable[EvaluatedVisit]) -> polars.DataFrame:
    """One row per cell, restart and kind of request."""
    rows = [(each, route) for each in judged if each.visit.facts is not None for route in each.visit.facts.routes]
    place = _of_part(PLACE, lambda row: row[0])
    quantiles = {name: (float, _of_route(metric)) for name, metric in METRICS.items() if metric.quantile is not None}
    return _frame(rows, {**_identity(lambda row: row[0].visit.cell), **place, **ROUTE, **quantiles})


def members(rotation: Rotation) -> polars.DataFrame:
    """One row per member and metric, with its own 95 % interval over restarts."""
    rows = [
        (member, name, figure)
        for member, values in zip(rotation.members, rotation.values, strict=True)
        for name, figure in values.items()
    ]
    return _frame(rows, MEMBER)


def contrasts(rotation: Rotation) -> polars.DataFrame:
    """One row per pair of members and metric; intervals of all pairs hold at once."""
    return _frame(rotation.contrasts, CONTRAST)


def restart_rows(rotation: Rotation, restarts: Sequence[Restart]) -> polars.DataFrame:
    """One row per restart and member; what was not measured is null."""
    counting = [restart for restart in restarts if analysis.void(restart) is None]
    rows = [
        (restart, label, values, samples)
        for restart, figures in zip(restarts, analysis.settled_figures(restarts, counting), strict=True)
        for label, values, samples in zip(rotation.members, figures.values, restart.members, strict=True)
    ]
    metrics: Columns = {name: (float, _figure_of(name)) for name in RESTART_METRICS}
    return _frame(rows, {**RESTART, **metrics})


def _figure_of(name: MetricName) -> Callable[[Any], float | None]:
    return lambda row: row[2].get(name)


def _frame(rows: Iterable[Any], columns: Columns) -> polars.DataFrame:
    values = [tuple(of(row) for _, of in columns.values()) for row in rows]
    return polars.DataFrame(values, schema={name: kind for name, (kind, _) in columns.items()}, orient="row")


def _identity(cell_of: Callable[[Any], Cell]) -> Columns:
    """What a row is of: the written form, the columns of every axis, and the work."""
    columns: dict[str, tuple[type, Callable[[Cell], Any]]] = {"cell": (str, lambda cell: cell.label)}
    for axis in AXES:
        columns |= {name: (axis.types.get(name, str), of) for name, of in axis.columns.items()}
        if axis.name == "style":
            columns |= {"workload": (str, lambda cell: _work(cell)[0]), "params": (str, lambda cell: _work(cell)[1])}
    return _of_part(columns, cell_of)


def _of_part(columns: Columns, part: Callable[[Any], Any]) -> Columns:
    """Columns that are of a part of a row's source."""

    def composed(of: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return lambda row: of(part(row))

    return {name: (kind, composed(of)) for name, (kind, of) in columns.items()}


def _work(cell: Cell) -> tuple[str, str]:
    application = cell.variant.application
    if isinstance(application, BundledApplication):
        return application.workload, application.query
    return application.work_label, ""


def _measured(of: Callable[[Measurement], Any]) -> Callable[[EvaluatedVisit], Any]:
    """Of a measurement; None where nothing was measured."""
    return lambda row: None if row.visit.facts is None else of(row.visit.facts)


def _of_route(metric: Metric) -> Callable[[tuple[EvaluatedVisit, Route]], float | None]:
    return lambda row: None if row[1].latency_ms is None else getattr(row[1].latency_ms, f"p{metric.quantile:g}")


def _bound_by(cell: CellOverview) -> str | None:
    return None if cell.diagnosis is None else cell.diagnosis.bound_by


CELL: Columns = {
    "valid": (int, lambda row: row[0].valid),
    "invalid": (int, lambda row: row[0].invalid),
    "failed": (int, lambda row: row[0].failed),
    "at_ceiling": (bool, lambda row: row[0].at_ceiling),
    "bound_by": (str, lambda row: _bound_by(row[0])),
    "metric": (str, lambda row: row[1]),
    "unit": (str, lambda row: row[2]),
    "estimate": (float, lambda row: row[3].value),
    "low": (float, lambda row: row[3].interval and row[3].interval.low),
    "high": (float, lambda row: row[3].interval and row[3].interval.high),
    "restarts": (int, lambda row: row[3].interval and row[3].interval.n),
}
PLACE: Columns = {
    "restart": (int, lambda row: row.visit.restart),
    "set": (int, lambda row: row.visit.set),
    "repeat": (bool, lambda row: row.visit.repeat),
    "verdict": (str, lambda row: row.verdict),
}
VISIT: Columns = {
    "reasons": (str, lambda row: "; ".join(reason.message for reason in row.reasons)),
    "started_at": (str, _measured(lambda facts: facts.started_at)),
    "requests": (int, _measured(lambda facts: facts.requests)),
    "failures": (int, _measured(lambda facts: facts.failures)),
    "cpu_cores": (float, _measured(lambda facts: facts.server.cpu_cores)),
    "boot_seconds": (float, _measured(lambda facts: facts.server.boot_seconds)),
    "stolen_cores": (float, _measured(lambda facts: facts.machine.stolen_cores)),
}
MEMBER: Columns = {
    "member": (str, lambda row: row[0]),
    "metric": (str, lambda row: row[1]),
    "unit": (str, lambda row: METRICS[row[1]].unit),
    "estimate": (float, lambda row: row[2].estimate),
    "low": (float, lambda row: row[2].low),
    "high": (float, lambda row: row[2].high),
    "restarts": (int, lambda row: row[2].n),
}
CONTRAST: Columns = {
    "metric": (str, lambda row: row.metric),
    "a": (str, lambda row: row.a),
    "b": (str, lambda row: row.b),
    "ratio": (float, lambda row: row.ratio.estimate),
    "low": (float, lambda row: row.ratio.low),
    "high": (float, lambda row: row.ratio.high),
    "restarts": (int, lambda row: row.ratio.n),
    "verdict": (str, lambda row: row.verdict),
    "reason": (str, lambda row: row.reason),
    "worse": (bool, lambda row: row.worse),
}
RESTART: Columns = {
    "restart": (int, lambda row: row[0].number),
    "started_at": (str, lambda row: row[0].started_at),
    "void": (str, lambda row: analysis.void(row[0])),
    "member": (str, lambda row: row[1]),
    "users": (int, lambda row: row[0].users),
    "idle_cpu_share": (float, lambda row: row[3].idle_cpu_share),
    "switches_per_request": (float, lambda row: row[3].switches_per_request),
    "boot_seconds": (float, lambda row: row[3].boot_s),
}
RESTART_METRICS = ("throughput_rps", "cpu_us_per_request", "p50_ms", "p99_ms", "rss_peak_bytes")
ROUTE: Columns = {
    "route": (str, lambda row: row[1].path),
    "requests": (int, lambda row: row[1].requests),
    "failures": (int, lambda row: row[1].failures),
}
