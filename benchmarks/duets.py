"""Can a duet be trusted? Equal cells, cells with a known extra cost, and the same question asked in turns.

    .venv/bin/python benchmarks/duets.py aa|burn|turns|coverage [--times N] [--seconds S] [--out FILE]

`aa`      duets of a cell against itself: how often does the interval exclude 1, and how narrow is it?
`burn`    duets of an application against the same whose requests count to BURN besides: is the extra cost found, and is
          it the right one? The truth is fixed beforehand: the CPU time of a burn, by the thread's clock in a worker
          under load, ÷ the CPU time per request of the plain one, both loaded at the same time on the same core.
`turns`   the same duets, and beside each the same question asked for as long a time by windows of one second in turn:
          how much wider is that interval?
`coverage`  how often the interval holds the truth, simulated together with the stopping rule.

Each duet takes S seconds and stops for nothing but time. Needs two cores; nothing else may run.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from running import Row, write

from harness import api

SERVERS = ("uvicorn", "granian")
APPLICATIONS = Path(__file__).resolve().parent / "applications"
USERS = 16
RESTART = api.Timing(warmup_seconds=1.0, window_seconds=3.0)
TURN = api.Timing(warmup_seconds=0.3, window_seconds=1.0)
TRUTH_TURNS = 30
BURN = 310
"""What is counted to; about 5 % of a request."""


def one(first: api.ResolvedCell, second: api.ResolvedCell, seconds: float) -> dict[str, Any]:
    """A duet that stops for nothing but time."""
    rules = api.DuetOptions(timing=RESTART, precision=0.0001, most_seconds=seconds, interference=False)
    with tempfile.TemporaryDirectory() as folder:
        duet = api.duet(first, second, rules, api.ExecutionOptions(out=Path(folder))).duet
    counted = [each for each in duet.restarts if each.void is None]
    return {
        "first": duet.first,
        "second": duet.second,
        "seconds": duet.seconds,
        "restarts": len(counted),
        "void": len(duet.restarts) - len(counted),
        "slices": sum(each.slices for each in counted),
        **as_row(duet.ratio),
    }


def as_row(ratio: api.Interval | None) -> dict[str, Any]:
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


def aa(times: int, seconds: float) -> Iterator[Row]:
    """A cell against itself."""
    for number in range(times):
        cell = api.resolve(f"{SERVERS[number % 2]}/noop/c{USERS}")
        row = one(cell, cell, seconds)
        row["excludes_one"] = row["low"] is not None and not row["low"] <= 1 <= row["high"]
        yield row


def burning(times: int, *variables: str) -> api.ResolvedCell:
    """The application that counts so far with each request; `variables`: NAME=VALUE."""
    application = api.ApplicationOptions(
        app="burning:app", app_dir=str(APPLICATIONS), path=[f"/answer?burn={times:03}"], env=list(variables)
    )
    return api.resolve(api.CellSpec(server="uvicorn", users=USERS), application)


def truth() -> dict[str, Any]:
    """The burn's own CPU time ÷ the plain application's CPU time per request, both loaded at the same
    time on the same core."""
    shares = []
    options = api.ExecutionOptions(pin="split", diagnose=False)
    specs = api.server_specs(burning(0), burning(BURN, "BURN_TIMED=1"), options=options)
    with api.deployed(*specs) as deployments:
        port = deployments.servers[1].target.port
        for _ in range(TRUTH_TURNS):
            burnt(port)
            plain, _ = costs(deployments, 0, 1)
            shares.append(burnt(port) / plain)
    ratio = api.interval([math.log1p(share) for share in shares])
    return {"turns": TRUTH_TURNS, **as_row(ratio), "median": round(1 + statistics.median(shares), 5)}


def costs(deployments: api.Deployments, *places: int) -> list[float]:
    """CPU seconds per request of servers that are loaded at the same time."""
    return [
        sum(each.cpu_seconds for each in window.slices) / sum(each.requests for each in window.slices)
        for window, _ in deployments.load(TURN, api.find_generator("k6"), *places)
    ]


def burnt(port: int) -> float:
    """CPU seconds of a burn since this was asked last."""
    _, body = api.ask(port, api.Probe(name="truth", method="GET", path="/truth"))
    return float(json.loads(body)["seconds"])


def in_turns(seconds: float) -> dict[str, Any]:
    """The same question by windows in turn: the ratio of neighbours, and its interval."""
    logs: list[float] = []
    began = time.monotonic()
    options = api.ExecutionOptions(pin="split", diagnose=False)
    with api.deployed(*api.server_specs(burning(0), burning(BURN), options=options)) as deployments:
        while time.monotonic() - began < seconds:
            order = (0, 1) if len(logs) % 2 else (1, 0)
            each = {place: costs(deployments, place)[0] for place in order}
            logs.append(math.log(each[1] / each[0]))
    return {"windows": 2 * len(logs), "seconds": round(time.monotonic() - began, 1), **as_row(api.interval(logs))}


def burn(times: int, seconds: float) -> Iterator[Row]:
    """A known extra cost."""
    known = truth()
    print(f"truth: {known}", flush=True)
    yield {"truth": known}
    for _ in range(times):
        row = one(burning(0), burning(BURN), seconds)
        row["detected"] = row["low"] is not None and row["low"] > 1
        row["off"] = None if row["ratio"] is None else round(row["ratio"] - known["ratio"], 5)
        yield row


def turns(times: int, seconds: float) -> Iterator[Row]:
    """The same by a duet and in turns, side by side."""
    for _ in range(times):
        row = one(burning(0), burning(BURN), seconds)
        row["detected"] = row["low"] is not None and row["low"] > 1
        yield row | {"in_turns": in_turns(seconds)}


def coverage(times: int, seconds: float) -> Iterator[Row]:
    """How often the interval holds the truth, restarts as noisy as `noise`, stopped by the rule or after forty."""
    chance = random.Random(7)
    for noise in (0.003, 0.006, 0.01, 0.015, 0.02, 0.03):
        covered, restarts = 0, 0
        for _ in range(times):
            logs: list[float] = []
            while len(logs) < 40 and not api.duet_is_decided(logs, 0.01):
                logs.append(chance.gauss(0.03, noise))
            ratio = api.duet_ratio(logs)
            assert ratio.low is not None
            assert ratio.high is not None
            covered += ratio.low <= math.exp(0.03) <= ratio.high
            restarts += len(logs)
        yield {"noise": noise, "duets": times, "coverage": covered / times, "restarts": round(restarts / times, 1)}


ASKED = {"aa": (aa, 20), "burn": (burn, 10), "turns": (turns, 10), "coverage": (coverage, 10_000)}


def main() -> None:
    """Ask, and print each answer at once."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("question", choices=ASKED)
    parser.add_argument("--times", type=int)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    ask, times = ASKED[arguments.question]
    rows: list[Row] = []
    for row in ask(arguments.times or times, arguments.seconds):
        rows.append(row)
        write(arguments.out, rows)
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
