"""Judging: how long a large run takes, and how often verdicts on equal cells are wrong.

    .venv/bin/python benchmarks/judging.py [--out FILE]

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

from running import write

from harness import store
from harness.analysis.contrasts import compare
from harness.model.comparison import Observation
from harness.model.variant import Cell

REFERENCE = Path(__file__).resolve().parent.parent / "results" / "reference" / "first-run"
CELLS, BLOCKS = 124, 80
RUNS = 2000
NOISE, DRIFT = 0.06, 0.10


def generate(folder: Path) -> int:
    """A run of many visits, made from the reference run's one with other figures; returns how many."""
    document = json.loads((REFERENCE / "measurements" / "0001.json").read_text(encoding="utf-8"))
    run = json.loads((REFERENCE / "run.json").read_text(encoding="utf-8"))
    chance = random.Random(1)
    cells = [
        Cell.model_validate(
            {name: value for name, value in document["cell"].items() if name not in ("id", "environment")}
            | {"server": server, "workers": workers, "vus": vus}
        )
        for server in ("uvicorn", "granian", "gunicorn", "hypercorn")
        for workers in (1, 2, 4)
        for vus in range(10, 120, 10)
    ][:CELLS]
    order = [[*range(len(cells)), len(cells)] for _ in range(BLOCKS)]
    (folder / "measurements").mkdir(parents=True)
    number = 0
    for block, places in enumerate(order, 1):
        for position, place in enumerate(places, 1):
            number += 1
            cell = cells[place % len(cells)]
            document["cell"] = {
                "id": cell.label,
                "environment": document["cell"]["environment"],
                **cell.model_dump(mode="json"),
            }
            document |= {"block": block, "position": position, "attempt": 1, "repeat": place == len(cells)}
            document["requests"] = round(5000 * math.exp(chance.gauss(0, NOISE)))
            document["waits"] = None
            path = folder / "measurements" / f"{number:04}.json"
            path.write_text(store.as_text(document), encoding="utf-8")
    run |= {"cells": [cell.label for cell in cells], "order": order, "plan": {"blocks": BLOCKS}}
    (folder / "run.json").write_text(store.as_text(run), encoding="utf-8")
    return number


def judge_one(folder: Path) -> None:
    """Read and judge a run in this process, and print what it took."""
    from harness.analysis.review import review

    began = time.monotonic()
    stored = store.read_run(folder)
    read = time.monotonic() - began
    found = review(stored)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(
        json.dumps(
            {
                "visits": len(stored.visits),
                "contrasts": len(found.comparison.contrasts),
                "read_seconds": round(read, 2),
                "judge_seconds": round(time.monotonic() - began - read, 2),
                "peak_bytes": memory,
            }
        )
    )


def simulated(chance: random.Random, cell: Cell, effect: float) -> list[Observation]:
    """Four cells, the last one faster by `effect`, and the A/A cell."""
    found = []
    drift = 0.0
    for block in range(1, 9):
        drift += chance.gauss(0, DRIFT)
        for server, repeat in (("a", False), ("b", False), ("c", False), ("d", False), ("a", True)):
            log = drift + chance.gauss(0, NOISE) + (math.log(1 + effect) if server == "d" else 0.0)
            found.append(
                Observation(
                    environment="",
                    cell=cell.model_copy(update={"server": server}),
                    block=block,
                    values={"throughput_rps": 1000 * math.exp(log)},
                    repeat=repeat,
                )
            )
    return found


def rates(cell: Cell) -> dict[str, Any]:
    """Shares of simulated runs with a wrong verdict, and of those in which a true difference is found."""
    chance = random.Random(2)
    wrong = right = 0
    for _ in range(RUNS):
        equal = compare(simulated(chance, cell, 0.0))
        wrong += any(each.verdict in ("faster", "slower") for each in equal.contrasts)
        unequal = compare(simulated(chance, cell, 0.2))
        right += any(
            each.verdict == "faster" and each.b.option == "d" and each.a.option == "a" for each in unequal.contrasts
        )
    return {
        "runs": RUNS,
        "wrong_share": round(wrong / RUNS, 4),
        "found_20_percent": round(right / RUNS, 4),
    }


def main() -> None:
    """Generate, judge, simulate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--judge", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.judge:
        judge_one(chosen.judge)
        return
    with tempfile.TemporaryDirectory() as name:
        generate(Path(name))
        argv = [sys.executable, __file__, "--judge", name]
        done = subprocess.run(argv, capture_output=True, text=True, check=True)
    judged = json.loads(done.stdout)
    print(
        f"{judged['visits']:,} visits, {judged['contrasts']:,} contrasts: read in {judged['read_seconds']} s, "
        f"judged in {judged['judge_seconds']} s, {judged['peak_bytes'] / 1e6:,.0f} MB",
        flush=True,
    )
    document = json.loads((REFERENCE / "measurements" / "0001.json").read_text(encoding="utf-8"))
    given = {name: value for name, value in document["cell"].items() if name not in ("id", "environment")}
    found = rates(Cell.model_validate(given))
    print(
        f"of {found['runs']:,} runs of equal cells {found['wrong_share']:.1%} have a wrong verdict; of as many with "
        f"one cell 20 % faster {found['found_20_percent']:.1%} say so of the pair",
        flush=True,
    )
    write(chosen.out, [judged, found])


if __name__ == "__main__":
    main()
