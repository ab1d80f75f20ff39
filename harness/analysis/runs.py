"""Two runs, cell by cell. Their blocks are no pairs, so only what is larger than the drift between them shows. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from harness.analysis.contrasts import MINIMUM_BLOCKS, compare, verdict
from harness.model.comparison import TOO_FEW_BLOCKS, Interval, Observation, RunComparison, RunContrast
from harness.model.metrics import METRICS, MetricName
from harness.stats.intervals import could_be, difference, holm, usable


def compare_runs(
    first: Sequence[Observation], second: Sequence[Observation], metric: MetricName, limit: float | None
) -> RunComparison:
    """Contrasts of the cells that two runs have in common, in one metric; `limit`: the change for the worse that
    matters, as a fraction."""
    samples = [_samples(each, metric) for each in (first, second)]
    excluded = _excluded(first, second, metric)
    reasons = dict(excluded)
    names = [name for name in samples[0] if name in samples[1] and name not in reasons]
    delta = max(_delta(first, metric), _delta(second, metric))
    differences = [difference(samples[0][name], samples[1][name], comparisons=max(1, len(names))) for name in names]
    tested = [p for _, p in differences if p is not None]
    adjusted = iter(holm(tested))
    contrasts = []
    for name, (ratio, p) in zip(names, differences, strict=True):
        p_holm = None if p is None else next(adjusted)
        reason = TOO_FEW_BLOCKS if ratio.n < MINIMUM_BLOCKS else None
        contrasts.append(
            RunContrast(
                name=name,
                metric=metric,
                ratio=ratio,
                p=p,
                p_holm=p_holm,
                verdict="undecided" if reason else verdict(metric, ratio, p_holm, delta),
                reason=reason,
                could_be=could_be(ratio),
                worse=None if limit is None else worse(metric, ratio, limit),
            )
        )
    return RunComparison(metric=metric, delta=delta, limit=limit, contrasts=contrasts, excluded=excluded)


def worse(metric: MetricName, ratio: Interval, limit: float) -> bool:
    """Whether the whole interval lies beyond `limit` (0.05: five percent) on the bad side."""
    if ratio.low is None or ratio.high is None:
        return False
    return ratio.high < 1 - limit if METRICS[metric].better == "higher" else ratio.low > 1 + limit


def _samples(observations: Sequence[Observation], metric: MetricName) -> Mapping[str, list[float]]:
    samples: dict[str, list[float]] = {}
    for each in observations:
        value = each.values.get(metric)
        if usable(value) and not each.repeat:
            samples.setdefault(each.cell.label, []).append(math.log(value))
    return samples


def _excluded(first: Sequence[Observation], second: Sequence[Observation], metric: MetricName) -> list[tuple[str, str]]:
    """Cells of either run that cannot be compared, with the reason."""
    names = [dict.fromkeys(one.cell.label for one in each) for each in (first, second)]
    capped = {each.cell.label for each in (*first, *second) if each.at_ceiling and METRICS[metric].capped}
    reasons = []
    for name in dict.fromkeys((*names[0], *names[1])):
        if name not in names[0]:
            reasons.append((name, "not in the first run, or without a valid visit there"))
        elif name not in names[1]:
            reasons.append((name, "not in the second run, or without a valid visit there"))
        elif name in capped:
            reasons.append((name, "at its ceiling"))
    return reasons


def _delta(observations: Sequence[Observation], metric: MetricName) -> float:
    return next(each.delta for each in compare(observations).noise if each.metric == metric)
