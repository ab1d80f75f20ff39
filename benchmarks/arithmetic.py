"""Does the harness show what arithmetic knows? Cells whose throughput follows from users, threads and waits.

    .venv/bin/python benchmarks/arithmetic.py [--server NAME …] [--out FILE]

Each cell is measured by `harness run` itself; a line says what was expected, what was measured and how the connections
were spread. About 8 s per cell, five to six minutes for all four servers. Exit code 1 if a cell is outside its bounds
although the machine was quiet enough to tell.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SERVERS = ("uvicorn", "granian", "gunicorn", "hypercorn")
QUIET_SHARE = 0.05


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One cell and the throughput that it must show, in requests per second."""

    name: str
    arguments: tuple[str, ...]
    lowest: float
    highest: float
    slots: int | None = None
    """Threads per worker times workers that must be filled by connections for the bounds to hold."""


def case(
    *, workload: str, style: str, ms: int, vus: int, workers: int, bounds: tuple[float, float], seconds: int = 5
) -> Case:
    """A FastAPI cell."""
    return Case(
        name=f"{style} {workload} {ms} ms, {vus} users, {workers} worker(s)",
        arguments=(
            *("--workload", workload, "--style", style, "--param", f"ms={ms}", "--vus", str(vus)),
            *("--workers", str(workers), "--warmup", "3s", "--duration", f"{seconds}s"),
        ),
        lowest=bounds[0],
        highest=bounds[1],
        slots=40 if style == "sync" and workers > 1 else None,
    )


CASES = (
    case(workload="sleep", style="async", ms=1000, vus=100, workers=1, bounds=(98.5, 100.5)),
    case(workload="sleep", style="sync", ms=1000, vus=100, workers=1, bounds=(39.2, 40.8)),
    case(workload="sleep", style="sync", ms=1000, vus=200, workers=2, bounds=(78.4, 81.6)),
    case(workload="sleep", style="sync", ms=100, vus=200, workers=2, bounds=(740, 808)),
    # The loop is blocked 0.2 s per request: 5 a second. gunicorn and hypercorn were seen at 4.7, below the bound; a
    # likely reason, not traced: with all 20 users in one batch the loop idles while they await, 20 ÷ 4.2 s = 4.76.
    case(workload="mixed", style="async", ms=200, vus=20, workers=1, bounds=(4.8, 5.1), seconds=10),
)
FLASK = (
    Case(
        name="Flask sync sleep 1000 ms, 100 users, 1 worker(s)",
        arguments=(
            *("--framework", "flask", "--style", "sync", "--workload", "sleep", "--param", "ms=1000"),
            *("--vus", "100", "--warmup", "3s", "--duration", "5s"),
        ),
        lowest=39.2,
        highest=40.8,
    ),
    Case(
        name="Flask sync sleep 1000 ms, 200 users, 2 worker(s)",
        arguments=(
            *("--framework", "flask", "--style", "sync", "--workload", "sleep", "--param", "ms=1000"),
            *("--vus", "200", "--workers", "2", "--warmup", "3s", "--duration", "5s"),
        ),
        lowest=78.4,
        highest=81.6,
        slots=40,
    ),
    Case(
        name="Flask sync sleep 100 ms, 200 users, 2 worker(s)",
        arguments=(
            *("--framework", "flask", "--style", "sync", "--workload", "sleep", "--param", "ms=100"),
            *("--vus", "200", "--workers", "2", "--warmup", "3s", "--duration", "5s"),
        ),
        lowest=740,
        highest=808,
        slots=40,
    ),
)


def measure(server: str, arguments: tuple[str, ...]) -> dict[str, Any]:
    """One `harness run`, as its document."""
    with tempfile.TemporaryDirectory() as folder:
        argv = [sys.executable, "-m", "harness", "run", "--server", server, "--json", "--out", folder, *arguments]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if not done.stdout:
        raise SystemExit(done.stderr)
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def main() -> None:
    """Measure every case on every server and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", action="append", choices=SERVERS)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    rows, outside = [], 0
    for server in chosen.server or SERVERS:
        for each in CASES + FLASK:
            document = measure(server, each.arguments)
            rate = document["throughput_rps"]
            threads = document["server"]["effective"]["threads"]
            workers = document["cell"]["workers"]
            scale = threads / 40 if each in FLASK else 1.0  # hypercorn's WSGI cannot be set to 40
            lowest, highest = each.lowest * scale, each.highest * scale
            connections = document["server"]["connections_by_worker"] or []
            unfilled = each.slots is not None and min(connections, default=0) < each.slots * scale
            stolen = document["machine"]["stolen_cores"] / document["machine"]["cpus"]
            inside = lowest <= rate <= highest
            note = "ok" if inside else "outside"
            if not inside and unfilled:
                note = "explained: a worker has fewer connections than threads"
            elif not inside and stolen > QUIET_SHARE:
                note = f"cannot tell: {stolen:.0%} of the CPU time was stolen"
            elif not inside:
                outside += 1
            rows.append(
                {
                    "server": server,
                    "case": each.name,
                    "lowest": round(lowest, 1),
                    "highest": round(highest, 1),
                    "measured": rate,
                    "verdict": document["verdict"],
                    "threads": threads,
                    "workers": workers,
                    "connections": connections,
                    "stolen_share": round(stolen, 4),
                    "note": note,
                }
            )
            print(
                f"{server:10} {each.name:52} {lowest:6.1f}–{highest:6.1f}  {rate:8.2f} {document['verdict']:8} "
                f"{'/'.join(map(str, connections)):9} steal {stolen:4.0%}  {note}",
                flush=True,
            )
    if chosen.out:
        chosen.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    sys.exit(1 if outside else 0)


if __name__ == "__main__":
    main()
