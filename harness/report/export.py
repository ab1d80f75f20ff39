"""A run as tidy tables: one row per cell and metric, one row per visit. Columns and units: docs/results.md."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars

from harness.judge.overview import Judged
from harness.model.cell import Cell
from harness.model.comparison import Interval
from harness.model.overview import CellOverview, Overview

UNITS = {
    "throughput_rps": "requests/s",
    "p50_ms": "ms",
    "p90_ms": "ms",
    "p99_ms": "ms",
    "cpu_us_per_request": "µs",
    "rss_peak_bytes": "bytes",
    "failure_share": "share",
}
FORMATS = ("csv", "parquet")


def write(folder: Path, form: str, overview: Overview, judged: Sequence[Judged]) -> list[Path]:
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
        schema={**IDENTITY, **VERDICTS, "metric": polars.String, "unit": polars.String, **FIGURES},
        orient="row",
    )


def visits(judged: Sequence[Judged]) -> polars.DataFrame:
    """One row per visit; what was not measured is null."""
    return polars.DataFrame([_visit(each) for each in judged], schema={**IDENTITY, **VISIT}, orient="row")


def routes(judged: Sequence[Judged]) -> polars.DataFrame:
    """One row per visit and kind of request."""
    rows = [row for each in judged for row in _routes(each)]
    return polars.DataFrame(rows, schema={**IDENTITY, **ROUTE}, orient="row")


IDENTITY: dict[str, Any] = {
    "environment": polars.String,
    "cell": polars.String,
    "server": polars.String,
    "options": polars.String,
    "framework": polars.String,
    "style": polars.String,
    "workload": polars.String,
    "params": polars.String,
    "workers": polars.Int64,
    "threads": polars.Int64,
    "pool_size": polars.Int64,
    "vus": polars.Int64,
    "rate": polars.Float64,
}
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


def _routes(judged: Judged) -> Iterator[tuple[Any, ...]]:
    visit = judged.visit
    for route in [] if visit.facts is None else visit.facts.routes:
        latency = route.latency_ms
        quantiles = (None, None, None) if latency is None else (latency.p50, latency.p90, latency.p99)
        yield (
            *_identity(visit.environment, visit.cell),
            *(visit.block, visit.repeat, judged.verdict),
            *(route.path, route.requests, route.failures, *quantiles),
        )


def _identity(environment: str, cell: Cell) -> tuple[Any, ...]:
    application = cell.application
    return (
        environment,
        cell.id,
        cell.server,
        cell.settings,
        application.framework or None,
        application.style or None,
        application.workload,
        application.query,
        cell.workers,
        cell.threads,
        cell.pool_size,
        cell.vus,
        cell.rate,
    )


def _metrics(cell: CellOverview) -> Iterator[tuple[Any, ...]]:
    """Of latency the pooled quantile, with the interval of the blocks' own ones."""
    bound = None if cell.diagnosis is None else cell.diagnosis.bound_by
    head = (
        *_identity(cell.environment, cell.cell),
        *(cell.valid, cell.invalid, cell.failed, cell.at_ceiling, bound),
    )
    found: dict[str, tuple[float | None, Interval | None]] = {
        "throughput_rps": (_estimate(cell.throughput_rps), cell.throughput_rps),
        "p50_ms": (cell.latency_ms.p50, cell.p50_ms),
        "p90_ms": (cell.latency_ms.p90, None),
        "p99_ms": (cell.latency_ms.p99, cell.p99_ms),
        "cpu_us_per_request": (_estimate(cell.cpu_us_per_request), cell.cpu_us_per_request),
        "rss_peak_bytes": (_estimate(cell.rss_peak_bytes), cell.rss_peak_bytes),
        "failure_share": (cell.failure_share, None),
    }
    for metric, (estimate, interval) in found.items():
        bounds = (None, None, None) if interval is None else (interval.low, interval.high, interval.n)
        yield (*head, metric, UNITS[metric], estimate, *bounds)


def _estimate(interval: Interval | None) -> float | None:
    return None if interval is None else interval.estimate


def _visit(judged: Judged) -> tuple[Any, ...]:
    visit, facts = judged.visit, judged.visit.facts
    head = (
        *_identity(visit.environment, visit.cell),
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
        facts.failures.total,
        facts.latency_ms.p50,
        facts.latency_ms.p90,
        facts.latency_ms.p99,
        facts.server.cpu_us_per_request,
        facts.server.cpu_cores,
        facts.server.rss_peak_bytes,
        facts.server.boot_seconds,
        facts.machine.stolen_cores,
    )
