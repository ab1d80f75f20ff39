"""`harness recommend`: which server, how many workers and how many threads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli import options as o

if TYPE_CHECKING:
    from harness.config.application import ApplicationOptions
    from harness.experiments.session import ExecutionOptions


@o.takes_application
@o.takes_execution()
def recommend(
    *,
    application: ApplicationOptions,
    execution: ExecutionOptions,
    subject: Annotated[
        str | None,
        typer.Argument(
            metavar="APP",
            help="Your application, as MODULE:OBJECT.  [default: that of harness.toml, else the one in this folder]",
        ),
    ] = None,
    server: Annotated[
        list[str] | None,
        typer.Option(
            "--server", "-s", metavar="NAME,…", help="Servers to choose from.  [default: all that are installed]"
        ),
    ] = None,
    framework: o.Framework = None,
    style: o.Style = None,
    workload: Annotated[
        str | None, typer.Option(metavar="NAME", help="A built-in workload in place of your application.")
    ] = None,
    param: o.Params = None,
    vus: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Connections, each waiting for its answer.  [default: 16, more while nothing is short]",
        ),
    ] = None,
    max_time: Annotated[str, typer.Option(metavar="TIME", help="How long it may take in all.")] = "10m",
    objective: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WHAT",
            help="What must hold, such as p99<50ms: half of the time then goes into how many requests per second the "
            "best servers serve while it does. May be repeated.",
        ),
    ] = None,
    margin: Annotated[str, typer.Option(metavar="SHARE", help="Difference below which you do not care.")] = "3%",
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of orders and starts.")] = 1,
    python: o.Python = None,
    as_json: o.Json = False,
) -> None:
    """Say which server, how many workers and how many threads to use.

    $ harness recommend shop.main:app --path /items
    $ harness recommend --workload select --style sync --server uvicorn,granian
    $ harness recommend shop.main:app --path /items --objective 'p99<50ms'

    Servers are up at once and are loaded in turn, after several fresh starts; what is clearly worse leaves early. Then
    worker and thread counts around the best are tried. Prints the advice, how sure it is, what would change it, and the
    command line for production. Exit code 3 where nothing could be measured, 4 where every server failed.
    """
    from harness import servers
    from harness.analysis import recommendation as analysis
    from harness.config.application import choose_application
    from harness.config.cells import FRAMEWORK, STYLE, WORKLOAD, CellSpec
    from harness.config.parsing import parse_workload, split_servers
    from harness.experiments import recommend as experiment
    from harness.experiments.capacity import CapacityOptions
    from harness.model.capacity import parse_objective
    from harness.model.quantities import parse_duration, parse_fraction, parse_int
    from harness.report import capacity as capacity_text
    from harness.report import recommendation as text
    from harness.report.progress import display
    from harness.store import codec

    own = choose_application(subject, application, o.ours(framework, style, workload, param), python)
    name, params = parse_workload(workload or WORKLOAD, param or ())
    template = CellSpec(
        server="",
        framework=framework or FRAMEWORK,
        style=style or STYLE,
        workload=name,
        params=params,
        application=own,
        python=python,
    )
    objectives = tuple(parse_objective(each) for each in objective or ())
    seconds = parse_duration("--max-time", max_time)
    rules = experiment.RecommendOptions(
        most_seconds=seconds / 2 if objectives else seconds,
        margin=parse_fraction("--margin", margin),
        users=None if vus is None else parse_int("--vus", vus, 1, 100_000),
        objectives=objectives,
        seed=seed,
    )
    names = split_servers(server) if server else servers.names()
    with display() as emit:
        folder = experiment.run(template, names, rules, execution, emit)
    answer = analysis.recommend(codec.read_run(folder))
    if not as_json:
        print(text.text(answer, folder), end="", flush=True)  # at once: it may be all that there will be
    if objectives and answer.best is not None:
        held = CapacityOptions(objectives=objectives, most_seconds=seconds / 2, seed=seed)
        with display() as emit:
            found = experiment.capacities(template, answer, held, execution, emit)
        answer = answer.model_copy(update={"capacity": found.capacity})
        if not as_json:
            print(f"\n{capacity_text.text(found.capacity, found.folder)}", end="")
    if as_json:
        print(answer.model_dump_json())
    raise typer.Exit(text.exit_code(answer))
