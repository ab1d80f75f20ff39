"""Open load below and above what a cell can serve: the latencies at 50, 90 and 120 % of its capacity.

    .venv/bin/python benchmarks/open_load.py [--out FILE]

The cell is `sleep` for 100 ms in style `sync`: 40 threads ÷ 0.1 s serve 400 requests per second. Below that, latency is
the service time; above it the queue grows through the window, and so must the latency. A minute for each server.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from running import Row, messages, run, write

CAPACITY = 400


def main() -> None:
    """Measure three rates on two servers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    rows: list[Row] = []
    for server in ("uvicorn", "granian"):
        for share in (0.5, 0.9, 1.2):
            record = run(f"{server}/sync/sleep?ms=100/r{share * CAPACITY:g}")
            latency = record.latency_ms
            rows.append(
                {
                    "cell": record.cell.label,
                    "share_of_capacity": share,
                    "throughput_rps": record.throughput_rps,
                    "latency_ms": latency.model_dump(),
                    "overdue": record.generator.overdue,
                    "verdict": record.verdict,
                    "reasons": messages(record),
                    "bound_by": None if record.diagnosis is None else record.diagnosis.bound_by,
                }
            )
            print(
                f"{record.cell.label:44} {share:4.0%}  {record.throughput_rps:6.1f} req/s   "
                f"p50 {latency.p50 or math.nan:8,.1f}  p99 {latency.p99 or math.nan:8,.1f} ms   {record.verdict} "
                f"{'; '.join(reason.gate for reason in record.reasons)}",
                flush=True,
            )
    write(arguments.out, rows)


if __name__ == "__main__":
    main()
