"""Writes into README and docs what they quote of stored results.

    .venv/bin/python benchmarks/quote.py

A fenced block after `<!-- quote: RUN -->` holds what `harness report RUN` prints, with `until: WORDS` up to the line
that begins with these words. With `as: FORM` the path is a file of `results/reference/benchmarks/`, or the beginning of
the names of runs, and FORM one of `FORMS` below. A test fails where a page differs from what this writes.
"""

from __future__ import annotations

import json
import re
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from harness import store
from harness.judge.verdict import judge
from harness.model.duet import Duet
from harness.report import console, duet, matrix
from harness.report.progress import duration
from harness.report.words import ratio
from harness.review import review

ROOT = Path(__file__).resolve().parent.parent
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
BLOCK = re.compile(
    r"(?P<head><!-- quote: (?P<run>\S+?)(?:, (?P<how>until|as): (?P<what>[^\n]+?))? -->\n+```text\n)"
    r"(?P<body>.*?)(?=^```$)",
    re.DOTALL | re.MULTILINE,
)


def written(page: str) -> str:
    """The page's text with its quotes as they should be."""

    def quote(found: re.Match[str]) -> str:
        if found["how"] == "as":
            return found["head"] + FORMS[found["what"]](ROOT / found["run"])
        return found["head"] + quoted(ROOT / found["run"], found["what"])

    return BLOCK.sub(quote, page)


def quoted(folder: Path, until: str | None) -> str:
    """What is quoted of a run; a single cell's path is the one that it had when it was measured."""
    stored = store.read_run(folder)
    answer = store.read_answer(folder)
    last = stored.visits[-1]
    if answer is not None:
        text = duet.text(answer, None)
    elif "plan" in stored.document or last.facts is None:
        text = matrix.text(review(stored), None)
    else:
        document = (folder / "measurements" / f"{last.number:04}.json").read_text(encoding="utf-8")
        path = re.search(r'^ "path": "([^"]+)"', document, re.MULTILINE)
        assert path is not None
        text = console.text(last.facts, judge(last.facts), Path(path[1]), "")
    if until is None:
        return text
    lines = text.splitlines()
    end = next(place for place, line in enumerate(lines) if line.startswith(until))
    return "\n".join(lines[:end]).rstrip() + "\n"


def pairs(beginning: Path) -> str:
    """Duets of all runs whose names begin so, as a table, with the machine that they were made on."""
    folders = sorted(beginning.parent.glob(f"{beginning.name}*"))
    hosts = {_host(json.loads((folder / "run.json").read_text(encoding="utf-8"))["host"]) for folder in folders}
    rows = [_pair(each) for folder in folders if (each := store.read_answer(folder)) is not None]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(("CPU time per request, on " + " and ".join(sorted(hosts)), *lines)) + "\n"


def _host(host: dict[str, Any]) -> str:
    return f"{host['cpus_available']} cores of {host['cpu_model']}"


def _pair(found: Duet) -> tuple[str, ...]:
    first, second = (name.partition("/")[0] for name in (found.first, found.second))
    counted = sum(each.void is None for each in found.restarts)
    return (
        f"{second} ÷ {first}",
        ratio(found.ratio, digits=3),
        duet.answer(found),
        f"{counted} restarts in {duration(found.seconds)}",
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


FORMS: dict[str, Callable[[Path], str]] = {
    "pairs": pairs,
    "aa": aa,
    "burn": burn,
    "turns": turns,
    "coverage": coverage,
}


def _rows(path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return rows


def _span(rows: Sequence[dict[str, Any]], name: str) -> str:
    values = [row[name] for row in rows]
    low, high = min(values), max(values)
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def _bounds(row: dict[str, Any]) -> str:
    return f"{row['ratio']:.3f}× [{row['low']:.3f}, {row['high']:.3f}]"


def main() -> None:
    """Write every page that differs."""
    for page in PAGES:
        before = page.read_text(encoding="utf-8")
        after = written(before)
        if after != before:
            page.write_text(after, encoding="utf-8")
            print(f"{page.relative_to(ROOT)} has been written anew", file=sys.stderr)


if __name__ == "__main__":
    main()
