"""`harness capacity`: how many requests per second cells hold under objectives."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli import options as o

if TYPE_CHECKING:
    from harness.config.application import ApplicationOptions
    from harness.experiments.session import ExecutionOptions


@o.takes_application
@o.takes_execution("generator")
def capacity(
    *,
    application: ApplicationOptions,
    execution: ExecutionOptions,
    objective: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WHAT", help="What must hold: p99<50ms, errors<0.1%; may be repeated.  [default: p99<50ms]"
        ),
    ] = None,
    server: o.Servers = None,
    framework: o.Frameworks = None,
    style: o.Styles = None,
    workload: o.Workloads = None,
    param: o.EveryParam = None,
    workers: o.WorkerCounts = None,
    threads: o.ThreadCounts = None,
    pool_size: o.PoolSizes = None,
    python: o.Pythons = None,
    precision: Annotated[
        str, typer.Option(metavar="SHARE", help="Stop when what holds and what does not are as close as this.")
    ] = "10%",
    max_time: Annotated[
        str | None, typer.Option(metavar="TIME", help="How long it may take in all.  [default: 5m for each cell]")
    ] = None,
    rate: Annotated[
        float | None, typer.Option(metavar="N", help="Requests per second to be served: say what it takes.")
    ] = None,
    core_hour_price: Annotated[
        float | None, typer.Option(metavar="PRICE", help="Of a core for an hour: say what a million requests cost.")
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Go on with an interrupted search, or give it more time; same cells."),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of arrivals and orders.")] = 1,
    as_json: o.Json = False,
) -> None:
    """Find how many requests per second are served while objectives hold.

    $ harness capacity --server uvicorn,granian --workload select --objective 'p99<50ms'

    Requests arrive by chance. Each probe is a fresh start under one rate; all of them together say which rate holds and
    which does not, with their curve of latency and goodput. Several cells are searched in turn, so that they can be
    compared. Exit code 3 where a capacity could not be bounded.
    """
    from harness.config.matrix import MatrixOptions, matrix_plan
    from harness.experiments import capacity as experiment
    from harness.experiments.matrix import expand_plan
    from harness.model.capacity import parse_objective
    from harness.model.quantities import parse_duration, parse_fraction, parse_positive
    from harness.report import capacity as text
    from harness.report.progress import display

    axes = MatrixOptions(
        server=server or ["uvicorn"],
        framework=framework,
        style=style,
        workload=workload,
        param=param,
        workers=workers,
        threads=threads,
        pool_size=pool_size,
        python=python,
    )
    rules = experiment.CapacityOptions(
        objectives=tuple(parse_objective(each) for each in objective or ["p99<50ms"]),
        precision=parse_fraction("--precision", precision),
        most_seconds=None if max_time is None else parse_duration("--max-time", max_time),
        rate=None if rate is None else parse_positive("--rate", rate),
        core_hour_price=None if core_hour_price is None else parse_positive("--core-hour-price", core_hour_price),
        seed=seed,
    )
    cells = expand_plan(matrix_plan(axes, {}, None, None, application), application.pairs()).cells
    with display() as emit:
        result = experiment.run(cells, rules, execution, emit, resume=resume)
    if as_json:
        print(result.capacity.model_dump_json())
    else:
        print(text.text(result.capacity, result.folder), end="")
    raise typer.Exit(text.exit_code(result.capacity))
