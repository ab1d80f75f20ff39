"""What does watching cost? CPU per request of a worker that watches what its requests wait for ÷ of one that does not.

    .venv/bin/python benchmarks/watching.py [--rounds 12] [--turns 8] [--out FILE]

The same cell with and without `--no-diagnose`, both up on the same core and loaded in turn by windows of a second,
since the speed of a shared machine wanders. Each round starts both anew, in the other order. The ratio is the geometric
mean over the rounds with its 95 % interval (t). About four minutes for each cell.
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
TURN = api.Timing(warmup_seconds=0.3, window_seconds=1.0)


def one_round(watching: api.ServerSpec, turns: int, swapped: bool) -> float:
    """CPU per request of the cell that watches ÷ of the same that does not."""
    pair = (watching, dataclasses.replace(watching, diagnose=False))
    generator = api.find_generator(OPTIONS.generator)
    seconds, requests = [0.0, 0.0], [0, 0]
    with api.deployed(*pair) as up:
        for turn in range(turns):
            for place in (1, 0) if swapped ^ bool(turn % 2) else (0, 1):
                window, _ = up.load(TURN, generator, place)
                seconds[place] += sum(piece.cpu_seconds for piece in window.slices)
                requests[place] += sum(piece.requests for piece in window.slices)
    return (seconds[0] / requests[0]) / (seconds[1] / requests[1])


def main() -> None:
    """Measure every cell and print its ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--turns", type=int, default=8)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    rows: list[Row] = []
    for cell in CELLS:
        (spec,) = api.server_specs(cell, options=OPTIONS)
        logs = [math.log(one_round(spec, arguments.turns, bool(each % 2))) for each in range(arguments.rounds)]
        ratio = api.interval(logs)
        rows.append(
            {"cell": spec.cell.label, **ratio.model_dump(), "ratios": [round(math.exp(log), 4) for log in logs]}
        )
        write(arguments.out, rows)
        print(f"{spec.cell.label:44} {api.ratio_words(ratio, digits=4)}", flush=True)


if __name__ == "__main__":
    main()
