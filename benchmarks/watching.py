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

from running import write

from harness.config import plan
from harness.experiments import single as runner
from harness.load import k6
from harness.measure import Job, ServerSpec, measure
from harness.model.load import Timing
from harness.stats.intervals import interval

CELLS = (
    plan.Request(server="uvicorn", workload="noop", vus=16),
    plan.Request(server="uvicorn", workload="noop", style="sync", vus=16),
    plan.Request(server="granian", workload="noop", vus=16),
    plan.Request(server="uvicorn", workload="select", vus=16),
)


def sides(request: plan.Request) -> tuple[ServerSpec, ServerSpec]:
    """The cell watching, and not."""
    choice = plan.choose(request)
    environment = runner.prepare_environment(choice, None)
    database = runner.prepare_database(choice, None, print)
    watching = runner.service_of(choice, environment, database, pin="split", users=request.vus or 1)
    return watching, dataclasses.replace(watching, diagnose=False)


def one_round(pair: tuple[ServerSpec, ServerSpec], timing: Timing, swapped: bool) -> float:
    """CPU per request of the first side ÷ of the second."""
    job = Job(sides=pair[::-1] if swapped else pair, timing=timing, generator=k6.find(None))
    costs = [measured.facts.server.cpu_us_per_request for measured in measure(job, lambda _: None)]
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
    chosen = parser.parse_args()
    timing = Timing(warmup_seconds=2.0, window_seconds=chosen.seconds)
    rows = []
    for request in CELLS:
        pair = sides(request)
        logs = [math.log(one_round(pair, timing, bool(turn % 2))) for turn in range(chosen.rounds)]
        ratio = interval(logs)
        rows.append(
            {"cell": pair[0].cell.label, **ratio.model_dump(), "ratios": [round(math.exp(log), 4) for log in logs]}
        )
        write(chosen.out, rows)
        print(f"{pair[0].cell.label:44} {ratio.estimate:6.4f}  [{ratio.low:.4f}, {ratio.high:.4f}]", flush=True)


if __name__ == "__main__":
    main()
