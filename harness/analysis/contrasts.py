"""Noise, contrasts, rankings and main effects of a run, from the blocks in which its cells were visited. Pure.

All contrasts of one workload (with its parameters), axis and metric are a family: Holm's procedure over the family
decides, and the intervals of contrasts are widened (Bonferroni) so that all of them hold at once.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence, Set

from harness.analysis.pairs import ComparedCell, Family, Pair, compared_cells, families
from harness.model.comparison import (
    TOO_FEW_BLOCKS,
    Comparison,
    Contrast,
    ContrastVerdict,
    Excluded,
    Interval,
    MainEffect,
    Mean,
    Noise,
    Observation,
    Ranking,
    TieGroup,
)
from harness.model.metrics import METRICS, MetricName, contrasted
from harness.stats.intervals import ERROR, could_be, distance, excludes, hodges_lehmann, holm, interval, p_value, paired

MINIMUM_BLOCKS = 6
"""With fewer blocks there is no verdict."""
MINIMUM_DELTA = 0.03
"""A smaller difference never matters."""


def compare(observations: Sequence[Observation]) -> Comparison:
    """Noise, means, contrasts, rankings and main effects of the cells.

    Of a pair, a is the one whose option appears first in `observations`. ValueError if a cell has two observations of
    the same block, or if more than one cell is repeated.
    """
    cells = compared_cells(each for each in observations if not each.repeat)
    repeats = compared_cells(each for each in observations if each.repeat)
    noise = {metric: _noise(metric, cells, repeats) for metric in (each.name for each in contrasted())}
    contrasts: list[Contrast] = []
    excluded: list[Excluded] = []
    rankings: list[Ranking] = []
    main_effects: list[MainEffect] = []
    for family in families(cells):
        family_contrasts = _contrasts(family, noise[family.metric])
        contrasts.extend(family_contrasts)
        excluded.extend(_excluded(family))
        rankings.extend(_rankings(family, family_contrasts))
        main_effects.extend(_main_effects(family, noise[family.metric]))
    return Comparison(
        noise=list(noise.values()),
        means=[mean for cell in cells for mean in _means(cell)],
        contrasts=contrasts,
        excluded=excluded,
        rankings=rankings,
        main_effects=main_effects,
    )


def verdict(metric: MetricName, ratio: Interval, p_holm: float | None, delta: float) -> ContrastVerdict:
    """The verdict of b by its ratio to a: first whether the difference matters at all, then whether it is more than
    chance."""
    largest = could_be(ratio)
    if largest is not None and largest <= delta:
        return "equivalent"
    if p_holm is not None and p_holm < ERROR and distance(ratio.estimate) > delta:
        return "faster" if (ratio.estimate > 1) == (METRICS[metric].better == "higher") else "slower"
    return "undecided"


def tie_groups(best_first: Sequence[str], slower: Set[tuple[str, str]]) -> list[list[str]]:
    """The options in groups, the best first: whatever is not decided to be slower than the first of a group is in it.
    `slower` holds (x, y) where x is decided to be slower than y."""
    left = list(best_first)
    groups = []
    while left:
        groups.append([each for each in left if (each, left[0]) not in slower])
        left = [each for each in left if each not in groups[-1]]
    return groups


def _means(cell: ComparedCell) -> list[Mean]:
    return [
        Mean(
            cell=cell.cell,
            metric=metric,
            interval=interval([math.log(value) for value in values.values()]),
        )
        for metric, values in cell.values.items()
        if values and METRICS[metric].quantile is None
    ]


def _noise(metric: MetricName, cells: Sequence[ComparedCell], repeats: Sequence[ComparedCell]) -> Noise:
    if len(repeats) > 1:
        raise ValueError(f"more than one cell is repeated: {', '.join(each.cell for each in repeats)}")
    visits = [
        (first, second)
        for second in repeats
        for first in cells
        if (first.workload, first.options) == (second.workload, second.options)
    ]
    logs = [log for first, second in visits for log in paired(first.values[metric], second.values[metric]).values()]
    aa = interval(logs) if logs else None
    half_width = 0.0 if aa is None or aa.high is None else aa.high / aa.estimate - 1
    return Noise(
        metric=metric,
        aa=aa,
        excludes_one=aa is not None and excludes(aa, 1.0),
        at_ceiling=METRICS[metric].capped and any(each.at_ceiling for visit in visits for each in visit),
        delta=max(MINIMUM_DELTA, half_width),
    )


def _contrasts(family: Family, noise: Noise) -> list[Contrast]:
    pairs = [pair for pair in family.pairs if pair.excluded is None]
    p_values = [p_value(pair.sample) for pair in pairs]
    tested = [p for p in p_values if p is not None]
    adjusted = iter(holm(tested))
    return [
        _contrast(family, noise, pair, p, None if p is None else next(adjusted), comparisons=max(1, len(tested)))
        for pair, p in zip(pairs, p_values, strict=True)
    ]


def _contrast(
    family: Family, noise: Noise, pair: Pair, p: float | None, p_holm: float | None, *, comparisons: int
) -> Contrast:
    ratio, unadjusted = interval(pair.sample, comparisons=comparisons), interval(pair.sample)
    robust = math.exp(hodges_lehmann(pair.sample))
    reason = TOO_FEW_BLOCKS if ratio.n < MINIMUM_BLOCKS else None
    decision, robust_decision = (
        "undecided" if reason else verdict(family.metric, each, p_holm, noise.delta)
        for each in (ratio, ratio.model_copy(update={"estimate": robust}))
    )
    if decision == "equivalent" and noise.aa is not None and noise.aa.n < MINIMUM_BLOCKS:
        # The half-width of a few A/A blocks is wide, and everything would be equivalent.
        decision, robust_decision, reason = "undecided", "undecided", "too few A/A blocks"
    return Contrast(
        workload=family.workload,
        axis=family.axis,
        metric=family.metric,
        stratum=pair.stratum,
        a=pair.a,
        b=pair.b,
        ratio=ratio,
        unadjusted=unadjusted,
        p=p,
        p_holm=p_holm,
        hodges_lehmann=robust,
        disagrees=decision != robust_decision or excludes(unadjusted, robust),
        verdict=decision,
        reason=reason,
        could_be=could_be(ratio),
        blocks=list(pair.logs),
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
    """Cells sorted by the mean log-ratio to all others: one that was not measured in a slow block gains nothing by
    it."""
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


def _main_effects(family: Family, noise: Noise) -> list[MainEffect]:
    by_options: dict[tuple[str, str], list[Pair]] = {}
    for pair in family.pairs:
        by_options.setdefault((pair.a.option, pair.b.option), []).append(pair)
    replicated = [
        pairs for pairs in by_options.values() if len(pairs) > 1 and any(pair.excluded is None for pair in pairs)
    ]
    return [_main_effect(family, noise, pairs, comparisons=len(replicated)) for pairs in replicated]


def _main_effect(family: Family, noise: Noise, pairs: Sequence[Pair], *, comparisons: int) -> MainEffect:
    effect = farthest = deviation = reason = None
    lacking = sum(pair.excluded is not None for pair in pairs)
    blocks = sorted(set.intersection(*(set(pair.logs) for pair in pairs)))
    if lacking:
        reason = f"{lacking} of {len(pairs)} strata cannot be compared"
    elif not blocks:
        reason = "no block in which all strata have both values"
    else:
        means = [statistics.fmean(pair.logs[block] for pair in pairs) for block in blocks]
        effect = interval(means, comparisons=comparisons)
        deviations = {pair.stratum: distance(_simple(pair) / effect.estimate) for pair in pairs}
        farthest = max(deviations, key=deviations.__getitem__)
        deviation = deviations[farthest]
        if deviation > noise.delta:
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


def _simple(pair: Pair) -> float:
    """The effect in one stratum, as its contrast shows it."""
    return math.exp(statistics.fmean(pair.sample))
