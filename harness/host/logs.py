"""Handlers of the log: a file of a run, and standard error."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from harness.errors import LackError

LOGGER = "harness"
TAIL_BYTES = 1 << 20
"""Of a log, that are looked at for its last lines."""
FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class _CleanFormatter(logging.Formatter):
    """Formats a record without the texts that must not be written."""

    def __init__(self, clean: Callable[[str], str]) -> None:
        super().__init__(FORMAT)
        self._clean = clean

    def format(self, record: logging.LogRecord) -> str:
        return self._clean(super().format(record))


class _File(logging.FileHandler):
    """A file that may be lost, as what it tells of may not."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Pass over what cannot be written: a traceback on standard error would hide why the run ends."""

    def close(self) -> None:
        """Close it, whatever is still to be written."""
        with suppress(OSError):
            super().close()


def tail(path: Path, lines: int = 0) -> str:
    """The last lines of a text, however long it is; empty where there is none. 0: as many as are looked at."""
    try:
        with open(path, "rb") as file:
            file.seek(-min(TAIL_BYTES, file.seek(0, os.SEEK_END)), os.SEEK_END)
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.strip().splitlines()[-lines:])


@contextmanager
def to_file(path: Path, clean: Callable[[str], str]) -> Iterator[None]:
    """Append everything that is logged inside the block to a file, each line as `clean` returns it.

    LackError where the file cannot be opened. What cannot be written later, since the disk is full say, is passed over.
    """
    try:
        handler = _File(path, encoding="utf-8")
    except OSError as error:
        raise LackError(
            f"cannot write {path}: {error.strerror}", cure="mend permissions there, or choose another folder with --out"
        ) from error
    handler.setFormatter(_CleanFormatter(clean))
    with attached(handler):
        yield


@contextmanager
def attached(handler: logging.Handler) -> Iterator[None]:
    """Hand everything that is logged inside the block to a handler."""
    logger = logging.getLogger(LOGGER)
    before = logger.level
    logger.setLevel(logging.DEBUG)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
        handler.close()


@contextmanager
def to_stderr(level: int) -> Iterator[None]:
    """Show what is logged at a level or above on standard error."""
    handler = _Console(level)
    with attached(handler):
        yield


class _Console(logging.Handler):
    """Sentences for people as they are, details with their time and place. A progress display shows them above it."""

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if record.levelno < logging.INFO:
            moment = time.strftime("%H:%M:%S", time.localtime(record.created))
            message = f"  {moment} {record.name.removeprefix(f'{LOGGER}.')}: {message}"
        print(message, file=sys.stderr, flush=True)
