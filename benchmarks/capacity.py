"""Is a capacity that the harness tells the right one?

    .venv/bin/python benchmarks/capacity.py PART [--quick] [--out FILE]

`simulated`: no server runs. Of queues whose capacity is known by simulation (to 0.5 %) the search of the harness, that
of MLRsearch (RFC 9971; `pip install MLRsearch`, left out where it is missing) and doubling with bisecting on single
probes are carried out on probes of the same queues: how many intervals hold the truth, how wide they are, and how long
they take. Also how often a single probe a few percent above the capacity passes, by its length. Ten minutes.

The others need a machine that does nothing else, and go on where they stopped when they are started again:

`truth`: ten real cells of style `sync` whose requests sleep, and whose capacity follows from simulation: the queue of
so many threads, each of which takes as long as closed load shows; the rest of the median latency is on the way. Their
workload `frozen` comes by `pip install ./benchmarks/workloads`: `sleep` without garbage collections, which stop all
threads; with `--workload sleep` they are simulated too, as the probes saw them. 40 minutes; longer with
`--precision 0.05 --search-seconds 1800`.

`names`: two cells, each ten times under two names at once, which should not be told apart; and
all searches of one should overlap. `overload`: ten overloads of servers that refuse nothing, a minute each.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import logging
import math
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import capacity_model as model
import numpy
from running import REFERENCE, Row, document, write_document

from harness import api

PRECISION = 0.10
MOST_SECONDS, MOST_PROBES = 300.0, 15
START_SECONDS = 3.0
"""What a fresh start takes besides its load."""
LENGTHS = (10.0, 30.0, 60.0, 120.0, 300.0)
ABOVE = (1.0, 1.03, 1.05, 1.1)
WIDTH = 0.05
"""Relative distance of bounds at which doubling and bisecting, and MLRsearch, end."""


REAL = [
    *(("uvicorn", threads, ms) for threads, ms in ((10, 50), (20, 50), (40, 100), (20, 100))),
    *(("granian", threads, ms) for threads, ms in ((10, 100), (20, 50), (40, 50))),
    *(("gunicorn", threads, ms) for threads, ms in ((10, 50), (20, 100), (40, 100))),
]
"""Server, threads and milliseconds of a real cell."""
SATURATED = api.Timing(warmup_seconds=2.0, window_seconds=20.0)
TWICE = (("uvicorn/sync/sleep?ms=50/t20", "p99<75ms"), ("uvicorn/async/select", "p99<50ms"))
"""Cells that are searched under two names at once: one that is as fast at any time, and one that is not."""
OVERLOADED = (
    *("uvicorn/async/cpu?n=20", "granian/async/cpu?n=20"),
    *("uvicorn/sync/sleep?ms=20/t4", "granian/sync/sleep?ms=20/t4", "gunicorn/sync/sleep?ms=20/t4"),
)


class Told:
    """Shows each probe of real cells, and keeps them."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.probes: list[tuple[float, api.ProbeFinished]] = []
        """Seconds from the begin, and what was told."""

    def __call__(self, event: api.Event) -> None:
        """Take what happened."""
        if isinstance(event, api.ProbeFinished):
            self.probes.append((time.monotonic() - self.began, event))
            print(f"  {event.cell} {event.rate:.1f}/s {event.outcome}: {event.low} to {event.high}", flush=True)


class Search:
    """One way to search a queue: fresh starts are counted, and the time that they take."""

    def __init__(self, queue: model.Queue, seed: int, most_seconds: float = MOST_SECONDS) -> None:
        self.queue, self.most_seconds = queue, most_seconds
        self.chance = numpy.random.default_rng(seed)
        self.start = 0.8 * queue.throughput
        self.seconds, self.probes = 0.0, 0

    def room(self, seconds: float) -> bool:
        """Whether another probe of this length, with its lead, still fits."""
        return self.seconds + seconds + START_SECONDS <= self.most_seconds and self.probes < MOST_PROBES

    def probe(self, rate: float, seconds: float, lead: float) -> api.CapacityProbe:
        """A fresh start under a rate."""
        self.seconds += seconds + lead + START_SECONDS
        self.probes += 1
        return model.observed(self.queue, rate, seconds, lead, self.chance)

    def share(self, rate: float, seconds: float) -> float:
        """The share of late requests of a fresh start."""
        self.seconds += seconds + 2.0 + START_SECONDS
        self.probes += 1
        return model.late_share(self.queue, rate, seconds, 2.0, self.chance)


def harness(search: Search) -> tuple[float, float]:
    """The search of the harness."""
    analysis = api.capacity_analysis
    question = analysis.Question(objectives=(search.queue.question,), precision=PRECISION, start=search.start)
    probes: list[api.CapacityProbe] = []
    lead = analysis.lead_seconds(question)
    while (rate := analysis.propose(question, probes)) is not None:
        seconds = analysis.window_seconds(question, probes, rate)
        if not search.room(seconds + lead):
            break
        probes.append(search.probe(rate, seconds, lead))
    bounds = analysis.known(question, probes).bounds
    return bounds.low or 0.0, bounds.high or math.inf


def bisecting(search: Search) -> tuple[float, float]:
    """Doubling until a probe misses, then bisecting, each value probed once for 10 s."""
    low, high, rate = 0.0, math.inf, search.start / 4
    while search.room(12.0) and (not low or not high < low * (1 + WIDTH)):
        if search.share(rate, 10.0) <= search.queue.question.share:
            low = rate
        else:
            high = rate
        rate = low * 2 if high == math.inf else high / 2 if not low else math.sqrt(low * high)
    return low, high


def mlrsearch(search: Search) -> tuple[float, float]:
    """MLRsearch with trials of 10 s, of which two must agree."""
    from MLRsearch import (
        AbstractMeasurer,
        Config,
        MeasurementResult,
        MultipleLossRatioSearch,
        SearchGoal,
    )

    class Measurer(AbstractMeasurer):  # type: ignore[misc]
        """Simulated trials."""

        def measure(self, intended_duration: float, intended_load: float) -> object:
            """One trial: late requests are lost ones."""
            due = round(intended_load * intended_duration)
            return MeasurementResult(
                intended_duration=intended_duration,
                intended_load=intended_load,
                offered_count=due,
                loss_count=round(due * search.share(intended_load, intended_duration)),
            )

    goal = SearchGoal(
        loss_ratio=search.queue.question.share,
        exceed_ratio=0.5,
        relative_width=WIDTH,
        initial_trial_duration=5.0,
        final_trial_duration=10.0,
        duration_sum=20.0,
        preceding_targets=1,
        fail_fast=False,
    )
    config = Config()
    config.min_load = 0.1 * search.queue.throughput
    config.max_load = 1.5 * search.queue.throughput
    config.goals, config.warmup_duration, config.search_duration_max = [goal], None, 1e9
    found = MultipleLossRatioSearch(config=config).search(measurer=Measurer(), debug=lambda _: None)[goal]
    low, high = found.relevant_lower_bound, found.relevant_upper_bound
    return (0.0 if low is None else float(low)), (math.inf if high is None else float(high))


def searches(queue: model.Queue, count: int) -> list[Row]:
    """So many searches of a queue, by each way that there is."""
    ways: dict[str, Callable[[Search], tuple[float, float]]] = {"harness": harness, "doubling and bisecting": bisecting}
    try:
        import MLRsearch  # noqa: F401
    except ImportError:
        print("MLRsearch is not installed and left out", flush=True)
    else:
        ways["MLRsearch"] = mlrsearch
    rows: list[Row] = []
    truth = model.truth(queue)
    for name, way in ways.items():
        found, widths, seconds, probes = [], [], [], []
        for seed in range(count):
            search = Search(queue, seed)
            low, high = way(search)
            found.append((low, high))
            widths.append(high / low if low else math.inf)
            seconds.append(search.seconds)
            probes.append(search.probes)
        rows.append(
            {
                "queue": queue.name,
                "objective": queue.objective,
                "truth_rps": round(truth, 2),
                "truth_share_of_throughput": round(truth / queue.throughput, 4),
                "way": name,
                "searches": len(found),
                "held": sum(low <= truth <= high for low, high in found),
                "too_high": sum(low > truth for low, _ in found),
                "too_low": sum(high < truth for _, high in found),
                "median_width": _finite(statistics.median(widths)),
                "narrow_share": round(sum(each <= 1 + PRECISION for each in widths) / len(widths), 4),
                "mean_seconds": round(statistics.fmean(seconds), 1),
                "mean_probes": round(statistics.fmean(probes), 2),
            }
        )
        print(rows[-1], flush=True)
    return rows


def _finite(value: float) -> float | None:
    return round(value, 4) if math.isfinite(value) else None


def passing(queue: model.Queue, count: int) -> list[Row]:
    """How often one probe by itself passes, by its length and by how far it is above the capacity."""
    rows: list[Row] = []
    for seconds in LENGTHS:
        row: dict[str, object] = {"queue": queue.name, "seconds": seconds}
        for factor in ABOVE:
            search = Search(queue, 1)
            shares = [search.share(factor * model.truth(queue), seconds) for _ in range(count)]
            row[f"passes_at_{factor:g}"] = round(sum(share <= queue.question.share for share in shares) / count, 3)
        rows.append(row)
        print(row, flush=True)
    return rows


def simulated(given: argparse.Namespace) -> None:
    """Searches of queues, and single probes; what is stored already is not done again."""
    queues = [*model.SLEEPING, *model.WANDERING]
    count, singles = (4, 20) if given.quick else (2000 // len(queues), 400)
    rows, single = stored(given.out, "rows"), stored(given.out, "single_probes")
    began = time.monotonic()
    for queue in queues:
        if time.monotonic() - began > given.most_seconds:
            return
        if not any(row["queue"] == queue.name for row in rows):
            rows += searches(queue, count)
            write_document(given.out, document("capacity", given, rows, held=shares(rows), single_probes=single))
    for queue in (model.SLEEPING[1], model.SLEEPING[5]):
        if time.monotonic() - began > given.most_seconds:
            return
        if not any(row["queue"] == queue.name for row in single):
            single += passing(queue, singles)
            write_document(given.out, document("capacity", given, rows, held=shares(rows), single_probes=single))
    print(shares(rows), flush=True)


def shares(rows: Sequence[Row]) -> dict[str, float]:
    """Of each way, how many intervals hold the truth."""
    return {
        str(way): round(
            sum(int(str(row["held"])) for row in rows if row["way"] == way)
            / sum(int(str(row["searches"])) for row in rows if row["way"] == way),
            4,
        )
        for way in dict.fromkeys(row["way"] for row in rows)
    }


def stored(path: Path | None, name: str) -> list[Row]:
    """Rows of an earlier call; none where there was none."""
    if path is None or not path.exists():
        return []
    found = json.loads(path.read_text(encoding="utf-8"))
    rows: list[Row] = found["rows"] if name == "rows" else found["summary"].get(name, [])
    return rows


def truth(given: argparse.Namespace) -> None:
    """Searches of real cells whose capacity is known, each under a p99 of one and a half service times."""
    if given.workload == "frozen" and importlib.util.find_spec("harness_benchmark_workloads") is None:
        raise SystemExit("the workload frozen is missing: pip install ./benchmarks/workloads")

    def one(server: str, threads: int, ms: int) -> Row:
        cell = f"{server}/sync/{given.workload}?ms={ms}/t{threads}"
        limit = 1.5 * ms
        before = saturated_rps(f"{cell}/c{4 * threads}")
        told = Told()
        found, seconds = search([cell], f"p99<{limit:g}ms", given, told=told)
        service = threads / statistics.fmean((before, saturated_rps(f"{cell}/c{4 * threads}"))) * 1000
        # Half of the requests find a thread at once: what they take beyond it is on the way, and no thread's time.
        kept_up = [each for each in found.cells[0].points if each.p50_ms is not None and each.outcome != "fail"]
        way = statistics.median(each.p50_ms or 0.0 for each in kept_up) - service
        pauses_ms, pause_requests = pauses(found.cells[0])
        work = statistics.median(each.cpu_cores / each.served for each in kept_up) * 1000 if pauses_ms else 0.0
        queue = model.Queue(
            name=cell,
            servers=threads,
            service_ms=service,
            objective=f"p99<{limit - way + work:g}ms",
            pauses_ms=pauses_ms,
            pause_requests=pause_requests,
            work_ms=work,
        )
        capacity = model.truth(queue)
        row = summary(found.cells[0], seconds)
        holds = row["low"] is not None and row["high"] is not None and row["low"] <= capacity <= row["high"]
        times: Row = {"service_ms": round(service, 3), "way_ms": round(way, 3)}
        if pauses_ms:
            lengths = [round(each, 1) for each in pauses_ms]
            times = {**times, "pauses_ms": lengths, "pause_requests": round(pause_requests), "work_ms": round(work, 3)}
        known = {"truth_rps": round(capacity, 2), "held": holds, "within_10_percent": within(told, capacity)}
        return {**row, **times, **known, "points": points(found.cells[0])}

    done(given, [(f"{server}, {threads} threads, {ms} ms", one, (server, threads, ms)) for server, threads, ms in REAL])


def pauses(cell: api.CellCapacity) -> tuple[tuple[float, ...], float]:
    """Milliseconds of each garbage collection of a cell, and requests from one to the next; none if none was seen."""
    seen = [(each, each.collector) for each in cell.points if each.collector is not None]
    ends = [end for _, collector in seen for end, count in collector.lengths_ms for _ in range(count)]
    if not ends:
        return (), math.inf
    # Told are ends of buckets; the mean is known better.
    part = 1000 * math.fsum(collector.stopped_seconds for _, collector in seen) / math.fsum(ends)
    random.Random(1).shuffle(ends)
    return tuple(end * part for end in ends), math.fsum(each.served * each.seconds for each, _ in seen) / len(ends)


def within(told: Told, capacity: float) -> Row | None:
    """The first bounds on the way that were within PRECISION of each other; None where none were."""
    for number, (seconds, probe) in enumerate(told.probes, 1):
        if probe.low is not None and probe.high is not None and probe.high <= probe.low * (1 + PRECISION):
            held = probe.low <= capacity <= probe.high
            return {"probes": number, "seconds": round(seconds, 1), "low": probe.low, "high": probe.high, "held": held}
    return None


def saturated_rps(cell: str) -> float:
    """What a cell serves at all, over twenty seconds: windows of three hold too few answers of each thread."""
    with tempfile.TemporaryDirectory() as folder:
        return api.run(cell, SATURATED, api.ExecutionOptions(out=Path(folder))).record.throughput_rps


def names(given: argparse.Namespace) -> None:
    """One server under two names, whose searches are interleaved: told apart or not."""

    def one(cell: str, objective: str, number: int) -> Row:
        found, seconds = search([cell] * 2, objective, given, seed=number)
        ratio = found.ratios[0].ratio if found.ratios else None
        return {
            "objective": objective,
            "seconds": seconds,
            "ratio": None if ratio is None else ratio.model_dump(),
            "apart": ratio is not None and not (ratio.low or 0.0) <= 1 <= (ratio.high or math.inf),
            "cells": [summary(cell, seconds) for cell in found.cells],
        }

    pairs = [(*cell, number) for cell in TWICE for number in range(1, 1 + (given.times or 10))]
    done(
        given,
        [(f"{cell}, {objective}, pair {number}", one, (cell, objective, number)) for cell, objective, number in pairs],
    )


def overload(given: argparse.Namespace) -> None:
    """Recovery ÷ law of servers that refuse nothing."""

    def one(cell: str, number: int) -> Row:
        rules = api.OverloadOptions(starts=1, seed=number)
        with tempfile.TemporaryDirectory() as folder:
            (start,) = api.overload(cell, rules, api.ExecutionOptions(out=Path(folder))).overload.starts
        return {"cell": cell, **start.model_dump(), "ratio": start.ratio}

    pairs = [(cell, number) for number in range(1, 1 + (given.times or 2)) for cell in OVERLOADED]
    done(given, [(f"{cell}, start {number}", one, (cell, number)) for cell, number in pairs])


def search(
    cells: Sequence[str], objective: str, given: argparse.Namespace, *, seed: int = 1, told: Told | None = None
) -> tuple[api.Capacity, float]:
    """Search real cells; nothing is kept but the answer, and the seconds that it took."""
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    rules = api.CapacityOptions(
        objectives=(api.parse_objective(objective),),
        precision=given.precision,
        most_seconds=(60.0 if given.quick else given.search_seconds) * len(cells),
        seed=seed,
    )
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        found = api.capacity(cells, rules, api.ExecutionOptions(out=Path(folder)), told or Told()).capacity
    return found, round(time.monotonic() - began, 1)


def summary(cell: api.CellCapacity, seconds: float) -> dict[str, Any]:
    """What is kept of an answer."""
    low, high = cell.bounds.low, cell.bounds.high
    return {
        "cell": cell.cell,
        "low": low,
        "high": high,
        "estimate": cell.bounds.estimate,
        "width": None if low is None or high is None else round(high / low, 4),
        "reached": cell.reached,
        "closed_rps": cell.closed_rps,
        "probes": len(cell.points),
        "invalid": sum(each.outcome == "invalid" for each in cell.points),
        "seconds": seconds,
    }


def points(cell: api.CellCapacity) -> list[Row]:
    """The probes of an answer, in their order: what a miss can be looked into by."""
    return [
        {
            "rate": round(each.rate, 2),
            "seconds": each.seconds,
            "outcome": each.outcome,
            "missed": [round(share, 5) for share in each.missed],
            "p50_ms": each.p50_ms,
            "p99_ms": each.p99_ms,
            "cpu_cores": round(each.cpu_cores, 3),
        }
        for each in cell.points
    ]


def done(given: argparse.Namespace, tasks: Sequence[tuple[str, Callable[..., Row], tuple[object, ...]]]) -> None:
    """Carry out what is not stored yet, and store each answer at once."""
    rows, began = stored(given.out, "rows"), time.monotonic()
    for name, task, arguments in tasks[:1] if given.quick else tasks:
        if any(row["task"] == name for row in rows) or time.monotonic() - began > given.most_seconds:
            continue
        rows.append({"task": name, **task(*arguments)})
        print(rows[-1], flush=True)
        write_document(given.out, document("capacity", given, rows))


PARTS: dict[str, Callable[[argparse.Namespace], None]] = {
    "simulated": simulated,
    "truth": truth,
    "names": names,
    "overload": overload,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Carry out a part and store what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--precision", type=float, default=PRECISION, help="of searches of real cells, as a share")
    parser.add_argument("--workload", choices=("frozen", "sleep"), default="frozen", help="of cells of known capacity")
    parser.add_argument("--search-seconds", type=float, default=MOST_SECONDS, help="of the search of one real cell")
    parser.add_argument("--times", type=int, help="of what is done several times")
    parser.add_argument("--quick", action="store_true", help="only to try it")
    parser.add_argument(
        "--most-seconds", type=float, default=math.inf, help="begin nothing later; go on by calling again"
    )
    parser.add_argument("--out", type=Path)
    given = parser.parse_args(arguments)
    given.out = given.out or (None if given.quick else REFERENCE / f"capacity-{given.part}.json")
    PARTS[given.part](given)


if __name__ == "__main__":
    main()
