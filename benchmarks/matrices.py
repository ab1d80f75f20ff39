"""Can a matrix be trusted? How narrow it gets in a given time, and whether it survives being ended at any moment.

    .venv/bin/python benchmarks/matrices.py at-once [--seconds 120] [--out FILE]
    .venv/bin/python benchmarks/matrices.py preset [--name servers] [--run FOLDER] [--out FILE]
    .venv/bin/python benchmarks/matrices.py kills [--times 30] [--go-on] [--out FILE]

`at-once`   four servers up at once, with noop (by wrk), a little computation and one query (by k6): the half-widths of
            their ratios of throughput after S seconds
`preset`    a preset as it comes: how long it took, how narrow its ratios are by workload, how many are decided, and
            what the cell that is there twice differs by
`kills`     `harness matrix` ended at a random moment by SIGINT, SIGTERM or SIGKILL, and gone on with: the same sets,
            seeds and members as a run that was never ended, and nothing left behind

Each writes one document, results/reference/benchmarks/matrices-QUESTION.json. Nothing else may run.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from endings import GIVEN_SECONDS, SIGNALS, survivors
from running import REFERENCE, Row, document, write_document

from harness import api

THROUGHPUT = "throughput_rps"
SERVERS = ["uvicorn", "granian", "gunicorn", "hypercorn"]
AT_ONCE: Mapping[str, tuple[int, str]] = {"noop": (16, "wrk"), "cpu?n=16": (16, "k6"), "select": (12, "k6")}
"""Workload → users, generator."""
UNREACHED = "0.01%"
TWO = ("matrix", "--server", "uvicorn,granian", "--workload", "cpu,noop", "--vus", "4", "--max-time", "40s", "--no-aa")
"""Two sets, so that their order is put to the test."""
LONGEST_SECONDS = 40.0


def progress(text: str) -> None:
    """Say how far it has come."""
    print(text, file=sys.stderr, flush=True)


def told(event: api.Event) -> None:
    """Tell of a restart that has ended."""
    matrix = getattr(event, "matrix", None)
    if matrix is not None:
        half = "" if matrix.median_half_width is None else f", median ±{matrix.median_half_width:.1%}"
        progress(f"  restart {event.number}: {matrix.sure} of {matrix.ratios} sure{half}")  # type: ignore[union-attr]


Answer = Iterator[tuple[Sequence[Row], dict[str, Any]]]


def carried_out(plan: api.Plan) -> tuple[api.StoredRun, api.Overview]:
    """A matrix that is not kept."""
    with tempfile.TemporaryDirectory() as folder:
        stored = api.matrix(plan, api.ExecutionOptions(out=Path(folder)), told)
        return stored, api.review(stored)


def contrasts_of(overview: api.Overview) -> list[Row]:
    """Ratios of throughput."""
    return [
        {
            "workload": each.workload,
            "axis": each.axis,
            "stratum": each.stratum,
            "a": each.a.option,
            "b": each.b.option,
            "ratio": round(each.ratio.estimate, 5),
            "half_width": None if each.ratio.half_width is None else round(each.ratio.half_width, 5),
            "verdict": each.verdict,
            "by_way_of": each.by_way_of,
        }
        for each in overview.comparison.contrasts
        if each.metric == THROUGHPUT
    ]


def controls_of(overview: api.Overview) -> Row:
    """What the cell that is there twice differs by."""
    return {
        each.metric: {"ratio": round(each.ratio.estimate, 5), "excludes_one": each.excludes_one}
        for each in overview.comparison.controls
    }


def half_widths(rows: Sequence[Row]) -> list[float]:
    """Of ratios that have one."""
    return [each["half_width"] for each in rows if each["half_width"] is not None]  # type: ignore[misc]


def at_once(arguments: argparse.Namespace) -> Answer:
    """Four servers up at once."""
    rows: list[Row] = []
    summary: dict[str, Any] = {}
    for workload, (users, generator) in AT_ONCE.items():
        progress(workload)
        plan = api.Plan(
            cells=[api.Axes(server=SERVERS, workload=[workload], vus=[users])],
            precision=UNREACHED,
            max_time=f"{arguments.seconds:g}s",
            generator=generator,
        )
        stored, overview = carried_out(plan)
        contrasts = contrasts_of(overview)
        rows.append(
            {
                "workload": workload,
                "users": users,
                "generator": stored.record.generator,
                "seconds": overview.seconds,
                "restarts": overview.restarts,
                "contrasts": contrasts,
                "controls": controls_of(overview),
            }
        )
        widths = half_widths(contrasts)
        summary[workload] = {
            "widest": max(widths, default=None),
            "median": round(statistics.median(widths), 5) if widths else None,
            "seconds": overview.seconds,
        }
        yield rows, summary


def preset(arguments: argparse.Namespace) -> Answer:
    """A preset as it comes, measured now or judged from where it is stored."""
    if arguments.run is None:
        stored, overview = carried_out(api.preset(arguments.name))
    else:
        stored = api.read_run(arguments.run)
        overview = api.review(stored)
    contrasts = contrasts_of(overview)
    widths = half_widths(contrasts)
    verdicts = [each["verdict"] for each in contrasts]
    by_workload: dict[str, list[float]] = {}
    for each in contrasts:
        if each["half_width"] is not None:
            by_workload.setdefault(str(each["workload"]), []).append(float(str(each["half_width"])))
    capped = {each.name for each in overview.cells if each.at_ceiling}
    below = [
        each
        for each in overview.comparison.contrasts
        if each.metric == THROUGHPUT and not {each.a.cell, each.b.cell} & capped
    ]
    yield (
        contrasts,
        {
            "preset": arguments.name,
            "cells": len(overview.cells),
            "valid": sum(bool(each.valid) for each in overview.cells),
            "at_ceiling": len(capped),
            "sets": overview.sets,
            "restarts": overview.restarts,
            "minutes": round(overview.seconds / 60, 1),
            "ratios": len(contrasts),
            "median_half_width": round(statistics.median(widths), 5) if widths else None,
            "median_half_width_by_workload": {
                workload: round(statistics.median(each), 5) for workload, each in by_workload.items()
            },
            "undecided_share": round(verdicts.count("undecided") / max(1, len(verdicts)), 4),
            "below_ceilings": {
                "ratios": len(below),
                "median_half_width": round(statistics.median(each.ratio.half_width or 9.9 for each in below), 5),
                "undecided_share": round(sum(each.verdict == "undecided" for each in below) / max(1, len(below)), 4),
            },
            "controls": controls_of(overview),
            "restarts_that_do_not_count": sum(api.rotation_analysis.void(each) is not None for each in stored.restarts),
        },
    )


def kills(arguments: argparse.Namespace) -> Answer:
    """Ended, and gone on with."""
    chance, rows = random.Random(arguments.seed), []
    if arguments.go_on and arguments.out.exists():
        rows = json.loads(arguments.out.read_text(encoding="utf-8"))["rows"]
    moments = [chance.uniform(0.5, LONGEST_SECONDS) for _ in range(arguments.times)]
    whole = once(None, 0.0)
    progress(f"never ended: {whole['restarts']}")
    for number in range(len(rows), arguments.times):
        way = SIGNALS[number % len(SIGNALS)]
        row = once(way, moments[number])
        least = 2 * api.simultaneous.LEAST_RESTARTS  # after them the time goes where it narrows ratios most
        same = row["restarts"][:least] == whole["restarts"][:least] and len(row["restarts"]) >= least
        rows.append(row | {"same": same and row["finished"]})
        progress(f"{way.name} after {row['after']} s: {'the same' if rows[-1]['same'] else row}")
        yield (
            rows,
            {
                "times": len(rows),
                "the_same": sum(bool(each["same"]) for each in rows),
                "left_something": sum(bool(each["left"]) for each in rows),
                "interrupted_before_the_end": sum(bool(each["ended"]) for each in rows),
            },
        )


def once(way: signal.Signals | None, after: float) -> dict[str, Any]:
    """A matrix that is ended after some seconds and gone on with: which sets were restarted, with which seeds."""
    with tempfile.TemporaryDirectory(prefix="harness-kills-") as name:
        temporary, results = Path(name, "tmp"), Path(name, "results")
        temporary.mkdir()
        environment = os.environ | {"TMPDIR": str(temporary)}
        base = [sys.executable, "-m", "harness"]
        ended = False
        with subprocess.Popen(
            [*base, *TWO, "--out", str(results)], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            try:
                process.wait(None if way is None else after)
            except subprocess.TimeoutExpired:
                assert way is not None
                process.send_signal(way)
                ended = True
            except BaseException:
                process.terminate()
                raise
        moment = time.monotonic()
        while survivors(str(temporary)) and time.monotonic() - moment < GIVEN_SECONDS:
            time.sleep(0.05)
        left = [*survivors(str(temporary)), *(path.name for path in temporary.glob("harness-*/"))]
        folders = [path.parent for path in results.glob("*/run.json") if not path.parent.name.startswith(".")]
        if ended and folders:
            command = [*base, "matrix", "--resume", str(folders[0])]
        elif ended:  # nothing was stored: begin anew
            command = [*base, *TWO, "--out", str(results)]
        else:
            command = []
        if command:
            subprocess.run(command, env=environment, capture_output=True, check=False)
        (folder,) = (path.parent for path in results.glob("*/run.json") if not path.parent.name.startswith("."))
        stored = api.read_run(folder)
        assert isinstance(stored.record, api.MatrixRecord)
        return {
            "signal": None if way is None else way.name,
            "after": round(after, 2),
            "ended": ended,
            "left": left,
            "finished": stored.record.finished,
            "restarts": [[each.number, each.set, each.seed] for each in stored.restarts],
        }


QUESTIONS: Mapping[str, Callable[[argparse.Namespace], Answer]] = {
    "at-once": at_once,
    "preset": preset,
    "kills": kills,
}


def main() -> None:
    """Ask, and store the answer so far."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="question", required=True)
    for name, answer in QUESTIONS.items():
        command = commands.add_parser(name, help=answer.__doc__)
        command.add_argument("--out", metavar="FILE", type=Path, default=REFERENCE / f"matrices-{name}.json")
        command.set_defaults(answer=answer)
        if name == "at-once":
            command.add_argument("--seconds", type=float, default=120.0, help="of each workload")
        if name == "preset":
            command.add_argument("--name", default="servers")
            command.add_argument("--run", metavar="FOLDER", type=Path, help="a stored run of it, in place of a new one")
        if name == "kills":
            command.add_argument("--times", type=int, default=30)
            command.add_argument("--go-on", action="store_true", help="keep what the file holds already, and add to it")
            command.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what it has started ends with it
    began = time.monotonic()
    summary: dict[str, Any] = {}
    for rows, summary in arguments.answer(arguments):
        found = document(arguments.question, arguments, rows, **summary)
        write_document(arguments.out, {**found, "seconds": round(time.monotonic() - began, 1)})
    print(json.dumps(summary, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
