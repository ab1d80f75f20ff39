"""`harness duet`: which of two cells costs less."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli import options as o
from harness.handlers import catalogue

if TYPE_CHECKING:
    from harness.config.application import ApplicationOptions


@o.takes_application
def duet(
    *,
    application: ApplicationOptions,
    first: Annotated[
        str, typer.Argument(metavar="FIRST", help="A cell: SERVER:key=value/fastapi/async/noop/w2, or parts of it.")
    ],
    second: Annotated[str, typer.Argument(metavar="SECOND", help="The cell to compare with it.")],
    framework: o.Framework = None,
    style: o.Style = None,
    workload: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help=f"What a request does: {', '.join(catalogue.workload_names())}.  [default: noop]"
        ),
    ] = None,
    param: o.Params = None,
    workers: o.Workers = 1,
    threads: o.Threads = 40,
    pool_size: o.PoolSize = None,
    vus: Annotated[int, typer.Option(metavar="N", help="Users of each side.")] = 16,
    first_python: Annotated[
        str | None, typer.Option(metavar="PATH", help="Interpreter that runs the first server.  [default: our own]")
    ] = None,
    second_python: Annotated[
        str | None, typer.Option(metavar="PATH", help="Interpreter that runs the second server.  [default: our own]")
    ] = None,
    first_app_dir: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="Folder of the first application.  [default: --app-dir]")
    ] = None,
    second_app_dir: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="Folder of the second application.  [default: --app-dir]")
    ] = None,
    precision: Annotated[
        str, typer.Option(metavar="SHARE", help="Stop when the interval is as narrow as ± this.")
    ] = "1%",
    max_time: Annotated[str, typer.Option(metavar="TIME", help="How long the restarts may take in all.")] = "5m",
    fail_slower: Annotated[
        str | None,
        typer.Option(metavar="SHARE", help="Exit code 1 if the second costs more by this, such as 3%, for certain."),
    ] = None,
    warmup: o.Warmup = "1s",
    duration: Annotated[str, typer.Option(metavar="TIME", help="The window of each restart.")] = "3s",
    interference: Annotated[
        bool, typer.Option("--interference/--no-interference", help="Look at what the two do to each other.")
    ] = True,
    pin: o.Pin = "auto",
    database_url: o.DatabaseUrl = None,
    k6: o.K6 = None,
    boot_deadline: o.BootDeadline = "30s",
    out: o.Out = Path("results"),
    as_json: o.Json = False,
) -> None:
    """Tell which of two cells costs less CPU time.

    Both are loaded at the same time on the same cores, so that whatever the machine does to one it does to the other.
    """
    from harness.config.application import resolve_pair
    from harness.config.cells import FRAMEWORK, STYLE, CellSpec, parse_cell
    from harness.config.parsing import parse_timing
    from harness.experiments import duet as experiment
    from harness.experiments.session import ExecutionOptions
    from harness.model.quantities import parse_duration, parse_fraction
    from harness.report import duet as text
    from harness.report.progress import display

    shared = CellSpec(
        server="",
        framework=framework or FRAMEWORK,
        style=style or STYLE,
        workload=workload or "noop",
        params=tuple(param or ()),
        workers=workers,
        threads=threads,
        pool_size=pool_size,
        users=vus,
    )
    rules = experiment.DuetOptions(
        timing=parse_timing(warmup, duration),
        precision=parse_fraction("--precision", precision),
        most_seconds=parse_duration("--max-time", max_time),
        limit=None if fail_slower is None else parse_fraction("--fail-slower", fail_slower),
        interference=interference,
    )
    options = ExecutionOptions(
        k6=k6,
        database_url=database_url,
        pin=pin,
        out=out,
        boot_seconds=parse_duration("--boot-deadline", boot_deadline),
    )
    cells = resolve_pair(
        (parse_cell(first, shared), parse_cell(second, shared)),
        application,
        o.ours(framework, style, workload, param),
        pythons=(first_python, second_python),
        folders=(first_app_dir, second_app_dir),
    )
    with display() as emit:
        result = experiment.run(cells, rules, options, emit)
    if as_json:
        print(result.duet.model_dump_json())
    else:
        print(text.text(result.duet, result.folder), end="")
    if result.duet.ratio is None:
        raise typer.Exit(3)
    raise typer.Exit(1 if result.duet.worse else 0)
