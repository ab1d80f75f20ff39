"""A run as tidy tables: one row per cell and metric, one row per visit. Columns and units: docs/results.md."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import polars

from harness.analysis.overview import EvaluatedVisit
from harness.model.application import BundledApplication
from harness.model.axes import AXES
from harness.model.metrics import METRICS
from harness.model.overview import CellOverview, Overview
from harness.model.variant import Cell

FORMATS = ("csv", "parquet")


def write(folder: Path, form: str, overview: Overview, judged: Sequence[EvaluatedVisit]) -> list[Path]:
    """Write the tables into a folder; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    tables = [("cells", cells(overview)), ("visits", visits(judged))]
    if any(each.visit.facts is not None and len(each.visit.facts.routes) > 1 for each in judged):
        tables.append(("routes", routes(judged)))
    for name, table in tables:
        path = folder / f"{name}.{form}"
        if form == "csv":
            table.write_csv(path)
        else:
            table.write_parquet(path)
        written.append(path)
    return written


def cells(overview: Overview) -> polars.DataFrame:
    """One row per cell and metric."""
    return polars.DataFrame(
        [row for cell in overview.cells for row in _metrics(cell)],
        schema={**_identity_schema(), **VERDICTS, "metric": polars.String, "unit": polars.String, **FIGURES},
        orient="row",
    )


def visits(judged: Sequence[EvaluatedVisit]) -> polars.DataFrame:
    """One row per visit; what was not measured is null."""
    return polars.DataFrame([_visit(each) for each in judged], schema={**_identity_schema(), **VISIT}, orient="row")


def routes(judged: Sequence[EvaluatedVisit]) -> polars.DataFrame:
    """One row per visit and kind of request."""
    rows = [row for each in judged for row in _routes(each)]
    return polars.DataFrame(rows, schema={**_identity_schema(), **ROUTE}, orient="row")


TYPES: dict[str, Any] = {
    "workers": polars.Int64,
    "threads": polars.Int64,
    "pool_size": polars.Int64,
    "users": polars.Int64,
    "rate": polars.Float64,
}
"""Columns of axes that are no texts."""
VERDICTS: dict[str, Any] = {
    "valid": polars.Int64,
    "invalid": polars.Int64,
    "failed": polars.Int64,
    "at_ceiling": polars.Boolean,
    "bound_by": polars.String,
}
FIGURES: dict[str, Any] = {
    "estimate": polars.Float64,
    "low": polars.Float64,
    "high": polars.Float64,
    "blocks": polars.Int64,
}
VISIT: dict[str, Any] = {
    "block": polars.Int64,
    "repeat": polars.Boolean,
    "started_at": polars.String,
    "verdict": polars.String,
    "reasons": polars.String,
    "throughput_rps": polars.Float64,
    "requests": polars.Int64,
    "failures": polars.Int64,
    "p50_ms": polars.Float64,
    "p90_ms": polars.Float64,
    "p99_ms": polars.Float64,
    "cpu_us_per_request": polars.Float64,
    "cpu_cores": polars.Float64,
    "rss_peak_bytes": polars.Int64,
    "boot_seconds": polars.Float64,
    "stolen_cores": polars.Float64,
}


ROUTE: dict[str, Any] = {
    "block": polars.Int64,
    "repeat": polars.Boolean,
    "verdict": polars.String,
    "route": polars.String,
    "requests": polars.Int64,
    "failures": polars.Int64,
    "p50_ms": polars.Float64,
    "p90_ms": polars.Float64,
    "p99_ms": polars.Float64,
}


def _routes(judged: EvaluatedVisit) -> Iterator[tuple[Any, ...]]:
    visit = judged.visit
    for route in [] if visit.facts is None else visit.facts.routes:
        latency = route.latency_ms
        quantiles = (None, None, None) if latency is None else (latency.p50, latency.p90, latency.p99)
        yield (
            *_identity(visit.cell),
            *(visit.block, visit.repeat, judged.verdict),
            *(route.path, route.requests, route.failures, *quantiles),
        )


def _identity_columns() -> dict[str, Callable[[Cell], str | int | float | None]]:
    """Columns that say what a row is of: the written form, the columns of every axis, and the work."""
    columns: dict[str, Callable[[Cell], str | int | float | None]] = {"cell": lambda cell: cell.label}
    for axis in AXES:
        columns.update(axis.columns)
        if axis.name == "style":
            columns["workload"] = lambda cell: _work(cell)[0]
            columns["params"] = lambda cell: _work(cell)[1]
    return columns


def _work(cell: Cell) -> tuple[str, str]:
    application = cell.variant.application
    if isinstance(application, BundledApplication):
        return application.workload, application.query
    return application.work_label, ""


def _identity_schema() -> dict[str, Any]:
    return {name: TYPES.get(name, polars.String) for name in _identity_columns()}


def _identity(cell: Cell) -> tuple[Any, ...]:
    return tuple(of(cell) for of in _identity_columns().values())


def _metrics(cell: CellOverview) -> Iterator[tuple[Any, ...]]:
    """A row for each metric; of latency the pooled quantile, with the interval of the blocks' own ones."""
    bound = None if cell.diagnosis is None else cell.diagnosis.bound_by
    head = (
        *_identity(cell.cell),
        *(cell.valid, cell.invalid, cell.failed, cell.at_ceiling, bound),
    )
    for name, figure in cell.figures.items():
        interval = figure.interval
        bounds = (None, None, None) if interval is None else (interval.low, interval.high, interval.n)
        yield (*head, name, METRICS[name].unit, figure.value, *bounds)
    yield (*head, "failure_share", "share", cell.failure_share, None, None, None)


def _visit(judged: EvaluatedVisit) -> tuple[Any, ...]:
    visit, facts = judged.visit, judged.visit.facts
    head = (
        *_identity(visit.cell),
        visit.block,
        visit.repeat,
        None if facts is None else facts.started_at,
        judged.verdict,
        "; ".join(reason.message for reason in judged.reasons),
    )
    if facts is None:
        return (*head, *(None for _ in range(len(VISIT) - 5)))
    return (
        *head,
        facts.throughput_rps,
        facts.requests,
        facts.failures,
        facts.latency_ms.p50,
        facts.latency_ms.p90,
        facts.latency_ms.p99,
        facts.server.cpu_us_per_request,
        facts.server.cpu_cores,
        facts.server.rss_peak_bytes,
        facts.server.boot_seconds,
        facts.machine.stolen_cores,
    )
