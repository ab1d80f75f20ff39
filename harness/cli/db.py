"""`harness db`: the shop database."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli import options as o

app = typer.Typer(
    help="The shop database, in the embedded Postgres or another one.\n\n$ harness db status", no_args_is_help=True
)


@app.command("start")
def db_start() -> None:
    """Start the embedded Postgres.

    $ harness db start

    And fill its shop, if that is empty.
    """
    from harness.database import connection, tasks
    from harness.report import database

    connection.prepare(None)
    database.show(tasks.status(None))


@app.command("seed")
def db_seed(
    scale: Annotated[
        str, typer.Option(metavar="SIZE", help="small (0.01), article (1, a million users), or a number.")
    ] = "small",
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the rows: equal seeds, equal rows.")] = 1,
    force: Annotated[bool, typer.Option("--force", help="Replace a shop of another scale or seed.")] = False,
    database_url: o.DatabaseUrl = None,
) -> None:
    """Fill the shop database.

    $ harness db seed --scale article

    The same scale and seed give the same rows everywhere.
    """
    from harness.database import connection, tasks
    from harness.report import database
    from harness.report.progress import display

    with display() as emit:
        status = tasks.seed(
            database_url or connection.url_from_environment(),
            scale=tasks.parse_scale(scale),
            seed=tasks.parse_seed(seed),
            force=force,
            emit=emit,
        )
    database.show(status)


@app.command("status")
def db_status(
    database_url: o.DatabaseUrl = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Compute checksums anew, and check that the queries use indexes.")
    ] = False,
    as_json: o.Json = False,
) -> None:
    """Say where the Postgres is and what it holds.

    $ harness db status --verify

    With its settings, and of its shop scale, seed, size, rows and checksums.
    """
    from harness.database import connection, tasks
    from harness.report import database

    status = tasks.status(database_url or connection.url_from_environment(), verify=verify)
    if as_json:
        print(status.model_dump_json())
    else:
        database.show(status)
    raise typer.Exit(3 if status.problems else 0)


@app.command("url")
def db_url() -> None:
    """Print a URL of the embedded Postgres.

    $ psql "$(harness db url)"

    For psql and the like; it is started if need be.
    """
    from harness.database import embedded

    print(embedded.start().url)


@app.command("stop")
def db_stop() -> None:
    """Stop the embedded Postgres; its data stays.

    $ harness db stop
    """
    from harness.database import embedded

    print("stopped" if embedded.stop() else "it was not running")
