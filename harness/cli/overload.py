"""`harness overload`: a burst beyond what a server can serve, and the way back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli import options as o

if TYPE_CHECKING:
    from harness.config.application import ApplicationOptions
    from harness.experiments.session import ExecutionOptions


@o.takes_application
@o.takes_execution("generator")
def overload(
    *,
    application: ApplicationOptions,
    execution: ExecutionOptions,
    server: o.Server = None,
    framework: o.Framework = None,
    style: o.Style = None,
    workload: o.Workload = None,
    param: o.Params = None,
    workers: o.Workers = 1,
    threads: o.Threads = 40,
    pool_size: o.PoolSize = None,
    base: Annotated[
        float, typer.Option(metavar="SHARE", help="Load before and after the burst, of the capacity.")
    ] = 0.5,
    burst: Annotated[float, typer.Option(metavar="TIMES", help="Load of the burst, in capacities.")] = 1.5,
    duration: Annotated[str, typer.Option(metavar="TIME", help="Of the base load before the burst.")] = "10s",
    burst_duration: Annotated[str, typer.Option(metavar="TIME", help="Of the burst.")] = "10s",
    capacity: Annotated[
        float | None,
        typer.Option(metavar="N", help="Requests per second that can be served at all.  [default: by closed load]"),
    ] = None,
    starts: Annotated[int, typer.Option(metavar="N", help="Fresh starts, each overloaded once.")] = 3,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of arrivals.")] = 1,
    python: o.Python = None,
    as_json: o.Json = False,
) -> None:
    """Ask a server for more than it can serve: what it serves and refuses, and how it recovers.

    $ harness overload --server granian --workload cpu --param n=20

    Base load, a burst beyond the capacity, base load again; after that the queue must drain, which takes the time that
    an operational law says at least. Exit code 3 where no start was valid.
    """
    from harness.config import parsing
    from harness.config.application import choose_server, select_application
    from harness.config.cells import FRAMEWORK, STYLE, WORKLOAD, CellSpec, resolve_cell
    from harness.experiments import overload as experiment
    from harness.model.quantities import parse_duration, parse_int, parse_positive
    from harness.report import overload as text
    from harness.report.progress import display

    parsing.refuse_several(server=server, framework=framework, style=style, workload=workload)
    name, params = parsing.parse_workload(workload or WORKLOAD, param or ())
    own = select_application(application, o.ours(framework, style, workload, param), python)
    cell = resolve_cell(
        CellSpec(
            server=choose_server(server, own),
            framework=framework or FRAMEWORK,
            style=style or STYLE,
            workload=name,
            params=params,
            workers=workers,
            threads=threads,
            pool_size=pool_size,
            application=own,
            python=python,
        )
    )
    rules = experiment.OverloadOptions(
        base=base,
        burst=burst,
        base_seconds=parse_duration("--duration", duration),
        burst_seconds=parse_duration("--burst-duration", burst_duration),
        capacity_rps=None if capacity is None else parse_positive("--capacity", capacity),
        starts=parse_int("--starts", starts, 1, 100),
        seed=seed,
    )
    with display() as emit:
        result = experiment.run(cell, rules, execution, emit)
    if as_json:
        print(result.overload.model_dump_json())
    else:
        print(text.text(result.overload, result.folder), end="")
    raise typer.Exit(text.exit_code(result.overload))
