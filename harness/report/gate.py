"""Whether a limit is kept: PASS, FAIL or INCONCLUSIVE, with what the measurement could have found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.analysis.verdicts import detectable, no_worse, worse
from harness.model.comparison import Interval, RunComparison
from harness.model.metrics import METRICS, Metric
from harness.model.rotation import Rotation
from harness.report.members import names
from harness.report.words import confidence, signed

GATED = ("throughput_rps", "cpu_us_per_request")
"""Metrics by which `harness compare --fail-above` judges."""
State = Literal["FAIL", "INCONCLUSIVE", "PASS"]
COLOURS: dict[State, str] = {"FAIL": "red", "INCONCLUSIVE": "yellow", "PASS": "green"}
"""The worst first."""
OK, WORSE, NOTHING, FAILED, UNSURE = 0, 1, 3, 4, 6
"""Exit codes of a comparison."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One difference held against a limit."""

    name: str
    """What was compared, such as `head against base`."""
    metric: Metric
    ratio: Interval
    """New ÷ base."""
    values: tuple[str, str]
    """Figures of base and new with their unit; empty where they are not known."""
    state: State
    reason: str
    """Why it cannot be judged; empty where it can."""
    detectable: float | None
    """The smallest change for the worse that would have failed, as a fraction."""

    @property
    def badness(self) -> float:
        """By how much it is worse, as a fraction; below 0 where it is better."""
        ratio = self.ratio.estimate
        return (1 / ratio if self.metric.better == "higher" else ratio) - 1


def of_rotation(rotation: Rotation) -> list[Check]:
    """The second of each pair against the first, the worst first; nothing without a limit."""
    if rotation.limit is None:
        return []
    short = names(rotation).short
    figures = dict(zip(rotation.members, rotation.values, strict=True))
    checks = []
    for each in rotation.contrasts:
        if each.metric in GATED:
            metric = METRICS[each.metric]
            sides = [figures[label].get(each.metric) for label in (each.a, each.b)]
            values = tuple("" if value is None else _with_unit(value.estimate, metric) for value in sides)
            name = f"{short[each.b]} against {short[each.a]}"
            checks.append(_check(name, metric, each.ratio, rotation.limit, each.reason, (values[0], values[1])))
    return worst_first(checks)


def of_runs(comparison: RunComparison) -> list[Check]:
    """Each configuration in the second run against the first, the worst first; nothing without a limit."""
    if comparison.limit is None:
        return []
    metric = METRICS[comparison.metric]
    return worst_first(
        [_check(each.name, metric, each.ratio, comparison.limit, each.reason) for each in comparison.contrasts]
    )


def _check(
    name: str, metric: Metric, ratio: Interval, limit: float, reason: str | None, values: tuple[str, str] = ("", "")
) -> Check:
    state: State = "INCONCLUSIVE"
    if reason is None and worse(metric.name, ratio, limit):
        state = "FAIL"
    elif reason is None and no_worse(metric.name, ratio, limit):
        state = "PASS"
    return Check(
        name=name,
        metric=metric,
        ratio=ratio,
        values=values,
        state=state,
        reason=reason or "",
        detectable=detectable(metric.name, ratio, limit),
    )


def _with_unit(value: float, metric: Metric) -> str:
    return f"{metric.format(value)} {metric.shown_unit or metric.unit}"


def worst_first(checks: Sequence[Check]) -> list[Check]:
    """By state, then by how much worse they are."""
    order = list(COLOURS)
    return sorted(checks, key=lambda each: (order.index(each.state), -each.badness))


def state(checks: Sequence[Check]) -> State:
    """Of all checks together: the worst; INCONCLUSIVE where there is none."""
    return min((each.state for each in checks), key=list(COLOURS).index, default="INCONCLUSIVE")


def lines(checks: Sequence[Check], limit: float | None) -> Iterator[tuple[str, State]]:
    """A line for each check: `FAIL  CPU per request +17.0% (95% CI +14.2% to +19.8%) exceeds the limit of 3%`."""
    for each in checks:
        yield f"{each.state:<12}  {sentence(each, limit or 0.0)}", each.state


def sentence(check: Check, limit: float) -> str:
    """What became of a check."""
    ends = confidence(check.ratio, 1)
    change = f"{check.name}, {check.metric.label} {signed(check.ratio.estimate, 1)}"
    change += f" (95% CI {ends})" if ends else ""
    if check.reason:
        return f"{change}: {check.reason}"
    if check.state == "FAIL":
        return f"{change}: worse by more than the limit of {limit * 100:g}%"
    if check.state == "INCONCLUSIVE":
        return f"{change}: too noisy for a limit of {limit * 100:g}%; give it more time (--max-time)"
    found = "" if check.detectable is None else f"; it would have found {check.detectable:.1%} and more"
    return f"{change}: no regression above {limit * 100:g}%{found}"


def exit_code(checks: Sequence[Check], *, strict: bool) -> int:
    """1 where a check failed, 6 where one is inconclusive and that is not to pass, else 0."""
    return {"FAIL": WORSE, "INCONCLUSIVE": UNSURE if strict and checks else OK, "PASS": OK}[state(checks)]


def exit_code_of_rotation(rotation: Rotation, *, strict: bool) -> int:
    """4 where a member failed, 3 where nothing could be compared, else what the limit makes of it."""
    judged = [each for each in rotation.contrasts if each.metric in GATED]
    if rotation.outcomes:
        return FAILED
    if all(each.metric != GATED[0] for each in judged) or all(each.reason for each in judged):
        return NOTHING
    if strict and rotation.limit is None and all(each.verdict == "undecided" for each in judged):
        return UNSURE
    return exit_code(of_rotation(rotation), strict=strict)
