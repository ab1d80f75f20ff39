"""Does the harness show what operational laws allow? Cells whose ceiling follows from users, slots and waits.

    .venv/bin/python benchmarks/ceilings.py [--server NAME …] [--out FILE]

Each cell is measured as `harness run` does it, with a window of ten seconds; its throughput must be within 2 % of the
ceiling that the result states, or within one request where that is more. Where an event loop awaits and then blocks
(`mixed`), it may idle for the awaited time if all users are in one batch, so the lower bound is that of one batch:
users ÷ (awaited + users × blocked). Cells that other guests or programs disturbed are measured up to three times and
otherwise told apart. About five minutes for uvicorn and granian, ten for all four. Exit code 1 if a valid cell is off.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from running import Row, messages, run, write

from harness import api

SERVERS = ("uvicorn", "granian", "gunicorn", "hypercorn")
TOLERANCE = 0.02
TIMING = api.Timing(warmup_seconds=4.0, window_seconds=10.0)


CELLS = (
    "async/sleep?ms=1000/c200",
    "sync/sleep?ms=1000/c200",
    "sync/sleep?ms=1000/w2/c200",
    "wrapped/sleep?ms=1000/c200",
    "offloaded/sleep?ms=1000/c200",
    "blocking/sleep?ms=100/c50",
    "blocking/sleep?ms=100/w2/c50",
    "sync/sleep?ms=100/t10/c50",
    "async/mixed?ms=200/c20",
    "sync/mixed?ms=200/c20",
)
"""What stands after the server in a cell's written form."""


def one_batch(record: api.MeasurementRecord) -> float:
    """Requests per second if all users are in one batch, for a loop that awaits and blocks; else the ceiling."""
    waits, users = record.waits, record.cell.load.users
    assert record.ceiling is not None
    assert waits is not None
    assert users is not None
    total, occupied = waits.total_seconds, waits.occupied_seconds
    assert total is not None
    assert occupied is not None
    if waits.slot == "thread" or occupied in (0, total):
        return record.ceiling.rps
    return users / (total - occupied + users * occupied)


def main() -> int:
    """Measure every cell on every server and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", action="append", choices=SERVERS)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    rows: list[Row] = []
    off = 0
    for cell in CELLS:
        for server in arguments.server or SERVERS[:2]:
            record = run(f"{server}/fastapi/{cell}", TIMING)
            ceiling, rate = record.ceiling, record.throughput_rps
            assert ceiling is not None
            tolerance = max(TOLERANCE * ceiling.rps, 1 / record.window_seconds)
            lowest = one_batch(record)
            within = lowest - tolerance <= rate <= ceiling.rps + tolerance
            off += record.verdict == "valid" and not within
            bound_by = None if record.diagnosis is None else record.diagnosis.bound_by
            rows.append(
                {
                    "cell": record.cell.label,
                    "ceiling_rps": ceiling.rps,
                    "limit": ceiling.limit,
                    "one_batch_rps": round(lowest, 3),
                    "measured_rps": rate,
                    "fraction": record.ceiling_fraction,
                    "within": within,
                    "bound_by": bound_by,
                    "verdict": record.verdict,
                    "reasons": messages(record),
                    "stolen_cores": record.machine.stolen_cores,
                }
            )
            print(
                f"{record.cell.label:48} {rate:8.1f} of {ceiling.rps:7.1f} = {record.ceiling_fraction:6.1%} "
                f"{'ok ' if within else 'OFF'} {record.verdict:8} {bound_by!s:10} {ceiling.limit}",
                flush=True,
            )
    write(arguments.out, rows)
    return 1 if off else 0


if __name__ == "__main__":
    sys.exit(main())
