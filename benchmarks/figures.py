"""Single figures of stored runs, as sentences quote them: `[1.17× [1.14, 1.20]](RUN "ratio; above 1")`.

What can be asked of a matrix: `rps CELL`, `cpu CELL`, `p50 CELL`, `p99 CELL`,
`reached CELL`; `rps CELL ÷ CELL`, `cpu CELL ÷ CELL` and `p50 CELL ÷ CELL`, as reports print them; `claim C5`,
`claim C6 fib=15` and `published C5`; `noise rps`. Of a search for capacities: `holds CELL`, `holds CELL ÷ CELL`.
CELL is as many parts of a cell's id as tell it from the others of its run: `granian async w2`; what two cells have in
common may stand before a colon and a space:
`cpu noop w1: granian ÷ uvicorn`.

After a semicolon stands what the sentence rests on: `above 1`, `below 1`, `around 1` of an interval, or a verdict.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from harness.api import (
    Capacity,
    CellOverview,
    ClaimResult,
    EvaluatedVisit,
    Interval,
    Observation,
    Overview,
    StoredRun,
    evaluate_all,
    half_width_words,
    interval,
    inverse,
    judge_study,
    number_words,
    observations,
    paired,
    ratio_words,
    read_run,
    report,
    review,
    usable,
    visits,
)

METRICS = {"rps": "throughput_rps", "cpu": "cpu_us_per_request", "p50": "p50_ms"}


class Unfounded(Exception):
    """A sentence rests on what the stored run does not say, or asks for what it does not hold."""


@dataclass(frozen=True, slots=True)
class Read:
    """A stored run and everything that follows from it."""

    stored: StoredRun
    overview: Overview
    judged: list[EvaluatedVisit]
    observations: list[Observation]


@lru_cache(maxsize=64)
def stored_run(folder: Path) -> StoredRun:
    """A stored run, read once."""
    return read_run(folder)


@lru_cache(maxsize=64)
def read(folder: Path) -> Read:
    """A stored matrix or single cell, judged anew."""
    stored = stored_run(folder)
    judged = evaluate_all(visits(stored))
    return Read(stored, review(stored), judged, observations(judged))


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure as it is written, and what can be checked of it."""

    text: str
    interval: Interval | None = None
    verdict: str | None = None


def figure(folder: Path, asked: str) -> str:
    """The figure's text. Unfounded where the run does not hold it, or its condition does not hold."""
    what, _, condition = (part.strip() for part in " ".join(asked.split()).partition(";"))
    kind, _, rest = what.partition(" ")
    if kind not in KINDS or ("÷" in rest and kind not in (*METRICS, "holds")):
        raise Unfounded(f"{folder.name}: {asked!r} asks for {kind!r}; known: {', '.join(KINDS)}")
    answer = KINDS[kind](folder, rest)
    if condition and not _met(answer, condition):
        raise Unfounded(f"{folder.name}: {asked!r} does not hold: {answer.text}, {answer.verdict or 'no verdict'}")
    return answer.text


def _met(figure: Figure, condition: str) -> bool:
    if condition in ("above 1", "below 1", "around 1"):
        if figure.interval is None or figure.interval.low is None or figure.interval.high is None:
            return False
        side = "above 1" if figure.interval.low > 1 else "below 1" if figure.interval.high < 1 else "around 1"
        return side == condition
    return figure.verdict == condition


def _claimed(folder: Path, which: str) -> ClaimResult:
    name, _, case = which.partition(" ")
    (result,) = (each for each in judge_study(stored_run(folder)).claims if each.claim == name and each.case == case)
    return result


def _claim(folder: Path, which: str) -> Figure:
    claim = _claimed(folder, which)
    return Figure(ratio_words(claim.measured), claim.measured, claim.verdict)


def _published(folder: Path, which: str) -> Figure:
    return Figure(f"{_claimed(folder, which).published:.2f}×")


def _noise(folder: Path, which: str) -> Figure:
    controls = read(folder).overview.comparison.controls
    (half,) = (each.ratio.half_width for each in controls if each.metric == METRICS[which])
    return Figure(
        half_width_words(next(each.ratio for each in controls if each.metric == METRICS[which])) if half else "–"
    )


def _of_cells(kind: str, shown: Callable[[CellOverview], str]) -> Callable[[Path, str], Figure]:
    def figure_of(folder: Path, which: str) -> Figure:
        run = read(folder)
        if "÷" not in which:
            return Figure(shown(cell(run.overview, which.split())))
        common, _, sides = which.rpartition(": ")
        first, second = (cell(run.overview, (*common.split(), *side.split())) for side in sides.split("÷"))
        ratio, verdict = _compared(run, METRICS[kind], first, second)
        return Figure(ratio_words(ratio), ratio, verdict)

    return figure_of


def _holds(folder: Path, which: str) -> Figure:
    """Between which rates the capacity of a cell lies, or the ratio of two."""
    found = Capacity.model_validate_json(report(stored_run(folder), "json"))
    common, _, sides = which.rpartition(": ")
    names = [one_of([each.cell for each in found.cells], (*common.split(), *side.split())) for side in sides.split("÷")]
    if len(names) == 1:
        (bounds,) = (each.bounds for each in found.cells if each.cell == names[0])
        low, high = (("–" if end is None else f"{float(f'{end:.3g}'):,g}") for end in (bounds.low, bounds.high))
        return Figure(f"{low} to {high}")
    for each in found.ratios:
        if {each.a, each.b} == set(names):
            ratio = each.ratio if each.b == names[0] else inverse(each.ratio)
            return Figure(ratio_words(ratio), ratio)
    raise Unfounded(f"{folder.name}: no ratio of {' and '.join(names)}")


def cell(overview: Overview, parts: Sequence[str]) -> CellOverview:
    """The one cell whose id has these parts."""
    name = one_of([each.name for each in overview.cells], parts)
    return next(each for each in overview.cells if each.name == name)


def one_of(names: Sequence[str], parts: Sequence[str]) -> str:
    """The one name of a cell that has these parts."""
    found = [each for each in names if set(parts) <= set(_parts(each))]
    if len(found) != 1:
        raise Unfounded(f"{' '.join(parts)!r} are {len(found)} cells: {', '.join(found)}")
    return found[0]


def _parts(name: str) -> Iterator[str]:
    for part in name.split("/"):
        yield from (part, *re.split(r"[?&]", part))


def _by_restart(run: Read, of: CellOverview, metric: str) -> dict[int, float]:
    alike = [each for each in run.observations if each.cell.label == of.cell.label and not each.repeat]
    return {each.restart: value for each in alike if usable(value := each.values.get(metric))}


FLIPPED = {"faster": "slower", "slower": "faster"}


def _compared(run: Read, metric: str, first: CellOverview, second: CellOverview) -> tuple[Interval, str | None]:
    """First ÷ second with the interval that reports print, and what the run decided of the first. Of two that no report
    compares: their plain ratio, and no verdict."""
    for each in run.overview.comparison.contrasts:
        if each.metric == metric and {each.a.cell, each.b.cell} == {first.cell.label, second.cell.label}:
            if each.b.cell == first.cell.label:
                return each.ratio, each.verdict
            return inverse(each.ratio), FLIPPED.get(each.verdict, each.verdict)
    logs = list(paired(_by_restart(run, second, metric), _by_restart(run, first, metric)).values())
    if not logs:
        raise Unfounded(f"{run.overview.title}: no restart has both, valid: {first.name}, {second.name}")
    return interval(logs), None


def _mean(interval: Interval | None, shown: Callable[[float], str] = number_words) -> str:
    return "–" if interval is None else f"{shown(interval.estimate)} {half_width_words(interval)}".rstrip()


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.0%}"


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:,.1f}"


KINDS: dict[str, Callable[[Path, str], Figure]] = {
    "claim": _claim,
    "published": _published,
    "noise": _noise,
    "holds": _holds,
    "rps": _of_cells("rps", lambda cell: _mean(cell.throughput)),
    "cpu": _of_cells(
        "cpu", lambda cell: _mean(cell.figures["cpu_us_per_request"].interval, lambda value: f"{value:,.0f}")
    ),
    "p50": _of_cells("p50", lambda cell: _ms(cell.figures["p50_ms"].value)),
    "p99": _of_cells("p99", lambda cell: _ms(cell.figures["p99_ms"].value)),
    "reached": _of_cells("reached", lambda cell: _percent(cell.ceiling_fraction)),
}
