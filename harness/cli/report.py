"""`harness report`: a stored run, in any form."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import options as o
from harness.errors import UsageError


def report(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="RUN", help="Folder of a stored run, or with several of them.", autocompletion=o.complete_run
        ),
    ] = None,
    latest: Annotated[bool, typer.Option("--latest", help="The run that was begun last; also without RUN.")] = False,
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="NAME",
            help="text, markdown, github, json, html; tables: csv, parquet; charts: png, svg.  [default: as --to ends]",
        ),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="PATH", help="File to write, or folder for tables and charts."),
    ] = None,
    against: o.Against = None,
    details: o.Details = False,
    out: o.Out = Path("results"),
) -> None:
    """Show a stored run: as text, page, tables or charts.

    $ harness report --latest --format html

    A matrix, finished or not, a comparison, or a single configuration; of a folder with several runs, an index.
    """
    from harness.config.parsing import require_choice
    from harness.report import render
    from harness.store import index

    form = require_choice("format", render.form_of(form, to), render.FORMATS)
    if folder is not None and latest:
        raise UsageError(f"{folder} and --latest together", cure="remove one of them")
    if folder is None:
        entries = index.runs(out)
        if not entries:
            raise UsageError(f"there is no run in {out}", cure="measure something, or name another folder with --out")
        folder = entries[-1].folder
    render.show(folder, form, to, details=details, against=against)
