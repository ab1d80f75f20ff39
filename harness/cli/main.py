"""The command line: which commands there are; every error becomes one message and an exit code."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Annotated, NoReturn

import typer

from harness.cli import db, list
from harness.cli.compare import compare
from harness.cli.diff import diff
from harness.cli.doctor import doctor
from harness.cli.init import init
from harness.cli.matrix import matrix
from harness.cli.report import report
from harness.cli.run import run
from harness.cli.serve import serve
from harness.errors import HarnessError
from harness.host import logs, signals

app = typer.Typer(
    name="harness",
    help="Which Python server, which handler style and how many workers? Measured on this machine.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # drawing boxes around the help doubles the time that it takes
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (run, matrix, compare, report, diff, serve, init, doctor):
    app.command()(command)
app.add_typer(list.app, name="list")
app.add_typer(db.app, name="db")


def _version(asked: bool) -> None:
    if asked:
        from harness import __version__

        print(f"harness {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Tell each step on standard error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Which Python server, which handler style and how many workers? Measured on this machine."""
    context.with_resource(logs.to_stderr(logging.DEBUG if verbose else logging.INFO))


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
