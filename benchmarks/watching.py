"""What does watching cost? CPU per request of a worker that watches what its requests wait for ÷ of one that does not.

    .venv/bin/python benchmarks/watching.py [--rounds 12] [--seconds 8] [--out FILE]

The two sides of one measurement: the same cell with and without `--no-diagnose`, on the same core, loaded at the same
time, since the speed of a shared machine wanders and then wanders for both. Each round starts both anew, in the other
order. The ratio is the geometric mean over the rounds with its 95 % interval (t). About four minutes for each cell.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
from pathlib import Path

from running import Row, write

from harness import api

CELLS = ("uvicorn/noop/c16", "uvicorn/sync/noop/c16", "granian/noop/c16", "uvicorn/select/c16")
OPTIONS = api.ExecutionOptions(pin="split")


def one_round(watching: api.ServerSpec, timing: api.Timing, swapped: bool) -> float:
    """CPU per request of the cell that watches ÷ of the same that does not."""
    pair = (watching, dataclasses.replace(watching, diagnose=False))
    job = api.Job(sides=pair[::-1] if swapped else pair, timing=timing, generator=api.find_generator(OPTIONS.generator))
    costs = [measured.facts.server.cpu_us_per_request for measured in api.measure(job, api.ignore)]
    first, second = costs[::-1] if swapped else costs
    assert first
    assert second
    return first / second


def main() -> None:
    """Measure every cell and print its ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    timing = api.Timing(warmup_seconds=2.0, window_seconds=arguments.seconds)
    rows: list[Row] = []
    for cell in CELLS:
        (spec,) = api.server_specs(cell, options=OPTIONS)
        logs = [math.log(one_round(spec, timing, bool(turn % 2))) for turn in range(arguments.rounds)]
        ratio = api.interval(logs)
        rows.append(
            {"cell": spec.cell.label, **ratio.model_dump(), "ratios": [round(math.exp(log), 4) for log in logs]}
        )
        write(arguments.out, rows)
        print(f"{spec.cell.label:44} {api.ratio_words(ratio, digits=4)}", flush=True)


if __name__ == "__main__":
    main()
