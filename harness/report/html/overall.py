"""A page over the runs of a folder: which there are, what each says, and how a configuration went over runs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from harness import __version__
from harness.analysis import review
from harness.errors import HarnessError
from harness.model.comparison import Interval
from harness.model.record import StoredRun
from harness.report import rotation, words
from harness.report.answers import answers
from harness.report.html import template
from harness.store import codec, index

MOST_HISTORIES = 200
"""Configurations whose history is drawn: those of the most runs where there are more."""
WIDTH, HEIGHT, EDGE = 360, 64, 8
"""Of a history's picture, in pixels."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Listed:
    """A run as the page lists it."""

    name: str
    link: str | None
    """Its own page, from where the index lies; None where it has none yet."""
    started_at: str
    kind: str
    what: str
    says: str
    """Its first answer; of a run that cannot be read, why."""
    throughputs: Mapping[str, Interval]
    """Configuration → requests per second."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """A configuration in one run, as places in a picture."""

    run: str
    started_at: str
    text: str
    x: float
    y: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True, slots=True)
class History:
    """A configuration over runs."""

    name: str
    points: list[Point]

    @property
    def described(self) -> str:
        """The picture in words."""
        return f"{self.name}: " + ", ".join(f"{point.text} ({point.started_at[:10]})" for point in self.points)


def render(folder: Path, folders: Sequence[Path]) -> str:
    """The whole file, which is to lie in `folder`."""
    runs = [_listed(folder, each) for each in index.runs(folder) if each.folder in folders]
    runs.sort(key=lambda each: each.started_at, reverse=True)
    return template.render(
        "index.html.j2",
        ["common.js", "index.js"],
        runs=runs,
        kinds=sorted({each.kind for each in runs}),
        histories=histories(runs),
        width=WIDTH,
        height=HEIGHT,
        harness=__version__,
    )


def _listed(folder: Path, entry: index.RunEntry) -> Listed:
    page = entry.folder / "report.html"
    throughputs: Mapping[str, Interval] = {}
    try:
        says, throughputs = _said(codec.read_run(entry.folder))
    except HarnessError as error:
        says = f"cannot be read: {error.what}"
    return Listed(
        name=entry.folder.name,
        link=quote(os.path.relpath(page, folder)) if page.exists() else None,
        started_at=entry.started_at,
        kind={"single": "run", "rotation": "compare"}.get(entry.kind, entry.kind),
        what=entry.what,
        says=says,
        throughputs=throughputs,
    )


def _said(stored: StoredRun) -> tuple[str, dict[str, Interval]]:
    """A run's first answer, and the throughput of each of its configurations."""
    turns = rotation.of_stored(stored)
    if turns is not None:
        values = zip(turns.members, turns.values, strict=True)
        figures = {name: metrics["throughput_rps"] for name, metrics in values if "throughput_rps" in metrics}
        return next((sentence for sentence, _ in rotation.answers(turns)), ""), figures
    overview = review.review(stored)
    throughputs = {cell.name: cell.throughput for cell in overview.cells if cell.throughput is not None}
    return next(iter(answers(overview)), ""), throughputs


def histories(runs: Sequence[Listed]) -> list[History]:
    """Configurations of two runs or more, oldest run first."""
    names: dict[str, list[tuple[Listed, Interval]]] = {}
    for run in sorted(runs, key=lambda each: each.started_at):
        for name, interval in run.throughputs.items():
            names.setdefault(name, []).append((run, interval))
    several = sorted(((name, seen) for name, seen in names.items() if len(seen) > 1), key=lambda each: -len(each[1]))
    return [History(name=name, points=_points(seen)) for name, seen in several[:MOST_HISTORIES]]


def _points(seen: Sequence[tuple[Listed, Interval]]) -> list[Point]:
    """On an axis from zero to the largest."""
    most = max(interval.high or interval.estimate for _, interval in seen)
    step = (WIDTH - 2 * EDGE) / (len(seen) - 1)

    def y(value: float) -> float:
        return round(HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * value / most, 1)

    return [
        Point(
            run=run.name,
            started_at=run.started_at,
            text=f"{words.number(interval.estimate)} requests/s {words.half_width(interval)}".strip(),
            x=round(EDGE + place * step, 1),
            y=y(interval.estimate),
            low=y(interval.low or interval.estimate),
            high=y(interval.high or interval.estimate),
        )
        for place, (run, interval) in enumerate(seen)
    ]
