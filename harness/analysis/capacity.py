"""The search for a capacity: which rate to try next, and what all probes together say. Pure.

A probe is a fresh start of a server under Poisson arrivals of one rate. One decides little, so what is said rests on
all of them, by the model of `harness.analysis.lateness`: bounds are quantiles of the capacity's posterior.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy
from scipy.special import ndtri, stdtrit  # not scipy.stats, which takes three times as long to import

from harness.analysis.lateness import CURVE_ERROR, SURE, Array, Probe, batches, bursts, meets, posterior, quantile
from harness.model.capacity import Bounds, Objective, Outcome

CLIFF = 40.0
"""Slope from which on it is called a cliff: 5 % more, and seven times as many are late."""
LEVEL = 0.03
"""Chance that a capacity lies outside of its bounds by the posterior: then 95 of 100 searches hold it, with starts and
speeds that vary as no model says. Counted by benchmarks/capacity.py."""
CLOSEST = math.expm1(-2 * float(ndtri(LEVEL / 2)) * CURVE_ERROR)
"""Relative distance of bounds of which no number of probes brings them closer."""
ONE_SIDED = 0.05
"""Chance that a probe by itself passes or fails wrongly."""
STARTS = 2
"""Fresh starts that a bound rests on at least."""
NEAR = 1.1
"""Within which factor of a bound these were."""
CLOSE = 1.3
"""Highest that held to lowest that did not: until then the search brackets, from then on all probes decide together."""
FACTORS = (1.4, 2.0, 4.0)
"""By how much further the first, second and later steps go while nothing held, or everything did."""
AROUND = 1.05
"""Within which factor of what held and what did not rates are tried while little is known."""
LOW, HIGH = 0.2, 0.8
"""Quantiles of what is known of the capacity at which rates are tried in turn."""
WANTED, AT_PRECISION = 3.0, 0.10
"""Bursts of late requests that a probe at its goal should see where the bounds should come as close as AT_PRECISION;
four times as many where they should come twice as close, since each start takes seconds in which nothing is seen."""
SHORTEST, LONGEST = 12.0, 60.0
"""Seconds of a probe's window."""
LEAD_SECONDS, LEAD_LIMITS = 2.0, 20.0
"""Of load before the window at least, and in limits of the objectives."""
AT_BOUNDS = 5
"""Probes from which on a bound is probed itself where fewer than STARTS fresh starts stand on it."""
MOST_PROBES = 200
"""However much time there is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """What a search is to find out."""

    objectives: tuple[Objective, ...]
    precision: float
    """How close the bounds should come, as a share of the lower one."""
    start: float
    """The rate to begin with."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """What the probes say."""

    bounds: Bounds
    by_objective: list[Bounds]
    binding: Objective | None
    slope: float | None
    reached: bool


def outcome(probe: Probe, objectives: Sequence[Objective]) -> Outcome:
    """What a probe shows by itself: whether the 90 % interval of its share of late requests, by batch means, lies below
    the goal or above it."""
    if not probe.valid:
        return "invalid"
    sides = [_side(probe, place, objective.share) for place, objective in enumerate(objectives)]
    if any(side > 0 for side in sides):
        return "fail"
    return "pass" if all(side < 0 for side in sides) else "cannot tell"


def _side(probe: Probe, place: int, goal: float) -> int:
    parts = [(due, missed) for due, missed in batches(probe, place) if due]
    total, missed = sum(due for due, _ in parts), sum(count for _, count in parts)
    if not total:
        return 0
    share = missed / total
    if share > SURE * goal:
        return 1
    number = len(parts)
    deviations = math.fsum((count - share * due) ** 2 for due, count in parts)
    error = math.sqrt(deviations * number / max(1, number - 1)) / total
    half = -float(stdtrit(max(1, number - 1), ONE_SIDED)) * error
    if missed == 0:  # batches of nothing vary by nothing: three late ones could have been missed by chance
        half = 3.0 / total
    return 1 if share - half > goal else -1 if share + half < goal else 0


def held(probe: Probe, objectives: Sequence[Objective]) -> bool:
    """Whether a probe met all objectives, by its shares as they are."""
    return all(meets(probe, place, objective.share) for place, objective in enumerate(objectives))


def _valid(probes: Sequence[Probe]) -> list[Probe]:
    return [probe for probe in probes if probe.valid and any(probe.due)]


def known(question: Question, probes: Sequence[Probe]) -> Known:
    """What all probes together say. A side on which fewer than STARTS fresh starts stand has no bound."""
    valid = _valid(probes)
    found = [_of_objective(valid, place, each) for place, each in enumerate(question.objectives)]
    limiting = [(each.estimate, slope, place) for place, (each, slope) in enumerate(found) if each.estimate is not None]
    highs = [each.high for each, _ in found if each.high is not None]
    lows = [each.low for each, _ in found if each.low is not None]
    whole = Bounds(
        low=min(lows) if len(lows) == len(found) else None,
        high=min(highs) if highs else None,
        estimate=min((each.estimate for each, _ in found if each.estimate is not None), default=None),
    )
    _, slope, place = min(limiting, default=(0.0, None, None))
    return Known(
        bounds=whole,
        by_objective=[bounds for bounds, _ in found],
        binding=None if place is None else question.objectives[place],
        slope=slope,
        reached=whole.low is not None and whole.high is not None and whole.high <= whole.low * (1 + question.precision),
    )


def _of_objective(valid: Sequence[Probe], place: int, objective: Objective) -> tuple[Bounds, float | None]:
    """Bounds by one objective, and the slope there. Where no two starts are near what all probes together say, the
    bound is the rate that two starts held, or did not."""
    held_by_two, missed_by_two = _by_starts(valid, place, objective)
    met = [meets(probe, place, objective.share) for probe in valid]
    if all(met) or not any(met):
        return Bounds(low=held_by_two, high=missed_by_two, estimate=None), None
    grid, chance, slope = posterior(valid, place, objective.share)
    low, high = (quantile(grid, chance, share) for share in (LEVEL / 2, 1 - LEVEL / 2))
    return (
        Bounds(
            low=low if held_by_two is not None and low <= held_by_two * NEAR else held_by_two,
            high=high if missed_by_two is not None and high >= missed_by_two / NEAR else missed_by_two,
            estimate=quantile(grid, chance, 0.5),
        ),
        slope,
    )


def _by_starts(valid: Sequence[Probe], place: int, objective: Objective) -> tuple[float | None, float | None]:
    """The highest rate that STARTS fresh starts held, and the lowest that as many did not."""
    missing = sorted(probe.rate for probe in valid if not meets(probe, place, objective.share))
    meeting = sorted((probe.rate for probe in valid if meets(probe, place, objective.share)), reverse=True)
    held_by_two, missed_by_two = (rates[STARTS - 1] if len(rates) >= STARTS else None for rates in (meeting, missing))
    return held_by_two, missed_by_two


def propose(question: Question, probes: Sequence[Probe]) -> float | None:
    """The rate to try next; None where nothing is left to find out.

    First by factors until something held and something did not, then halfway between, then in turn at the rates below
    and above which the capacity lies by what is known.
    """
    if len(probes) >= MOST_PROBES:
        return None
    valid = _valid(probes)
    if not valid:
        return question.start
    best = max((each.rate for each in valid if held(each, question.objectives)), default=0.0)
    below, beyond = _bracket(question, valid)
    if not best or beyond == math.inf:
        factor = FACTORS[min(len(valid), len(FACTORS)) - 1]
        return best * factor if best else beyond / factor
    if not below:  # a larger rate held, where smaller ones did not: the smaller ones are believed
        return beyond / FACTORS[0] if len(valid) < 6 else _aimed(question, valid)
    if beyond / below > CLOSE:
        return math.sqrt(below * beyond)
    if known(question, probes).reached:
        return None
    return _aimed(question, valid)


def _aimed(question: Question, valid: Sequence[Probe]) -> float:
    """In turn at what is rather below and rather above the capacity under the objective that is missed first; first at
    a bound by all probes together that too few starts stand on."""
    answers = []
    for place, objective in enumerate(question.objectives):
        if all(meets(probe, place, objective.share) for probe in valid):
            continue
        grid, chance, _ = posterior(valid, place, objective.share)
        least, low, middle, high, most = (
            quantile(grid, chance, share) for share in (LEVEL / 2, LOW, 0.5, HIGH, 1 - LEVEL / 2)
        )
        held_by_two, missed_by_two = _by_starts(valid, place, objective)
        bare = None
        if missed_by_two is None or missed_by_two > most * NEAR:
            bare = most
        elif held_by_two is None or held_by_two * NEAR < least:
            bare = least
        answers.append((middle, low, high, bare))
    middle, low, high, bare = min(answers, key=lambda each: each[0])
    if bare is not None and len(valid) >= AT_BOUNDS:
        return bare
    below, beyond = _bracket(question, valid)
    low, high = max(low, min(middle, below / AROUND)), min(high, max(middle, beyond * AROUND))
    above = sum(probe.rate > middle for probe in valid if middle / CLOSE < probe.rate < middle * CLOSE)
    under = sum(probe.rate <= middle for probe in valid if middle / CLOSE < probe.rate < middle * CLOSE)
    return high if above < under else low


def _bracket(question: Question, valid: Sequence[Probe]) -> tuple[float, float]:
    """The highest rate that held below the lowest that did not, and the latter; 0 and infinity where there is none."""
    beyond = min((each.rate for each in valid if not held(each, question.objectives)), default=math.inf)
    held_rates = [each.rate for each in valid if held(each, question.objectives) and each.rate < beyond]
    return max(held_rates, default=0.0), beyond


def window_seconds(question: Question, probes: Sequence[Probe], rate: float) -> float:
    """How long the window of a probe at a rate is: until it has seen WANTED bursts of late requests where it is at its
    goal; a third of that while the search brackets."""
    valid = _valid(probes)
    wanted = WANTED * max(1.0, (AT_PRECISION / question.precision) ** 2)
    needed = max(
        wanted * bursts(valid, place, objective.share)[0].mean / (objective.share * rate)
        for place, objective in enumerate(question.objectives)
    )
    below, beyond = _bracket(question, valid)
    rough = beyond > CLOSE * below
    return min(LONGEST, max(SHORTEST, needed / 3 if rough else needed))


def lead_seconds(question: Question) -> float:
    """How long the same rate is offered before the window."""
    limits = [objective.limit_ms or 0.0 for objective in question.objectives]
    return max(LEAD_SECONDS, LEAD_LIMITS * max(limits) / 1000)


def ratios(question: Question, cells: Sequence[Sequence[Probe]]) -> dict[tuple[int, int], tuple[float, float, float]]:
    """Second ÷ first of the capacities of each pair of cells: estimate, low and high; all hold at once."""
    draws: list[Array | None] = []
    pairs = max(1, len(cells) * (len(cells) - 1) // 2)
    chance = numpy.random.default_rng(1)
    for probes in cells:
        valid = _valid(probes)
        found = known(question, probes)
        if found.binding is None or found.bounds.low is None or found.bounds.high is None:
            draws.append(None)
            continue
        place = question.objectives.index(found.binding)
        grid, weights, _ = posterior(valid, place, found.binding.share)
        draws.append(chance.choice(grid, size=20_000, p=weights))
    answer = {}
    for (first, a), (second, b) in itertools.combinations(enumerate(draws), 2):
        if a is not None and b is not None:
            low, middle, high = numpy.quantile(b - a, [LEVEL / pairs / 2, 0.5, 1 - LEVEL / pairs / 2])
            answer[first, second] = (math.exp(middle), math.exp(low), math.exp(high))
    return answer
