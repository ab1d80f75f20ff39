"""From what was measured of the cells of a run to what it says. Pure."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from harness.analysis.bounds import NEAR
from harness.analysis.contrasts import compare
from harness.analysis.evaluation import evaluate
from harness.analysis.remarks import still_filling
from harness.analysis.verdicts import MARGIN, TAIL_SECONDS, few_moments
from harness.model.comparison import Interval, Observation
from harness.model.evaluation import Diagnosis, Evaluation, Reason
from harness.model.measurement import Measurement
from harness.model.metrics import METRICS, Metric, MetricName
from harness.model.overview import CellOverview, Count, Figure, Overview
from harness.model.variant import Cell
from harness.stats.intervals import interval, usable
from harness.stats.quantiles import Mixture

SPEEDS_APART = 0.10
"""Difference of the machine's speed between sets, from which on it is named."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Visit:
    """A cell in one restart."""

    cell: Cell
    restart: int
    """Number in the run."""
    repeat: bool
    facts: Measurement | None
    """None where the server did not come up; `failure` says why."""
    failure: Reason | None
    set: int = 1
    """Of the cells that were up at once."""
    values: Mapping[MetricName, float] = field(default_factory=dict)
    """Figures by which it is compared with the others of its restart, where they are not those of the measurement:
    means over rounds, by what is known by now of how long its slots take to settle."""

    def value(self, metric: Metric) -> float | None:
        """A metric by which the cell is compared."""
        return self.values.get(metric.name, None if self.facts is None else metric.of(self.facts))


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluatedVisit:
    """A cell in one restart, with its evaluation."""

    visit: Visit
    evaluation: Evaluation | None
    """None where the server did not come up."""

    @property
    def verdict(self) -> str:
        """`valid`, `invalid` or `failed`."""
        return "failed" if self.evaluation is None else self.evaluation.verdict

    @property
    def valid(self) -> Measurement | None:
        """The measurement, if it can be used."""
        return self.visit.facts if self.verdict == "valid" else None

    @property
    def settled(self) -> Measurement | None:
        """The measurement, if its latencies can be used as well."""
        return self.valid if self.valid is not None and still_filling(self.valid) is None else None

    @property
    def at_ceiling(self) -> bool:
        """Whether it is so close to its ceiling that the ceiling is what is seen."""
        fraction = None if self.evaluation is None else self.evaluation.ceiling_fraction
        return fraction is not None and fraction >= NEAR and self.visit.cell.load.users is not None

    @property
    def reasons(self) -> Sequence[Reason]:
        """The gates that the visit did not pass; why the server did not come up."""
        if self.evaluation is not None:
            return self.evaluation.reasons
        assert self.visit.failure is not None
        return [self.visit.failure]


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """What a run is to tell."""

    title: str | None = None
    precision: float | None = None
    """Half-width of ratios of throughput that was asked for, as a share."""
    margin: float = MARGIN
    """Difference that does not matter, as a share."""
    against: str | None = None
    """The server with which all others are compared, and not with each other."""


def overview(
    visits: Sequence[Visit],
    question: Question,
    *,
    sets: int = 1,
    finished: bool = True,
    seconds: float,
    notes: Sequence[str] = (),
    impossible: Sequence[tuple[str, str]] = (),
) -> Overview:
    """The overview of a run. `visits` come in the order of the run's cells: of two cells that are compared, the one
    that comes first is the base."""
    evaluated = evaluate_all(visits)
    speeds = speeds_of_sets(evaluated)
    return Overview(
        title=question.title,
        sets=sets,
        restarts=len({each.restart for each in visits}),
        finished=finished,
        precision=question.precision,
        seconds=round(seconds, 1),
        cells=cells_of(evaluated, speeds),
        comparison=compare(observations(evaluated), question.margin, against=question.against),
        notes=[*notes, *_mean_speed(speeds)],
        impossible=list(impossible),
    )


def speeds_of_sets(visits: Sequence[EvaluatedVisit]) -> dict[int, float]:
    """Set → how fast the machine was while it was up, beside the mean of the sets that share a cell with it: by the
    throughput of that cell. Without this two figures of a table, of cells that were up at different hours, would not be
    in the ratio in which the cells are known to be. Sets that share no cell are left out."""
    found: dict[str, dict[int, list[float]]] = {}
    throughput = METRICS["throughput_rps"]
    for each in visits:
        value = each.visit.value(throughput) if each.valid is not None and not each.at_ceiling else None
        if usable(value):
            found.setdefault(each.visit.cell.label, {}).setdefault(each.visit.set, []).append(math.log(value))
    speeds: dict[int, float] = {}
    for logs in found.values():
        means = {number: statistics.fmean(each) for number, each in logs.items()}
        if len(means) > 1:
            middle = statistics.fmean(means.values())
            speeds |= {number: math.exp(mean - middle) for number, mean in means.items()}
    return speeds


def _mean_speed(speeds: Mapping[int, float]) -> Iterator[str]:
    """A sentence where figures are given for quite another speed than that at which they were measured."""
    if speeds and max(speeds.values()) / min(speeds.values()) > 1 + SPEEDS_APART:
        slowest, fastest = min(speeds.values()) - 1, max(speeds.values()) - 1
        yield f"figures are for the machine's mean speed; sets met it at {slowest:+.0%} to {fastest:+.0%}"


def cells_of(visits: Sequence[EvaluatedVisit], speeds: Mapping[int, float]) -> list[CellOverview]:
    """Every cell, in the order in which they first come. `speeds`: set → speed of the machine, beside the one that
    figures are to be given for; 1 where it has none."""
    by_cell: dict[str, list[EvaluatedVisit]] = {}
    for each in visits:
        by_cell.setdefault(each.visit.cell.label, []).append(each)
    return [cell_overview(each, speeds) for each in by_cell.values()]


def evaluate_all(visits: Sequence[Visit]) -> list[EvaluatedVisit]:
    """With their evaluations under this version of the protocol."""
    return [
        EvaluatedVisit(visit=each, evaluation=None if each.facts is None else evaluate(each.facts)) for each in visits
    ]


def observations(visits: Sequence[EvaluatedVisit]) -> list[Observation]:
    """The values of what is valid, as comparisons take them."""
    return [_observation(each) for each in visits if each.valid is not None]


def _observation(evaluated: EvaluatedVisit) -> Observation:
    visit = evaluated.visit
    return Observation(
        cell=visit.cell,
        restart=visit.restart,
        set=visit.set,
        values={
            name: None if metric.quantile is not None and evaluated.settled is None else visit.value(metric)
            for name, metric in METRICS.items()
        },
        short_turns=_short_turns(visit.facts),
        tail_moments=_tail_moments(visit),
        ceiling=evaluated.evaluation.ceiling if evaluated.evaluation and evaluated.at_ceiling else None,
        repeat=visit.repeat,
    )


def _tail_moments(visit: Visit) -> int | None:
    return None if visit.facts is None else visit.facts.latency_ms.tail_moments


def _short_turns(facts: Measurement | None) -> bool:
    if facts is None or facts.method != "slots" or not facts.slices:
        return False
    return statistics.median(each.seconds for each in facts.slices) < TAIL_SECONDS


def cell_overview(visits: Sequence[EvaluatedVisit], speeds: Mapping[int, float]) -> CellOverview:
    """One cell over all restarts. A cell that is there twice counts twice, but for intervals: there each restart has
    one value, of the first of the two if that is valid."""
    first = visits[0].visit
    valid = [each.valid for each in visits if each.valid is not None]
    repeats_first = sorted(visits, key=lambda each: not each.visit.repeat)
    once = list({each.visit.restart: each for each in repeats_first if each.valid is not None}.values())
    settled = [each for each in once if each.settled is not None]
    measurements = [each.visit.facts for each in visits if each.visit.facts is not None]
    pooled = _pooled([each.settled for each in visits if each.settled is not None and each.settled.grid])
    counts = Counter(each.verdict for each in visits)
    at_ceiling = 2 * sum(each.at_ceiling for each in visits if each.valid is not None) > counts["valid"]
    used = {} if at_ceiling else speeds  # a cell at its ceiling does not go by the machine's speed
    figures = {
        name: _figure(metric, once if metric.quantile is None else settled, pooled, used)
        for name, metric in METRICS.items()
    }
    throughput = over_restarts([each.visit.value(METRICS["throughput_rps"]) for each in once])
    ceilings = [each.evaluation.ceiling for each in visits if each.valid is not None and each.evaluation is not None]
    highest = max(filter(None, ceilings), key=lambda each: each.rps, default=None)  # starts spread connections unlike
    total = sum(facts.requests + facts.failures for facts in measurements)
    return CellOverview(
        name=first.cell.label,
        cell=first.cell,
        valid=counts["valid"],
        invalid=counts["invalid"],
        failed=counts["failed"],
        figures=figures,
        filling=sum(each.valid is not None and each.settled is None for each in visits),
        requests=sum(facts.requests for facts in valid),
        failure_share=sum(facts.failures for facts in measurements) / total if total else None,
        unproven_rps=round(measurements[-1].throughput_rps, 3) if measurements and not valid else None,
        ceiling=highest,
        ceiling_fraction=round(throughput.estimate / highest.rps, 4) if throughput and highest else None,
        at_ceiling=at_ceiling,
        diagnosis=_main_diagnosis([each.evaluation for each in visits if each.evaluation is not None]),
        reasons=_counts(visits),
    )


def _pooled(measurements: Sequence[Measurement]) -> Mixture:
    """Latencies of all restarts, each of the same weight: one in which the cell was fast sends more requests, and must
    not outvote another in which users had to wait."""
    requests = sum(facts.requests for facts in measurements)
    return Mixture([(facts.grid, requests / len(measurements)) for facts in measurements])


def _figure(metric: Metric, visits: Sequence[EvaluatedVisit], pooled: Mixture, speeds: Mapping[int, float]) -> Figure:
    """A metric over restarts, for the machine's mean speed; a quantile of the latency is that of the samples of all of
    them."""
    scales = [speeds.get(each.visit.set, 1.0) ** -metric.speed for each in visits]
    values = [each.visit.value(metric) for each in visits]
    interval = over_restarts(
        None if value is None else value * scale for value, scale in zip(values, scales, strict=True)
    )
    if metric.quantile is None:
        return Figure(value=None if interval is None else interval.estimate, interval=interval)
    if metric.tail and few_moments("it", [_tail_moments(each.visit) for each in visits]):
        return Figure(value=None, interval=None)
    pooled_value = pooled.quantile(metric.quantile) if pooled.count else None
    value = None if pooled_value is None else _rounded(pooled_value * statistics.geometric_mean(scales or [1.0]))
    return Figure(value=value, interval=_around(value, interval))


def _around(value: float | None, interval: Interval | None) -> Interval | None:
    """The interval of the restarts' own quantiles, laid around that of all samples together."""
    if value is None or interval is None:
        return interval
    low, high = (None if end is None else end / interval.estimate * value for end in (interval.low, interval.high))
    return Interval(estimate=value, low=low, high=high, n=interval.n)


def over_restarts(values: Iterable[float | None]) -> Interval | None:
    """Geometric mean over restarts with its t interval; None where none has a value."""
    logs = [math.log(value) for value in values if usable(value)]
    return interval(logs) if logs else None


def _main_diagnosis(evaluations: Sequence[Evaluation]) -> Diagnosis | None:
    """The diagnosis of most valid restarts, in the words of the last of them."""
    diagnoses = [each.diagnosis for each in evaluations if each.verdict == "valid" and each.diagnosis is not None]
    if not diagnoses:
        return None
    most = Counter(each.bound_by for each in diagnoses).most_common(1)[0][0]
    return next(each for each in reversed(diagnoses) if each.bound_by == most)


def _counts(visits: Sequence[EvaluatedVisit]) -> list[Count]:
    """How many restarts did not pass each gate, in the words of the last of them."""
    counts: Counter[str] = Counter()
    last: dict[str, Reason] = {}
    for reason in (reason for each in visits for reason in each.reasons):
        counts[reason.gate] += 1
        last[reason.gate] = reason
    return [
        Count(reason=last[gate].message, restarts=count, remedies=last[gate].remedies)
        for gate, count in counts.most_common()
    ]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
