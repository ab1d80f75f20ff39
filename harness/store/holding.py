"""A folder of results is held by who writes it: by a lock that ends with its process, and that other containers see."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import UsageError


def hold(folder: Path) -> int:
    """A descriptor that holds a folder until it is closed. BlockingIOError where somebody else holds it; where the file
    system knows no such locks, nobody does."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise
    except OSError:
        pass
    return handle


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold the folder of a stored run inside the block. UsageError where another harness writes to it."""
    try:
        handle = hold(folder)
    except BlockingIOError:
        raise UsageError(
            f"{folder} is being written by another harness", cure="wait until that has ended, or end it"
        ) from None
    except OSError as error:
        raise UsageError(
            f"{folder} holds no run: {error.strerror or error}", cure="give the folder of one, below results/"
        ) from error
    try:
        yield
    finally:
        os.close(handle)


def make(folder: Path) -> int | None:
    """Make a folder and hold it; None where it is there already, or somebody took it for a left one meanwhile."""
    try:
        folder.mkdir()
        handle = hold(folder)
    except (FileExistsError, FileNotFoundError, BlockingIOError):
        return None
    if os.fstat(handle).st_nlink == 0 or not folder.exists():
        os.close(handle)
        return None
    return handle


def remove_left(folder: Path) -> None:
    """Remove a folder that no living process holds; one that cannot be locked, or is no folder, stays."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    except OSError:
        pass
    finally:
        os.close(handle)


def sync(folder: Path) -> None:
    """Let the names in a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    except OSError:
        pass  # a file system that keeps folders otherwise
    finally:
        os.close(handle)
