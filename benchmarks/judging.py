"""Judging: how long a large run takes, and how often verdicts on equal cells are wrong.

    .venv/bin/python benchmarks/judging.py [--blocks 80] [--runs 2000] [--out FILE]

A run of 10,000 generated visits is written, read back and judged (time and peak memory of a process of its own). Then
runs of four equal cells and an A/A cell, eight blocks with 6 % noise per visit and a drift that all cells of a block
share, are judged: how many of them have a wrong `faster` or `slower`; and of runs in which one cell is 20 % faster, how
many say so. No server runs; about a minute.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from generated import generate, reference_visit
from running import write

from harness import api

CELLS, BLOCKS = 124, 80
RUNS = 2000
NOISE, DRIFT = 0.06, 0.10


def cells() -> list[api.Cell]:
    """As many as a large matrix has."""
    _, visit = reference_visit()
    return [
        visit.cell.model_copy(
            update={
                "variant": visit.cell.variant.model_copy(update={"server": server, "workers": workers}),
                "load": api.ClosedLoad(users=users),
            }
        )
        for server in ("uvicorn", "granian", "gunicorn", "hypercorn")
        for workers in (1, 2, 4)
        for users in range(10, 120, 10)
    ][:CELLS]


def judge_one(folder: Path) -> None:
    """Read and judge a run in this process, and print what it took."""
    began = time.monotonic()
    stored = api.read_run(folder)
    read = time.monotonic() - began
    overview = api.review(stored)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(
        json.dumps(
            {
                "visits": len(stored.visits),
                "contrasts": len(overview.comparison.contrasts),
                "read_seconds": round(read, 2),
                "judge_seconds": round(time.monotonic() - began - read, 2),
                "peak_bytes": memory,
            }
        )
    )


def simulated(chance: random.Random, cell: api.Cell, effect: float) -> list[api.Observation]:
    """Observations of four cells, the last one faster by `effect`, and of the A/A cell."""
    observations = []
    drift = 0.0
    for block in range(1, 9):
        drift += chance.gauss(0, DRIFT)
        for server, repeat in (("a", False), ("b", False), ("c", False), ("d", False), ("a", True)):
            log = drift + chance.gauss(0, NOISE) + (math.log(1 + effect) if server == "d" else 0.0)
            observations.append(
                api.Observation(
                    cell=cell.model_copy(update={"variant": cell.variant.model_copy(update={"server": server})}),
                    block=block,
                    values={"throughput_rps": 1000 * math.exp(log)},
                    repeat=repeat,
                )
            )
    return observations


def rates(cell: api.Cell, runs: int) -> dict[str, float]:
    """Shares of simulated runs with a wrong verdict, and of those in which a true difference is found."""
    chance = random.Random(2)
    wrong = right = 0
    for _ in range(runs):
        equal = api.compare_observations(simulated(chance, cell, 0.0))
        wrong += any(each.verdict in ("faster", "slower") for each in equal.contrasts)
        unequal = api.compare_observations(simulated(chance, cell, 0.2))
        right += any(
            each.verdict == "faster" and each.b.option == "d" and each.a.option == "a" for each in unequal.contrasts
        )
    return {
        "runs": runs,
        "wrong_share": round(wrong / runs, 4),
        "found_20_percent": round(right / runs, 4),
    }


def main() -> None:
    """Generate, judge, simulate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, default=BLOCKS, help=f"of the generated run of {CELLS} cells")
    parser.add_argument("--runs", type=int, default=RUNS, help="simulated runs of each kind")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--judge", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.judge:
        judge_one(arguments.judge)
        return
    with tempfile.TemporaryDirectory() as name:
        generate(Path(name, "run"), cells(), arguments.blocks, noise=NOISE, rps=lambda _: 500.0)
        argv = [sys.executable, __file__, "--judge", f"{name}/run"]
        done = subprocess.run(argv, capture_output=True, text=True, check=True)
    judged: dict[str, Any] = json.loads(done.stdout)
    print(
        f"{judged['visits']:,} visits, {judged['contrasts']:,} contrasts: read in {judged['read_seconds']} s, "
        f"judged in {judged['judge_seconds']} s, {judged['peak_bytes'] / 1e6:,.0f} MB",
        flush=True,
    )
    verdicts = rates(reference_visit()[1].cell, arguments.runs)
    print(
        f"of {verdicts['runs']:,} runs of equal cells {verdicts['wrong_share']:.1%} have a wrong verdict; of as many "
        f"with one cell 20 % faster {verdicts['found_20_percent']:.1%} say so of the pair",
        flush=True,
    )
    write(arguments.out, [judged, verdicts])


if __name__ == "__main__":
    main()
