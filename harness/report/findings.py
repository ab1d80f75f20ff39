"""What the options along an axis make of a metric, comparison by comparison."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from harness.model.axes import Axis, axis
from harness.model.comparison import TOO_FEW, Contrast, MainEffect, Ranking
from harness.model.metrics import Metric, contrasted
from harness.model.overview import Overview
from harness.report import words


@dataclass(frozen=True, kw_only=True, slots=True)
class Statement:
    """A sentence, and what it rests on."""

    text: str
    verdict: str = ""
    """The one that it tells, for colours; empty where it tells none or several."""
    details: list[Statement] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What the options along an axis make of a metric, for one workload."""

    metric: Metric
    axis: Axis
    workload: str
    statements: list[Statement]
    contrasts: list[Contrast]


def findings(overview: Overview) -> Iterator[Finding]:
    """Every metric, workload and axis by which configurations are compared."""
    comparison = overview.comparison
    for metric in contrasted():
        families: dict[tuple[str, str], list[Contrast]] = {}
        for each in comparison.contrasts:
            if each.metric == metric.name:
                families.setdefault((each.workload, each.axis), []).append(each)
        for (workload, along), contrasts in families.items():
            family = (workload, along, metric.name)
            effects = [each for each in comparison.main_effects if (each.workload, each.axis, each.metric) == family]
            rankings = [each for each in comparison.rankings if (each.workload, each.axis, each.metric) == family]
            yield Finding(
                metric=metric,
                axis=axis(along),
                workload=workload,
                statements=list(_statements(contrasts, effects, rankings)),
                contrasts=contrasts,
            )


def _statements(
    contrasts: Sequence[Contrast], effects: Sequence[MainEffect], rankings: Sequence[Ranking]
) -> Iterator[Statement]:
    """Main effects where one number can stand for all strata of each pair; else what holds in each stratum."""
    whole = [each for each in effects if each.effect is not None]
    if whole and len(whole) == len({(each.a.option, each.b.option) for each in contrasts}):
        for effect in whole:
            yield Statement(
                text=f"{effect.b} against {effect.a}: {words.difference(effect.effect)} in all {effect.strata} cases"
            )
        return
    for ranking in rankings:
        stratum = f"{ranking.stratum}: " if ranking.stratum else ""
        within = [each for each in contrasts if each.stratum == ranking.stratum]
        if len(within) == 1:
            yield Statement(text=f"{stratum}{words.contrast(within[0])}", verdict=within[0].verdict)
        elif all(each.reason == TOO_FEW for each in within):
            first = ranking.groups[0].members[0].option
            for each in within:
                if first in (each.a.option, each.b.option):
                    yield Statement(text=f"{stratum}{words.contrast(each)}")
        else:
            best, *behind = [[side.option for side in group.members] for group in ranking.groups]
            ties = f" (within noise: {', '.join(best[1:])})" if best[1:] else ""
            slower = f"; behind: {', '.join(option for group in behind for option in group)}" if behind else ""
            yield Statement(text=f"{stratum}best: {best[0]}{ties}{slower}", details=list(_gaps(ranking, within)))
    if not rankings:  # all were compared with one option only
        for each in contrasts:
            stratum = f"{each.stratum}: " if each.stratum else ""
            yield Statement(text=f"{stratum}{words.contrast(each)}", verdict=each.verdict)


def _gaps(ranking: Ranking, contrasts: Sequence[Contrast]) -> Iterator[Statement]:
    """How far all others are from the best."""
    first = ranking.groups[0].members[0].option
    for each in contrasts:
        if first in (each.a.option, each.b.option):
            yield Statement(text=words.contrast(each), verdict=each.verdict)
