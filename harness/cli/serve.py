"""`harness serve`: the server of a configuration, to look at by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli import options as o

if TYPE_CHECKING:
    from harness.config.application import ApplicationOptions


@o.takes_application
def serve(
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
    port: Annotated[int, typer.Option(help="Port on loopback.")] = 8000,
    python: o.Python = None,
    database_url: o.DatabaseUrl = None,
) -> None:
    """Run a server as it is measured, in the foreground.

    $ harness serve --server granian --workload sleep

    To look at by hand; Ctrl-C ends it.
    """
    from harness.config import commands, parsing
    from harness.config.application import choose_server, select_application
    from harness.config.cells import FRAMEWORK, STYLE, WORKLOAD, CellSpec, resolve_cell
    from harness.experiments import serve as experiment
    from harness.experiments.session import ExecutionOptions
    from harness.model.quantities import parse_int

    server = commands.choose(server, server_command)
    parsing.refuse_several(server=server, framework=framework, style=style, workload=workload)
    name, params = parsing.parse_workload(workload or WORKLOAD, param or ())
    own = select_application(application, o.ours(framework, style, workload, param), python)
    spec = CellSpec(
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
    port = parse_int("--port", port, 1, 65535)
    experiment.serve(resolve_cell(spec), ExecutionOptions(database_url=database_url), port)
