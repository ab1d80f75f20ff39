"""Open load below and above what a cell can serve: the latencies at 50, 90 and 120 % of its capacity.

    .venv/bin/python benchmarks/open_load.py [--out FILE]

The cell is `sleep` for 100 ms in style `sync`: 40 threads ÷ 0.1 s serve 400 requests per second. Below that, latency is
the service time; above it the queue grows through the window, and so must the latency. A minute for each server.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from running import run, write

CAPACITY = 400


def main() -> None:
    """Measure three rates on two servers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    rows = []
    for server in ("uvicorn", "granian"):
        for share in (0.5, 0.9, 1.2):
            rate = share * CAPACITY
            document = run("--server", server, "--style", "sync", "--param", "ms=100", "--rate", f"{rate:g}")
            latency = document["latency_ms"]
            rows.append(
                {
                    "cell": document["cell"]["id"],
                    "share_of_capacity": share,
                    "throughput_rps": document["throughput_rps"],
                    "latency_ms": latency,
                    "overdue": document["generator"]["overdue"],
                    "verdict": document["verdict"],
                    "reasons": [reason["message"] for reason in document["reasons"]],
                    "bound_by": document["diagnosis"]["bound_by"],
                }
            )
            print(
                f"{document['cell']['id']:44} {share:4.0%}  {document['throughput_rps']:6.1f} req/s   "
                f"p50 {latency['p50']:8,.1f}  p99 {latency['p99']:8,.1f} ms   {document['verdict']} "
                f"{'; '.join(reason['gate'] for reason in document['reasons'])}",
                flush=True,
            )
    write(chosen.out, rows)


if __name__ == "__main__":
    main()
