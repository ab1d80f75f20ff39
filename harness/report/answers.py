"""What was asked and what the answer is, in sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from harness.model.application import UserApplication
from harness.model.axes import AXES, AxisName
from harness.model.axes import axis as axis_of
from harness.model.comparison import Contrast, Ranking
from harness.model.metrics import METRICS, MetricName
from harness.model.overview import CellOverview, Overview
from harness.report.words import load, number, remedied, sentence, too_few, workload_of

MOST_OPTIONS = 6


def question(overview: Overview) -> str:
    """What was measured: the options of each axis that the cells' written forms name, and the load."""
    cells = [each.cell for each in overview.cells]
    parts: list[str] = []
    own = [each.variant.application for each in cells if isinstance(each.variant.application, UserApplication)]
    if own:
        parts.append(_listed("application", [each.work_label for each in own]))
        parts.append(_listed("request", list(dict.fromkeys(line for each in own for line in each.requests))))
    else:
        parts.append(_listed("workload", [each.variant.application.work_label for each in cells]))
    for axis in AXES:
        if axis.name != "load" and any(axis.part(each) for each in cells):
            parts.append(_listed(axis.label, [axis.option(each) for each in cells]))
    parts.append(_listed("load", [load(each.load) for each in cells]))
    return "; ".join(part for part in parts if part)


def _listed(what: str, options: Sequence[str]) -> str:
    distinct = list(dict.fromkeys(filter(None, options)))
    if not distinct:
        return ""
    if len(distinct) == 1:
        return f"{what} {distinct[0]}"
    named = f": {', '.join(distinct)}" if len(distinct) <= MOST_OPTIONS else ""
    return f"{len(distinct)} {what}s{named}"


def answers(overview: Overview) -> list[str]:
    """What the run says of each axis, the most telling metric first; of a single cell, its figures."""
    if len(overview.cells) == 1:
        return [_single(overview.cells[0])]
    if not overview.comparison.contrasts:
        return [_uncompared(overview)]
    if too_few(overview):
        reason = next(each.reason for each in overview.comparison.contrasts)
        return [f"There can be no verdicts: {reason}, six are needed. No difference below is decided."]
    axes = dict.fromkeys(each.axis for each in overview.comparison.contrasts)
    metrics = [each.name for each in METRICS.values() if each.headline]
    return [answer for axis in axes for metric in metrics for answer in _of_axis(overview, axis, metric)]


def _uncompared(overview: Overview) -> str:
    """Why there is no contrast."""
    if not overview.cells:
        return "No restart has ended yet."
    if overview.comparison.excluded or any(cell.invalid or cell.failed or cell.at_ceiling for cell in overview.cells):
        return "No two cells could be compared: see below which are invalid, failed or at their ceiling."
    return "No two cells are equal in all but one axis, so nothing is compared: the figures stand for themselves."


def _single(cell: CellOverview) -> str:
    if cell.throughput is None:
        why = remedied(cell.reasons[0].reason, cell.reasons[0].remedies) if cell.reasons else "nothing was measured"
        return f"{cell.name} is {cell.verdict}: {why}."
    p99 = cell.figures["p99_ms"].value
    text = f"{cell.name} serves {number(cell.throughput.estimate)} requests per second"
    text += f", 99 % of them within {p99:,.1f} ms" if p99 is not None else ""
    if cell.diagnosis is not None and cell.diagnosis.bound_by:
        text += f"; bound by {cell.diagnosis.bound_by}"
    return text + "."


def _of_axis(overview: Overview, axis: AxisName, metric: MetricName) -> Iterator[str]:
    rankings = [
        each
        for each in overview.comparison.rankings
        if (each.axis, each.metric) == (axis, metric) and sum(len(group.members) for group in each.groups) > 1
    ]
    if not rankings:
        return
    contrasts = [each for each in overview.comparison.contrasts if (each.axis, each.metric) == (axis, metric)]
    name = f"{sentence(axis_of(axis).label)}, {METRICS[metric].label}: "
    decided = any(each.verdict in ("faster", "slower") for each in contrasts)
    if all(len(each.groups) == 1 for each in rankings) and not decided:
        yield name + _undecided(contrasts, len(rankings))
        return
    if len(rankings) == 1:
        yield name + _one_case(rankings[0], contrasts)
        return
    leads = Counter(side.option for each in rankings for side in each.groups[0].members)
    alone = Counter(each.groups[0].members[0].option for each in rankings if len(each.groups[0].members) == 1)
    cases = f"{len(rankings)} cases"
    counts = [
        f"{option} in {count}" + (f" (alone in {alone[option]})" if alone[option] else "")
        for option, count in leads.most_common(MOST_OPTIONS)
    ]
    largest = max((each for each in contrasts if each.verdict in ("faster", "slower")), key=_size, default=None)
    widest = ""
    if largest is not None:
        where = " · ".join(part for part in (largest.workload if _several(overview) else "", largest.stratum) if part)
        widest = f"; the largest difference is {largest.b.option} {largest.ratio.estimate:.2f}× {largest.a.option}" + (
            f" ({where})" if where else ""
        )
    yield f"{name}best, or not told apart from the best, in {cases}: {', '.join(counts)}{widest}."


def _one_case(ranking: Ranking, contrasts: Sequence[Contrast]) -> str:
    """Who leads, and how far the others are behind the first of them."""
    best, *behind = [[side.option for side in group.members] for group in ranking.groups]
    leads = f"{best[0]} leads" if len(best) == 1 else f"{', '.join(best[:-1])} and {best[-1]} lead, not told apart"
    ratios = {(each.a.option, each.b.option): each.ratio for each in contrasts}
    higher = METRICS[ranking.metric].better == "higher"
    others = []
    for option in (option for group in behind for option in group):
        ratio = ratios.get((best[0], option))
        away = ratio.estimate if ratio is not None else 1 / ratios[option, best[0]].estimate
        half = (ratio or ratios[option, best[0]]).half_width
        sure = "" if half is None else f" (±{half:.1%})".replace("%", " %")
        others.append(f"{option} {abs(away - 1):.1%}".replace("%", " %") + f" {'less' if higher else 'more'}{sure}")
    return f"{leads}; {', '.join(others)}." if others else f"{leads}."


def _several(overview: Overview) -> bool:
    return len(set(map(workload_of, overview.cells))) > 1


def _size(each: Contrast) -> float:
    return max(each.ratio.estimate, 1 / each.ratio.estimate)


def _undecided(contrasts: Sequence[Contrast], cases: int) -> str:
    """No option is ahead anywhere: because they are equivalent, or because it could not be told."""
    where = "in the one case" if cases == 1 else f"in any of {cases} cases"
    if all(each.verdict == "equivalent" for each in contrasts):
        return f"all are equivalent ({'one case' if cases == 1 else f'{cases} cases'})."
    bounds = [each.could_be for each in contrasts if each.verdict == "undecided" and each.could_be is not None]
    most = f"; a difference could be up to {max(bounds):.0%}" if bounds else ""
    return f"no difference could be told {where}{most}."
