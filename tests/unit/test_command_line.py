"""Exit codes mean what they say, and streams that are closed, full, gone or of another encoding end nothing."""

from __future__ import annotations

import errno
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
import typer

from harness.cli import streams
from harness.cli.main import _guarded
from harness.errors import HarnessError, LackError, TargetError, UsageError
from harness.host import redaction, signals
from tests.conftest import ROOT


def raising(error: BaseException) -> Callable[..., NoReturn]:
    def call(*_: object, **__: object) -> NoReturn:
        raise error

    return call


def through_typer(error: BaseException) -> Callable[[], object]:
    """As the library of the command line hands it on."""
    command = typer.Typer(pretty_exceptions_enable=False)

    @command.command()
    def fail() -> None:
        raise error

    return lambda: command([])


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (typer.Exit(0), 0),
        (typer.Exit(1), 1),
        (typer.Exit(3), 3),
        (typer.Exit(6), 6),
        (typer.BadParameter("x"), 2),
        (UsageError("x", cure="y"), 2),
        (TargetError("x", cure="y"), 4),
        (LackError("x", cure="y"), 5),
        (HarnessError("x", cure="y"), 70),
        (signals.Ended(), 130),
        (KeyboardInterrupt(), 130),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), 141),
        (OSError(errno.ENOSPC, "No space left on device"), 5),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), 5),
        (FileNotFoundError(errno.ENOENT, "No such file", "/x"), 70),
        (EOFError(), 70),
        (ValueError("unexpected"), 70),
        (MemoryError(), 70),
        (RecursionError("deep"), 70),
        (AssertionError(), 70),
        (SystemExit("a text"), 70),
    ],
    ids=repr,
)
def test_each_ending_has_its_code(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: BaseException, code: int
) -> None:
    """1 is left to comparisons."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(streams, "silence", lambda stream: None)
    assert _guarded(through_typer(error)) == code


def test_what_was_not_expected_is_told_shortly_and_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    redaction.learn({"TOKEN": "tok-123456"})
    assert _guarded(through_typer(ZeroDivisionError("by tok-123456"))) == 70
    (kept,) = tmp_path.glob("harness-error-*.log")
    err = capsys.readouterr().err
    assert "error: the harness failed at something it did not expect: ZeroDivisionError" in err
    assert f"the traceback is in {kept}: report it" in err
    assert "Traceback" not in err
    text = kept.read_text()
    assert "Traceback" in text
    assert "harness 0." in text
    assert "tok-123456" not in text
    assert kept.stat().st_mode & 0o077 == 0


def test_where_nothing_can_be_kept_the_traceback_is_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tempfile.mkstemp", raising(OSError(errno.EROFS, "Read-only file system")))
    assert _guarded(raising(ZeroDivisionError("x"))) == 70
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("what", ["argv", "TMPDIR", "HARNESS_DATA"])
def test_names_that_are_no_text_are_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    name = os.fsdecode(b"/tmp/t\xff")
    if what == "argv":
        monkeypatch.setattr(sys, "argv", ["harness", "run", "--out", name])
    elif what == "TMPDIR":
        monkeypatch.setattr("tempfile.tempdir", name)
    else:
        monkeypatch.setenv(what, name)
    assert _guarded(raising(AssertionError("not reached"))) == 2
    assert "is no UTF-8" in capsys.readouterr().err


class Gone(io.StringIO):
    """A stream that nobody reads any more."""

    def write(self, text: str) -> int:
        raise OSError(errno.EIO, "Input/output error")

    def flush(self) -> None:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")


def test_a_terminal_that_is_gone_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    quiet = streams._Quiet(Gone())
    assert quiet.write("progress\n") == 9
    quiet.flush()


def test_what_an_encoding_lacks_is_written_as_json_has_it() -> None:
    raw = io.BytesIO()
    screen = io.TextIOWrapper(raw, encoding="latin-1", errors="strict")
    streams.prepare_output(screen)
    text = "käse ▆ 😀 \udcff"
    screen.write(json.dumps(text, ensure_ascii=False))
    screen.flush()
    assert json.loads(raw.getvalue().decode("latin-1")) == text
    assert "käse" in raw.getvalue().decode("latin-1")


def command(script: str, **environment: str) -> tuple[int, str]:
    """A shell script in which `harness` is the command line."""
    program = f"{sys.executable} -m harness"
    done = subprocess.run(
        ["/bin/bash", "-c", script.replace("harness", program)],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("script", "code", "says"),
    [
        ("harness list launches | true; exit ${PIPESTATUS[0]}", 141, ""),
        ("harness list styles >&-", 0, ""),
        ("harness list styles <&- >&- 2>&-", 0, ""),
        ("harness report nothing 2>&-", 2, ""),
        ("harness report nothing 2>/dev/full", 2, ""),
        ("harness list styles >/dev/full", 5, "No space left on device"),
        ("COLUMNS=8 harness list servers | head -c 20", 0, "server"),
        ("PYTHONIOENCODING=ascii harness report nothing-ü", 2, "nothing-"),
        (
            "mkdir $TMPDIR/gone && cd $TMPDIR/gone && rmdir $TMPDIR/gone && harness list styles",
            2,
            "current folder is gone",
        ),
    ],
)
def test_streams_of_a_shell(script: str, code: int, says: str) -> None:
    ended, printed = command(script)
    assert (ended, says in printed) == (code, True), printed
    assert "Traceback" not in printed
    assert "Exception ignored" not in printed


MARKUP = ("apps/[tenant]", "x[/y]", "[bold]", ":smile:", "käse und brot")


@pytest.mark.parametrize("name", MARKUP)
def test_names_are_shown_as_they_are(capsys: pytest.CaptureFixture[str], name: str) -> None:
    """They are no markup, and no names of pictures."""
    from rich.console import Console
    from rich.progress import Progress

    from harness.model.doctor import Finding
    from harness.report import doctor, lists, progress, terminal

    doctor.show(Finding(subject=name, state="ok", found=name, cure=name))
    lists._print(("what",), [(name,)])
    printed = capsys.readouterr().out
    assert printed.count(name) == 4
    assert terminal.text(lambda width: [name, terminal.facts([(name, name)])]).count(name) == 3
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, markup=False, emoji=False, width=200, color_system=None)
    with Progress(*progress.columns(), console=console, auto_refresh=False) as shown:
        progress.Bar(shown, name)._show(name)
    assert name in screen.getvalue()


@pytest.mark.parametrize("columns", ["1", "20", "40"])
def test_a_narrow_terminal_folds(monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    from harness.report import terminal

    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    text = terminal.text(lambda width: [terminal.facts([("a long name of a row", "x" * 300)])])
    assert text.count("x") == 300


def test_a_signal_while_it_is_still_imported_ends_it_without_a_word() -> None:
    code = (
        "import os, signal, sys, types\n"
        "from harness import __main__\n"
        "sys.modules['harness.cli.main'] = types.SimpleNamespace(main=lambda: os.kill(os.getpid(), signal.SIGINT))\n"
        "__main__.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
