"""Single figures of stored runs, as sentences quote them: `[1.17× [1.14, 1.20]](RUN "ratio; above 1")`.

What can be asked of a duet: `ratio`. Of a matrix: `rps CELL`, `cpu CELL`, `p50 CELL`, `p99 CELL`,
`reached CELL`; `rps CELL ÷ CELL`, `cpu CELL ÷ CELL` and `p50 CELL ÷ CELL`, paired by block; `claim C5`,
`claim C6 fib=15` and `published C5`; `noise rps`. CELL is as many parts of a cell's id as tell it from the
others of its run: `granian async w2`; what two cells have in common may stand before a colon:
`cpu noop w1: granian ÷ uvicorn`.

After a semicolon stands what the sentence rests on: `above 1`, `below 1`, `around 1` of an interval, or a verdict.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from harness import store
from harness.analysis import studies
from harness.analysis.overview import EvaluatedVisit, evaluate_all, observations
from harness.analysis.review import review, visits
from harness.model.claims import ClaimResult
from harness.model.comparison import Interval, Observation
from harness.model.metrics import Metric
from harness.model.overview import CellOverview, Overview
from harness.report.words import half_width, number, ratio
from harness.stats.intervals import interval, paired, usable

METRICS: dict[str, Metric] = {"rps": "throughput_rps", "cpu": "cpu_us_per_request", "p50": "p50_ms"}


class Unfounded(Exception):
    """A sentence rests on what the stored run does not say, or asks for what it does not hold."""


@dataclass(frozen=True, slots=True)
class Read:
    """A stored run and everything that follows from it."""

    stored: store.StoredRun
    overview: Overview
    judged: list[EvaluatedVisit]
    observations: list[Observation]


@lru_cache(maxsize=64)
def read(folder: Path) -> Read:
    """A stored matrix or single cell, judged anew."""
    stored = store.read_run(folder)
    judged = evaluate_all(visits(stored))
    return Read(stored, review(stored), judged, observations(judged))


@dataclass(frozen=True, slots=True)
class Found:
    """A figure as it is written, and what can be checked of it."""

    text: str
    interval: Interval | None = None
    verdict: str | None = None


def figure(folder: Path, asked: str) -> str:
    """The figure's text. Unfounded where the run does not hold it, or its condition does not hold."""
    what, _, condition = (part.strip() for part in " ".join(asked.split()).partition(";"))
    kind, _, rest = what.partition(" ")
    if kind not in KINDS or ("÷" in rest and kind not in METRICS):
        raise Unfounded(f"{folder.name}: {asked!r} asks for {kind!r}; known: {', '.join(KINDS)}")
    found = KINDS[kind](folder, rest)
    if condition and not _holds(found, condition):
        raise Unfounded(f"{folder.name}: {asked!r} does not hold: {found.text}, {found.verdict or 'no verdict'}")
    return found.text


def _holds(found: Found, condition: str) -> bool:
    if condition in ("above 1", "below 1", "around 1"):
        if found.interval is None or found.interval.low is None or found.interval.high is None:
            return False
        side = "above 1" if found.interval.low > 1 else "below 1" if found.interval.high < 1 else "around 1"
        return side == condition
    return found.verdict == condition


def _duet(folder: Path, _: str) -> Found:
    answer = store.read_answer(folder)
    assert answer is not None
    return Found(ratio(answer.ratio, digits=3), answer.ratio, answer.verdict)


def _claimed(folder: Path, which: str) -> ClaimResult:
    name, _, case = which.partition(" ")
    (found,) = (each for each in studies.of(read(folder).stored) if each.claim == name and each.case == case)
    return found


def _claim(folder: Path, which: str) -> Found:
    found = _claimed(folder, which)
    return Found(ratio(found.measured), found.measured, found.verdict)


def _published(folder: Path, which: str) -> Found:
    return Found(f"{_claimed(folder, which).published:.2f}×")


def _noise(folder: Path, which: str) -> Found:
    (found,) = (each for each in read(folder).overview.comparison.noise if each.metric == METRICS[which])
    return Found(f"{found.delta:.1%}")


def _of_cells(kind: str, shown: Callable[[CellOverview], str]) -> Callable[[Path, str], Found]:
    def found(folder: Path, which: str) -> Found:
        run = read(folder)
        if "÷" not in which:
            return Found(shown(cell(run.overview, which.split())))
        common, _, sides = which.rpartition(":")
        first, second = (cell(run.overview, (*common.split(), *side.split())) for side in sides.split("÷"))
        logs = list(paired(_by_block(run, second, METRICS[kind]), _by_block(run, first, METRICS[kind])).values())
        if not logs:
            raise Unfounded(f"{folder.name}: no block has a valid visit of both cells of {which!r}")
        made = interval(logs)
        return Found(ratio(made), made, _verdict(run.overview, METRICS[kind], first, second))

    return found


def cell(overview: Overview, parts: Sequence[str]) -> CellOverview:
    """The one cell whose id has these parts."""
    found = [each for each in overview.cells if set(parts) <= set(_parts(each.name))]
    if len(found) != 1:
        raise Unfounded(f"{' '.join(parts)!r} are {len(found)} cells: {', '.join(each.name for each in found)}")
    return found[0]


def _parts(name: str) -> Iterator[str]:
    for part in name.split("/"):
        yield from (part, *re.split(r"[?&]", part))


def _by_block(run: Read, of: CellOverview, metric: Metric) -> dict[int, float]:
    alike = [each for each in run.observations if each.cell.label == of.cell.label and not each.repeat]
    return {each.block: value for each in alike if usable(value := each.values.get(metric))}


FLIPPED = {"faster": "slower", "slower": "faster"}


def _verdict(overview: Overview, metric: Metric, first: CellOverview, second: CellOverview) -> str | None:
    """Of the first against the second, as the run decided it among all contrasts of the family."""
    for each in overview.comparison.contrasts:
        if each.metric == metric and {each.a.cell, each.b.cell} == {first.cell.label, second.cell.label}:
            return each.verdict if each.b.cell == first.cell.label else FLIPPED.get(each.verdict, each.verdict)
    return None


def _mean(found: Interval | None, shown: Callable[[float], str] = number) -> str:
    return "–" if found is None else f"{shown(found.estimate)} {half_width(found)}".rstrip()


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.0%}"


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:,.1f}"


KINDS: dict[str, Callable[[Path, str], Found]] = {
    "ratio": _duet,
    "claim": _claim,
    "published": _published,
    "noise": _noise,
    "rps": _of_cells("rps", lambda found: _mean(found.throughput_rps)),
    "cpu": _of_cells("cpu", lambda found: _mean(found.cpu_us_per_request, lambda value: f"{value:,.0f}")),
    "p50": _of_cells("p50", lambda found: _ms(found.latency_ms.p50)),
    "p99": _of_cells("p99", lambda found: _ms(found.latency_ms.p99)),
    "reached": _of_cells("reached", lambda found: _percent(found.ceiling_fraction)),
}
