"""The command line: parse, call, print, exit code; nothing else."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, get_type_hints

import typer

import servers
from handlers import catalogue
from handlers.styles import STYLES
from harness.errors import HarnessError, UsageError
from harness.system import signals

if TYPE_CHECKING:
    from harness.application import Given
else:
    Given = object  # imported only by the commands that need it

app = typer.Typer(
    name="harness",
    help="Which Python server, which handler style and how many workers? Measured on this machine.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # drawing boxes around the help doubles the time that it takes
    context_settings={"help_option_names": ["-h", "--help"]},
)
list_app = typer.Typer(help="List what there is to choose from.", no_args_is_help=True)
db_app = typer.Typer(help="The shop database, in the embedded Postgres or another one.", no_args_is_help=True)
app.add_typer(list_app, name="list")
app.add_typer(db_app, name="db")

Server = Annotated[
    str,
    typer.Option(
        "--server",
        "-s",
        metavar="NAME[:key=value,…]",
        help=f"Server to measure: {', '.join(servers.names())}. Options: harness list servers.",
    ),
]
Framework = Annotated[
    str | None, typer.Option(metavar="NAME", help=f"Framework: {', '.join(catalogue.FRAMEWORKS)}.  [default: fastapi]")
]
Style = Annotated[
    str | None, typer.Option(metavar="NAME", help=f"Handler style: {', '.join(STYLES)}.  [default: async]")
]
Workload = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help=f"What a request does: {', '.join(catalogue.workload_names())}.  [default: sleep]"
    ),
]
Params = Annotated[
    list[str] | None,
    typer.Option("--param", "-p", metavar="NAME=VALUE", help="Parameter of the workload; may be repeated."),
]
Workers = Annotated[int, typer.Option("--workers", "-w", metavar="N", help="Worker processes.")]
Threads = Annotated[int, typer.Option(metavar="N", help="Threads that a worker may use for sync code.")]
PoolSize = Annotated[int | None, typer.Option(metavar="N", help="Database connections per worker.  [default: 10]")]
Vus = Annotated[
    int | None,
    typer.Option(metavar="N", help="Closed load: users, each waiting for its answer.  [default: 100]"),
]
Rate = Annotated[float | None, typer.Option(metavar="N", help="Open load: requests per second, answered or not.")]
Warmup = Annotated[str, typer.Option(metavar="TIME", help="Warm-up that does not count.")]
Duration = Annotated[str, typer.Option(metavar="TIME", help="The window that counts.")]
Python = Annotated[
    str | None, typer.Option(metavar="PATH", help="Interpreter that runs the server.  [default: the harness' own]")
]
Pin = Annotated[str, typer.Option(metavar="HOW", help="Own cores for server and generator: auto, split or none.")]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(metavar="URL", help="Postgres to use.  [default: $DATABASE_URL, else the embedded one]"),
]
K6 = Annotated[
    str | None, typer.Option("--k6", metavar="PATH", help="k6 to use.  [default: the one on PATH, else ours]")
]
GENERATOR = "Load generator: k6, or wrk where k6 is too slow for a server (closed load only, knows no quantiles)."
GeneratorName = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help=GENERATOR,
    ),
]
Out = Annotated[Path, typer.Option(metavar="FOLDER", help="Where results go.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
Attempts = Annotated[
    int, typer.Option(metavar="N", help="Measure up to N times while other guests or programs disturb the machine.")
]
Diagnose = Annotated[
    bool, typer.Option("--diagnose/--no-diagnose", help="Let the workers watch what their requests wait for.")
]
BootDeadline = Annotated[str, typer.Option(metavar="TIME", help="How long the server may take to come up.")]


OPTIONS: dict[str, Any] = {
    "app": Annotated[
        str | None,
        typer.Option(metavar="MODULE:OBJECT", help="Measure this application in place of ours."),
    ],
    "app_dir": Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER", help="Its folder: imported from, and where the server runs.  [default: the current one]"
        ),
    ],
    "factory": Annotated[bool | None, typer.Option("--factory", help="The object makes the application when called.")],
    "interface": Annotated[
        str | None, typer.Option(metavar="NAME", help="How it is called: asgi or wsgi.  [default: found out]")
    ],
    "path": Annotated[
        list[str] | None, typer.Option(metavar="PATH", help="What to GET; may be repeated, each equally often.")
    ],
    "requests": Annotated[
        str | None, typer.Option(metavar="FILE", help="Requests as TOML: methods, bodies, weights, expected answers.")
    ],
    "k6_script": Annotated[
        str | None, typer.Option(metavar="FILE", help="A k6 script that sends; the server is at __ENV.BASE_URL.")
    ],
    "env": Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE", help="Variable for the application; never stored. NAME takes the value here."
        ),
    ],
    "env_file": Annotated[str | None, typer.Option(metavar="FILE", help="More variables, as NAME=VALUE lines.")],
    "wait": Annotated[
        str | None, typer.Option(metavar="TIME", help="How long a request waits by itself, for its ceiling.")
    ],
    "setup": Annotated[str | None, typer.Option(metavar="CMD", help="Shell command to run before everything.")],
    "before_visit": Annotated[
        str | None, typer.Option(metavar="CMD", help="Shell command to run before each measurement.")
    ],
    "teardown": Annotated[
        str | None, typer.Option(metavar="CMD", help="Shell command to run at the end, whatever happened.")
    ],
}
"""Options of every command that can measure an application of the user's; fields of `application.Given`."""
Command = Callable[..., None]


def takes_application(command: Command) -> Command:
    """Give a command the options of OPTIONS, as its argument `given`."""

    @functools.wraps(command)
    def called(**arguments: Any) -> None:
        from harness.application import Given

        own = {name: arguments.pop(name) for name in OPTIONS}
        command(**arguments, given=Given(**own))

    hints = get_type_hints(command, include_extras=True)
    kept = [
        each.replace(annotation=hints[each.name])
        for each in inspect.signature(command).parameters.values()
        if each.name != "given"
    ]
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=option)
        for name, option in OPTIONS.items()
    ]
    parameters = [*(each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in kept), *added]
    called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    called.__annotations__ = {each.name: each.annotation for each in parameters}
    return called


def _complete_run(incomplete: str) -> list[str]:
    """Run folders for shell completion."""
    from harness import store

    return [str(each.folder) for each in store.runs(Path("results")) if str(each.folder).startswith(incomplete)]


def _version(asked: bool) -> None:
    if asked:
        from harness import __version__

        print(f"harness {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Which Python server, which handler style and how many workers? Measured on this machine."""


@app.command()
@takes_application
def run(
    *,
    given: Given,
    server: Server = "uvicorn",
    framework: Framework = None,
    style: Style = None,
    workload: Workload = None,
    param: Params = None,
    workers: Workers = 1,
    threads: Threads = 40,
    pool_size: PoolSize = None,
    vus: Vus = None,
    rate: Rate = None,
    warmup: Warmup = "3s",
    duration: Duration = "10s",
    python: Python = None,
    pin: Pin = "auto",
    database_url: DatabaseUrl = None,
    generator: GeneratorName = "k6",
    k6: K6 = None,
    boot_deadline: BootDeadline = "30s",
    diagnose: Diagnose = True,
    attempts: Attempts = 3,
    out: Out = Path("results"),
    as_json: Json = False,
) -> None:
    """Measure one cell: a server, style, workload and load, or an application of yours."""
    from harness import application, load, plan, runner
    from harness.report.progress import reporter
    from harness.system.placement import PINS

    plan.refuse_several(server=server, framework=framework, style=style, workload=workload)
    own = application.chosen(given, _ours(framework, style, workload, param), python)
    choice = plan.choose(
        plan.Request(
            server=server,
            framework=framework or plan.FRAMEWORK,
            style=style or plan.STYLE,
            workload=workload or plan.WORKLOAD,
            params=tuple(param or ()),
            workers=workers,
            threads=threads,
            pool_size=pool_size,
            vus=vus,
            rate=rate,
            own=own.own if own else None,
            interface=own.interface if own else None,
        )
    )
    settings = runner.Settings(
        timing=plan.timing(warmup, duration),
        python=own.python if own else python,
        application=own,
        generator=plan.known("generator", generator, load.NAMES),
        k6=k6,
        database_url=database_url,
        pin=plan.known("pin", pin, PINS),
        out=out,
        boot_seconds=plan.seconds("--boot-deadline", boot_deadline),
        diagnose=diagnose,
        attempts=plan.bounded("--attempts", attempts, 1, 100),
    )
    with reporter(choice.cell.id, settings.timing) as shown:
        outcome = runner.run(choice, settings, shown.observe, shown.tell)
    if as_json:
        print(json.dumps(outcome.document, ensure_ascii=False))
    else:
        from harness.report import console

        print(console.text(outcome.facts, outcome.judgement, outcome.folder, outcome.log_tail), end="")
    raise typer.Exit({"valid": 0, "invalid": 3, "failed": 4}[outcome.judgement.verdict])


@app.command()
@takes_application
def matrix(
    *,
    given: Given,
    plan_file: Annotated[
        Path | None, typer.Argument(metavar="[PLAN]", help="A TOML file with a plan, in place of the axes below.")
    ] = None,
    server: Annotated[
        list[str] | None,
        typer.Option("--server", "-s", metavar="NAME,…", help="Servers; this and each axis may be repeated."),
    ] = None,
    framework: Annotated[list[str] | None, typer.Option(metavar="NAME,…", help="Frameworks.")] = None,
    style: Annotated[list[str] | None, typer.Option(metavar="NAME,…", help="Handler styles.")] = None,
    workload: Annotated[
        list[str] | None, typer.Option(metavar="NAME,…", help="Workloads: NAME or NAME?param=value&param=value.")
    ] = None,
    param: Annotated[
        list[str] | None,
        typer.Option("--param", "-p", metavar="NAME=VALUE", help="Parameter of every workload that has it."),
    ] = None,
    workers: Annotated[list[str] | None, typer.Option("--workers", "-w", metavar="N,…", help="Worker counts.")] = None,
    threads: Annotated[list[str] | None, typer.Option(metavar="N,…", help="Threads per worker for sync code.")] = None,
    pool_size: Annotated[list[str] | None, typer.Option(metavar="N,…", help="Database connections per worker.")] = None,
    vus: Annotated[list[str] | None, typer.Option(metavar="N,…", help="Closed loads: users.")] = None,
    rate: Annotated[list[str] | None, typer.Option(metavar="N,…", help="Open loads: requests per second.")] = None,
    python: Annotated[
        list[str] | None, typer.Option(metavar="PATH,…", help="Interpreters that run the server.")
    ] = None,
    preset: Annotated[
        str | None, typer.Option(metavar="NAME", help="A plan that comes along: quick, servers, article.")
    ] = None,
    blocks: Annotated[int | None, typer.Option(metavar="N", help="Visits of each cell.  [default: 8]")] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="Seed of the order.  [default: 1]")] = None,
    warmup: Annotated[
        str | None, typer.Option(metavar="TIME", help="Warm-up that does not count.  [default: 5s]")
    ] = None,
    duration: Annotated[
        str | None, typer.Option(metavar="TIME", help="The window that counts.  [default: 15s]")
    ] = None,
    attempts: Annotated[
        int | None,
        typer.Option(metavar="N", help="Make a visit up to N times while it is not valid.  [default: 2]"),
    ] = None,
    pin: Annotated[str | None, typer.Option(metavar="HOW", help="Own cores: auto, split or none.")] = None,
    generator: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=f"{GENERATOR}  [default: k6]",
        ),
    ] = None,
    duet_baseline: Annotated[
        str | None, typer.Option(metavar="SERVER", help="Compare every other server with this one by duets too.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the cells, how long it will take, and the plan as a file.")
    ] = False,
    resume: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Go on with an interrupted run where it stopped.")
    ] = None,
    database_url: DatabaseUrl = None,
    k6: K6 = None,
    boot_deadline: BootDeadline = "30s",
    out: Out = Path("results"),
    as_json: Json = False,
) -> None:
    """Measure many cells, and say how they compare.

    Every combination of the axes is a cell. Each is visited once in every block, in interleaved order; what the run
    says comes with how sure it is.
    """
    from harness import axes, claims, plan, review, store
    from harness import matrix as carried
    from harness.report import matrix as shown
    from harness.report import plan as planned
    from harness.report.progress import matrix_reporter

    means = carried.Means(
        k6=k6,
        database_url=database_url,
        out=out,
        boot_seconds=plan.seconds("--boot-deadline", boot_deadline),
        variables=given.pairs(),
    )
    chosen = axes.Given(
        server=server,
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
        "blocks": blocks,
        "seed": seed,
        "warmup": warmup,
        "duration": duration,
        "attempts": attempts,
        "pin": pin,
        "generator": generator,
        "duet_baseline": duet_baseline,
    }
    if resume is not None:
        axes.refuse_with_resume(chosen, overrides, plan_file, preset)
    else:
        wanted = axes.wanted(chosen, overrides, plan_file, preset, given)
        if dry_run:
            planned.show(wanted, carried.expand(wanted, given.pairs()).expansion, carried.timing_of(wanted))
            return
    with matrix_reporter() as reporter:
        folder = carried.resume(resume, means, reporter) if resume else carried.run(wanted, means, reporter)
    stored = store.read_run(folder)
    found = review.review(stored)
    if as_json:
        print(found.model_dump_json())
    else:
        print(shown.text(found, folder, claims.of(stored)), end="")
    raise typer.Exit(0 if any(cell.valid for cell in found.cells) else 3)


@app.command()
def report(
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="[RUN]", help="Folder of a stored run.", autocompletion=_complete_run),
    ] = None,
    latest: Annotated[bool, typer.Option("--latest", help="The run that was begun last.")] = False,
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="NAME",
            help="text, markdown, json, html; tables: csv, parquet; charts: png, svg.  [default: as --to ends, text]",
        ),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="PATH", help="File to write, or folder for tables and charts."),
    ] = None,
    out: Out = Path("results"),
) -> None:
    """Show a stored run: as text, page, tables or charts.

    A matrix, finished or not, a duet, or a single cell.
    """
    from harness import plan, showing, store

    form = plan.known("format", showing.form_of(form, to), showing.FORMATS)
    if (folder is not None) == latest:
        raise UsageError("give a run's folder, or --latest", cure="see what there is with: harness list runs")
    if folder is None:
        found = store.runs(out)
        if not found:
            raise UsageError(f"there is no run in {out}", cure="measure something, or name another folder with --out")
        folder = found[-1].folder
    showing.show(folder, form, to)


@app.command()
@takes_application
def duet(
    *,
    given: Given,
    first: Annotated[
        str, typer.Argument(metavar="FIRST", help="A cell: SERVER:key=value/fastapi/async/noop/w2, or parts of it.")
    ],
    second: Annotated[str, typer.Argument(metavar="SECOND", help="The cell to compare with it.")],
    framework: Framework = None,
    style: Style = None,
    workload: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help=f"What a request does: {', '.join(catalogue.workload_names())}.  [default: noop]"
        ),
    ] = None,
    param: Params = None,
    workers: Workers = 1,
    threads: Threads = 40,
    pool_size: PoolSize = None,
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
    warmup: Warmup = "1s",
    duration: Annotated[str, typer.Option(metavar="TIME", help="The window of each restart.")] = "3s",
    interference: Annotated[
        bool, typer.Option("--interference/--no-interference", help="Look at what the two do to each other.")
    ] = True,
    pin: Pin = "auto",
    database_url: DatabaseUrl = None,
    k6: K6 = None,
    boot_deadline: BootDeadline = "30s",
    out: Out = Path("results"),
    as_json: Json = False,
) -> None:
    """Tell which of two cells costs less CPU time.

    Both are loaded at the same time on the same cores, so that whatever the machine does to one it does to the other.
    """
    from harness import application, plan
    from harness import duet as carried
    from harness.report import duet as shown
    from harness.report.progress import duet_reporter
    from harness.system.placement import PINS

    shared = plan.Request(
        server="",
        framework=framework or plan.FRAMEWORK,
        style=style or plan.STYLE,
        workload=workload or "noop",
        params=tuple(param or ()),
        workers=workers,
        threads=threads,
        pool_size=pool_size,
        vus=vus,
    )
    settings = carried.Settings(
        timing=plan.timing(warmup, duration),
        precision=plan.share("--precision", precision),
        most_seconds=plan.seconds("--max-time", max_time),
        limit=None if fail_slower is None else plan.share("--fail-slower", fail_slower),
        interference=interference,
        k6=k6,
        database_url=database_url,
        pin=plan.known("pin", pin, PINS),
        out=out,
        boot_seconds=plan.seconds("--boot-deadline", boot_deadline),
    )
    asked = _ours(framework, style, workload, param)
    sides = [
        application.side(plan.parse_cell(text, shared), given, asked, python, folder)
        for text, python, folder in ((first, first_python, first_app_dir), (second, second_python, second_app_dir))
    ]
    with duet_reporter() as reporter:
        outcome = carried.run(sides[0], sides[1], settings, reporter)
    if as_json:
        print(outcome.duet.model_dump_json())
    else:
        print(shown.text(outcome.duet, outcome.folder), end="")
    if outcome.duet.ratio is None:
        raise typer.Exit(3)
    raise typer.Exit(1 if outcome.duet.worse else 0)


@app.command()
def compare(
    first: Annotated[
        Path,
        typer.Argument(metavar="FIRST", help="Folder of a stored run: the base.", autocompletion=_complete_run),
    ],
    second: Annotated[
        Path,
        typer.Argument(metavar="SECOND", help="Folder of the run to compare with it.", autocompletion=_complete_run),
    ],
    metric: Annotated[
        str, typer.Option(metavar="NAME", help="What is compared: throughput, p50, p99 or cpu (per request).")
    ] = "throughput",
    fail_slower: Annotated[
        str | None,
        typer.Option(metavar="SHARE", help="Exit code 1 if a cell is worse by more, such as 5%, for certain."),
    ] = None,
    anyway: Annotated[bool, typer.Option("--anyway", help="Compare runs of different hosts or protocols too.")] = False,
    as_json: Json = False,
) -> None:
    """Set two stored runs side by side.

    Cell by cell, and which differences are real. Exit code 3 where there is nothing to compare.
    """
    from harness import plan, review, store
    from harness.report import compare as shown

    limit = None if fail_slower is None else plan.share("--fail-slower", fail_slower)
    chosen = plan.METRICS[plan.known("metric", metric, plan.METRICS)]
    runs = [store.read_run(folder) for folder in (first, second)]
    found = review.compare(runs[0], runs[1], chosen, limit, anyway=anyway)
    if as_json:
        print(found.model_dump_json())
    else:
        print(shown.text(found), end="")
    if not found.contrasts:
        raise typer.Exit(3)
    raise typer.Exit(1 if any(each.worse for each in found.contrasts) else 0)


@app.command()
@takes_application
def serve(
    *,
    given: Given,
    server: Server = "uvicorn",
    framework: Framework = None,
    style: Style = None,
    workload: Workload = None,
    param: Params = None,
    workers: Workers = 1,
    threads: Threads = 40,
    pool_size: PoolSize = None,
    port: Annotated[int, typer.Option(help="Port on loopback.")] = 8000,
    python: Python = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Run the server of a cell in the foreground.

    To look at by hand; Ctrl-C ends it.
    """
    from harness import application, plan, runner

    plan.refuse_several(server=server, framework=framework, style=style, workload=workload)
    own = application.chosen(given, _ours(framework, style, workload, param), python)
    request = plan.Request(
        server=server,
        framework=framework or plan.FRAMEWORK,
        style=style or plan.STYLE,
        workload=workload or plan.WORKLOAD,
        params=tuple(param or ()),
        workers=workers,
        threads=threads,
        pool_size=pool_size,
        own=own.own if own else None,
        interface=own.interface if own else None,
    )
    runner.serve(
        plan.choose(request),
        application=own,
        python=own.python if own else python,
        database_url=database_url,
        port=plan.bounded("--port", port, 1, 65535),
        tell=_tell,
    )


@app.command()
def init(python: Python = None) -> None:
    """Write a commented harness.toml for the project in this folder.

    It finds the application and suggests what to request; nothing is ever overwritten.
    """
    from harness import project

    written = project.init(python)
    first = written.applications[0]
    print(f"{written.path}: {first.target} ({written.looked})\n  look at its path, then: harness run --server granian")


@app.command()
def doctor(
    python: Python = None,
    database_url: DatabaseUrl = None,
    k6: K6 = None,
    as_json: Json = False,
) -> None:
    """Say what will hurt a measurement here, and the cure."""
    from harness import doctor as examination
    from harness.database import connection
    from harness.report import doctor as shown

    findings = []
    for finding in examination.examine(python, database_url or connection.url_from_environment(), k6):
        findings.append(finding)
        if not as_json:
            shown.show(finding)
    if as_json:
        print(json.dumps([finding.model_dump() for finding in findings], ensure_ascii=False))
    raise typer.Exit(5 if any(finding.state == "lack" for finding in findings) else 0)


@list_app.command("servers")
def list_servers() -> None:
    """Servers, their options, and whether they are installed here."""
    from harness.report import lists

    lists.servers()


@list_app.command("launches")
def list_launches() -> None:
    """How each server is launched, as Markdown.

    With 4 workers and 40 threads.
    """
    from harness.report import lists

    lists.launches()


@list_app.command("styles")
def list_styles() -> None:
    """Handler styles, and which framework carries them."""
    from harness.report import lists

    lists.styles()


@list_app.command("workloads")
def list_workloads() -> None:
    """Workloads and their parameters."""
    from harness.report import lists

    lists.workloads()


@list_app.command("runs")
def list_runs(out: Out = Path("results"), as_json: Json = False) -> None:
    """Stored runs, oldest first."""
    from harness import store
    from harness.report import lists

    found = store.runs(out)
    if as_json:
        print(json.dumps([{**dataclasses.asdict(each), "folder": str(each.folder)} for each in found]))
    else:
        lists.runs(found)


@db_app.command("start")
def db_start() -> None:
    """Start the embedded Postgres.

    And fill its shop, if that is empty.
    """
    from harness.database import connection, tasks
    from harness.report import database

    connection.prepare(None, _tell)
    database.show(tasks.status(None))


@db_app.command("seed")
def db_seed(
    scale: Annotated[
        str, typer.Option(metavar="SIZE", help="small (0.01), article (1, a million users), or a number.")
    ] = "small",
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the rows: equal seeds, equal rows.")] = 1,
    force: Annotated[bool, typer.Option("--force", help="Replace a shop of another scale or seed.")] = False,
    database_url: DatabaseUrl = None,
) -> None:
    """Fill the shop database.

    The same scale and seed give the same rows everywhere.
    """
    from harness.database import connection, tasks
    from harness.report import database
    from harness.report.progress import filling

    with filling() as shown:
        found = tasks.seed(
            database_url or connection.url_from_environment(),
            scale=tasks.parse_scale(scale),
            seed=tasks.parse_seed(seed),
            force=force,
            tell=shown.tell,
            observe=shown.observe,
        )
    database.show(found)


@db_app.command("status")
def db_status(
    database_url: DatabaseUrl = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Compute checksums anew, and check that the queries use indexes.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Say where the Postgres is and what it holds.

    With its settings, and of its shop scale, seed, size, rows and checksums.
    """
    from harness.database import connection, tasks
    from harness.report import database

    found = tasks.status(database_url or connection.url_from_environment(), verify=verify)
    if as_json:
        print(found.model_dump_json())
    else:
        database.show(found)
    raise typer.Exit(3 if found.problems else 0)


@db_app.command("url")
def db_url() -> None:
    """Print a URL of the embedded Postgres.

    For psql and the like; it is started if need be.
    """
    from harness.database import embedded

    print(embedded.start(_tell).url)


@db_app.command("stop")
def db_stop() -> None:
    """Stop the embedded Postgres; its data stays."""
    from harness.database import embedded

    print("stopped" if embedded.stop() else "it was not running")


def _ours(framework: str | None, style: str | None, workload: str | None, param: list[str] | None) -> list[str]:
    """Options that ask for a workload of ours."""
    options = {"--framework": framework, "--style": style, "--workload": workload, "--param": param}
    return [name for name, value in options.items() if value]


def _tell(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def main() -> NoReturn:
    """Run the command line; every error becomes one message and an exit code."""
    signals.install()
    sys.exit(_guarded(app))


def _survivor() -> str:
    """What an interruption leaves running by design, where this command had to do with it."""
    if "harness.database.embedded" not in sys.modules:
        return ""
    from harness.database import embedded

    return ", but the embedded Postgres, which stays until: harness db stop" if embedded.running() else ""


def _guarded(call: Callable[[], object]) -> int:
    try:
        try:
            call()
        finally:
            sys.stdout.flush()
    except HarnessError as error:
        print(f"error: {error.what}\n  {error.cure}", file=sys.stderr)
        if error.detail:
            print(f"\n{error.detail}", file=sys.stderr)
        return error.exit_code
    except (signals.Ended, KeyboardInterrupt):
        print(f"interrupted: everything that was started has been stopped{_survivor()}", file=sys.stderr)
        return 130
    except OSError as error:
        print(f"error: {error}\n  check where the output goes, and that there is room", file=sys.stderr)
        return 5
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 1
    return 0
