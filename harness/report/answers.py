"""The answer to each question that a run asks, in plain sentences with figures."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from harness.model.axes import AXES, Axis, AxisName
from harness.model.axes import axis as axis_of
from harness.model.comparison import Contrast, Interval, Ranking
from harness.model.metrics import METRICS, Metric
from harness.model.overview import CellOverview, Overview
from harness.report import words
from harness.report.words import number, remedied, sentence, too_few
from harness.stats.intervals import distance

SERVER = "server"
MOST_OPTIONS = 6
AGREEMENT = 0.1
"""Share of the comparisons in which more must agree before an answer is given apart for each option of another axis."""
MOST_PARTS = 6
"""Options for which an answer is given apart, at most."""
MOST_SENTENCES = 6
"""Of the answers that fit a screen; of more the intervals stand with the details only."""
INTERVAL = re.compile(r" \(95% CI [^)]*\)")
MOST_INTERVALS = 4
"""Options behind the best that are named; where there are more, intervals and the others stand in the picture only."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a run says of one axis in one metric."""

    axis: AxisName
    metric: Metric
    part: str
    """The option of another axis, or the workload, for which it holds; empty where it holds for all."""
    text: str

    @property
    def about(self) -> str:
        """What it speaks of, such as `throughput, flask`."""
        return ", ".join(filter(None, (self.metric.label, self.part)))

    @property
    def sentence(self) -> str:
        """The whole of it."""
        return f"{sentence(axis_of(self.axis).label)}, {self.about}: {self.text}."


@dataclass(frozen=True, slots=True)
class Case:
    """The options of an axis with everything else held fixed: their ranking, and the comparison of each pair."""

    ranking: Ranking
    contrasts: dict[frozenset[str], Contrast]

    @property
    def leaders(self) -> list[str]:
        """The best option, and those within noise of it."""
        return [side.option for side in self.ranking.groups[0].members]

    @property
    def ranked(self) -> list[str]:
        """All options, best first."""
        return [side.option for group in self.ranking.groups for side in group.members]

    def against(self, option: str, other: str) -> Interval:
        """Option ÷ other."""
        contrast = self.contrasts[frozenset((option, other))]
        return contrast.ratio if contrast.b.option == option else words.inverse(contrast.ratio)

    def decided(self, option: str, other: str) -> bool:
        """Whether the option is decided to be better than the other."""
        contrast = self.contrasts[frozenset((option, other))]
        return contrast.verdict == ("faster" if contrast.b.option == option else "slower")


def answers(overview: Overview, *, main: bool = False) -> list[str]:
    """What the run says of each axis, the most telling metric first; of a single configuration, its figures.

    `main`: only what fits a screen, of further axes their headline metric only, in one sentence, and of many sentences
    no intervals.
    """
    said = by_axis(overview)
    if not said:
        return [unanswered(overview)]
    first, headline = said[0].axis, said[0].metric
    if not main:
        return [each.sentence for each in said]
    further: dict[AxisName, list[Answer]] = {}
    for each in said:
        if each.axis != first and each.metric is headline:
            further.setdefault(each.axis, []).append(each)
    fitting = [*(each.sentence for each in said if each.axis == first), *map(_together, further.values())]
    return fitting if len(fitting) <= MOST_SENTENCES else [INTERVAL.sub("", each) for each in fitting]


def _together(parts: Sequence[Answer]) -> str:
    """The answers of one axis and metric, which hold for one part each, in one sentence."""
    if len(parts) == 1:
        return parts[0].sentence
    decided = (re.sub(r"; \d+ inconclusive$", "", each.text).replace("; ", ", ") for each in parts)
    texts = "; ".join(f"{each.part}: {text}" for each, text in zip(parts, decided, strict=True))
    return f"{sentence(axis_of(parts[0].axis).label)}, {parts[0].metric.label}, {texts}."


def by_axis(overview: Overview) -> list[Answer]:
    """The answers, axis by axis; none where nothing can be compared."""
    if not overview.comparison.contrasts or too_few(overview):
        return []
    axes = dict.fromkeys(each.axis for each in overview.comparison.contrasts)
    metrics = [each for each in METRICS.values() if each.headline]
    return [answer for axis in axes for metric in metrics for answer in _of_axis(overview, axis, metric)]


def unanswered(overview: Overview) -> str:
    """What is said where nothing can be compared: of a single configuration its figures, else why."""
    if len(overview.cells) == 1:
        return _single(overview.cells[0])
    if not overview.comparison.contrasts:
        return _uncompared(overview)
    restarts = max(each.ratio.n for each in overview.comparison.contrasts)
    return f"Too few restarts to compare ({restarts} of at least 6): give it more time (--max-time)."


def _uncompared(overview: Overview) -> str:
    """Why there is no comparison."""
    if not overview.cells:
        return "No restart has ended yet."
    if overview.comparison.excluded or any(cell.invalid or cell.failed or cell.at_ceiling for cell in overview.cells):
        return "No two configurations could be compared: below stands which are excluded or limited by the load."
    return "Nothing to compare: no two configurations differ in exactly one setting."


def _single(cell: CellOverview) -> str:
    if cell.throughput is None:
        why = remedied(cell.reasons[0].reason, cell.reasons[0].remedies) if cell.reasons else "nothing was measured"
        return f"{cell.name} is {cell.verdict}: {why}."
    p99 = cell.figures["p99_ms"].value
    text = f"{cell.name} serves {number(cell.throughput.estimate)} requests per second"
    text += f", 99% of them within {p99:,.1f} ms" if p99 is not None else ""
    if cell.diagnosis is not None and cell.diagnosis.bound_by:
        text += f"; limited by: {words.limit(cell.diagnosis.bound_by)}"
    return text + "."


def _of_axis(overview: Overview, axis: AxisName, metric: Metric) -> Iterator[Answer]:
    along = [each for each in overview.comparison.contrasts if (each.axis, each.metric) == (axis, metric.name)]
    base = overview.comparison.against
    if axis == SERVER and base is not None:
        yield from _against(along, base, metric)
        return
    contrasts: dict[tuple[str, str], dict[frozenset[str], Contrast]] = {}
    for each in along:
        pair = frozenset((each.a.option, each.b.option))
        contrasts.setdefault((each.workload, each.stratum), {})[pair] = each
    cases = [
        Case(each, contrasts[each.workload, each.stratum])
        for each in overview.comparison.rankings
        if (each.axis, each.metric) == (axis, metric.name) and sum(len(group.members) for group in each.groups) > 1
    ]
    for part, members in _parts(overview, axis, cases).items():
        yield Answer(axis=axis, metric=metric, part=part, text=_answer(members, axis, metric))


def _against(contrasts: Sequence[Contrast], base: str, metric: Metric) -> Iterator[Answer]:
    """All other servers beside one of them: apart for each workload and stratum where those are few."""
    cases: dict[tuple[str, str], list[Contrast]] = {}
    for each in contrasts:
        cases.setdefault((each.workload, each.stratum), []).append(each)
    if len(cases) > MOST_PARTS:
        others = dict.fromkeys(each.b.option for each in contrasts)
        of = {other: [each for each in contrasts if each.b.option == other] for other in others}
        text = "; ".join(f"{other} {_in_cases(own, metric)}" for other, own in of.items())
        yield Answer(axis=SERVER, metric=metric, part=f"against {base}", text=text)
        return
    works = {workload for workload, _ in cases}
    for (workload, stratum), own in cases.items():
        part = ", ".join(filter(None, (workload if len(works) > 1 else "", stratum, f"against {base}")))
        yield Answer(axis=SERVER, metric=metric, part=part, text=_beside(own, metric))


def _in_cases(contrasts: Sequence[Contrast], metric: Metric) -> str:
    """What a server makes of a metric beside another one, with how often it does."""
    decided = {
        verdict: [each.ratio.estimate for each in contrasts if each.verdict == verdict]
        for verdict in ("faster", "slower")
    }
    texts = [f"{_span(ratios, metric)} in {len(ratios)}" for ratios in decided.values() if ratios]
    return f"{', '.join(texts)} of {len(contrasts)} cases" if texts else _no_difference(contrasts, metric)


def _beside(contrasts: Sequence[Contrast], metric: Metric) -> str:
    """What each server makes of a metric beside the one that all are compared with, the best first."""
    better = -1 if metric.better == "higher" else 1
    by_verdict: dict[str, list[Contrast]] = {}
    for each in sorted(contrasts, key=lambda each: better * each.ratio.estimate):
        by_verdict.setdefault(each.verdict, []).append(each)

    def apart(each: Contrast) -> str:
        few = len(contrasts) <= MOST_INTERVALS
        return f"{each.b.option} {_difference(each.ratio, metric) if few else words.than(each.ratio.estimate, metric)}"

    texts = []
    for verdict in ("faster", "equivalent", "undecided", "slower"):
        own = by_verdict.get(verdict, [])
        names = words.listed([each.b.option for each in own])
        if own and verdict in ("faster", "slower"):
            named = own if len(own) <= MOST_INTERVALS else own[: MOST_INTERVALS - 1]
            rest = [each.ratio.estimate for each in own[len(named) :]]
            more = [f"{len(rest)} more {_span(rest, metric)}"] if rest else []
            texts.append(", ".join([*map(apart, named), *more]))
        elif own:
            texts.append(f"{'no difference that matters' if verdict == 'equivalent' else 'inconclusive'}: {names}")
    return "; ".join(texts)


def _parts(overview: Overview, axis: AxisName, cases: Sequence[Case]) -> dict[str, list[Case]]:
    """The cases together; apart by workload or by the options of another axis where they then agree more."""
    whole = {"": list(cases)} if cases else {}
    cells = {each.name: each.cell for each in overview.cells}

    def by(other: Axis) -> Callable[[Case], str]:
        return lambda case: words.spoken(other, other.option(cells[case.ranking.groups[0].members[0].cell]))

    keys: list[Callable[[Case], str]] = [
        lambda case: case.ranking.workload,
        lambda case: case.ranking.workload.partition("?")[0],  # of many parameters: together where they agree
    ]
    keys += [by(each) for each in AXES if each.name != axis]
    best = whole
    for key in keys:
        parts: dict[str, list[Case]] = {}
        for case in cases:
            parts.setdefault(key(case), []).append(case)
        if 1 < len(parts) <= MOST_PARTS and _agreeing(parts) > max(
            _agreeing(best), _agreeing(whole) + AGREEMENT * len(cases)
        ):
            best = parts
    return best


def _agreeing(parts: dict[str, list[Case]]) -> int:
    """In how many cases the option that leads most often within its part leads."""
    counts = (Counter(option for case in part for option in case.leaders) for part in parts.values())
    return sum(max(each.values(), default=0) for each in counts)


def _answer(cases: Sequence[Case], axis: AxisName, metric: Metric) -> str:
    contrasts = [each for case in cases for each in case.contrasts.values()]
    if not any(each.verdict in ("faster", "slower") for each in contrasts):
        return _no_difference(contrasts, metric)
    if len(cases) == 1:
        return _one_case(cases[0], axis, metric)
    options = list(dict.fromkeys(option for case in cases for option in case.ranked))
    if len(options) == 2:
        return _two(cases, options, axis, metric)
    return _several(cases, options, axis, metric)


def _no_difference(contrasts: Sequence[Contrast], metric: Metric) -> str:
    """No option is ahead anywhere: because they are equivalent, or because it is inconclusive."""
    compared = f"in {len(contrasts)} comparisons" if len(contrasts) > 1 else "in the one comparison"
    if all(each.verdict == "equivalent" for each in contrasts):
        return f"no difference that matters {compared}"
    bounds = [each.could_be for each in contrasts if each.verdict == "undecided" and each.could_be is not None]
    most = f"; differences of up to {max(bounds):.0%} cannot be ruled out" if bounds else ""
    return f"inconclusive {compared}{most}"


def _one_case(case: Case, axis: AxisName, metric: Metric) -> str:
    """Who leads, and how far the others are behind the first of them."""
    best = case.leaders[0]
    ties = [_spoken(axis, option) for option in case.leaders]
    lead = (
        f"{ties[0]} {_be(ties[0])} {words.best(metric)}"
        if len(ties) == 1
        else f"{words.listed(ties)} are within noise of each other"
    )
    last = [option for option in case.ranked if option not in case.leaders]
    if len(last) > MOST_INTERVALS:
        ratios = {option: case.against(option, best).estimate for option in last}
        apart = [f"{_spoken(axis, option)} {words.than(ratios[option], metric)}" for option in last[:MOST_INTERVALS]]
        rest = [ratios[option] for option in last[MOST_INTERVALS:]]
        apart.append(
            f"{len(rest)} more {_span(rest, metric)}"
            if len(rest) > 1
            else f"{_spoken(axis, last[-1])} {words.than(rest[0], metric)}"
        )
        return f"{lead}; behind {'it' if len(ties) == 1 else 'them'}: {', '.join(apart)}"
    behind = [
        f"{_spoken(axis, option)} {_be(_spoken(axis, option))} {_difference(case.against(option, best), metric)}"
        for option in last
    ]
    return "; ".join((lead, *behind))


def _two(cases: Sequence[Case], options: Sequence[str], axis: AxisName, metric: Metric) -> str:
    """Each of two options that is better somewhere, how often and by how much."""
    parts = []
    wins = {
        (one, other): [case.against(one, other).estimate for case in cases if case.decided(one, other)]
        for one, other in (options, options[::-1])
    }
    for (one, other), ratios in sorted(wins.items(), key=lambda item: -len(item[1])):
        if ratios:
            said, than = _spoken(axis, one), _spoken(axis, other)
            parts.append(
                f"{said} {_be(said)} {words.versus(_span(ratios, metric))} {than} in {_of(len(ratios), len(cases))}"
            )
    rest = [each for case in cases for each in case.contrasts.values() if each.verdict == "undecided"]
    equal = len(cases) - sum(map(len, wins.values())) - len(rest)
    parts += [f"no difference that matters in {equal}"] if equal else []
    parts += [f"{len(rest)} inconclusive"] if rest else []
    return "; ".join(parts)


def _several(cases: Sequence[Case], options: Sequence[str], axis: AxisName, metric: Metric) -> str:
    """Which options are best or within noise of the best, how often the others are behind, and by how much."""
    of = {option: sum(option in case.ranked for case in cases) for option in options}
    behind = {
        option: [
            case.against(option, case.leaders[0]).estimate
            for case in cases
            if option in case.ranked and option not in case.leaders
        ]
        for option in options
    }
    order = sorted(options, key=lambda option: (len(behind[option]) / of[option], -of[option]))
    leads = [option for option in order if len(behind[option]) / of[option] == len(behind[order[0]]) / of[order[0]]]
    count = _of(of[order[0]] - len(behind[order[0]]), of[order[0]])
    spoken = [_spoken(axis, option) for option in leads]
    verb = _be(spoken[0]) if len(leads) == 1 else "are"
    parts = [
        f"{words.listed(spoken)} {verb} {words.best(metric)} or within noise of the {words.best(metric)} in {count}"
    ]
    for option in order[len(leads) : MOST_OPTIONS]:
        said = _spoken(axis, option)
        parts.append(f"{said} {_be(said)} {_span(behind[option], metric)} in {_short(len(behind[option]), of[option])}")
    return "; ".join(parts)


def _span(ratios: Sequence[float], metric: Metric) -> str:
    """Several differences in the same direction, from the least to the largest: `5.1% to 67% faster`."""
    least, most = sorted((min(ratios), max(ratios)), key=distance)
    if len(ratios) == 1 or words.percent(words.share(least)) == words.percent(words.share(most)):
        return words.than(most, metric)
    if most >= words.TIMES:
        return f"up to {words.than(most, metric)}"
    return f"{words.percent(words.share(least))} to {words.than(most, metric)}"


def _difference(ratio: Interval, metric: Metric) -> str:
    ends = words.confidence(ratio)
    return words.than(ratio.estimate, metric) + (f" (95% CI {ends})" if ends else "")


def _spoken(axis: AxisName, option: str) -> str:
    return words.spoken(axis_of(axis), option)


def _be(subject: str) -> str:
    return "are" if subject[:1].isdigit() and not subject.startswith("1 ") else "is"


def _of(count: int, cases: int) -> str:
    """How many cases, in words."""
    if count == cases:
        return f"all {cases} cases" if cases > 1 else "its only case"
    return f"{count} of {cases} cases"


def _short(count: int, cases: int) -> str:
    """The same after it was said that these are cases."""
    if count == cases:
        return f"all {cases}" if cases > 1 else "its only case"
    return f"{count} of {cases}"
