"""Published claims, evaluated by a run: each is a ratio of two throughputs and a direction. Pure.

Throughput counts successes only, and restarts of which many requests failed take part: one of the claims is about just
that. Invalid ones do not.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.analysis.overview import EvaluatedVisit
from harness.analysis.verdicts import MARGIN
from harness.model.application import BundledApplication, UserApplication
from harness.model.claims import LESS, MORE, ClaimResult, ClaimVerdict
from harness.model.comparison import Interval
from harness.model.metrics import METRICS
from harness.stats.intervals import interval, paired, unpaired_interval, usable
from harness.stats.simultaneous import LEAST_RESTARTS

Workers = Literal["1", "many", "unstated"]
FAR = 0.5
"""A cell is far below another, or collapses, below half of its throughput."""


@dataclass(frozen=True, slots=True)
class Row:
    """A cell of the study."""

    workload: str
    style: str
    params: str
    workers: Workers


@dataclass(frozen=True, slots=True)
class Written:
    """A cell in its written form, without its load."""

    label: str


@dataclass(frozen=True, slots=True)
class Pair:
    """Two cells that a claim compares."""

    case: str
    numerator: Row | Written
    denominator: Row | Written
    published: float
    """The ratio of their throughputs, as it was published; 1 where only that it is above 1 was."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """A published statement about pairs of cells."""

    name: str
    text: str
    direction: Literal["more", "not more", "far less"]
    """The ratio is above 1; not above 1; below FAR."""
    pairs: Sequence[Pair]
    scaling: bool = False
    """Whether the claim is about more workers, which need cores."""
    source: str = ""
    """Where it was published, and when; empty for the study's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """A published throughput of requests that wait for a known time."""

    text: str
    source: str
    rps: float
    users: int
    """Connections, each of which waits for its answer."""
    wait_ms: float

    @property
    def ceiling_rps(self) -> float:
        """What so many users can have served at most, by Little's law."""
        return self.users / self.wait_ms * 1000


def evaluate_claims(claims: Sequence[Claim], visits: Sequence[EvaluatedVisit]) -> list[ClaimResult]:
    """Every ratio of every claim. Intervals hold for all of them at once (Bonferroni): who looks at twenty claims finds
    one by chance."""
    cases = [
        (claim, pair, [_visits(cell, visits) for cell in (pair.numerator, pair.denominator)])
        for claim in claims
        for pair in claim.pairs
    ]
    judged = sum(all(map(_throughputs, sides)) for *_, sides in cases)
    return [_result(claim, pair, sides, _ratio(sides, judged)) for claim, pair, sides in cases]


def impossible(figures: Iterable[Figure]) -> list[ClaimResult]:
    """Published throughputs that no server can have reached: more than the users' waits allow."""
    return [
        ClaimResult(
            claim=figure.text,
            text=f"{figure.rps:,.0f} req/s where requests wait for {figure.wait_ms:g} ms",
            source=figure.source,
            case="",
            published=round(figure.rps / figure.ceiling_rps, 4),
            numerator="",
            denominator="",
            measured=None,
            verdict="impossible",
            why=f"{figure.users} users ÷ {figure.wait_ms / 1000:g} s allow {figure.ceiling_rps:,.0f} req/s: not all of "
            "the wait was served",
        )
        for figure in figures
        if figure.rps > figure.ceiling_rps * (1 + MARGIN)
    ]


def _result(claim: Claim, pair: Pair, sides: Sequence[Sequence[EvaluatedVisit]], ratio: Interval | None) -> ClaimResult:
    numerator, denominator = sides
    verdict, why = _verdict(claim, sides, ratio)
    quoted = claim.source and pair.published != 1
    if quoted and verdict == "confirmed" and ratio is not None and ratio.low is not None and ratio.high:
        size = LESS if ratio.high < pair.published else MORE if ratio.low > pair.published else ""
        why = "; ".join(filter(None, (why, size)))
    return ClaimResult(
        claim=claim.name,
        text=claim.text,
        source=claim.source,
        case=pair.case,
        published=round(pair.published, 4),
        numerator=numerator[0].visit.cell.label if numerator else "",
        denominator=denominator[0].visit.cell.label if denominator else "",
        measured=ratio,
        verdict=verdict,
        why=why,
    )


def _visits(row: Row | Written, visits: Sequence[EvaluatedVisit]) -> list[EvaluatedVisit]:
    """Our visits of a published cell; of one of the study: with its parameters, the fewest or the most workers, and one
    server."""
    if isinstance(row, Written):
        return [each for each in visits if each.visit.cell.label.startswith(f"{row.label}/")]
    alike = [each for each in visits if _matches(each.visit.cell.variant.application, row)]
    if not alike:
        return []
    counts = sorted({each.visit.cell.variant.workers for each in alike})
    workers = counts[-1] if row.workers == "many" else counts[0]
    label = next(each.visit.cell.label for each in alike if each.visit.cell.variant.workers == workers)
    return [each for each in alike if each.visit.cell.label == label]


def _matches(application: BundledApplication | UserApplication, row: Row) -> bool:
    if not isinstance(application, BundledApplication):
        return False
    params = dict(part.split("=") for part in row.params.split(";"))
    return (application.framework, application.workload, application.style) == (
        "fastapi",
        row.workload,
        row.style,
    ) and all(str(application.params.get(name)) == value for name, value in params.items())


def _throughputs(visits: Iterable[EvaluatedVisit]) -> dict[int, float]:
    """Restart → throughput, of what is not invalid."""
    return {
        each.visit.restart: value
        for each in visits
        if each.verdict != "invalid"
        and not each.visit.repeat
        and usable(value := each.visit.value(METRICS["throughput_rps"]))
    }


def _ratio(sides: Sequence[Sequence[EvaluatedVisit]], comparisons: int) -> Interval | None:
    """Of two cells, by the restarts in which both were up; where there are none, of what each served in its own. None
    where one has no figure."""
    numerator, denominator = map(_throughputs, sides)
    if not numerator or not denominator:
        return None
    if logs := paired(denominator, numerator):
        return interval(list(logs.values()), comparisons=comparisons)
    first, second = ([math.log(value) for value in each.values()] for each in (denominator, numerator))
    return unpaired_interval(first, second, comparisons=comparisons)


def _apart(sides: Sequence[Sequence[EvaluatedVisit]]) -> str:
    """That two cells were never up at once, where it is so."""
    first, second = ({each.visit.restart for each in side} for side in sides)
    return "" if first & second else "never up at once, so not paired"


def _verdict(
    claim: Claim, sides: Sequence[Sequence[EvaluatedVisit]], ratio: Interval | None
) -> tuple[ClaimVerdict, str]:
    if not all(sides):
        return "cannot be told", "not part of this run"
    if claim.scaling:
        if len({each.visit.cell.variant.workers for side in sides for each in side}) == 1:
            return "cannot be told", "the run has one number of workers only"
        note = next((each.visit.facts.placement.note for each in sides[0] if each.visit.facts is not None), None)
        if note:
            return "cannot be told", note
        if all(any(each.at_ceiling for each in side) for side in sides):
            return "cannot be told", "both are limited by the load"
    if ratio is None:
        reasons = [reason.message for side in sides for each in side for reason in each.reasons]
        return "cannot be told", reasons[0] if reasons else "no figure of both"
    if ratio.n < LEAST_RESTARTS or ratio.low is None or ratio.high is None:
        return "undecided", f"{ratio.n} restarts, {LEAST_RESTARTS} are needed"
    return _by_direction(claim, ratio.low, ratio.high), "; ".join(filter(None, (_limits(sides), _apart(sides))))


def _by_direction(claim: Claim, low: float, high: float) -> ClaimVerdict:
    """The verdict of a whole interval: confirmed on the claim's side of its threshold, refuted on the other."""
    more = 1 + MARGIN
    if claim.direction == "more":
        return "confirmed" if low > 1 and math.sqrt(low * high) > more else "refuted" if high < more else "undecided"
    if claim.direction == "not more":
        return "confirmed" if high < more else "refuted" if low > more else "undecided"
    return "confirmed" if high < FAR else "refuted" if low > FAR else "undecided"


def _limits(sides: Sequence[Sequence[EvaluatedVisit]]) -> str:
    """The ceilings that a ratio follows from; empty where it does not follow from ceilings."""
    limits = []
    for side in sides:
        last = side[-1].evaluation
        if last is not None and last.ceiling is not None and any(each.at_ceiling for each in side):
            limits.append(last.ceiling.limit)
    return f"follows from the ceilings: {' against '.join(limits)}" if len(limits) == 2 else ""
