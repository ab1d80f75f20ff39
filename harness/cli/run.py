"""`harness run`: one configuration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from harness.cli import options as o

if TYPE_CHECKING:
    from harness.config.application import ApplicationOptions


@o.takes_application
def run(
    *,
    application: ApplicationOptions,
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
    pin: o.Pin = "auto",
    database_url: o.DatabaseUrl = None,
    generator: o.GeneratorName = "k6",
    k6: o.K6 = None,
    boot_deadline: o.BootDeadline = "30s",
    diagnose: o.Diagnose = True,
    attempts: o.Attempts = 3,
    out: o.Out = Path("results"),
    no_wait: o.NoWait = False,
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
    from harness.experiments.session import ExecutionOptions
    from harness.model.quantities import parse_duration, parse_int
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
    options = ExecutionOptions(
        generator=generator,
        k6=k6,
        database_url=database_url,
        pin=pin,
        out=out,
        boot_seconds=parse_duration("--boot-deadline", boot_deadline),
        wait=not no_wait,
        diagnose=diagnose,
    )
    times = parse_int("--attempts", attempts, 1, 100)
    with display(resolved.label, timing) as emit:
        result = single.run(resolved, timing, options, emit, attempts=times)
    if as_json:
        print(json.dumps(document(result.record), ensure_ascii=False))
    else:
        print(text.text(result.record, result.record, result.folder, result.log_tail, details=details), end="")
    raise typer.Exit({"valid": 0, "invalid": 3, "failed": 4}[result.record.verdict])
