"""`harness ci`: the workflow that compares a pull request with its base."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import options as o


def ci(
    service: Annotated[str, typer.Argument(metavar="SERVICE", help="github or gitlab.")],
    app: Annotated[
        str | None,
        typer.Option(metavar="MODULE:OBJECT", help="The application.  [default: of harness.toml, else detected]"),
    ] = None,
    path: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH", help="Endpoint to compare; may be repeated.  [default: of harness.toml, else /]"),
    ] = None,
    server: Annotated[str, typer.Option("--server", "-s", metavar="NAME", help="Server of both versions.")] = "uvicorn",
    fail_above: Annotated[str, typer.Option(metavar="SHARE", help="Regression above which it fails.")] = "5%",
    strict: o.Strict = False,
    to: Annotated[Path | None, typer.Option("--to", metavar="FILE", help="Where to write it.")] = None,
) -> None:
    """Write the workflow that compares a pull request with its base.

    $ harness ci github --app shop.main:app --path /items --fail-above 3%

    Nothing is overwritten.
    """
    from harness.config import ci as workflows
    from harness.config.parsing import require_choice

    service = require_choice("service", service, workflows.FILES)
    wanted = workflows.workflow(app, path or [], server, fail_above, strict=strict)
    written = workflows.write(service, wanted, to)
    print(f"{written}: compares {wanted.app} at {', '.join(wanted.paths)}, fails above {wanted.fail_above}")
