"""Can a rotation be trusted? Equal cells, a known cost, other slots, detours, noise, and endings at any moment.

    .venv/bin/python benchmarks/rotation.py QUESTION [--seconds S] [--times N] [--out FILE]

`aa`          a cell against itself: how often does an interval exclude 1, and how narrow are they?
`planted`     an application against the same whose requests count to BURN besides: is the cost found, and how far is
              what is found from the truth?
`bias`        slots of the schedule, of 1 s and of 5 s in turn within the same restarts, where short ones are most
              likely to mislead: the interval of the difference of their log ratios over restarts
`transitive`  three servers: each ratio, measured directly, against the product of the two others
`settings`    two settings of one server, that servers have by default or that we chose: what each costs (by wrk)
`noise`       a cell against itself while others come and go on every core: slots, and windows of 1 s for as long
`endings`     `harness compare` ended by SIGINT, SIGTERM and SIGKILL at random moments: does anything survive?

Each writes one document, results/reference/benchmarks/rotation-QUESTION.json, anew after each comparison. A comparison
takes S seconds and stops for nothing but time, but for the least number of restarts. `bias` goes on with a pair until
its throughput by slots and by each longer kind agree to within ±3 %, but for no longer than S seconds a pair. Needs two
cores; nothing else may run.

`--go-on` keeps the comparisons that FILE holds and adds what is missing of N.

`--despite-others` lets restarts count that other programs disturbed: to see on a busy machine that a script works.

The truth of `planted` is what the application itself tells, the CPU time of a burn by its thread's clock, ÷ what a
request to the plain one costs in the same restarts; by the utilization law the throughput of a saturated core is the
inverse. The same comparison in long windows would be no truth: it takes hours to be narrower than what it is to judge,
and has its clocks in common with it. Here they share the cost of the plain request, of which a fault of 3 % moves a
truth of 5 % by 0.15 points.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import multiprocessing
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from endings import end_many, told
from running import REFERENCE, Row, document, write_document
from scipy.special import stdtrit

from harness import api

analysis = api.rotation_analysis
APPLICATIONS = Path(__file__).resolve().parent / "applications"
METRICS = ("throughput_rps", "cpu_us_per_request", "p50_ms", "p99_ms")
THROUGHPUT, CPU = METRICS[:2]
UNSTOPPED = 1e-6
"""A precision that nothing reaches."""
USERS = 16
BURN = 310
"""What is counted to; about 5 % of a request."""
SHORT, SECOND, LONG = 0.085, 1.0, 5.0
"""Least lengths of slots; the first is that of the schedule."""
PARTS = 2
"""Of the time of a pair, after each of which `bias` looks whether it is known."""
JOINT = 0.03
"""Half-width to which `bias` asks how kinds of slots differ."""
Pair = tuple[api.CellLike, api.CellLike]
PAIRS: Mapping[str, tuple[Pair, int, int]] = {
    "cpu?n=22: sync ÷ async": (("uvicorn/cpu?n=22", "uvicorn/sync/cpu?n=22"), 64, 3),
    "sleep?ms=10: sync ÷ async": (("uvicorn/sleep?ms=10", "uvicorn/sync/sleep?ms=10"), 64, 9),
    "noop: hypercorn ÷ uvicorn": (("uvicorn/noop", "hypercorn/noop"), USERS, 21),
    "flask: granian ÷ gunicorn": (("gunicorn/flask/sync/noop", "granian/flask/sync/noop"), USERS, 21),
    "noop: two workers ÷ one": (("uvicorn/noop/w1", "uvicorn/noop/w2"), USERS, 21),
}
"""Name → cells, users, and rounds of the schedule's slots in a cycle: fewer where these are long by themselves."""
SECONDS_IN_A_CYCLE = 3
WORKLOADS = {"noop": 16, "cpu?n=16": 16, "select": 12}
"""Workload → users, for `transitive`."""
SETTINGS: Mapping[str, Pair] = {
    "gunicorn: parser in C ÷ in Python": ("gunicorn:parser=python/noop", "gunicorn:parser=fast/noop"),
    "granian: multi-threaded runtime ÷ single": ("granian:runtime_mode=st/noop", "granian:runtime_mode=mt/noop"),
    "uvicorn: httptools ÷ h11": ("uvicorn:http=h11/noop", "uvicorn/noop"),
    "uvicorn: uvloop ÷ asyncio": ("uvicorn:loop=asyncio/noop", "uvicorn/noop"),
    "uvicorn with Flask: a2wsgi ÷ its own bridge": (
        "uvicorn:bridge=native/flask/sync/noop",
        "uvicorn/flask/sync/noop",
    ),
    "hypercorn with Flask: a2wsgi ÷ its own bridge": (
        "hypercorn:bridge=native/flask/sync/noop",
        "hypercorn/flask/sync/noop",
    ),
}
"""Name → the same server in two settings, for `settings`."""
BURDEN_BYTES = 64 << 20


def progress(text: str) -> None:
    """Say how far it has come."""
    print(text, file=sys.stderr, flush=True)


# Comparisons


def compared(
    cells: Sequence[api.CellLike],
    arguments: argparse.Namespace,
    users: int = USERS,
    lengths: tuple[float, ...] = (SHORT,),
    seconds: float | None = None,
    seed: int = 1,
    generator: str = "k6",
) -> api.RotationResult:
    """A comparison that stops for nothing but time."""
    rules = api.RotationOptions(
        precision=UNSTOPPED,
        most_seconds=seconds or arguments.seconds,
        users=users,
        restart_seconds=arguments.restart_seconds,
        least_slot_seconds=lengths,
        seed=seed,
    )
    with tempfile.TemporaryDirectory() as folder:
        return api.rotate(cells, rules, api.ExecutionOptions(out=Path(folder), generator=generator), restart_said)


def restart_said(event: api.Event) -> None:
    """Tell of a restart that has ended."""
    number, void = getattr(event, "number", None), getattr(event, "void", None)
    if number is not None:
        progress(f"  restart {number}{': ' + void if void else ''}")


def as_row(ratio: api.Interval) -> dict[str, Any]:
    """A ratio with its interval."""
    if ratio.low is None or ratio.high is None:
        return {"ratio": round(ratio.estimate, 5), "low": None, "high": None, "half_width": None}
    half = math.sqrt(ratio.high / ratio.low) - 1
    return {
        "ratio": round(ratio.estimate, 5),
        "low": round(ratio.low, 5),
        "high": round(ratio.high, 5),
        "half_width": round(half, 5),
    }


def counted(result: api.RotationResult, arguments: argparse.Namespace) -> list[api.Restart]:
    """Restarts that count; where others are let pass, those too that only other programs disturbed."""
    let_pass = {"foreign_cpu_share": 0.0} if arguments.despite_others else {}
    return [each for each in result.restarts if analysis.void(each.model_copy(update=let_pass)) is None]


def comparison(result: api.RotationResult, arguments: argparse.Namespace) -> dict[str, Any]:
    """What a comparison of two says, without its samples."""
    rotation, restarts = result.rotation, counted(result, arguments)
    contrasts = rotation.contrasts
    if arguments.despite_others:
        figures = [analysis.figures(each) for each in restarts]
        contrasts = analysis.contrasts(figures, rotation.members, rotation.margin, None, {})
    return {
        "members": rotation.members,
        "servers": rotation.servers,
        "users": rotation.users,
        "method": rotation.method,
        "seconds": rotation.seconds,
        "restarts": len(restarts),
        "void": rotation.void,
        "outcomes": rotation.outcomes,
        "ratios": {each.metric: as_row(each.ratio) for each in contrasts if each.metric in METRICS},
    }


def excludes(row: Mapping[str, Any] | None, value: float = 1.0) -> bool | None:
    """Whether an interval excludes a value; None where there is none."""
    return None if row is None or row["low"] is None else not row["low"] <= value <= row["high"]


def half_widths(rows: Sequence[Row], metric: str, column: str = "ratios") -> list[float]:
    """Of a metric, in all rows that have one."""
    columns: list[Any] = [row[column] for row in rows if column in row]
    return [each[metric]["half_width"] for each in columns if each.get(metric, {}).get("half_width") is not None]


def median(values: Sequence[float]) -> float | None:
    """None of nothing."""
    return round(statistics.median(values), 5) if values else None


# Questions: each yields the rows so far, and what they come to


Answer = Iterator[tuple[Sequence[Row], dict[str, Any]]]


def kept(arguments: argparse.Namespace) -> tuple[list[Any], dict[str, Any]]:
    """Comparisons that an earlier run has stored, and what they came to; none where it is not to go on."""
    if not arguments.go_on or not arguments.out.exists():
        return [], {}
    found = json.loads(arguments.out.read_text(encoding="utf-8"))
    return found["rows"], found["summary"]


def aa(arguments: argparse.Namespace) -> Answer:
    """A cell against itself."""
    rows, _ = kept(arguments)
    for number in range(len(rows), arguments.times):
        row = comparison(compared(["uvicorn/noop"] * 2, arguments, seed=number + 1), arguments)
        rows.append(row | {"excludes_one": {metric: excludes(each) for metric, each in row["ratios"].items()}})
        flags: list[Any] = [each["excludes_one"] for each in rows]
        yield (
            rows,
            {
                "intervals_that_exclude_one": {name: sum(each.get(name) is True for each in flags) for name in METRICS},
                "median_half_width": {name: median(half_widths(rows, name)) for name in METRICS},
            },
        )


def burning(times: int, *variables: str) -> api.ResolvedCell:
    """The application that counts so far with each request; `variables`: NAME=VALUE."""
    application = api.ApplicationOptions(
        app="burning:app", app_dir=str(APPLICATIONS), path=[f"/answer?burn={times:03}"], env=list(variables)
    )
    return api.resolve(api.CellSpec(server="uvicorn", users=USERS), application)


def truth(arguments: argparse.Namespace) -> dict[str, Any]:
    """1 + the CPU time of a burn by the thread's own clock ÷ that of a request to the plain application."""
    with tempfile.TemporaryDirectory() as name:
        file = Path(name, "burns")
        restarts = counted(compared((burning(0), burning(BURN, f"BURN_TIMED={file}")), arguments), arguments)
        if not restarts:
            sys.exit("no restart counts, and so there is no truth to compare with: others disturb this machine")
        lines = [tuple(map(int, line.split())) for line in file.read_text(encoding="utf-8").splitlines()]
    burns = sum(count for _, count in lines)
    burn_us = sum(nanoseconds for nanoseconds, _ in lines) / burns / 1000
    plain_us = analysis.means([analysis.figures(each) for each in restarts], 2)[0][CPU].estimate
    ratio = 1 + burn_us / plain_us
    return {
        "burns": burns,
        "burn_us": round(burn_us, 3),
        "plain_us": round(plain_us, 2),
        CPU: round(ratio, 5),
        THROUGHPUT: round(1 / ratio, 5),
    }


def planted(arguments: argparse.Namespace) -> Answer:
    """A known cost."""
    rows, summary = kept(arguments)
    known = summary.get("truth") or truth(arguments)
    progress(f"truth: {known}")
    for number in range(len(rows), arguments.times):
        row = comparison(compared((burning(0), burning(BURN)), arguments, seed=number + 1), arguments)
        ratios = row["ratios"]
        detected = {
            THROUGHPUT: THROUGHPUT in ratios and (ratios[THROUGHPUT]["high"] or 1.0) < 1,
            CPU: CPU in ratios and (ratios[CPU]["low"] or 1.0) > 1,
        }
        off = {name: round(ratios[name]["ratio"] - known[name], 5) for name in (THROUGHPUT, CPU) if name in ratios}
        rows.append(row | {"detected": detected, "off": off})
        found: list[Any] = rows
        yield (
            rows,
            {
                "truth": known,
                "detected": {name: sum(each["detected"][name] for each in found) for name in (THROUGHPUT, CPU)},
                "largest_distance": {
                    name: max((abs(each["off"][name]) for each in found if name in each["off"]), default=None)
                    for name in (THROUGHPUT, CPU)
                },
                "median_half_width": {name: median(half_widths(rows, name)) for name in (THROUGHPUT, CPU)},
            },
        )


def cycle(short: float, shorts: int, seconds: float, long: float) -> tuple[float, ...]:
    """Least lengths of the rounds of a cycle: of the schedule's slots so many, with longer ones spread among them."""
    parts = SECONDS_IN_A_CYCLE + 1
    each = -(-shorts // parts)
    rounds: list[float] = []
    for place in range(parts):
        rounds += [short] * min(each, shorts - place * each)
        rounds.append(long if place == parts - 1 else seconds)
    return tuple(rounds)


def by_kind(restarts: Sequence[api.Restart]) -> dict[str, dict[str, Any]]:
    """Metric → log ratio of every restart by each kind of slots, and how kinds differ from the first."""
    if not restarts:
        return {}
    kinds = restarts[0].least_s
    found: dict[str, dict[str, Any]] = {}
    figures = list(zip(*(analysis.settled_figures(restarts, kind=kind) for kind in range(len(kinds))), strict=True))
    for metric in METRICS:
        logs: list[list[float]] = [
            [row.logs[1][metric] - row.logs[0][metric] for row in rows]
            for rows in figures
            if all(metric in member for row in rows for member in row.logs)
        ]
        if not logs:
            continue
        found[metric] = {
            "log_ratios": [[round(value, 6) for value in row] for row in logs],
            "ratios": {
                f"{least:g} s": as_row(api.interval([row[kind] for row in logs])) for kind, least in enumerate(kinds)
            },
            "against_shortest": {
                f"{least:g} s": as_row(api.interval([row[0] - row[kind] for row in logs]))
                for kind, least in enumerate(kinds)
                if kind
            },
        }
    return found


def bias(arguments: argparse.Namespace) -> Answer:
    """Slots of several lengths within the same restarts."""
    rows, summary = kept(arguments)
    short, second, long = arguments.lengths
    for name, (cells, users, shorts) in PAIRS.items():
        if name in summary or (arguments.only and arguments.only not in name):
            continue
        lengths = cycle(short, arguments.shorts or shorts, second, long)
        restarts: list[api.Restart] = []
        seconds, part = 0.0, 0
        while part < PARTS and not agreed(by_kind(restarts)):
            progress(f"{name}, part {part + 1}")
            result = compared(cells, arguments, users, lengths, seconds=arguments.seconds / PARTS, seed=part + 1)
            part, seconds = part + 1, seconds + result.rotation.seconds
            restarts += counted(result, arguments)
        rows.append(
            {
                "pair": name,
                "members": result.rotation.members,
                "servers": result.rotation.servers,
                "users": users,
                "cycle_s": lengths,
                "seconds": round(seconds, 1),
                "restarts": len(restarts),
                "slot_s": lengths_of(restarts),
                "by_length": by_kind(restarts),
            }
        )
        found: list[Any] = rows
        yield (
            rows,
            {
                each["pair"]: {
                    metric: {
                        length: {**row, "agrees": None if row["low"] is None else not excludes(row)}
                        for length, row in columns["against_shortest"].items()
                    }
                    for metric, columns in each["by_length"].items()
                }
                for each in found
            },
        )


def agreed(columns: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether it is known to within ±JOINT how throughput by slots and by each longer kind differ."""
    against = columns.get(THROUGHPUT, {}).get("against_shortest", {})
    return bool(against) and all((row["half_width"] or 1) <= JOINT for row in against.values())


def lengths_of(restarts: Sequence[api.Restart]) -> list[dict[str, list[float]]]:
    """Of each kind of slots: seconds of each member's slots, settling included, as the median over all of them."""
    if not restarts:
        return []
    kinds = []
    for kind, least in enumerate(restarts[0].least_s):
        seconds = [
            statistics.median(
                each.slots.read_s[place][-1]
                for each in restarts
                for place in each.slots.counted(kind)
                if each.slots.member[place] == member
            )
            for member in range(len(restarts[0].members))
        ]
        kinds.append({f"{least:g} s": [round(each, 3) for each in seconds]})
    return kinds


def logs_of(restarts: Sequence[api.Restart], metric: str) -> list[float]:
    """The log ratio of each restart."""
    logs = [analysis.figures(each).logs for each in restarts]
    return [row[1][metric] - row[0][metric] for row in logs if metric in row[0] and metric in row[1]]


def closure(direct: Sequence[float], first: Sequence[float], second: Sequence[float]) -> api.Interval | None:
    """Direct ratio ÷ product of the two others, with its 95 % interval (Welch's, of three means)."""
    parts = [(statistics.variance(each) / len(each), len(each)) for each in (direct, first, second) if len(each) > 1]
    if len(parts) < 3:
        return None
    mean = statistics.fmean(direct) - statistics.fmean(first) - statistics.fmean(second)
    variance = sum(part for part, _ in parts)
    freedom = variance**2 / sum(part**2 / (count - 1) for part, count in parts)
    half = -float(stdtrit(freedom, 0.025)) * math.sqrt(variance)
    return api.Interval(
        estimate=math.exp(mean),
        low=math.exp(mean - half),
        high=math.exp(mean + half),
        n=min(count for _, count in parts),
    )


def transitive(arguments: argparse.Namespace) -> Answer:
    """Each of three ratios directly, and by way of the third server."""
    rows, summary = kept(arguments)
    servers = ("uvicorn", "granian", "hypercorn")
    for workload, users in WORKLOADS.items():
        if workload in summary or (arguments.only and arguments.only not in workload):
            continue
        logs: dict[tuple[str, str], dict[str, list[float]]] = {}
        for pair in itertools.combinations(servers, 2):
            logs[pair] = {metric: [] for metric in METRICS}
            for number in range(arguments.times):
                progress(f"{workload}: {pair[1]} ÷ {pair[0]}")
                result = compared([f"{each}/{workload}" for each in pair], arguments, users, seed=number + 1)
                rows.append({"workload": workload, "pair": pair, **comparison(result, arguments)})
                for metric in METRICS:
                    logs[pair][metric] += logs_of(counted(result, arguments), metric)
                yield rows, summary
        (first, second, third), told_by = servers, {}
        for metric in METRICS:
            # One equation: direct ratio ÷ product of the others is the same for each of the three, or its inverse.
            ratio = closure(logs[first, third][metric], logs[first, second][metric], logs[second, third][metric])
            if ratio is not None:
                told_by[metric] = {**as_row(ratio), "agrees": not excludes(as_row(ratio))}
        summary[workload] = told_by
        yield rows, summary


# Noise


def settings(arguments: argparse.Namespace) -> Answer:
    """What a setting of a server costs; one that needs what is not installed is left out, with the reason."""
    rows: list[Row] = []
    summary: dict[str, Any] = {}
    for name, cells in SETTINGS.items():
        if arguments.only and arguments.only not in name:
            continue
        progress(name)
        try:
            row = comparison(compared(cells, arguments, generator="wrk"), arguments)
        except api.HarnessError as error:
            summary[name] = {"lacks": str(error)}
        else:
            rows.append({"settings": name} | row)
            summary[name] = {metric: row["ratios"].get(metric) for metric in (THROUGHPUT, CPU)}
        yield rows, summary


def burden(core: int, seed: int, parent: int) -> None:
    """Walk some memory on a core, on and off for a second each on average, until the parent has gone."""
    os.sched_setaffinity(0, {core})
    chance, memory = random.Random(seed), bytearray(BURDEN_BYTES)
    while os.getppid() == parent:
        until = time.monotonic() + chance.expovariate(1.0)
        while time.monotonic() < until:
            for place in range(0, len(memory), 4096):
                memory[place] = (memory[place] + 1) % 256
        time.sleep(chance.expovariate(1.0))


@contextmanager
def burdened() -> Iterator[None]:
    """Other programs at work on every core."""
    context = multiprocessing.get_context("spawn")
    processes = [
        context.Process(target=burden, args=(core, core, os.getpid()), daemon=True)
        for core in sorted(os.sched_getaffinity(0))
    ]
    for process in processes:
        process.start()
    try:
        yield
    finally:
        for process in processes:
            process.terminate()
            process.join()


def noise(arguments: argparse.Namespace) -> Answer:
    """Equal cells under planted noise: by slots, and by windows of a second for as long, in turn.

    Restarts count although other programs disturb them, which are planted here.
    """
    rows: list[Row] = []
    arguments.despite_others = True
    ways = {"slots": (SHORT,), "windows of 1 s": (SECOND,)}
    with burdened():
        for number in range(arguments.times):
            row: dict[str, Any] = {}
            for way in sorted(ways, reverse=bool(number % 2)):
                progress(way)
                # No restart counts by the gate, so that the comparison ends at twice its time.
                result = compared(
                    ["uvicorn/noop"] * 2, arguments, lengths=ways[way], seconds=arguments.seconds / 2, seed=number + 1
                )
                shares = [each.foreign_cpu_share for each in result.restarts]
                row[way] = {**comparison(result, arguments), "foreign_cpu_shares": shares}
            rows.append(row)
            widths = {
                way: {
                    name: half_widths([each[way] for each in rows], name)  # type: ignore[misc]
                    for name in (THROUGHPUT, CPU)
                }
                for way in ways
            }
            medians = {way: {name: median(each) for name, each in found.items()} for way, found in widths.items()}
            yield (
                rows,
                {
                    "median_half_width": medians,
                    "windows_by_slots": {
                        name: round(windows / slots, 2)
                        for name in (THROUGHPUT, CPU)
                        if (slots := medians["slots"][name]) and (windows := medians["windows of 1 s"][name])
                    },
                },
            )


# Endings


def endings(arguments: argparse.Namespace) -> Answer:
    """`harness compare` ended at random moments."""

    def command(turn: int) -> list[str]:
        second = ("granian", "hypercorn", "gunicorn")[turn % 3]
        return ["compare", "uvicorn", second, "--vus", "4", "--max-time", "12s"]

    def works(done: subprocess.CompletedProcess[str]) -> bool:
        # Exit code 3: few restarts give no verdict.
        return done.returncode in (0, 3) and json.loads(done.stdout)["outcomes"] == []

    found = end_many(arguments.times, arguments.seed, arguments.longest, command, works)
    progress(told(found))
    row = {
        "times": found.times,
        "left_something": len(found.left),
        "left": found.left,
        "stored_runs_whole": found.whole_runs,
        "stored_runs_unreadable": found.unreadable,
        "unfinished_folders": found.hidden,
        "longest_seconds": round(found.longest_seconds, 2),
        "signals_and_exit_codes": dict(sorted(found.codes.items())),
        "next_run_works": found.works,
    }
    yield [row], {"fine": found.fine}


QUESTIONS: Mapping[str, tuple[Callable[[argparse.Namespace], Answer], int, float]] = {
    "aa": (aa, 20, 60.0),
    "planted": (planted, 10, 60.0),
    "bias": (bias, 1, 720.0),
    "transitive": (transitive, 1, 120.0),
    "settings": (settings, 1, 60.0),
    "noise": (noise, 5, 60.0),
    "endings": (endings, 30, 0.0),
}
"""Question → who answers it, comparisons (of each pair), and seconds of each."""


def main() -> None:
    """Ask, and store the answer so far after each comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="question", required=True)
    for name, (answer, times, seconds) in QUESTIONS.items():
        command = commands.add_parser(name, help=answer.__doc__)
        if name not in ("bias", "settings"):
            command.add_argument(
                "--times", type=int, default=times, help="comparisons, of each pair where there are several"
            )
        command.add_argument("--out", metavar="FILE", type=Path, default=REFERENCE / f"rotation-{name}.json")
        command.set_defaults(answer=answer)
        if name in ("aa", "planted", "bias", "transitive"):
            command.add_argument("--go-on", action="store_true", help="keep what FILE holds, and add what is missing")
        if name == "endings":
            command.add_argument("--seed", type=int, default=1)
            command.add_argument("--longest", type=float, default=22.0, help="seconds until the latest ending")
            continue
        command.add_argument("--seconds", type=float, default=seconds, help="of a comparison")
        command.add_argument("--despite-others", action="store_true", help="count restarts that others disturbed")
        command.add_argument("--restart-seconds", type=float, default=6.0, help="of slots in a restart")
        if name in ("bias", "transitive", "settings"):
            command.add_argument("--only", metavar="TEXT", help="pairs or workloads whose names hold this")
        if name == "bias":
            command.add_argument("--lengths", type=float, nargs=3, default=(SHORT, SECOND, LONG))
            command.add_argument("--shorts", type=int, help="rounds of the shortest slots in a cycle")
    arguments = parser.parse_args()
    began = time.monotonic()
    summary: dict[str, Any] = {}
    for rows, summary in arguments.answer(arguments):
        found = document(arguments.question, arguments, rows, **summary)
        write_document(arguments.out, {**found, "seconds": round(time.monotonic() - began, 1)})
        progress(json.dumps(summary, ensure_ascii=False))
    print(json.dumps(summary, indent=1, ensure_ascii=False))
    sys.exit(0 if summary.get("fine", True) else 1)


if __name__ == "__main__":
    main()
