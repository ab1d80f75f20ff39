"""`harness list`: what there is to choose from."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import typer

from harness.cli import options as o

app = typer.Typer(help="List what there is to choose from.\n\n$ harness list servers", no_args_is_help=True)


@app.command("servers")
def list_servers() -> None:
    """Servers, their options, and whether they are installed here.

    $ harness list servers
    """
    from harness.config import commands
    from harness.environments import interpreters
    from harness.report import lists

    commands.offer_all(None)
    lists.servers(interpreters.inspect(None).packages)


@app.command("launches")
def list_launches() -> None:
    """How each server is launched, as Markdown.

    $ harness list launches

    With 4 workers and 40 threads.
    """
    from harness.report import lists

    lists.launches()


@app.command("styles")
def list_styles() -> None:
    """Handler styles, and which framework carries them.

    $ harness list styles
    """
    from harness.report import lists

    lists.styles()


@app.command("workloads")
def list_workloads() -> None:
    """Workloads and their parameters.

    $ harness list workloads
    """
    from harness.report import lists

    lists.workloads()


@app.command("runs")
def list_runs(out: o.Out = Path("results"), as_json: o.Json = False) -> None:
    """Stored runs, oldest first.

    $ harness list runs --json
    """
    from harness.report import lists
    from harness.store import index

    entries = index.runs(out)
    if as_json:
        print(json.dumps([{**dataclasses.asdict(each), "folder": str(each.folder)} for each in entries]))
    elif entries:
        lists.runs(entries)
    else:
        print(f"no runs are stored below {out}; make one with: harness run")
