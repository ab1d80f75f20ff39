"""Can a duet be trusted? Equal cells, cells with a known extra cost, and the same question asked in turns.

    .venv/bin/python benchmarks/duets.py aa|burn|pairs [--times N] [--seconds S] [--out FILE]

`aa`      duets of a cell against itself: how often does the interval exclude 1, and how narrow is it?
`burn`    duets of `cpu?n=1` against `cpu?n=10`, which computes 176 calls more: is the extra cost found, and is it the
          right one? The truth is fixed beforehand: the CPU time of these calls, measured in a worker's interpreter on
          the worker's core, ÷ the CPU time per request of `cpu?n=1`, in turns of a second. Beside each duet the same
          question is asked for as long a time by windows of one second in turn: how much wider is that interval?
`pairs`   every pair of the four servers, on noop and select.

Each duet takes S seconds and stops for nothing but time. Needs two cores; nothing else may run.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from running import write

from harness import duet, plan, runner
from harness.judge.statistics import interval
from harness.load import k6
from harness.measure import Job, Progress
from harness.measure.launch import load_of, start_server
from harness.measure.window import watch
from harness.model.cell import Timing
from harness.model.comparison import Interval
from harness.model.duet import Restart
from harness.system.affinity import confined
from harness.system.processes import Supervisor

SERVERS = ("uvicorn", "granian", "gunicorn", "hypercorn")
USERS = 16
RESTART = Timing(warmup_seconds=1.5, window_seconds=5.0)
TURN = Timing(warmup_seconds=0.3, window_seconds=1.0)
TRUTH_TURNS = 30
BURN = """
import json, sys, time
from handlers.fibonacci import naive
def cost(n, times):
    began = time.thread_time()
    for _ in range(times):
        naive(n)
    return (time.thread_time() - began) / times
cost(10, 2000)
print(json.dumps(cost(10, 20000) - cost(1, 20000)))
"""


class Quiet:
    """Shows nothing."""

    def tell(self, message: str) -> None:
        """Nothing."""

    def observe(self, step: Progress) -> None:
        """Nothing."""

    def restarted(self, restart: Restart, ratio: Interval | None) -> None:
        """Nothing."""


def one(first: plan.Request, second: plan.Request, seconds: float) -> dict[str, Any]:
    """A duet that stops for nothing but time."""
    with tempfile.TemporaryDirectory() as folder:
        settings = duet.Settings(
            timing=RESTART, precision=0.0001, most_seconds=seconds, interference=False, out=Path(folder)
        )
        sides = [plan.choose(each) for each in (first, second)]
        found = duet.run((sides[0], None), (sides[1], None), settings, Quiet()).duet
    ratio = found.ratio
    counted = [each for each in found.restarts if each.void is None]
    return {
        "first": found.first,
        "second": found.second,
        "seconds": found.seconds,
        "restarts": len(counted),
        "void": len(found.restarts) - len(counted),
        "slices": sum(each.slices for each in counted),
        **as_row(ratio),
    }


def as_row(ratio: Interval | None) -> dict[str, Any]:
    """A ratio with its interval."""
    if ratio is None or ratio.low is None or ratio.high is None:
        return {"ratio": None, "low": None, "high": None, "half_width": None}
    half = ratio.half_width
    return {
        "ratio": round(ratio.estimate, 5),
        "low": round(ratio.low, 5),
        "high": round(ratio.high, 5),
        "half_width": None if half is None else round(half, 5),
    }


def aa(times: int, seconds: float) -> Iterator[dict[str, Any]]:
    """A cell against itself."""
    for number in range(times):
        request = plan.Request(server=SERVERS[number % 2], workload="noop", vus=USERS)
        row = one(request, request, seconds)
        row["excludes_one"] = row["low"] is not None and not row["low"] <= 1 <= row["high"]
        yield row


def cheap(n: int) -> plan.Request:
    """A cell whose requests compute the n-th Fibonacci number."""
    return plan.Request(server="uvicorn", workload="cpu", params=(f"n={n}",), vus=USERS)


class Turns:
    """One cell, or two in turn, loaded for a second each on servers that stay up."""

    def __init__(self, supervisor: Supervisor, *requests: plan.Request) -> None:
        self._supervisor = supervisor
        self.services = []
        for request in requests:
            choice = plan.choose(request)
            environment = runner.prepare_environment(choice, None)
            self.services.append(runner.service_of(choice, environment, None, pin="split", users=USERS, diagnose=False))
        self._servers = [
            start_server(service, supervisor, name=f"turn-{place}") for place, service in enumerate(self.services)
        ]

    def cost(self, place: int) -> float:
        """CPU seconds per request of one window."""
        service, server = self.services[place], self._servers[place]
        job = Job(sides=(service,), timing=TURN, generator=k6.find(None))
        running = job.generator.start(load_of(job, [server]), self._supervisor, job.placement.generator_cpus)
        (window,) = watch(job, [server], running, lambda _: None)
        running.wait_for_summaries()
        return sum(each.cpu_seconds for each in window.slices) / sum(each.requests for each in window.slices)


def truth() -> dict[str, Any]:
    """The extra calls' own CPU ÷ the baseline's CPU per request, measured in turns on the same core."""
    shares = []
    with Supervisor() as supervisor:
        turns = Turns(supervisor, cheap(1))
        placement = turns.services[0].placement
        core = (placement.server_cpus or [0])[0]
        with confined(placement.generator_cpus):
            for _ in range(TRUTH_TURNS):
                burnt = subprocess.run(
                    ["taskset", "--cpu-list", str(core), sys.executable, "-c", BURN],
                    capture_output=True,
                    text=True,
                    check=True,
                )
                shares.append(json.loads(burnt.stdout) / turns.cost(0))
    ratio = interval([math.log1p(share) for share in shares])
    return {"turns": TRUTH_TURNS, **as_row(ratio), "median": round(1 + statistics.median(shares), 5)}


def in_turns(seconds: float) -> dict[str, Any]:
    """The same question by windows in turn: the ratio of neighbours, and its interval."""
    logs = []
    began = time.monotonic()
    with Supervisor() as supervisor:
        turns = Turns(supervisor, cheap(1), cheap(10))
        with confined(turns.services[0].placement.generator_cpus):
            while time.monotonic() - began < seconds:
                costs = {place: turns.cost(place) for place in ((0, 1) if len(logs) % 2 else (1, 0))}
                logs.append(math.log(costs[1] / costs[0]))
    return {"windows": 2 * len(logs), "seconds": round(time.monotonic() - began, 1), **as_row(interval(logs))}


def burn(times: int, seconds: float) -> Iterator[dict[str, Any]]:
    """A known extra cost, by a duet and in turns."""
    known = truth()
    print(f"truth: {known}", flush=True)
    yield {"truth": known}
    for _ in range(times):
        row = one(cheap(1), cheap(10), seconds)
        row["detected"] = row["low"] is not None and row["low"] > 1
        row["off"] = None if row["ratio"] is None else round(row["ratio"] - known["ratio"], 5)
        row["in_turns"] = in_turns(seconds)
        yield row


def pairs(times: int, seconds: float) -> Iterator[dict[str, Any]]:
    """Every pair of servers."""
    for workload, (first, second) in itertools.product(("noop", "select"), itertools.combinations(SERVERS, 2)):
        base = plan.Request(server=first, workload=workload, vus=USERS)
        for _ in range(times):
            yield one(base, dataclasses.replace(base, server=second), seconds)


ASKED = {"aa": (aa, 20), "burn": (burn, 10), "pairs": (pairs, 1)}


def main() -> None:
    """Ask, and print each answer at once."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("question", choices=ASKED)
    parser.add_argument("--times", type=int)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    ask, times = ASKED[chosen.question]
    rows: list[dict[str, Any]] = []
    for row in ask(chosen.times or times, chosen.seconds):
        rows.append(row)
        write(chosen.out, rows)
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
