"""Two runs, cell by cell. Their restarts are no pairs, and the machine is as fast as it is on the day: what all cells
have in common is taken for the machine's, and only what a cell does beyond it for the cell's. Pure."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Mapping, Sequence

from harness.analysis import bounds
from harness.analysis.verdicts import ratio_of, verdict, worse
from harness.model.comparison import TOO_FEW, Observation, RunComparison, RunContrast
from harness.model.metrics import METRICS, MetricName
from harness.stats import simultaneous
from harness.stats.intervals import ERROR, could_be, holm, usable
from harness.stats.simultaneous import LEAST_RESTARTS, Difference

LEAST_CELLS = 3
"""In common, without which what a whole run shares cannot be told from what a cell does."""
TOO_FEW_CELLS = "fewer than three configurations in common: harness compare measures two side by side"
MEDIAN_VARIANCE = math.pi / 2
"""Of a median ÷ that of a mean of as many normal values."""


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
    raw = [
        simultaneous.minus(simultaneous.difference(samples[1][name]), simultaneous.difference(samples[0][name]))
        for name in names
    ]
    shift = _shift(raw)
    differences = raw if shift is None else [_beyond(each, shift) for each in raw]
    tested = [p for each in differences if (p := each.p_value()) is not None]
    adjusted = iter(holm(tested))
    contrasts = []
    for name, difference in zip(names, differences, strict=True):
        p = difference.p_value()
        p_holm = None if p is None else next(adjusted)
        ratio = ratio_of(difference, difference.half_width(families=max(1, len(names))))
        reason = TOO_FEW if ratio.n < LEAST_RESTARTS else TOO_FEW_CELLS if shift is None else None
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
                worse=None if limit is None else reason is None and worse(metric, ratio, limit),
            )
        )
    return RunComparison(
        metric=metric,
        margin=margin,
        limit=limit,
        shift=None if shift is None else ratio_of(shift, shift.half_width()),
        contrasts=contrasts,
        excluded=excluded,
    )


def _shift(differences: Sequence[Difference]) -> Difference | None:
    """What all cells have in common: the median, which a few that did change hardly move. None of too few."""
    errors = [each.error for each in differences if each.error is not None]
    if len(differences) < LEAST_CELLS or len(errors) < len(differences):
        return None
    return Difference(
        estimate=statistics.median(each.estimate for each in differences),
        error=math.sqrt(MEDIAN_VARIANCE * statistics.fmean(error**2 for error in errors) / len(errors)),
        freedom=sum(each.freedom for each in differences),
        restarts=min(each.restarts for each in differences),
        pooled=False,
    )


def _beyond(difference: Difference, shift: Difference) -> Difference:
    """What a cell does beyond what all have in common."""
    error = math.hypot(difference.error or 0.0, shift.error or 0.0)
    return dataclasses.replace(difference, estimate=difference.estimate - shift.estimate, error=error)


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
    ceilings = [{one.cell.label: one.ceiling for one in each if one.ceiling is not None} for each in (first, second)]
    capped = {
        name
        for name, ceiling in ceilings[0].items()
        if bounds.same(ceiling, ceilings[1].get(name)) and bounds.hides(ceiling, METRICS[metric])
    }
    reasons = []
    for name in dict.fromkeys((*names[0], *names[1])):
        if name not in names[0]:
            reasons.append((name, "not in the first run, or without a valid restart there"))
        elif name not in names[1]:
            reasons.append((name, "not in the second run, or without a valid restart there"))
        elif name in capped:
            reasons.append((name, "limited by the load in both"))
    return reasons
