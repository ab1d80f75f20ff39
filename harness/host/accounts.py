"""Acting as another user where this process is root: so it may see and move that user's processes even in a container
that lacks the capabilities for those of others."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def acting_as(user: int, group: int) -> Iterator[None]:
    """Have the rights of a user inside a short block, and no others; as oneself where that is not allowed."""
    own_user, own_group = os.geteuid(), os.getegid()
    if own_user != 0 or user == 0:
        yield
        return
    try:
        os.setegid(group)
        os.seteuid(user)
    except PermissionError:
        pass
    try:
        yield
    finally:
        os.seteuid(own_user)
        os.setegid(own_group)


@contextmanager
def acting_as_owner(path: Path) -> Iterator[None]:
    """The same of who owns a file or folder; as oneself where there is none."""
    try:
        owner = path.stat()
    except OSError:
        yield
        return
    with acting_as(owner.st_uid, owner.st_gid):
        yield
