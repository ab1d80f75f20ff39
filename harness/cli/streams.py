"""Standard streams: there even if they were closed, never a reason to end, and without secrets where people read."""

from __future__ import annotations

import codecs
import io
import os
import sys
from typing import Any, TextIO, cast

from harness.host.redaction import hide

ESCAPES = "harness-escapes"
"""Name of the way in which characters are written that a stream's encoding lacks."""


def prepare() -> None:
    """Make standard output and standard error what the rest of the harness takes them for."""
    _fill_closed()
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    prepare_output(sys.stdout)
    sys.stderr = cast(TextIO, _Quiet(sys.stderr))


def prepare_output(stream: TextIO) -> None:
    """Let characters that the stream's encoding lacks be escaped."""
    codecs.register_error(ESCAPES, _escaped)
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors=ESCAPES)


def silence(stream: TextIO) -> None:
    """Send what is still to be written to nowhere: its reader is gone, and Python would complain when it ends."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    except (OSError, ValueError):
        pass


def _fill_closed() -> None:
    """Give the numbers 0 to 2 to nobody else: a file that got one would be written to as standard error."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)


def _escaped(error: UnicodeError) -> tuple[str, int]:
    """Characters as JSON escapes them, so that a document stays one."""
    assert isinstance(error, UnicodeEncodeError)
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    pairs = (units[at : at + 2].hex() for at in range(0, len(units), 2))
    return "".join(f"\\u{pair}" for pair in pairs), error.end


class _Quiet:
    """Standard error without secrets. A terminal or a reader that is gone loses what is written, and nothing else."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write it, if somebody reads."""
        try:
            self._stream.write(hide(text))
        except OSError:
            silence(self._stream)
        return len(text)

    def flush(self) -> None:
        """Hand on what was written, if somebody reads."""
        try:
            self._stream.flush()
        except OSError:
            silence(self._stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
