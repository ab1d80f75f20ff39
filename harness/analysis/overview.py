"""From the visits of a run to what it says. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.analysis.bounds import NEAR
from harness.analysis.contrasts import compare
from harness.analysis.evaluate import judge
from harness.analysis.validity import still_filling
from harness.model.comparison import Interval, Observation
from harness.model.duet import Duet
from harness.model.evaluation import Diagnosis, Evaluation, Reason
from harness.model.measurement import Measurement
from harness.model.metrics import METRICS, Metric
from harness.model.overview import CellOverview, Count, Figure, Overview
from harness.model.variant import Cell
from harness.stats.intervals import interval, usable
from harness.stats.quantiles import Mixture


@dataclass(frozen=True, kw_only=True, slots=True)
class Visit:
    """One visit of a cell in one block, the last attempt where there are several."""

    cell: Cell
    block: int
    repeat: bool
    facts: Measurement | None
    """None where the server did not come up; `failure` says why."""
    failure: Reason | None


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluatedVisit:
    """A visit with its judgement."""

    visit: Visit
    judgement: Evaluation | None

    @property
    def verdict(self) -> str:
        """`valid`, `invalid` or `failed`."""
        return "failed" if self.judgement is None else self.judgement.verdict

    @property
    def valid(self) -> Measurement | None:
        """Its facts, if they can be used."""
        return self.visit.facts if self.verdict == "valid" else None

    @property
    def settled(self) -> Measurement | None:
        """Its facts, if its latencies can be used as well."""
        return self.valid if self.valid is not None and still_filling(self.valid) is None else None

    @property
    def at_ceiling(self) -> bool:
        """Whether it tells no servers apart."""
        fraction = None if self.judgement is None else self.judgement.ceiling_fraction
        return fraction is not None and fraction >= NEAR and self.visit.cell.load.users is not None

    @property
    def reasons(self) -> Sequence[Reason]:
        """Why it is not valid."""
        if self.judgement is not None:
            return self.judgement.reasons
        assert self.visit.failure is not None
        return [self.visit.failure]


def overview(
    visits: Sequence[Visit],
    *,
    title: str | None,
    blocks: int,
    planned: int,
    seconds: float,
    impossible: Sequence[tuple[str, str]],
    duets: Sequence[Duet] = (),
) -> Overview:
    """What the visits say. They come in the order of the plan's cells: of two cells that are compared, the one that
    comes first is the base."""
    judged = judge_all(visits)
    by_cell: dict[str, list[EvaluatedVisit]] = {}
    for each in judged:
        by_cell.setdefault(each.visit.cell.label, []).append(each)
    return Overview(
        title=title,
        blocks=blocks,
        visits=len(visits),
        planned=planned,
        seconds=round(seconds, 1),
        cells=[of_cell(each) for each in by_cell.values()],
        comparison=compare(observations(judged)),
        impossible=list(impossible),
        duets=list(duets),
    )


def judge_all(visits: Sequence[Visit]) -> list[EvaluatedVisit]:
    """Visits with their judgements."""
    return [EvaluatedVisit(visit=each, judgement=None if each.facts is None else judge(each.facts)) for each in visits]


def observations(judged: Sequence[EvaluatedVisit]) -> list[Observation]:
    """What the valid visits contribute to comparisons."""
    return [_observation(each, each.valid) for each in judged if each.valid is not None]


def _observation(judged: EvaluatedVisit, facts: Measurement) -> Observation:
    visit = judged.visit
    return Observation(
        cell=visit.cell,
        block=visit.block,
        values={
            name: None if metric.quantile is not None and judged.settled is None else metric.of(facts)
            for name, metric in METRICS.items()
        },
        at_ceiling=judged.at_ceiling,
        repeat=visit.repeat,
    )


def of_cell(judged: Sequence[EvaluatedVisit]) -> CellOverview:
    """One cell over all blocks. The A/A cell's second visits count like its first ones, but for intervals: there each
    block has one value, of the first visit if that is valid."""
    first = judged[0].visit
    valid = [each.valid for each in judged if each.valid is not None]
    by_block = {each.visit.block: each for each in sorted(judged, key=_repeat_first) if each.valid is not None}
    once = [each.valid for each in by_block.values() if each.valid is not None]
    settled = [each.settled for each in by_block.values() if each.settled is not None]
    measured = [each.visit.facts for each in judged if each.visit.facts is not None]
    pooled = Mixture([(facts.grid, facts.requests) for each in judged if (facts := each.settled) and facts.grid])
    figures = {
        name: _figure(metric, once if metric.quantile is None else settled, pooled) for name, metric in METRICS.items()
    }
    throughput = figures["throughput_rps"].interval
    ceilings = [each.judgement.ceiling for each in judged if each.valid is not None and each.judgement is not None]
    highest = ceilings[-1] if ceilings else None
    total = sum(facts.requests + facts.failures for facts in measured)
    counts = Counter(each.verdict for each in judged)
    return CellOverview(
        name=first.cell.label,
        cell=first.cell,
        valid=counts["valid"],
        invalid=counts["invalid"],
        failed=counts["failed"],
        figures=figures,
        filling=sum(each.valid is not None and each.settled is None for each in judged),
        requests=sum(facts.requests for facts in valid),
        failure_share=sum(facts.failures for facts in measured) / total if total else None,
        unproven_rps=round(measured[-1].throughput_rps, 3) if measured and not valid else None,
        ceiling=highest,
        ceiling_fraction=round(throughput.estimate / highest.rps, 4) if throughput and highest else None,
        at_ceiling=any(each.at_ceiling for each in judged if each.valid is not None),
        diagnosis=_diagnosis([each.judgement for each in judged if each.judgement is not None]),
        reasons=_reasons(judged),
    )


def _figure(metric: Metric, measurements: Sequence[Measurement], pooled: Mixture) -> Figure:
    """A metric over blocks; of a quantile of the latency that of the samples of all visits."""
    interval = over_blocks(measurements, metric.of)
    if metric.quantile is None:
        return Figure(value=None if interval is None else interval.estimate, interval=interval)
    return Figure(value=_rounded(pooled.quantile(metric.quantile)) if pooled.count else None, interval=interval)


def _repeat_first(judged: EvaluatedVisit) -> bool:
    return not judged.visit.repeat


def over_blocks(facts: Sequence[Measurement], value: Callable[[Measurement], float | None]) -> Interval | None:
    """Geometric mean over blocks with its t interval."""
    logs = [math.log(found) for each in facts if usable(found := value(each))]
    return interval(logs) if logs else None


def _diagnosis(judgements: Sequence[Evaluation]) -> Diagnosis | None:
    found = [each.diagnosis for each in judgements if each.verdict == "valid" and each.diagnosis is not None]
    if not found:
        return None
    most = Counter(each.bound_by for each in found).most_common(1)[0][0]
    return next(each for each in reversed(found) if each.bound_by == most)


def _reasons(judged: Sequence[EvaluatedVisit]) -> list[Count]:
    """By gate, in the words of the last visit that it held for."""
    visits: Counter[str] = Counter()
    words: dict[str, str] = {}
    for each in judged:
        for reason in each.reasons:
            visits[reason.gate] += 1
            words[reason.gate] = reason.message
    return [Count(reason=words[gate], visits=count) for gate, count in visits.most_common()]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
