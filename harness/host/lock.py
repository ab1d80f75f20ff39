"""One measurement at a time on a machine: two would measure each other."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import LackError
from harness.host import polling

log = logging.getLogger(__name__)

WAIT_SECONDS = 3600.0
FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
"""Without waiting for who would write into a pipe of that name."""


@contextmanager
def machine() -> Iterator[None]:
    """Hold the machine's lock inside the block; waits while another harness measures. Ends with the process."""
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
        _take(handle)
        yield
    finally:
        os.close(handle)


def _take(handle: int) -> None:
    def take() -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    if take():
        return
    log.info("another harness is measuring on this machine: waiting for it to finish")
    if not polling.until(take, WAIT_SECONDS, interval=0.1):
        raise LackError(
            f"another harness has been measuring for {WAIT_SECONDS / 60:.0f} minutes", cure="wait for it, or end it"
        )
