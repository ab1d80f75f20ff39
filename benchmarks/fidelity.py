"""Does our load report what another generator reports? Throughput by k6 with our script ÷ throughput by wrk.

    .venv/bin/python benchmarks/fidelity.py [--server NAME …] [--precision 0.03] [--most 900] [--out FILE]

For each server one and the same server process (noop, async, one worker) is loaded in turn by k6 and by wrk, 32 users
both, from the same cores, in windows of one second: the speed of a shared machine wanders, and neighbours share most of
it. The order changes from pair to pair. A pair during which others took more than 5 % of the cores (the machine gate)
does not count. The ratio is the geometric mean over pairs with its 95 % interval (t); pairs are added, thirty at least,
until the interval's half-width is below the precision, or for so many seconds (`--most`). Where k6 uses more than 75 %
of its cores the generator gate says that its figure may be its own limit. Needs wrk on PATH and two cores; five minutes
or more for each server.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

from running import Row, write

from harness import api

SERVERS = ("uvicorn", "granian", "gunicorn", "hypercorn")
USERS = 32
TIMINGS = {
    "k6": api.Timing(warmup_seconds=0.5, window_seconds=1.0),
    "wrk": api.Timing(warmup_seconds=0.0, window_seconds=1.0),  # it needs none of its own, and the server is warm
}
LEAST_PAIRS, MOST_SECONDS = 30, 900.0
TRUE = (0.97, 1.03)


def visit(deployments: api.Deployments, generator: api.Generator) -> tuple[float, float, float]:
    """Requests per second; the shares of their cores that the generator used, and that others did."""
    window, summary = deployments.load(TIMINGS[generator.name], generator)
    placement = deployments.specs[0].placement
    assert placement.generator_cpus is not None, "needs two cores"
    taken = (window.stolen_cores + window.foreign_cores) / len(placement.cores)
    rate = summary.requests / summary.window_seconds
    return rate, window.generator_cpu_cores / len(placement.generator_cpus), taken


def compare(name: str, precision: float, most_seconds: float) -> Row:
    """One server, loaded by both in turn until the ratio is precise enough."""
    specs = api.server_specs(f"{name}/noop/c{USERS}", options=api.ExecutionOptions(pin="split"))
    generators = [api.find_generator(each) for each in TIMINGS]
    began = time.monotonic()
    rates: dict[str, list[float]] = {each: [] for each in TIMINGS}
    shares: list[float] = []
    disturbed = 0
    with api.deployed(*specs) as deployments:
        while True:
            order = generators if (len(shares) + disturbed) % 2 else generators[::-1]
            pair = {each.name: visit(deployments, each) for each in order}
            late = time.monotonic() - began > most_seconds
            if max(taken for _, _, taken in pair.values()) > api.OTHERS_SHARE:
                disturbed += 1
            else:
                for each, (rate, share, _) in pair.items():
                    rates[each].append(rate)
                    if each == "k6":
                        shares.append(share)
            if len(shares) < LEAST_PAIRS and not (late and len(shares) > 1):
                continue
            ratio = api.interval([math.log(one / other) for one, other in zip(rates["k6"], rates["wrk"], strict=True)])
            assert ratio.low is not None
            assert ratio.high is not None
            half_width = ratio.half_width or 0.0
            if half_width <= precision or late:
                break
    share = sum(shares) / len(shares)
    return {
        "server": name,
        "ratio": round(ratio.estimate, 4),
        "low": round(ratio.low, 4),
        "high": round(ratio.high, 4),
        "half_width": round(half_width, 4),
        "pairs": len(shares),
        "disturbed_pairs": disturbed,
        "seconds": round(time.monotonic() - began, 1),
        "k6_rps": round(sum(rates["k6"]) / len(shares), 1),
        "wrk_rps": round(sum(rates["wrk"]) / len(shares), 1),
        "k6_share_of_its_cores": round(share, 3),
        "generator_gate_passes": share <= api.GENERATOR_SHARE,
        "agrees": ratio.low <= TRUE[1] and ratio.high >= TRUE[0],
    }


def main() -> None:
    """Compare on every server and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", action="append", choices=SERVERS)
    parser.add_argument("--precision", type=float, default=0.03, help="half-width of the interval to reach")
    parser.add_argument("--most", type=float, default=MOST_SECONDS, metavar="SECONDS", help="for each server")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    rows: list[Row] = []
    for name in arguments.server or SERVERS:
        row = compare(name, arguments.precision, arguments.most)
        rows.append(row)
        write(arguments.out, rows)  # at once: it may take an hour
        gate = "passes" if row["generator_gate_passes"] else "does not pass"
        print(
            f"{name:10} k6 ÷ wrk {row['ratio']:.3f} [{row['low']:.3f}, {row['high']:.3f}] ±{row['half_width']:.1%}  "
            f"{row['pairs']} pairs ({row['disturbed_pairs']} disturbed) in {row['seconds']:.0f} s   "
            f"k6 at {row['k6_share_of_its_cores']:.0%} of its core: the gate {gate}",
            flush=True,
        )


if __name__ == "__main__":
    main()
