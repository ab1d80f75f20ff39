"""`harness run`: one configuration."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import typer

from harness.cli import options as o

if TYPE_CHECKING:
    from harness.config.application import ApplicationOptions
    from harness.experiments.session import ExecutionOptions


@o.takes_application
@o.takes_execution()
def run(
    *,
    application: ApplicationOptions,
    execution: ExecutionOptions,
    server: o.Server = None,
    server_command: o.ServerCommand = None,
    framework: o.Framework = None,
    style: o.Style = None,
    workload: o.Workload = None,
    param: o.Params = None,
    workers: o.Workers = 1,
    threads: o.Threads = 40,
    pool_size: o.PoolSize = None,
    vus: o.Vus = None,
    rate: o.Rate = None,
    arrivals: o.ArrivalsOption = "poisson",
    warmup: o.Warmup = "3s",
    duration: o.Duration = "10s",
    python: o.Python = None,
    diagnose: o.Diagnose = True,
    attempts: o.Attempts = 3,
    details: o.Details = False,
    as_json: o.Json = False,
) -> None:
    """Measure one configuration once: a server with a built-in workload or your application.

    $ harness run --server granian --style async --workers 4
    $ harness run --app shop.main:app --path /items --vus 32
    """
    from harness.config import commands, parsing
    from harness.config.application import choose_server, select_application
    from harness.config.cells import FRAMEWORK, STYLE, WORKLOAD, CellSpec, resolve_cell
    from harness.experiments import single
    from harness.model.quantities import parse_int
    from harness.report import single as text
    from harness.report.progress import display
    from harness.store.codec import document

    server = commands.choose(server, server_command)
    parsing.refuse_several(server=server, framework=framework, style=style, workload=workload)
    name, params = parsing.parse_workload(workload or WORKLOAD, param or ())
    own = select_application(application, o.ours(framework, style, workload, param), python)
    resolved = resolve_cell(
        CellSpec(
            server=choose_server(server, own),
            framework=framework or FRAMEWORK,
            style=style or STYLE,
            workload=name,
            params=params,
            workers=workers,
            threads=threads,
            pool_size=pool_size,
            users=vus,
            rate=rate,
            arrivals=arrivals,
            application=own,
            python=python,
        )
    )
    timing = parsing.parse_timing(warmup, duration)
    options = dataclasses.replace(execution, diagnose=diagnose)
    times = parse_int("--attempts", attempts, 1, 100)
    with display(resolved.label, timing) as emit:
        result = single.run(resolved, timing, options, emit, attempts=times)
    if as_json:
        print(json.dumps(document(result.record), ensure_ascii=False))
    else:
        print(text.text(result.record, result.record, result.folder, result.log_tail, details=details), end="")
    raise typer.Exit({"valid": 0, "invalid": 3, "failed": 4}[result.record.verdict])
