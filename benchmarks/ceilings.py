"""Does the harness show what operational laws allow? Cells whose ceiling follows from users, slots and waits.

    .venv/bin/python benchmarks/ceilings.py [--server NAME …] [--out FILE]

Each cell is measured by `harness run` itself, with a window of ten seconds; its throughput must be within 2 % of the
ceiling that the result states, or within one request where that is more. Where an event loop awaits and then blocks
(`mixed`), it may idle for the awaited time if all users are in one batch, so the lower bound is that of one batch:
users ÷ (awaited + users × blocked). Cells that other guests or programs disturbed are measured up to three times and
otherwise told apart. About five minutes for uvicorn and granian, ten for all four. Exit code 1 if a valid cell is off.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from running import run, write

SERVERS = ("uvicorn", "granian", "gunicorn", "hypercorn")
TOLERANCE = 0.02


def cell(style: str, ms: int, users: int, *, workload: str = "sleep", workers: int = 1, threads: int = 40) -> list[str]:
    """The arguments of one FastAPI cell."""
    return [
        *("--workload", workload, "--style", style, "--param", f"ms={ms}", "--vus", str(users)),
        *("--workers", str(workers), "--threads", str(threads), "--warmup", "4s", "--duration", "10s"),
    ]


CELLS = (
    cell("async", 1000, 200),
    cell("sync", 1000, 200),
    cell("sync", 1000, 200, workers=2),
    cell("wrapped", 1000, 200),
    cell("offloaded", 1000, 200),
    cell("blocking", 100, 50),
    cell("blocking", 100, 50, workers=2),
    cell("sync", 100, 50, threads=10),
    cell("async", 200, 20, workload="mixed"),
    cell("sync", 200, 20, workload="mixed"),
)


def one_batch(document: dict[str, Any]) -> float:
    """Requests per second if all users are in one batch, for a loop that awaits and blocks; else the ceiling."""
    waits, users = document["waits"], document["cell"]["vus"]
    if waits["slot"] == "thread" or waits["occupied_seconds"] in (0, waits["total_seconds"]):
        return float(document["ceiling"]["rps"])
    awaited = waits["total_seconds"] - waits["occupied_seconds"]
    return float(users / (awaited + users * waits["occupied_seconds"]))


def main() -> int:
    """Measure every cell on every server and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", action="append", choices=SERVERS)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    rows, off = [], 0
    for arguments in CELLS:
        for server in chosen.server or SERVERS[:2]:
            document = run("--server", server, *arguments)
            ceiling, rate = document["ceiling"], document["throughput_rps"]
            tolerance = max(TOLERANCE * ceiling["rps"], 1 / document["window_seconds"])
            lowest = one_batch(document)
            within = lowest - tolerance <= rate <= ceiling["rps"] + tolerance
            off += document["verdict"] == "valid" and not within
            rows.append(
                {
                    "cell": document["cell"]["id"],
                    "ceiling_rps": ceiling["rps"],
                    "limit": ceiling["limit"],
                    "one_batch_rps": round(lowest, 3),
                    "measured_rps": rate,
                    "fraction": document["ceiling_fraction"],
                    "within": within,
                    "bound_by": document["diagnosis"]["bound_by"],
                    "verdict": document["verdict"],
                    "reasons": [reason["message"] for reason in document["reasons"]],
                    "stolen_cores": document["machine"]["stolen_cores"],
                }
            )
            print(
                f"{document['cell']['id']:48} {rate:8.1f} of {ceiling['rps']:7.1f} = "
                f"{document['ceiling_fraction']:6.1%} "
                f"{'ok ' if within else 'OFF'} {document['verdict']:8} {document['diagnosis']['bound_by']!s:10} "
                f"{ceiling['limit']}",
                flush=True,
            )
    write(chosen.out, rows)
    return 1 if off else 0


if __name__ == "__main__":
    sys.exit(main())
