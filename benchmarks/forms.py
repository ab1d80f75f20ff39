"""What pages quote of stored results as a block: tables of what scripts found, and parts of what a run says."""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import reference
from figures import read, stored_run

from harness import api

NAMED = ("fastapi", "flask", "granian", "gunicorn", "hypercorn", "uvicorn", "uvloop", "psycopg", "polars")
"""Packages whose versions are told with a result; its `run.json` names all."""


def text(folder: Path) -> str:
    """What `harness report` prints of a run; a single cell's path is the one that it had when it was measured."""
    stored = stored_run(folder)
    last = stored.visits[-1]
    if isinstance(stored.record, api.SingleRecord) and isinstance(last, api.MeasurementRecord):
        stored = dataclasses.replace(stored, folder=last.path)
    return api.report(stored, "text")


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
    """Command with what has to be run before, moment, machine, versions, and what became of the visits."""
    stored = stored_run(folder)
    record, answer = stored.record, stored.answer
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
    if answer is not None:
        counted = sum(each.void is None for each in answer.restarts)
        lines.append(f"{counted} of {len(answer.restarts)} restarts count")
    else:
        lines.append(_outcome(folder))
    return "\n".join(lines) + "\n"


def _command(folder: Path, command: str | None) -> str:
    """As it was typed, but for where to store; earlier results do not hold it, their recipe does."""
    recipe = next((each for each in reference.REFERENCES if reference.REFERENCE / each.name == folder), None)
    before = f"harness {shlex.join(recipe.before)}\n" if recipe is not None and recipe.before else ""
    if command is not None:
        return before + re.sub(r" --out \S+", "", command)
    assert recipe is not None
    return f"{before}harness {shlex.join(recipe.command)}"


def machine(host: api.HostFacts) -> str:
    """Cores and processor."""
    return f"{host.cpus_available} cores of {host.cpu_model}"


def _outcome(folder: Path) -> str:
    run = read(folder)
    verdicts = Counter(each.verdict for each in run.judged)
    again = len(run.stored.visits) - len(run.judged)
    counts = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.most_common())
    lost = [each.name for each in run.overview.cells if not each.valid]
    return (
        f"{len(run.judged)} visits: {counts}"
        + (f"; {again} more were measured again" if again else "")
        + (f"; without a valid visit: {', '.join(lost)}" if lost else "; every cell has valid visits")
    )


def of_claims(folder: Path) -> str:
    """What the published study claims, and what was measured."""
    return api.claims_table(api.claims(stored_run(folder)))


def of_answers(folder: Path) -> str:
    """What the run says of each axis, a sentence each."""
    return "\n".join(f"- {api.escaped(each)}" for each in api.answers(read(folder).overview)) + "\n"


def pairs(beginning: Path) -> str:
    """Duets of all runs whose names begin so, as a table, with the machine that they were made on."""
    folders = beginnings(beginning)
    hosts = {machine(stored_run(folder).record.host) for folder in folders}
    rows = [_pair(each) for folder in folders if (each := stored_run(folder).answer) is not None]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(("CPU time per request, on " + " and ".join(sorted(hosts)), *lines)) + "\n"


def beginnings(path: Path) -> list[Path]:
    """The runs whose names begin so."""
    return sorted(path.parent.glob(f"{path.name}*"))


def _pair(duet: api.Duet) -> tuple[str, ...]:
    first, second = (name.partition("/")[0] for name in (duet.first, duet.second))
    counted = sum(each.void is None for each in duet.restarts)
    return (
        f"{second} ÷ {first}",
        api.ratio_words(duet.ratio, digits=3),
        api.duet_answer(duet).replace("the second", second),
        f"{counted} restarts in {api.duration(duet.seconds)}",
    )


def aa(path: Path) -> str:
    """Duets of cells against themselves."""
    rows = _rows(path)
    halves = sorted(row["half_width"] for row in rows)
    return (
        f"{len(rows)} duets of a cell against itself, each {_span(rows, 'seconds')} s and {_span(rows, 'restarts')} "
        f"restarts\nintervals that exclude 1: {sum(row['excludes_one'] for row in rows)}\n"
        f"half-widths, %: {' '.join(f'{100 * half:.2f}' for half in halves)}\n"
        f"median {100 * statistics.median(halves):.2f} %\n"
    )


def burn(path: Path) -> str:
    """Duets against a cell with a known extra cost."""
    first, *rows = _rows(path)
    truth = first["truth"]
    within = sum(abs(row["off"]) <= 0.015 for row in rows)
    mean = statistics.fmean(row["off"] for row in rows)
    lines = [f"truth   {truth['ratio']:.3f}× [{truth['low']:.3f}, {truth['high']:.3f}]"]
    lines += [f"duet    {_bounds(row)}   off by {100 * row['off']:+.2f} points" for row in rows]
    lines += [
        f"detected by {sum(row['detected'] for row in rows)} of {len(rows)}, within 1.5 points of it: {within}",
        f"off by {100 * mean:+.2f} points on average",
    ]
    return "\n".join(lines) + "\n"


def turns(path: Path) -> str:
    """The same question asked by duets and in turns, side by side."""
    rows = _rows(path)
    lines = ["by a duet                        in turns, as long"]
    lines += [f"{_wide(row)}    {_wide(row['in_turns'])}" for row in rows]
    wider = statistics.median(row["in_turns"]["half_width"] / row["half_width"] for row in rows)
    told = sum(row["in_turns"]["low"] > 1 for row in rows)
    lines += [
        f"detected by {sum(row['detected'] for row in rows)} of {len(rows)} duets, in turns {told} times",
        f"in turns the interval is {wider:.1f} times as wide (median)",
    ]
    return "\n".join(lines) + "\n"


def _wide(row: dict[str, Any]) -> str:
    return f"{_bounds(row)} ±{100 * row['half_width']:.2f} %"


def coverage(path: Path) -> str:
    """How often the interval holds the truth, simulated."""
    lines = ["noise of a restart   restarts until it stops   intervals that hold the truth"]
    for row in _rows(path):
        lines.append(f"{100 * row['noise']:.1f} %                {row['restarts']:<25} {100 * row['coverage']:.1f} %")
    return "\n".join(lines) + "\n"


def _rows(path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return rows


def _span(rows: Sequence[dict[str, Any]], name: str) -> str:
    values = [row[name] for row in rows]
    low, high = min(values), max(values)
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def _bounds(row: dict[str, Any]) -> str:
    return f"{row['ratio']:.3f}× [{row['low']:.3f}, {row['high']:.3f}]"


FORMS: dict[str, Callable[[Path], str]] = {
    "origin": origin,
    "claims": of_claims,
    "answers": of_answers,
    "pairs": pairs,
    "aa": aa,
    "burn": burn,
    "turns": turns,
    "coverage": coverage,
}
