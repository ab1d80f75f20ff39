"""For each cause that a diagnosis can name, a cell that has it, and the sentence that `harness run` prints.

    .venv/bin/python benchmarks/diagnoses.py [--only CAUSE] [--out FILE]

For two of them the database is slowed down by a connection of this script, which locks the table of orders for 200 ms
at a time; for `generator` k6 is made to collect garbage without end. Needs two cores, and a quiet machine for the
causes that are a lack of CPU time. About four minutes; exit code 1 if a cell was told another cause.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from running import Row, messages, run, write

from harness import api

TIMING = api.Timing(warmup_seconds=2.0, window_seconds=5.0)
CASES = {
    "users": "uvicorn/sleep?ms=300",
    "event loop": "uvicorn/blocking/sleep?ms=30/c20",
    "threads": "uvicorn/sync/sleep?ms=500/c200",
    "pool": "uvicorn/select/p2/c20",
    "cpu": "uvicorn/cpu/c20",
    "gil": "uvicorn/sync/cpu/c20",
    "generator": "granian/noop/c64",
    "database": "uvicorn/select/c8",
    "rate": "uvicorn/sync/sleep/r200",
}
"""Cause → a cell that has it."""
SHARED = ("gil",)
"""Causes that show where server and generator share all cores."""


@contextmanager
def slow_database() -> Iterator[None]:
    """Lock the table of orders again and again."""
    ended = threading.Event()
    url = api.prepare_database(None).url

    def lock() -> None:
        with api.connect_postgres(url) as client:
            while not ended.is_set():
                with client.transaction():
                    client.execute("LOCK TABLE harness_shop.orders IN ACCESS EXCLUSIVE MODE")
                    time.sleep(0.2)
                time.sleep(0.002)

    thread = threading.Thread(target=lock)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextmanager
def slow_k6() -> Iterator[str]:
    """A k6 that costs several times as much."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "k6")
        script.write_text(f'#!/bin/sh\nGOGC=1 exec {api.find_k6(None).path} "$@"\n', encoding="utf-8")
        script.chmod(0o755)
        yield str(script)


def main() -> int:
    """Provoke every cause."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=CASES)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    rows: list[Row] = []
    missed = 0
    for cause, cell in CASES.items():
        if arguments.only not in (None, cause):
            continue
        if cause in ("database", "pool"):
            with slow_database():
                record = run(cell, TIMING)
        elif cause == "generator":
            with slow_k6() as path:
                record = run(cell, TIMING, k6=path)
        else:
            record = run(cell, TIMING, pin="none" if cause in SHARED else "auto")
        diagnosis = record.diagnosis
        assert diagnosis is not None
        missed += diagnosis.bound_by != cause
        rows.append(
            {
                "cause": cause,
                "cell": record.cell.label,
                "bound_by": diagnosis.bound_by,
                "message": diagnosis.message,
                "throughput_rps": record.throughput_rps,
                "verdict": record.verdict,
                "reasons": messages(record),
            }
        )
        print(
            f"{'ok ' if diagnosis.bound_by == cause else 'OFF'} {record.cell.label} ({record.verdict})\n"
            f"    bound by {diagnosis.bound_by}: {diagnosis.message}",
            flush=True,
        )
    write(arguments.out, rows)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
