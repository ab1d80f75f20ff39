"""What pages quote of stored results as a block: parts of what a run says."""

from __future__ import annotations

import dataclasses
import re
import shlex
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

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


FORMS: dict[str, Callable[[Path], str]] = {
    "origin": origin,
    "claims": of_claims,
    "answers": of_answers,
}
