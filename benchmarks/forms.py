"""What pages quote of stored results as a block: parts of what a run says."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import shlex
import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import reference
from figures import read, stored_run

from harness import api

NAMED = ("fastapi", "flask", "granian", "gunicorn", "hypercorn", "uvicorn", "uvloop", "psycopg", "polars")
"""Packages whose versions are told with a result; its `run.json` names all."""
BASE = "uvicorn"
"""With what servers are compared."""
ROOT = Path(__file__).resolve().parent.parent
THROUGHPUT, CPU = "throughput_rps", "cpu_us_per_request"


def text(folder: Path) -> str:
    """What `harness report` prints of a run; a single cell's path is the one that it had when it was measured."""
    stored = stored_run(folder)
    last = stored.visits[-1]
    if isinstance(stored.record, api.SingleRecord) and isinstance(last, api.MeasurementRecord):
        stored = dataclasses.replace(stored, folder=last.path)
    else:
        stored = dataclasses.replace(stored, folder=str(folder.relative_to(ROOT)))
    return api.report(stored, "text", details=False)


def part_of(whole: str, begins: str | None, ends: str | None) -> str:
    """From the line that begins with these words, up to the one that begins with those."""
    lines = whole.splitlines()
    first = 0 if begins is None else next(place for place, line in enumerate(lines) if line.startswith(begins))
    last = next(
        (place for place, line in enumerate(lines) if place > first and ends is not None and line.startswith(ends)),
        len(lines),
    )
    if ends is not None and last == len(lines):
        raise ValueError(f"no line after {begins!r} begins with {ends!r}")
    return "\n".join(lines[first:last]).rstrip() + "\n"


def origin(folder: Path) -> str:
    """Command with what has to be run before, moment, machine, versions, and what became of the measurements."""
    stored = stored_run(folder)
    record = stored.record
    environment = next(iter(record.environments.values()))
    versions = [f"{name} {environment.packages[name]}" for name in NAMED if name in environment.packages]
    host, moment = record.host, datetime.fromisoformat(record.started_at)
    memory = "" if host.memory_bytes is None else f"{host.memory_bytes / 2**30:.0f} GB, "
    database = record.database if isinstance(record, api.MatrixRecord) else None
    lines = [
        _command(folder, record.command),
        f"{moment:%Y-%m-%d} on {machine(host)}, {memory}{host.distribution}, "
        f"Linux {host.kernel}{', a virtual machine' if host.hypervisor else ''}",
        f"Python {environment.python}, {', '.join(versions)}",
        record.generator + (f", PostgreSQL {database.version}" if database else ""),
    ]
    return "\n".join((*lines, _outcome(folder))) + "\n"


def _command(folder: Path, command: str | None) -> str:
    """As it was typed, but for where to store, with what its recipe runs before."""
    recipe = next((each for each in reference.REFERENCES if reference.REFERENCE / each.name == folder), None)
    before = f"harness {shlex.join(recipe.before)}\n" if recipe is not None and recipe.before else ""
    assert command is not None
    return before + re.sub(r" --out \S+", "", command)


def machine(host: api.HostFacts) -> str:
    """Cores and processor."""
    return f"{host.cpus_available} cores of {host.cpu_model}"


def _outcome(folder: Path) -> str:
    stored = stored_run(folder)
    if isinstance(stored.record, api.CapacityRecord | api.OverloadRecord):
        found = Counter(str(each.verdict) for each in stored.visits)
        return f"{len(stored.visits)} starts: {', '.join(f'{count} {verdict}' for verdict, count in found.items())}"
    run = read(folder)
    verdicts = Counter(each.verdict for each in run.judged)
    again = len(run.stored.visits) - len(run.judged)
    counts = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.most_common())
    lost = [each.name for each in run.overview.cells if not each.valid]
    return (
        f"{len(run.judged)} measurements: {counts}"
        + (f"; {again} more were made again" if again else "")
        + (f"; without a valid one: {', '.join(lost)}" if lost else "; every cell has valid ones")
    )


def of_claims(folder: Path) -> str:
    """What the published study claims, and what was measured."""
    return api.claims_table(api.judge_study(stored_run(folder)))


def of_answers(folder: Path) -> str:
    """What the run says of each axis, a sentence each."""
    return "\n".join(f"- {api.escaped(each)}" for each in api.answers(read(folder).overview)) + "\n"


def of_trust(folder: Path) -> str:
    """What the benchmarks of rotations have shown, a sentence each, as far as they are stored in a folder."""
    return _lines(folder, TRUST)


def of_matrix_trust(folder: Path) -> str:
    """The same of matrices."""
    return _lines(folder, MATRIX_TRUST)


def _lines(folder: Path, sentences: Mapping[str, Callable[[dict[str, Any]], str]]) -> str:
    paths = {folder / f"{name}.json": words for name, words in sentences.items()}
    lines = [words(document(path)) for path, words in paths.items() if path.exists()]
    return "\n".join(f"- {line}" for line in lines) + "\n"


def document(path: Path) -> dict[str, Any]:
    """What a benchmark has stored."""
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _equal_cells(benchmark: dict[str, Any]) -> str:
    summary, rows = benchmark["summary"], benchmark["rows"]
    excluded = summary["intervals_that_exclude_one"]
    throughput, cpu = (_half(summary["median_half_width"][name]) for name in (THROUGHPUT, CPU))
    return (
        f"**Equal configurations.** Of {len(rows)} comparisons of uvicorn's `noop` with itself, {_seconds(rows)} s "
        f"each, {excluded[THROUGHPUT]} found a difference in throughput and {excluded[CPU]} in CPU per request where "
        f"there is none. Their median half-widths are {throughput} and {cpu}."
    )


def _known_cost(benchmark: dict[str, Any]) -> str:
    summary, rows = benchmark["summary"], benchmark["rows"]
    detected, distance = summary["detected"], summary["largest_distance"]
    return (
        f"**A known cost.** A request that costs {summary['truth'][CPU] - 1:.1%} more CPU time was detected in "
        f"{detected[CPU]} of {len(rows)} comparisons of {_seconds(rows)} s by its CPU time and in "
        f"{detected[THROUGHPUT]} by its throughput, and never off by more than {100 * distance[CPU]:.1f} and "
        f"{100 * distance[THROUGHPUT]:.1f} points."
    )


def _no_bias(benchmark: dict[str, Any]) -> str:
    """The widest interval, and the quotient farthest from 1, over all pairs and longer kinds."""
    pairs = benchmark["summary"]

    def of(metric: str) -> tuple[float, float, int, int]:
        rows = [row for columns in pairs.values() for row in columns.get(metric, {}).values() if row["low"] is not None]
        off = max(abs(row["ratio"] - 1) for row in rows)
        return off, max(row["half_width"] for row in rows), sum(row["agrees"] for row in rows), len(rows)

    off, widest, agree, count = of(THROUGHPUT)
    cost, cost_width, costs, cost_count = of(CPU)
    tail, tail_width, tails, tail_count = of("p99_ms")
    return (
        f"**Short slots.** In the same restarts, ratios of throughput by slots of the schedule and by slots of 1 and "
        f"5 s were set against each other, for {len(pairs)} pairs where they are likeliest to differ: queues on one "
        f"thread, full thread pools, two workers against one. {agree} of {count} agree; the farthest lie {off:.1%} "
        f"apart, known to {_half(widest)} at worst. Of CPU per request {costs} of {cost_count} agree, the farthest "
        f"{cost:.1%} apart ({_half(cost_width)}). Of p99 {tails} of {tail_count} agree, the farthest {tail:.1%} "
        f"apart (known to {_half(tail_width)} at worst)."
    )


def _noise(benchmark: dict[str, Any]) -> str:
    widths = benchmark["summary"]["median_half_width"]
    slots, windows = (widths[way][THROUGHPUT] for way in ("slots", "windows of 1 s"))
    return (
        f"**Others at work.** With programs that walk through memory on every core now and then, slots know the "
        f"throughput of equal configurations to {_half(slots)}, windows of a second to {_half(windows)} in as long."
    )


def _transitive(benchmark: dict[str, Any]) -> str:
    parts = [
        f"for `{workload}` {api.ratio_words(_interval(row[THROUGHPUT]), digits=3)} in throughput"
        for workload, row in benchmark["summary"].items()
        if THROUGHPUT in row
    ]
    return (
        "**Detours.** hypercorn against uvicorn directly, ÷ the product of granian against uvicorn and hypercorn "
        f"against granian, is {' and '.join(parts)}; 1 is right."
    )


def _coverage(benchmark: dict[str, Any]) -> str:
    runs = benchmark["options"]["runs"]
    of_all, of_one = (
        [row["coverage"] for row in benchmark["rows"] if row["against_one"] is against_one]
        for against_one in (False, True)
    )
    return (
        f"**Intervals that stop.** Simulated with their stopping rule, all intervals of a comparison hold in "
        f"{min(of_all):.1%} to {max(of_all):.1%} of {runs:,} runs in each of {len(of_all)} cases: "
        "two, four and eight members, alike or one of them noisier. Those of all members with one of them "
        f"(`--against`) hold in {min(of_one):.1%} to {max(of_one):.1%}."
    )


def _endings(benchmark: dict[str, Any]) -> str:
    row = benchmark["rows"][0]
    return (
        f"**Ended at any moment.** Of {row['times']} comparisons ended by SIGINT, SIGTERM or SIGKILL, "
        f"{row['left_something']} left a process behind and {len(row['stored_runs_unreadable'])} a stored run that "
        f"cannot be read; everything had ended after {row['longest_seconds']:.2g} s at most."
    )


def _at_once(benchmark: dict[str, Any]) -> str:
    parts = [
        f"`{workload}` to {_half(row['widest'])} in {row['seconds']:.0f} s"
        for workload, row in benchmark["summary"].items()
        if row["widest"] is not None
    ]
    return f"**Four servers at once.** Every ratio of their throughput is known, of {', of '.join(parts)}."


def _preset(benchmark: dict[str, Any]) -> str:
    summary = benchmark["summary"]
    by_workload = ", ".join(
        f"`{workload}` {_half(half)}" for workload, half in summary["median_half_width_by_workload"].items()
    )
    return (
        f"**A large preset.** `{summary['preset']}`, {summary['cells']} configurations in {summary['sets']} sets, took "
        f"{summary['minutes']:.0f} minutes. Half of its {summary['ratios']} ratios of throughput are known to "
        f"{_half(summary['median_half_width'])} or better ({by_workload}); {summary['undecided_share']:.0%} are "
        "inconclusive."
    )


def _false_verdicts(benchmark: dict[str, Any]) -> str:
    rows = benchmark["rows"]
    varied = next(row for row in rows if row["deviation"] == "as stored")
    worst = max((row for row in rows if row is not varied), key=lambda row: row["wrong_share"])
    large = benchmark["summary"]["large"]
    return (
        f"**Equal configurations.** Of {varied['runs']} simulated runs with the configurations and sets of "
        f"`{varied['preset']}`, all equal, {varied['wrong_share']:.1%} found a difference anywhere in their "
        f"{varied['contrasts']:,} comparisons of all metrics, where each configuration varies as it did in the stored "
        f"run; {worst['wrong_share']:.1%} at worst where all vary alike. A run of {large['cells']} configurations is "
        f"read and judged in {large['read_seconds'] + large['judge_seconds']:.0f} s."
    )


def _kills(benchmark: dict[str, Any]) -> str:
    summary = benchmark["summary"]
    return (
        f"**Ended and gone on with.** Of {summary['times']} matrices ended at a random moment, {summary['the_same']} "
        f"came to the same sets and seeds as one that was never ended; {summary['left_something']} left a process "
        "behind."
    )


def of_settings(folder: Path) -> str:
    """What settings of servers cost, a row each."""
    rows = []
    for name, row in document(folder / "rotation-settings.json")["summary"].items():
        figures = [api.ratio_words(_interval(row[metric]), digits=3) for metric in (THROUGHPUT, CPU) if row.get(metric)]
        if figures:
            rows.append((name, *map(api.escaped, figures)))
    return _table(("second ÷ first", "throughput", "CPU per request"), rows)


def of_servers(folder: Path) -> str:
    """Each server of a matrix against uvicorn, a row each: throughput and CPU per request for each framework and
    style, with intervals that hold at once for all servers beside uvicorn; and how well the better known of the two is
    known of each."""
    rows: dict[str, dict[tuple[str, str], str]] = {}
    halves: dict[tuple[str, str], list[float]] = {}
    for each in api.review(api.against(stored_run(folder), BASE)).comparison.contrasts:
        if each.axis != "server" or each.metric not in (THROUGHPUT, CPU):
            continue
        _, framework, style, *_ = each.a.cell.split("/")
        rows.setdefault(each.b.option, {})[f"{framework} {style}", each.metric] = api.ratio_words(each.ratio)
        halves.setdefault((each.b.option, f"{framework} {style}"), []).append(each.ratio.half_width or math.inf)
    served = sorted({column for row in rows.values() for column, _ in row})
    columns = [(column, metric) for column in served for metric in (THROUGHPUT, CPU)]
    heads = [f"{column}: {'throughput' if metric == THROUGHPUT else 'CPU'}" for column, metric in columns]
    table = _table(
        (f"server ÷ {BASE}", *heads),
        [(name, *(api.escaped(row.get(each, "")) for each in columns)) for name, row in rows.items()],
    )
    known = max(map(min, halves.values()))
    return f"{table}\nOf each server throughput or CPU time per request is known to ±{known:.1%} or better.\n"


def of_searches(folder: Path) -> str:
    """Searches of simulated queues by each way: how many hold the truth, how wide they are, how long they take."""
    searches = document(folder / "capacity-simulated.json")["rows"]
    rows = []
    for row in searches:
        width = "–" if row["median_width"] is None else f"{row['median_width']:.2f}"
        share = row["held"] / row["searches"]
        cells = (row["queue"], row["objective"], row["way"], f"{share:.1%}", f"{row['too_high']} / {row['too_low']}")
        rows.append([*map(api.escaped, (*cells, width, _minutes(row["mean_seconds"])))])
    for way in dict.fromkeys(row["way"] for row in searches):
        of_way = [row for row in searches if row["way"] == way]
        held, count = (sum(row[name] for row in of_way) for name in ("held", "searches"))
        rows.append([f"all {count:,}", "", way, f"**{held / count:.1%}**", "", "", ""])
    heads = ("queue", "objective", "way", "hold the truth", "too high / too low", "median width", "time")
    return _table(heads, rows)


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f} min"


def of_single_probes(folder: Path) -> str:
    """How often one probe passes by itself, by its length and how far above the capacity it is."""
    rows = document(folder / "capacity-simulated.json")["summary"]["single_probes"]
    factors = [name.removeprefix("passes_at_") for name in rows[0] if name.startswith("passes_at_")]
    heads = ["at the capacity" if factor == "1" else f"{float(factor) - 1:.0%} above" for factor in factors]
    cells = [
        (row["queue"], f"{row['seconds']:g} s", *(f"{row[f'passes_at_{factor}']:.0%}" for factor in factors))
        for row in rows
    ]
    return _table(("queue", "probe", *heads), [[*map(api.escaped, each)] for each in cells])


def of_real_searches(folder: Path) -> str:
    """Searches of real cells whose capacity is known: the bounds beside the truth."""
    return _real_searches(folder / "capacity-truth.json")


def of_collected_searches(folder: Path) -> str:
    """Searches of real cells that Python's garbage collector stops at times."""
    return _real_searches(folder / "capacity-collected.json")


def of_precise_searches(folder: Path) -> str:
    """The same where bounds were to be closer and there was more time, and what was known on the way."""
    path = folder / "capacity-precise.json"
    first = [row["within_10_percent"] for row in document(path)["rows"] if row["within_10_percent"]]
    probes, held = [each["probes"] for each in first], sum(each["held"] for each in first)
    way = f"after {min(probes)} to {max(probes)} probes: {held} of {len(first)} hold it, too"
    return f"{_real_searches(path)}\nThe first bounds within 10% stood {way}.\n"


def _real_searches(path: Path) -> str:
    searches = document(path)["rows"]
    rows = []
    for row in searches:
        low, high = ("–" if row[end] is None else f"{row[end]:,.0f}" for end in ("low", "high"))
        bounds = f"{low} to {high}" if row["held"] else f"**{low} to {high}**"
        width = "–" if row["width"] is None else f"{row['width']:.3f}"
        truth, time = f"{row['truth_rps']:,.0f}", _minutes(row["seconds"])
        rows.append((api.escaped(row["cell"]), truth, bounds, width, str(row["probes"]), time))
    held = sum(row["held"] for row in searches)
    heads = ("cell", "capacity by simulation", "bounds", "higher ÷ lower", "probes", "time")
    return f"{_table(heads, rows)}\n{held} of {len(rows)} intervals hold the capacity.\n"


def of_two_names(folder: Path) -> str:
    """Searches of one server under two names: how often they were said to differ, and whether all bounds overlap."""
    rows = document(folder / "capacity-names.json")["rows"]
    table = []
    asked = [(row["cells"][0]["cell"].removesuffix(" (1)"), row["objective"]) for row in rows]
    for cell, objective in dict.fromkeys(asked):
        pairs = [row for row, of in zip(rows, asked, strict=True) if of == (cell, objective)]
        halves = [math.sqrt(row["ratio"]["high"] / row["ratio"]["low"]) - 1 for row in pairs if row["ratio"]]
        apart = sum(row["apart"] for row in pairs)
        minutes = _minutes(statistics.fmean(row["seconds"] for row in pairs))
        half = f"±{statistics.median(halves):.1%}" if halves else "–"
        known = [each for row in pairs for each in row["cells"] if each["low"] is not None and each["high"] is not None]
        low, high = max(each["low"] for each in known), min(each["high"] for each in known)
        common = f"{low:.0f} to {high:.0f} in all {len(known)}" if low <= high else f"none in all {len(known)}"
        told = f"{apart} of {len(pairs)}"
        table.append([*map(api.escaped, (cell, objective, told, half, common, minutes))])
    heads = ("cell, twice at once", "objective", "said to differ", "ratio known to (median)", "rates within the bounds")
    return _table((*heads, "time of a pair"), table)


def of_overloads(folder: Path) -> str:
    """Overloads of servers that refuse nothing: how they recover beside the law."""
    rows = []
    for row in document(folder / "capacity-overload.json")["rows"]:
        recovered, ratio = (
            "–" if row[name] is None else f"{row[name]:.2f}{unit}"
            for name, unit in (("recovery_seconds", " s"), ("ratio", ""))
        )
        shares = (f"{row['served_share']:.0%}", f"{row['refused_share']:.1%}")
        rows.append((api.escaped(row["cell"]), *shares, recovered, f"{row['law_seconds']:.2f} s", ratio))
    return _table(("cell", "served of capacity", "refused", "recovered", "law", "ratio"), rows)


def of_freezing(folder: Path) -> str:
    """An application as it is and with `gc.freeze()`: what collections do to it."""
    found = document(folder / "freezing.json")
    rows = []
    for target, words in (("app", "as it is"), ("frozen", "after `gc.freeze()`")):
        own = [row for row in found["rows"] if row["target"] == target]
        seen = [row["collector"] for row in own]
        pauses = sum(each["pauses"] for each in seen)
        longest = max(each["longest_ms"] for each in seen)
        mean = sum(each["pauses"] * each["mean_ms"] for each in seen) / pauses if pauses else 0.0
        stops = f"{pauses}, {mean:.0f} ms on average, {longest:.0f} ms at most" if pauses else "none"
        p99 = " ".join(f"{row['p99_ms']:.0f}" for row in own)
        rows.append((words, stops, p99))
    table = _table(("application", "full collections", "p99 of each window, in ms"), rows)
    p99, cpu = (found["summary"][figure] for figure in ("p99_ms", "cpu_us_per_request"))
    tail, work = (f"{each['estimate']:.2f}× [{each['low']:.2f}, {each['high']:.2f}]" for each in (p99, cpu))
    return f"{table}\nFrozen ÷ as it is: p99 {tail}, CPU per request {work}.\n"


def of_recommendations(folder: Path) -> str:
    """Searches for a recommendation whose truth was planted: how many found it, and how long they took."""
    searches = document(folder / "recommending.json")["rows"]
    rows = []
    for planted, words in PLANTED.items():
        own = [row for row in searches if row["planted"] == planted]
        right = sum(row["right"] and row["within_time"] for row in own)
        seconds = [row["seconds"] for row in own]
        times = f"{_minutes(statistics.median(seconds))}, {_minutes(max(seconds))} at most"
        rows.append((words, f"{right} of {len(own)}", times))
    return _table(("planted", "found", "time"), rows)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(api.markdown_table(heads, rows)) + "\n"


def _interval(row: dict[str, Any]) -> api.Interval:
    return api.Interval(estimate=row["ratio"], low=row["low"], high=row["high"], n=row.get("n", 2))


def _seconds(rows: Sequence[dict[str, Any]]) -> str:
    return f"{sum(row['seconds'] for row in rows) / len(rows):.0f}"


def _half(share: float) -> str:
    return f"±{share:.1%}"


TRUST: dict[str, Callable[[dict[str, Any]], str]] = {
    "rotation-aa": _equal_cells,
    "rotation-planted": _known_cost,
    "rotation-bias": _no_bias,
    "rotation-noise": _noise,
    "rotation-transitive": _transitive,
    "coverage": _coverage,
    "rotation-endings": _endings,
}
"""Name of a benchmark's document → its sentence."""

MATRIX_TRUST: dict[str, Callable[[dict[str, Any]], str]] = {
    "matrices-at-once": _at_once,
    "matrices-preset": _preset,
    "judging": _false_verdicts,
    "matrices-kills": _kills,
}

PLANTED: dict[str, str] = {
    "slowed": "one of four servers takes a quarter more CPU time: it is neither recommended nor called as good",
    "workers": "requests hold one of 2 or 4 slots that all workers share: as many workers are recommended",
    "nothing": "requests wait, and the load alone sets the throughput: all four servers equal, with 1 worker",
}
"""What `recommending.py` plants."""

FORMS: dict[str, Callable[[Path], str]] = {
    "origin": origin,
    "claims": of_claims,
    "answers": of_answers,
    "trust": of_trust,
    "matrix_trust": of_matrix_trust,
    "settings": of_settings,
    "servers": of_servers,
    "searches": of_searches,
    "real_searches": of_real_searches,
    "precise_searches": of_precise_searches,
    "collected_searches": of_collected_searches,
    "two_names": of_two_names,
    "freezing": of_freezing,
    "overloads": of_overloads,
    "single_probes": of_single_probes,
    "recommendations": of_recommendations,
}
