"""The command line: which commands there are; every error becomes one message and an exit code."""

from __future__ import annotations

import errno
import logging
import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from harness.cli import db, list, streams
from harness.cli.capacity import capacity
from harness.cli.ci import ci
from harness.cli.compare import compare
from harness.cli.diff import diff
from harness.cli.doctor import doctor
from harness.cli.help import WIDTH, dressed
from harness.cli.init import init
from harness.cli.matrix import matrix
from harness.cli.overload import overload
from harness.cli.recommend import recommend
from harness.cli.report import report
from harness.cli.run import run
from harness.cli.serve import serve
from harness.errors import HarnessError, UsageError
from harness.host import facts, logs, redaction, signals

app = typer.Typer(
    name="harness",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # drawing boxes around the help doubles the time that it takes
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": WIDTH},
)
for command in (recommend, run, matrix, compare, capacity, overload, report, diff, serve, init, ci, doctor):
    app.command()(command)
app.add_typer(dressed(list.app), name="list")
app.add_typer(dressed(db.app), name="db")
dressed(app)


def _version(asked: bool) -> None:
    if asked:
        from harness import __version__

        print(f"harness {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log each step to standard error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Which Python server, which handler style and how many workers? Measured on this machine.

    $ harness recommend shop.main:app --path /items
    $ harness compare uvicorn granian
    """
    context.with_resource(logs.to_stderr(logging.DEBUG if verbose else logging.INFO))


UNEXPECTED = 70
"""Exit code of a fault of the harness itself (EX_SOFTWARE)."""
READER_GONE = 141
"""Exit code where nobody reads standard output any more, as of programs that SIGPIPE ends."""
LONGEST = 1000
"""Characters of a message."""
REFUSALS = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM),
    *(errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EAGAIN),
}
"""What a machine refuses to whoever asks."""


def main() -> NoReturn:
    """Run the command line; every error becomes one message and an exit code."""
    streams.prepare()
    redaction.learn_surroundings()
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
            _refuse_bytes()
            call()
        finally:
            sys.stdout.flush()
    except HarnessError as error:
        print(f"error: {_shortened(error.what)}\n  {_shortened(error.cure)}", file=sys.stderr)
        if error.detail:
            print(f"\n{error.detail}", file=sys.stderr)
        return error.exit_code
    except (signals.Ended, KeyboardInterrupt):
        print(f"interrupted: everything that was started has been stopped{_survivor()}", file=sys.stderr)
        return 130
    except SystemExit as ended:
        return _code(ended)
    except BrokenPipeError:
        return _reader_gone()
    except Exception as error:
        if isinstance(error, OSError) and error.errno in REFUSALS:
            print(
                f"error: {error}\n  check permissions there, where the output goes, and that there is room",
                file=sys.stderr,
            )
            streams.silence(sys.stdout)  # what a full disk did not take would be written once more at the end
            return 5
        return _unexpected(error)
    return 0


def _shortened(text: str) -> str:
    """A sentence that repeats something endless, without its middle."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} … {text[-LONGEST // 2 :]}"


def _refuse_bytes() -> None:
    """Refuse names that are no text: no result could hold them."""
    try:
        names = {"the argument": sys.argv, "the current folder": [os.getcwd()], "TMPDIR": [tempfile.gettempdir()]}
    except FileNotFoundError:
        raise UsageError(
            "the current folder is gone, or no folder for temporary files can be written",
            cure="change to another folder, or set TMPDIR",
        ) from None
    names["HARNESS_DATA"] = [os.environ.get("HARNESS_DATA", "")]
    for what, texts in names.items():
        for text in texts:
            try:
                text.encode()
            except UnicodeEncodeError:
                raise UsageError(f"{what} {text!r} is no UTF-8", cure="rename it, or name another one") from None


def _code(ended: SystemExit) -> int:
    """The exit code of a command. The library of the command line answers broken pipes and ends of input with 1, which
    is said of comparisons only."""
    if isinstance(ended.__context__, BrokenPipeError):
        return _reader_gone()
    if isinstance(ended.code, int) and type(ended.__context__).__name__ != "Abort":
        return ended.code
    return _unexpected(ended)


def _reader_gone() -> int:
    streams.silence(sys.__stdout__ or sys.stdout)
    return READER_GONE


def _unexpected(error: BaseException) -> int:
    """Keep the traceback where it can be reported from, and say so."""
    kept = "".join(traceback.format_exception(error))
    what = _shortened(f"{type(error).__name__}: {error}".strip().rstrip(":").splitlines()[0])
    try:
        handle, name = tempfile.mkstemp(prefix="harness-error-", suffix=".log")
        with open(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            from harness import __version__

            about = f"harness {__version__}, Python {sys.version}\n{facts.command()}\n\n"
            file.write(redaction.hide(about + kept))
        where = f"the traceback is in {Path(name)}: report it with that file"
    except OSError:
        where = f"report it with this traceback:\n{kept}"
    print(f"error: the harness failed at something it did not expect: {what}\n  {where}", file=sys.stderr)
    return UNEXPECTED
