"""Two runs, cell by cell. Their restarts are no pairs, so only what exceeds the drift between them shows. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from harness.analysis.verdicts import verdict, worse
from harness.model.comparison import TOO_FEW, Observation, RunComparison, RunContrast
from harness.model.metrics import METRICS, MetricName
from harness.stats.intervals import ERROR, could_be, difference, holm, usable
from harness.stats.simultaneous import LEAST_RESTARTS


def compare_runs(
    first: Sequence[Observation],
    second: Sequence[Observation],
    metric: MetricName,
    margin: float,
    limit: float | None,
) -> RunComparison:
    """Contrasts of the cells that two runs have in common, in one metric. `margin`: the difference that does not
    matter; `limit`: the change for the worse that does; both as fractions."""
    samples = [_samples(each, metric) for each in (first, second)]
    excluded = _excluded(first, second, metric)
    reasons = dict(excluded)
    names = [name for name in samples[0] if name in samples[1] and name not in reasons]
    differences = [difference(samples[0][name], samples[1][name], comparisons=max(1, len(names))) for name in names]
    tested = [p for _, p in differences if p is not None]
    adjusted = iter(holm(tested))
    contrasts = []
    for name, (ratio, p) in zip(names, differences, strict=True):
        p_holm = None if p is None else next(adjusted)
        reason = TOO_FEW if ratio.n < LEAST_RESTARTS else None
        decision = verdict(metric, ratio, margin)
        if reason or (decision in ("faster", "slower") and (p_holm is None or p_holm >= ERROR)):
            decision = "undecided"
        contrasts.append(
            RunContrast(
                name=name,
                metric=metric,
                ratio=ratio,
                p=p,
                p_holm=p_holm,
                verdict=decision,
                reason=reason,
                could_be=could_be(ratio),
                worse=None if limit is None else worse(metric, ratio, limit),
            )
        )
    return RunComparison(metric=metric, margin=margin, limit=limit, contrasts=contrasts, excluded=excluded)


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
            reasons.append((name, "not in the first run, or without a valid restart there"))
        elif name not in names[1]:
            reasons.append((name, "not in the second run, or without a valid restart there"))
        elif name in capped:
            reasons.append((name, "at its ceiling"))
    return reasons
