"""Judging: how often does a whole run of equal cells tell a difference, and how long does it take to judge a large one?

    .venv/bin/python benchmarks/judging.py [--runs 300] [--preset NAME …] [--out FILE]

Runs are simulated that have the cells, sets and references of a preset, all cells equal, and restarts that vary by
DEVIATIONS (normal logarithms, every metric by itself), or each cell as its throughput did in the stored run of that
preset: the least number of restarts of each set, then more of the set whose ratios are widest.
Counted is in how many runs anything is told to be faster or slower, in any metric, and how many of the ratios of
throughput of a cell that is 20 % faster are told. Then a run of 200 cells is written, read back and judged. No server
runs.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from generated import generate, two_hundred_cells
from running import REFERENCE, Row, document, write_document

from harness import api

PRESETS = ("quick", "servers")
DEVIATIONS = (0.01, 0.03)
"""Standard deviation of a cell's logarithm from restart to restart."""
EFFECT = 0.2
MORE = 3
"""Restarts beyond the least number, one by one of the set that is known least."""
METRICS = [metric.name for metric in api.METRICS.values() if metric.contrasted]
LEAST = api.simultaneous.LEAST_RESTARTS


class Simulated:
    """A run of a preset whose cells are equal, but for one."""

    def __init__(self, preset: str, deviation: float | Mapping[str, float], effect: float, seed: int) -> None:
        self._cells, self._sets, self._twice = structure(preset)
        self._chance, self._effect = random.Random(seed), effect
        labels = [each.label for each in self._cells]
        self._deviations = deviation if isinstance(deviation, Mapping) else dict.fromkeys(labels, deviation)
        self._number = 0
        self.faster = self._cells[-1].label
        """The one that is not equal, where there is an effect."""
        self.observations: list[api.Observation] = []

    def restart(self, place: int) -> None:
        """Observations of all members of a set."""
        self._number += 1
        members = self._sets[place].members
        for at, member in enumerate(members):
            shift = math.log(1 + self._effect) if member == len(self._cells) - 1 else 0.0
            deviation = self._deviations[self._cells[member].label]
            self.observations.append(
                api.Observation(
                    cell=self._cells[member],
                    restart=self._number,
                    set=place + 1,
                    repeat=member == self._twice and member in members[:at],
                    values={name: math.exp(shift + self._chance.gauss(0, deviation)) for name in METRICS},
                )
            )

    def judged(self) -> api.Comparison:
        """What the run says once it has ended."""
        for _ in range(LEAST):
            for place in range(len(self._sets)):
                self.restart(place)
        for _ in range(MORE):
            first = api.compare_observations(self.observations, metrics=METRICS[:1])
            widest = max(first.contrasts, key=lambda each: each.ratio.half_width or math.inf)
            labels = {widest.a.cell, widest.b.cell}
            holding = [
                place
                for place, each in enumerate(self._sets)
                if labels & {self._cells[member].label for member in each.members}
            ]
            self.restart(self._chance.choice(holding))
        return api.compare_observations(self.observations)


def structure(preset: str) -> tuple[list[api.Cell], list[api.CellSet], int | None]:
    """Cells of a preset, which of them are up at once, and which is there twice."""
    plan = api.preset(preset)
    expansion = api.expand_plan(plan, {})
    sets, twice = api.sets_of(expansion, plan, api.Room())
    return [each.cell for each in expansion.cells], sets, twice


def stored_deviations(preset: str) -> dict[str, float]:
    """By how much each cell's throughput varied from restart to restart in the stored run of a preset, beside the mean
    of its set."""
    found: dict[str, list[float]] = {}
    restarts = api.read_run(REFERENCE.parent / "matrices" / preset).restarts
    for number in {each.set for each in restarts}:
        of_set = [each for each in restarts if each.set == number]
        logs = api.rotation_analysis.table(api.rotation_analysis.settled_figures(of_set), METRICS[0])
        assert logs is not None
        rows = [[value - statistics.fmean(row) for value in row] for row in logs]
        for name, column in zip(of_set[0].cells, zip(*rows, strict=True), strict=True):
            found.setdefault(name, []).append(statistics.variance(column))
    return {name: math.sqrt(statistics.fmean(each)) for name, each in found.items()}


def rates(preset: str, deviation: float | None, runs: int) -> Row:
    """The share of simulated runs with a wrong verdict, and of a faster cell's ratios of throughput that are told.
    `deviation`: None for those of the stored run."""
    wrong = found = contrasted = 0
    deviations = stored_deviations(preset) if deviation is None else deviation
    began = time.monotonic()
    for seed in range(runs):
        equal = Simulated(preset, deviations, 0.0, seed).judged()
        wrong += any(each.verdict in ("faster", "slower") for each in equal.contrasts)
    half_widths = [each.ratio.half_width or 0.0 for each in equal.contrasts if each.metric == METRICS[0]]
    for seed in range(max(1, runs // 10)):
        unequal = Simulated(preset, deviations, EFFECT, seed)
        of_it = [
            each
            for each in unequal.judged().contrasts
            if each.metric == METRICS[0] and unequal.faster in (each.a.cell, each.b.cell)
        ]
        contrasted += len(of_it)
        found += sum(each.verdict == ("faster" if each.b.cell == unequal.faster else "slower") for each in of_it)
    return {
        "preset": preset,
        "cells": len(structure(preset)[0]),
        "sets": len(structure(preset)[1]),
        "contrasts": len(equal.contrasts),
        "deviation": "as stored" if deviation is None else deviation,
        "runs": runs,
        "wrong_share": round(wrong / runs, 4),
        "error": round(math.sqrt(wrong / runs * (1 - wrong / runs) / runs), 4),
        "found_20_percent": round(found / contrasted, 4),
        "median_half_width": round(sorted(half_widths)[len(half_widths) // 2], 4),
        "seconds": round(time.monotonic() - began, 1),
    }


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
                "cells": len(overview.cells),
                "measurements": len(stored.visits),
                "contrasts": len(overview.comparison.contrasts),
                "read_seconds": round(read, 2),
                "judge_seconds": round(time.monotonic() - began - read, 2),
                "peak_bytes": memory,
            }
        )
    )


def large(restarts: int) -> dict[str, Any]:
    """What it takes to read and judge two hundred cells."""
    with tempfile.TemporaryDirectory() as name:
        generate(Path(name, "run"), two_hundred_cells(), restarts, noise=0.02, rps=lambda _: 500.0)
        argv = [sys.executable, __file__, "--judge", f"{name}/run"]
        done = subprocess.run(argv, capture_output=True, text=True, check=True)
    judged: dict[str, Any] = json.loads(done.stdout)
    return judged


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulate, then judge a large run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200, help="simulated runs of each kind")
    parser.add_argument("--preset", nargs="+", default=list(PRESETS))
    parser.add_argument("--restarts", type=int, default=LEAST, help="of the large run")
    parser.add_argument("--out", type=Path, default=REFERENCE / "judging.json")
    parser.add_argument("--judge", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.judge:
        judge_one(given.judge)
        return
    rows: list[Row] = []
    judged = large(given.restarts)
    print(judged, flush=True)
    for preset in given.preset:
        stored = [None] if (REFERENCE.parent / "matrices" / preset).is_dir() else []
        for deviation in (*DEVIATIONS, *stored):
            rows.append(rates(preset, deviation, given.runs))
            print(rows[-1], flush=True)
            write_document(given.out, document("judging", given, rows, large=judged))


if __name__ == "__main__":
    main()
