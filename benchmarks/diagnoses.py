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

import psycopg
from running import run, write

from harness.database import connection
from harness.load import k6

COMMON = ("--warmup", "2s", "--duration", "5s")
CASES = {
    "users": ("--param", "ms=300"),
    "event loop": ("--style", "blocking", "--param", "ms=30", "--vus", "20"),
    "threads": ("--style", "sync", "--param", "ms=500", "--vus", "200"),
    "pool": ("--workload", "select", "--pool-size", "2", "--vus", "20"),
    "cpu": ("--workload", "cpu", "--vus", "20"),
    "gil": ("--workload", "cpu", "--style", "sync", "--pin", "none", "--vus", "20"),
    "generator": ("--workload", "noop", "--server", "granian", "--vus", "64"),
    "database": ("--workload", "select", "--vus", "8"),
    "rate": ("--style", "sync", "--rate", "200"),
}


@contextmanager
def slow_database() -> Iterator[None]:
    """Lock the table of orders again and again."""
    ended = threading.Event()
    url = connection.prepare(None, print).url

    def lock() -> None:
        with psycopg.connect(url) as client:
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
        script.write_text(f'#!/bin/sh\nGOGC=1 exec {k6.find(None).path} "$@"\n', encoding="utf-8")
        script.chmod(0o755)
        yield str(script)


def main() -> int:
    """Provoke every cause."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=CASES)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    rows = []
    for cause, arguments in CASES.items():
        if chosen.only not in (None, cause):
            continue
        if cause in ("database", "pool"):
            with slow_database():
                document = run(*arguments, *COMMON)
        elif cause == "generator":
            with slow_k6() as path:
                document = run(*arguments, *COMMON, "--k6", path)
        else:
            document = run(*arguments, *COMMON)
        found = document["diagnosis"]
        rows.append(
            {
                "cause": cause,
                "cell": document["cell"]["id"],
                "bound_by": found["bound_by"],
                "message": found["message"],
                "throughput_rps": document["throughput_rps"],
                "verdict": document["verdict"],
                "reasons": [reason["message"] for reason in document["reasons"]],
            }
        )
        print(
            f"{'ok ' if found['bound_by'] == cause else 'OFF'} {document['cell']['id']} ({document['verdict']})\n"
            f"    bound by {found['bound_by']}: {found['message']}",
            flush=True,
        )
    write(chosen.out, rows)
    return 1 if any(row["cause"] != row["bound_by"] for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
