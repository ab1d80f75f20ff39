"""Cores: of the harness itself while it measures, and of the embedded Postgres."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from harness.errors import LackError
from harness.host.accounts import acting_as_owner


@contextmanager
def confined(cpus: Sequence[int] | None) -> Iterator[None]:
    """Keep the harness off the server's cores inside the block; None: leave it where it is."""
    before = os.sched_getaffinity(0)
    if cpus is not None:
        os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def place_database(pids: Iterable[int], cpus: Sequence[int] | None) -> None:
    """Put the embedded Postgres on the server's cores; with None, on every core again, as far as that is allowed.

    Where the harness is root, Postgres is another user's: then that user moves it, which takes no capability.
    """
    cores = cpus if cpus is not None else sorted(os.sched_getaffinity(0))
    for pid in pids:
        try:
            with acting_as_owner(Path(f"/proc/{pid}")):
                os.sched_setaffinity(pid, cores)
        except ProcessLookupError:
            continue
        except OSError as error:
            if cpus is None:
                continue
            raise LackError(
                f"cannot place Postgres (process {pid}) on cores {cores}: {error.strerror}",
                cure="use --pin none, or give this container the capability SYS_NICE",
            ) from error
