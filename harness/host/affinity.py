"""Cores: of the harness itself while it measures, and of the embedded Postgres."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from harness.errors import LackError


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
    """Put the embedded Postgres on the server's cores; with None, on every core again."""
    cores = cpus if cpus is not None else sorted(os.sched_getaffinity(0))
    for pid in pids:
        try:
            os.sched_setaffinity(pid, cores)
        except ProcessLookupError:
            continue
        except OSError as error:
            raise LackError(
                f"cannot place Postgres (process {pid}) on cores {cores}: {error.strerror}", cure="use --pin none"
            ) from error
