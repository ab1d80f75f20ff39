"""Two runs, cell by cell. Their blocks are no pairs, so only what is larger than the drift between them shows. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from harness.judge.contrasts import HIGHER_IS_BETTER, MINIMUM_BLOCKS, compare, verdict
from harness.judge.pairs import BOUND_BY_CEILING
from harness.judge.statistics import could_be, difference, holm, usable
from harness.model.comparison import TOO_FEW_BLOCKS, Interval, Metric, Observation, RunComparison, RunContrast


def compare_runs(
    first: Sequence[Observation], second: Sequence[Observation], metric: Metric, limit: float | None
) -> RunComparison:
    """What has changed from the first run to the second, in one metric."""
    samples = [_samples(each, metric) for each in (first, second)]
    excluded = _excluded(first, second, metric)
    reasons = dict(excluded)
    names = [name for name in samples[0] if name in samples[1] and name not in reasons]
    delta = max(_delta(first, metric), _delta(second, metric))
    found = [difference(samples[0][name], samples[1][name], comparisons=max(1, len(names))) for name in names]
    tested = [p for _, p in found if p is not None]
    adjusted = iter(holm(tested))
    return RunComparison(
        metric=metric,
        delta=delta,
        limit=limit,
        contrasts=[
            _contrast(name, metric, ratio, p, None if p is None else next(adjusted), delta, limit)
            for name, (ratio, p) in zip(names, found, strict=True)
        ],
        excluded=excluded,
    )


def _contrast(
    name: str,
    metric: Metric,
    ratio: Interval,
    p: float | None,
    p_holm: float | None,
    delta: float,
    limit: float | None,
) -> RunContrast:
    reason = TOO_FEW_BLOCKS if ratio.n < MINIMUM_BLOCKS else None
    return RunContrast(
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


def worse(metric: Metric, ratio: Interval, limit: float) -> bool:
    """Whether the whole interval lies beyond `limit` (0.05: five percent) on the bad side."""
    if ratio.low is None or ratio.high is None:
        return False
    return ratio.high < 1 - limit if metric in HIGHER_IS_BETTER else ratio.low > 1 + limit


def _samples(observations: Sequence[Observation], metric: Metric) -> Mapping[str, list[float]]:
    found: dict[str, list[float]] = {}
    for each in observations:
        value = each.values.get(metric)
        if usable(value) and not each.repeat:
            found.setdefault(_name(each), []).append(math.log(value))
    return found


def _excluded(first: Sequence[Observation], second: Sequence[Observation], metric: Metric) -> list[tuple[str, str]]:
    """Cells of either run that cannot be compared."""
    names = [dict.fromkeys(map(_name, each)) for each in (first, second)]
    capped = {_name(each) for each in (*first, *second) if each.at_ceiling and metric in BOUND_BY_CEILING}
    found = []
    for name in dict.fromkeys((*names[0], *names[1])):
        if name not in names[0]:
            found.append((name, "not in the first run, or without a valid visit there"))
        elif name not in names[1]:
            found.append((name, "not in the second run, or without a valid visit there"))
        elif name in capped:
            found.append((name, "at its ceiling"))
    return found


def _delta(observations: Sequence[Observation], metric: Metric) -> float:
    return next(each.delta for each in compare(observations).noise if each.metric == metric)


def _name(observation: Observation) -> str:
    cell = observation.cell.id
    return f"{observation.environment}:{cell}" if observation.environment else cell
