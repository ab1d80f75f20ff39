"""`harness compare`: which of two configurations is faster, and which is cheaper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli import options as o

if TYPE_CHECKING:
    from harness.config.application import ApplicationOptions
    from harness.experiments.session import ExecutionOptions


@o.takes_application
@o.takes_execution()
def compare(
    *,
    application: ApplicationOptions,
    execution: ExecutionOptions,
    first: Annotated[
        str,
        typer.Argument(metavar="A", help="The base: SERVER:key=value/fastapi/async/noop/w2, or parts of it."),
    ],
    second: Annotated[str, typer.Argument(metavar="B", help="What to compare with it.")],
    server_command: o.ServerCommand = None,
    framework: o.Framework = None,
    style: o.Style = None,
    workload: o.Workload = None,
    param: o.Params = None,
    workers: o.Workers = 1,
    threads: o.Threads = 40,
    pool_size: o.PoolSize = None,
    vus: Annotated[
        int | None,
        typer.Option(metavar="N", help="Connections to each.  [default: the fewest that saturate both]"),
    ] = None,
    rate: o.Rate = None,
    first_python: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="Interpreter that runs the first server.  [default: that of harness]"),
    ] = None,
    second_python: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="Interpreter that runs the second server.  [default: that of harness]"),
    ] = None,
    first_app_dir: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="Folder of the first application.  [default: --app-dir]")
    ] = None,
    second_app_dir: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="Folder of the second application.  [default: --app-dir]")
    ] = None,
    first_env: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Variable for the first application only.")
    ] = None,
    second_env: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="For the second only, such as another port that it opens at import."),
    ] = None,
    precision: Annotated[
        str, typer.Option(metavar="SHARE", help="Stop when the interval of throughput is as narrow as ± this.")
    ] = "1%",
    max_time: Annotated[str, typer.Option(metavar="TIME", help="How long it may take in all.")] = "5m",
    margin: Annotated[str, typer.Option(metavar="SHARE", help="Difference below which you do not care.")] = "3%",
    fail_above: Annotated[
        str | None,
        typer.Option(
            metavar="SHARE",
            help="Exit code 1 if B is worse by more than this in throughput or CPU per request: the whole interval.",
        ),
    ] = None,
    strict: o.Strict = False,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of orders and starts.")] = 1,
    details: o.Details = False,
    as_json: o.Json = False,
) -> None:
    """Compare two configurations: which is faster, which is cheaper.

    $ harness compare uvicorn granian --workload select
    $ harness compare granian granian --app shop.main:app --path /items --first-app-dir base --second-app-dir head

    Both are up at once on the same cores and are loaded in turn, in short slots of random order, after several fresh
    starts: so whatever the machine does to one it does to the other. Exit code 3 if nothing could be compared.
    """
    from harness.config import commands
    from harness.config.application import resolve_pair
    from harness.config.cells import FRAMEWORK, STYLE, WORKLOAD, CellSpec, parse_cell
    from harness.config.parsing import parse_workload
    from harness.experiments import rotation as experiment
    from harness.model.quantities import parse_duration, parse_fraction
    from harness.report import gate
    from harness.report import rotation as text
    from harness.report.progress import display

    name, params = parse_workload(workload or WORKLOAD, param or ())
    commands.offer_all(server_command)
    shared = CellSpec(
        server="",
        framework=framework or FRAMEWORK,
        style=style or STYLE,
        workload=name,
        params=params,
        workers=workers,
        threads=threads,
        pool_size=pool_size,
        users=vus,
        rate=rate,
    )
    specs = (parse_cell(first, shared), parse_cell(second, shared))
    rules = experiment.RotationOptions(
        precision=parse_fraction("--precision", precision),
        most_seconds=parse_duration("--max-time", max_time),
        margin=parse_fraction("--margin", margin),
        limit=None if fail_above is None else parse_fraction("--fail-above", fail_above),
        users=specs[0].users,
        seed=seed,
    )
    cells = resolve_pair(
        specs,
        application,
        o.ours(framework, style, workload, param),
        pythons=(first_python, second_python),
        folders=(first_app_dir, second_app_dir),
        envs=(first_env or (), second_env or ()),
    )
    with display() as emit:
        result = experiment.run(cells, rules, execution, emit)
    if as_json:
        print(result.rotation.model_dump_json())
    else:
        print(text.text(result.rotation, result.folder, details=details), end="")
    raise typer.Exit(gate.exit_code_of_rotation(result.rotation, strict=strict))
