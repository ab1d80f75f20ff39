"""One measurement at a time on a machine: two would measure each other."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import LackError
from harness.host import facts, polling, procfs
from harness.model.quantities import duration

log = logging.getLogger(__name__)

WAIT_SECONDS = 3600.0
FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
"""Without waiting for who would write into a pipe of that name."""
MOST_COMMAND = 120
"""Characters of the holder's command that are shown."""


@contextmanager
def machine(*, wait: bool = True) -> Iterator[None]:
    """Hold the machine's lock inside the block; waits while another harness measures. Ends with the process.

    LackError, which names who holds it, after an hour or without `wait`.
    """
    path = Path(tempfile.gettempdir()) / "harness-measuring.lock"
    try:
        try:
            handle = os.open(path, FLAGS)
        except FileNotFoundError:
            handle = os.open(path, FLAGS | os.O_CREAT, 0o644)
            os.fchmod(handle, 0o644)  # whatever the umask is: every user has to read it
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise OSError(errno.EINVAL, "it is no file")
    except OSError as error:
        raise LackError(
            f"cannot open {path}: {error.strerror}", cure="remove it, or point TMPDIR to another folder"
        ) from error
    try:
        _take(handle, wait=wait)
        yield
    finally:
        os.close(handle)


def _take(handle: int, *, wait: bool) -> None:
    def take() -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    if take():
        return
    holder = _holder(handle)
    if not wait:
        raise LackError(f"another harness is measuring on this machine{holder}", cure="wait for it, without --no-wait")
    log.info(f"another harness is measuring on this machine{holder}: waiting for it to finish (--no-wait gives up)")
    if not polling.until(take, WAIT_SECONDS, interval=0.1):
        raise LackError(
            f"another harness has been measuring for {WAIT_SECONDS / 60:.0f} minutes{_holder(handle)}",
            cure="wait for it, or end it",
        )


def _holder(handle: int) -> str:
    """Who holds the lock, for how long and with which command, as far as the system tells."""
    try:
        inode = os.fstat(handle).st_ino
        locks = Path("/proc/locks").read_text(encoding="utf-8")
        held = re.search(rf"^\d+: FLOCK +ADVISORY +WRITE (\d+) \S+:{inode} ", locks, re.MULTILINE)
        if held is None:
            return ""
        words = Path("/proc", held[1], "cmdline").read_bytes().decode(errors="replace").split("\0")
        age = procfs.age_seconds(int(held[1]))
    except OSError:
        return ""
    own = next((place for place, word in enumerate(words) if Path(word).name == "harness"), 0)
    command = " ".join(("harness" if own else words[0], *facts.without_secrets(words[own + 1 :]))).strip()[
        :MOST_COMMAND
    ]
    return f" (process {held[1]}, {duration(age or 0.0)} old: {command})"
