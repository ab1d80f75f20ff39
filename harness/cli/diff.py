"""`harness diff`: two stored runs, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import options as o


def diff(
    first: Annotated[
        Path,
        typer.Argument(metavar="FIRST", help="Folder of a stored run: the base.", autocompletion=o.complete_run),
    ],
    second: Annotated[
        Path,
        typer.Argument(metavar="SECOND", help="Folder of the run to compare with it.", autocompletion=o.complete_run),
    ],
    metric: Annotated[
        str, typer.Option(metavar="NAME", help="What is compared: throughput, p50, p99 or cpu (per request).")
    ] = "throughput",
    fail_above: Annotated[
        str | None,
        typer.Option(
            metavar="SHARE",
            help="Exit code 1 if a configuration is worse by more than this, such as 5%, with its whole interval.",
        ),
    ] = None,
    anyway: Annotated[bool, typer.Option("--anyway", help="Compare runs of different hosts or protocols too.")] = False,
    strict: o.Strict = False,
    as_json: o.Json = False,
) -> None:
    """Set two stored runs side by side.

    $ harness diff results/before results/after --fail-above 5%

    Configuration by configuration, and which differences are real. Exit code 3 if nothing could be compared: it takes
    three configurations that both runs hold, each of six restarts.
    """
    from harness.analysis import review
    from harness.config.parsing import require_choice
    from harness.model.metrics import contrasted
    from harness.model.quantities import parse_fraction
    from harness.report import diff as text
    from harness.report import gate
    from harness.store import codec

    limit = None if fail_above is None else parse_fraction("--fail-above", fail_above)
    names = {each.option: each.name for each in contrasted()}
    name = names[require_choice("metric", metric, names)]
    runs = [codec.read_run(folder) for folder in (first, second)]
    comparison = review.compare(runs[0], runs[1], name, limit, anyway=anyway)
    if as_json:
        print(comparison.model_dump_json())
    else:
        print(text.text(comparison), end="")
    if all(each.reason for each in comparison.contrasts):
        raise typer.Exit(3)
    raise typer.Exit(gate.exit_code(gate.of_runs(comparison), strict=strict))
