"""Controls, contrasts, rankings and main effects of a run, from the restarts of its cells. Pure.

All contrasts of one workload (with its parameters), axis and metric are a family: their intervals hold at once, by
Tukey's studentized range over the options of each stratum and Bonferroni over the strata; where servers are compared
with one of them only, by Šidák's inequality over those pairs. A verdict also has to stand
against all contrasts of the run together (Holm), since a reader looks for whatever differs anywhere.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Sequence, Set

from harness.analysis.pairs import ComparedCell, Differences, Family, Pair, compared_cells, families
from harness.analysis.verdicts import MARGIN, ratio_of, verdict
from harness.model.comparison import (
    TOO_FEW,
    Comparison,
    Contrast,
    Control,
    Excluded,
    Interval,
    MainEffect,
    Mean,
    Observation,
    Ranking,
    TieGroup,
)
from harness.model.metrics import METRICS, MetricName, contrasted
from harness.stats import simultaneous
from harness.stats.intervals import could_be, distance, excludes, hodges_lehmann, holm, interval

RUN_ERROR = 0.02
"""Chance of a wrong verdict anywhere in a run of equal cells, as it is computed: 5 % where each of them varies as cells
of stored runs do, some three times as much as others, and the time went where ratios were least sure."""


def compare(
    observations: Sequence[Observation],
    margin: float = MARGIN,
    metrics: Sequence[MetricName] | None = None,
    against: str | None = None,
) -> Comparison:
    """Controls, means, contrasts, rankings and main effects of the cells.

    Of a pair, a is the one whose option appears first in `observations`. `margin`: the difference, as a fraction, that
    does not matter. `metrics`: by which to compare; None: all there are. `against`: the server with which all others
    are compared, and not with each other: fewer pairs, whose intervals are narrower, and no ranking. ValueError if a
    cell has two observations of the same restart, or if more than one cell is repeated.
    """
    cells = compared_cells(each for each in observations if not each.repeat)
    repeats = compared_cells(each for each in observations if each.repeat)
    if len(repeats) > 1:
        raise ValueError(f"more than one cell is repeated: {', '.join(each.cell for each in repeats)}")
    groups = families(cells, metrics or [each.name for each in contrasted()], against)
    adjusted = _adjusted([pair for family in groups for pair in family.pairs if pair.excluded is None])
    contrasts: list[Contrast] = []
    rankings: list[Ranking] = []
    for family in groups:
        family_contrasts = [
            _contrast(family, pair, adjusted[id(pair)], margin) for pair in family.pairs if pair.excluded is None
        ]
        contrasts.extend(family_contrasts)
        if family.against is None:
            rankings.extend(_rankings(family, family_contrasts))
    return Comparison(
        margin=margin,
        against=against,
        controls=[control for second in repeats for control in _controls(cells, second)],
        means=[mean for cell in cells for mean in _means(cell)],
        contrasts=contrasts,
        excluded=[each for family in groups for each in _excluded(family)],
        rankings=rankings,
        main_effects=[each for family in groups for each in _main_effects(family, margin)],
    )


def tie_groups(best_first: Sequence[str], slower: Set[tuple[str, str]]) -> list[list[str]]:
    """The options in groups, the best first: whatever is not decided to be slower than the first of a group is in it.
    `slower` holds (x, y) where x is decided to be slower than y."""
    left = list(best_first)
    groups = []
    while left:
        groups.append([each for each in left if (each, left[0]) not in slower])
        left = [each for each in left if each not in groups[-1]]
    return groups


def _adjusted(pairs: Sequence[Pair]) -> dict[int, float | None]:
    """Of each pair that can be contrasted, p and what it is over all of them together."""
    p_values = [None if pair.difference is None else pair.difference.p_value() for pair in pairs]
    over_all = iter(holm([p for p in p_values if p is not None]))
    return {id(pair): None if p is None else next(over_all) for pair, p in zip(pairs, p_values, strict=True)}


def _means(cell: ComparedCell) -> list[Mean]:
    return [
        Mean(cell=cell.cell, metric=metric, interval=interval(list(logs.values())))
        for metric, logs in cell.logs.items()
        if logs and METRICS[metric].quantile is None
    ]


def _controls(cells: Sequence[ComparedCell], second: ComparedCell) -> list[Control]:
    """The cell that is there twice, metric by metric; intervals hold for all metrics at once."""
    names = [each.name for each in contrasted()]
    twins = [each for each in cells if (each.workload, each.options) == (second.workload, second.options)]
    controls = []
    for first in twins:
        for metric in names:
            difference, _, _ = Differences([first, second], metric).of(first, second)
            if difference is not None:
                ratio = ratio_of(difference, difference.half_width(families=len(names)))
                controls.append(Control(cell=first.cell, metric=metric, ratio=ratio, excludes_one=excludes(ratio, 1.0)))
    return controls


def _contrast(family: Family, pair: Pair, p_holm: float | None, margin: float) -> Contrast:
    assert pair.difference is not None
    against_one = family.against is not None
    half = pair.difference.half_width(family.strata[pair.stratum], len(family.strata), against_one=against_one)
    ratio = ratio_of(pair.difference, half)
    decision = verdict(family.metric, ratio, margin)
    reason = TOO_FEW if ratio.n < simultaneous.LEAST_RESTARTS else pair.undecided
    if reason or (decision in ("faster", "slower") and (p_holm is None or p_holm >= RUN_ERROR)):
        decision = "undecided"
    return Contrast(
        workload=family.workload,
        axis=family.axis,
        metric=family.metric,
        stratum=pair.stratum,
        a=pair.a,
        b=pair.b,
        ratio=ratio,
        p=pair.difference.p_value(),
        p_holm=p_holm,
        hodges_lehmann=math.exp(hodges_lehmann(pair.logs)) if pair.logs else None,
        by_way_of=pair.by_way_of,
        verdict=decision,
        reason=reason,
        could_be=could_be(ratio),
    )


def _excluded(family: Family) -> list[Excluded]:
    return [
        Excluded(
            workload=family.workload,
            axis=family.axis,
            metric=family.metric,
            stratum=pair.stratum,
            a=pair.a,
            b=pair.b,
            reason=pair.excluded,
        )
        for pair in family.pairs
        if pair.excluded is not None
    ]


def _rankings(family: Family, contrasts: Sequence[Contrast]) -> list[Ranking]:
    strata = dict.fromkeys(contrast.stratum for contrast in contrasts)
    return [_ranking(family, stratum, [each for each in contrasts if each.stratum == stratum]) for stratum in strata]


def _ranking(family: Family, stratum: str, contrasts: Sequence[Contrast]) -> Ranking:
    """Cells sorted by the mean log-ratio to all others."""
    sides = {side.option: side for pair in family.pairs if pair.stratum == stratum for side in (pair.a, pair.b)}
    gains: dict[str, list[float]] = {}
    slower = set()
    for each in contrasts:
        a, b = each.a.option, each.b.option
        gain = math.log(each.ratio.estimate) * (1 if METRICS[family.metric].better == "higher" else -1)
        gains.setdefault(a, []).append(-gain)
        gains.setdefault(b, []).append(gain)
        if each.verdict == "slower":
            slower.add((b, a))
        elif each.verdict == "faster":
            slower.add((a, b))
    best_first = sorted(gains, key=lambda option: -statistics.fmean(gains[option]))
    return Ranking(
        workload=family.workload,
        axis=family.axis,
        metric=family.metric,
        stratum=stratum,
        groups=[TieGroup(members=[sides[option] for option in group]) for group in tie_groups(best_first, slower)],
        unranked=[side for option, side in sides.items() if option not in gains],
    )


def _main_effects(family: Family, margin: float) -> list[MainEffect]:
    by_options: dict[tuple[str, str], list[Pair]] = {}
    for pair in family.pairs:
        by_options.setdefault((pair.a.option, pair.b.option), []).append(pair)
    replicated = [
        pairs for pairs in by_options.values() if len(pairs) > 1 and any(pair.excluded is None for pair in pairs)
    ]
    return [_main_effect(family, margin, pairs, effects=len(replicated)) for pairs in replicated]


def _main_effect(family: Family, margin: float, pairs: Sequence[Pair], *, effects: int) -> MainEffect:
    """The mean of the simple effects of distinct cells."""
    effect: Interval | None = None
    farthest = deviation = reason = None
    differences = [pair.difference for pair in pairs if pair.excluded is None and pair.difference is not None]
    lacking = len(pairs) - len(differences)
    if lacking:
        reason = f"{lacking} of {len(pairs)} strata cannot be compared"
    else:
        mean = simultaneous.mean(differences)
        if any(pair.by_way_of for pair in pairs):  # then they have the error of that cell in common
            mean = dataclasses.replace(mean, error=max(each.error or 0.0 for each in differences))
        effect = ratio_of(mean, mean.half_width(families=effects))
        deviations = {
            pair.stratum: distance(math.exp(each.estimate - mean.estimate))
            for pair, each in zip(pairs, differences, strict=True)
        }
        farthest = max(deviations, key=deviations.__getitem__)
        deviation = deviations[farthest]
        if deviation > margin:
            effect, reason = None, f"not the same in all strata: {farthest} deviates by {deviation:.1%}"
    return MainEffect(
        workload=family.workload,
        axis=family.axis,
        metric=family.metric,
        a=pairs[0].a.option,
        b=pairs[0].b.option,
        strata=len(pairs),
        effect=effect,
        farthest=farthest,
        deviation=deviation,
        reason=reason,
    )
