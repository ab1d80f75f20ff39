"""Does k6's own garbage collection show in what is told of a server? Latency with it as k6 has it, and as we set it.

    .venv/bin/python benchmarks/garbage.py [--rounds 6] [--out FILE]

The same cell is measured in turn by k6 with Go's defaults (`GOGC=100`) and by k6 as the harness starts it (no
collection until its heap has grown to a share of the free memory), in the other order in every second round: under
open load, where a collection on the generator's core delays what is due, and with connections that ask without a pause.
The ratio is p99 by default ÷ p99 as we set it, a geometric mean over rounds with its 95 % interval. About six minutes.
"""

from __future__ import annotations

import argparse
import math
import shlex
import statistics
import tempfile
from pathlib import Path

from running import REFERENCE, Row, document, messages, write_document

from harness import api

CELLS = ("uvicorn/select/r1000", "uvicorn/noop/c16")
DEFAULT, OURS = "by default", "as the harness sets it"


def by_default(folder: Path) -> str:
    """A k6 that drops what the harness sets."""
    program = folder / "k6"
    real = shlex.quote(api.find_k6(None).path)
    program.write_text(f'#!/bin/sh\nunset GOMEMLIMIT\nGOGC=100 exec {real} "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    return str(program)


def measured(cell: str, way: str, k6: str | None, number: int) -> Row:
    """One run."""
    with tempfile.TemporaryDirectory() as folder:
        record = api.run(cell, api.TIMING, api.ExecutionOptions(out=Path(folder), k6=k6)).record
    return {
        "cell": record.cell.label,
        "way": way,
        "round": number,
        "throughput_rps": round(record.throughput_rps, 1),
        "p50_ms": record.latency_ms.p50,
        "p99_ms": record.latency_ms.p99,
        "max_ms": record.latency_ms.max,
        "verdict": record.verdict,
        "reasons": messages(record),
    }


def summary(rows: list[Row], cell: str) -> Row:
    """Median p99 of each way, and by how much they differ."""
    p99 = {
        way: [float(str(row["p99_ms"])) for row in rows if row["cell"] == cell and row["way"] == way and row["p99_ms"]]
        for way in (DEFAULT, OURS)
    }
    pairs = [math.log(a / b) for a, b in zip(p99[DEFAULT], p99[OURS], strict=False)]
    return {
        **{f"p99_ms {way}": round(statistics.median(each), 2) for way, each in p99.items() if each},
        "ratio": api.interval(pairs).model_dump() if len(pairs) > 1 else None,
        "not_valid": {
            way: sum(row["verdict"] != "valid" for row in rows if row["cell"] == cell and row["way"] == way)
            for way in (DEFAULT, OURS)
        },
    }


def main() -> None:
    """Measure each cell both ways in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--out", type=Path, default=REFERENCE / "garbage.json")
    arguments = parser.parse_args()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        ways = [(DEFAULT, by_default(Path(folder))), (OURS, None)]
        for number in range(1, arguments.rounds + 1):
            for cell in CELLS:
                for way, k6 in ways if number % 2 else ways[::-1]:
                    rows.append(measured(cell, way, k6, number))
                    print(rows[-1], flush=True)
                    labels = dict.fromkeys(str(row["cell"]) for row in rows)
                    told = {label: summary(rows, label) for label in labels}
                    write_document(arguments.out, document("garbage", arguments, rows, **told))
    print(told)


if __name__ == "__main__":
    main()
