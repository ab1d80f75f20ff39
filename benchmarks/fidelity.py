"""Does our load report what another generator reports? Throughput and CPU per request by k6 with our script ÷ by wrk.

    .venv/bin/python benchmarks/fidelity.py [--cell NAME …] [--precision 0.03] [--most 900] [--out FILE]

For each cell one and the same server process (async, one worker) is loaded in turn by k6 and by wrk, 16 users
both, from the same cores, in windows of one second: the speed of a shared machine wanders, and neighbours share most of
it. The order changes from pair to pair. A pair during which others took more than 5 % of the cores (the machine gate)
does not count. The ratio is the geometric mean over pairs with its 95 % interval (t); pairs are added, thirty at least,
until the interval's half-width is below the precision, or for so many seconds (`--most`). Where k6 uses more than 75 %
of its cores the generator gate says that its figure may be its own limit. How often the server's threads were switched
per request stands beside it: wrk asks again at once, so that requests arrive in bunches; a generator that computes
between them makes a server of several threads wake one of them for each. Needs wrk on PATH and two cores; five minutes
or more for each cell.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from running import Row, write

from harness import api

CELLS = (
    *(f"{server}/noop/c16" for server in ("uvicorn", "granian", "gunicorn", "hypercorn")),
    *(f"granian/cpu?n={work}/c16" for work in (2, 5, 9)),
    *(f"{server}/cpu?n=16/c16" for server in ("uvicorn", "granian")),
)
TIMINGS = {
    "k6": api.Timing(warmup_seconds=0.5, window_seconds=1.0),
    "wrk": api.Timing(warmup_seconds=0.0, window_seconds=1.0),  # it needs none of its own, and the server is warm
}
LEAST_PAIRS, MOST_SECONDS = 30, 900.0
TRUE = (0.97, 1.03)


@dataclass(frozen=True, kw_only=True, slots=True)
class Visit:
    """One window of a server by one generator."""

    rate: float
    """Requests per second."""
    cpu_us: float
    """CPU time of the server per request."""
    switches: float
    """Context switches of the server's threads per request."""
    generator_share: float
    """Of its cores that the generator used."""
    taken: float
    """Share of all cores that others used."""


def switches(server: api.Deployment) -> int:
    """Context switches of all threads of a server so far, those that it asked for and those that it did not."""
    return sum(map(api.context_switches, server.child.members()))


def visit(deployments: api.Deployments, generator: api.Generator) -> Visit:
    """Load the server through one window."""
    (server,) = deployments.servers
    before = switches(server), sum(worker.read().finished for worker in server.workers)
    window, summary = deployments.load(TIMINGS[generator.name], generator)
    after = switches(server), sum(worker.read().finished for worker in server.workers)
    placement = deployments.specs[0].placement
    assert placement.generator_cpus is not None, "needs two cores"
    return Visit(
        rate=summary.requests / summary.window_seconds,
        cpu_us=1e6 * sum(each.cpu_seconds for each in window.slices) / sum(each.requests for each in window.slices),
        switches=(after[0] - before[0]) / (after[1] - before[1]),
        generator_share=window.generator_cpu_cores / len(placement.generator_cpus),
        taken=(window.stolen_cores + window.foreign_cores) / len(placement.cores),
    )


def ratio_of(visits: Mapping[str, Sequence[Visit]], of: Callable[[Visit], float]) -> api.Interval:
    """By k6 ÷ by wrk."""
    pairs = zip(visits["k6"], visits["wrk"], strict=True)
    return api.interval([math.log(of(one) / of(other)) for one, other in pairs])


def mean(visits: Sequence[Visit], of: Callable[[Visit], float]) -> float:
    """Of what one generator found."""
    return sum(map(of, visits)) / len(visits)


def compare(name: str, precision: float, most_seconds: float) -> Row:
    """One server, loaded by both in turn until the ratio is precise enough."""
    specs = api.server_specs(name, options=api.ExecutionOptions(pin="split"))
    generators = [api.find_generator(each) for each in TIMINGS]
    began = time.monotonic()
    visits: dict[str, list[Visit]] = {each: [] for each in TIMINGS}
    disturbed = 0
    with api.deployed(*specs) as deployments:
        while True:
            order = generators if (len(visits["k6"]) + disturbed) % 2 else generators[::-1]
            pair = {each.name: visit(deployments, each) for each in order}
            late = time.monotonic() - began > most_seconds
            if max(each.taken for each in pair.values()) > api.OTHERS_SHARE:
                disturbed += 1
            else:
                for by, seen in pair.items():
                    visits[by].append(seen)
            pairs = len(visits["k6"])
            if pairs < LEAST_PAIRS and not (late and pairs > 1):
                continue
            ratio, cost = ratio_of(visits, lambda each: each.rate), ratio_of(visits, lambda each: each.cpu_us)
            assert ratio.low is not None
            assert ratio.high is not None
            half_width = ratio.half_width or 0.0
            if half_width <= precision or late:
                break
    share = mean(visits["k6"], lambda each: each.generator_share)
    return {
        "cell": name,
        "ratio": round(ratio.estimate, 4),
        "low": round(ratio.low, 4),
        "high": round(ratio.high, 4),
        "half_width": round(half_width, 4),
        "cost_ratio": [None if end is None else round(end, 4) for end in (cost.estimate, cost.low, cost.high)],
        "pairs": pairs,
        "disturbed_pairs": disturbed,
        "seconds": round(time.monotonic() - began, 1),
        "rps": {by: round(mean(seen, lambda each: each.rate), 1) for by, seen in visits.items()},
        "cpu_us": {by: round(mean(seen, lambda each: each.cpu_us), 1) for by, seen in visits.items()},
        "switches_per_request": {by: round(mean(seen, lambda each: each.switches), 3) for by, seen in visits.items()},
        "k6_share_of_its_cores": round(share, 3),
        "generator_gate_passes": share <= api.GENERATOR_SHARE,
        "agrees": ratio.low <= TRUE[1] and ratio.high >= TRUE[0],
    }


def main() -> None:
    """Compare every cell and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cell", action="append", metavar="NAME")
    parser.add_argument("--precision", type=float, default=0.03, help="half-width of the interval to reach")
    parser.add_argument("--most", type=float, default=MOST_SECONDS, metavar="SECONDS", help="for each cell")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    rows: list[Row] = []
    for name in arguments.cell or CELLS:
        row = compare(name, arguments.precision, arguments.most)
        rows.append(row)
        write(arguments.out, rows)  # at once: it may take an hour
        print(", ".join(f"{what} {value}" for what, value in row.items()), flush=True)


if __name__ == "__main__":
    main()
