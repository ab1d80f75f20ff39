"""`harness matrix`: many configurations, and how they compare."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli import options as o

if TYPE_CHECKING:
    from harness.config.application import ApplicationOptions
    from harness.experiments.session import ExecutionOptions


@o.takes_application
@o.takes_execution("generator", "pin")
def matrix(
    *,
    application: ApplicationOptions,
    execution: ExecutionOptions,
    plan_file: Annotated[
        Path | None, typer.Argument(metavar="PLAN", help="A TOML file with a plan, in place of the axes below.")
    ] = None,
    server: o.Servers = None,
    server_command: o.ServerCommand = None,
    framework: o.Frameworks = None,
    style: o.Styles = None,
    workload: o.Workloads = None,
    param: o.EveryParam = None,
    workers: o.WorkerCounts = None,
    threads: o.ThreadCounts = None,
    pool_size: o.PoolSizes = None,
    vus: Annotated[list[str] | None, typer.Option(metavar="N,…", help="Closed loads: connections.")] = None,
    rate: Annotated[list[str] | None, typer.Option(metavar="N,…", help="Open loads: requests per second.")] = None,
    python: o.Pythons = None,
    preset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Built-in plan: quick, servers, ten-noop, ten-select, loops, claims, article.",
        ),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(metavar="SHARE", help="Stop when ratios of throughput are known to ± this.  [default: 3%]"),
    ] = None,
    max_time: Annotated[
        str | None, typer.Option(metavar="TIME", help="How long it may take in all.  [default: 1h]")
    ] = None,
    margin: Annotated[
        str | None, typer.Option(metavar="SHARE", help="Difference below which you do not care.  [default: 3%]")
    ] = None,
    against: o.Against = None,
    aa: Annotated[
        bool | None,
        typer.Option(
            "--aa/--no-aa",
            help="Measure one configuration twice (A/A): what the two differ by is noise.  [default: aa]",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="Seed of orders and starts.  [default: 1]")] = None,
    pin: Annotated[str | None, typer.Option(metavar="HOW", help="Own cores: auto, split or none.")] = None,
    generator: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=f"{o.GENERATOR}  [default: k6]",
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Show the configurations, how long it will take, how sure it will be, and the plan as a file.",
        ),
    ] = False,
    resume: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Resume an interrupted run.")] = None,
    details: o.Details = False,
    as_json: o.Json = False,
) -> None:
    """Measure many configurations, and say how they compare.

    $ harness matrix --server uvicorn,granian --style async,sync --workers 1,2 --dry-run
    $ harness matrix --app shop.main:app --path /items --server uvicorn,granian --workers 1,2

    Every combination of the options is one. Those that are compared are up at once on the same cores and are loaded in
    turn, in short slots of random order, after several fresh starts; every answer comes with its precision.
    """
    from harness.analysis import review, studies
    from harness.config import files
    from harness.config.matrix import MatrixOptions, matrix_plan, refuse_with_resume
    from harness.experiments import matrix as experiment
    from harness.report import plan as plan_text
    from harness.report import text
    from harness.report.progress import display
    from harness.store import codec

    axes = MatrixOptions(
        server=server,
        server_command=server_command,
        framework=framework,
        style=style,
        workload=workload,
        param=param,
        workers=workers,
        threads=threads,
        pool_size=pool_size,
        vus=vus,
        rate=rate,
        python=python,
    )
    overrides = {
        "precision": precision,
        "max_time": max_time,
        "margin": margin,
        "against": against,
        "aa": aa,
        "seed": seed,
        "pin": pin,
        "generator": generator,
    }
    variables = application.pairs()
    if resume is not None:
        refuse_with_resume(axes, overrides, preset)
        project = files.application() if plan_file is None else files.load(plan_file).application
        with display() as emit:
            folder = experiment.resume(resume, variables, execution, emit, project)
    else:
        plan = matrix_plan(axes, overrides, plan_file, preset, application)
        if dry_run:
            expansion = experiment.expand_plan(plan, variables)
            plan_text.show(plan, expansion, experiment.forecast(plan, expansion))
            return
        with display() as emit:
            folder = experiment.run(plan, variables, execution, emit)
    stored = codec.read_run(folder)
    overview = review.review(stored)
    if as_json:
        print(overview.model_dump_json())
    else:
        print(text.text(overview, folder, studies.judge(stored), details=details), end="")
    raise typer.Exit(0 if any(cell.valid for cell in overview.cells) else 3)
