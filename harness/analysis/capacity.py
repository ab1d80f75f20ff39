"""The search for a capacity: which rate to try next, and what all probes together say. Pure.

A probe is a fresh start of a server under Poisson arrivals of one rate. Late answers come in bursts, since they wait in
one queue, and servers differ from start to start; so one probe decides little, and one that is 3 % above the capacity
often passes. What is said rests on all probes: the share of late requests of a probe at rate r is taken to be

    goal × (r ÷ (C × what this start differs by)) ^ slope,

in bursts that come by chance, of sizes that vary as those of the probes do (a compound Poisson distribution), beyond
what crowded arrivals explain. So a probe without any late request says as much as it had bursts to expect, however
large a few of them are; and one in which requests are late all the time lies beyond a cliff. Capacity C, the spread of
starts and the slope are unknown; C is bounded by quantiles of their joint posterior, whose priors are nearly flat over
logarithms. A cliff is a steep slope.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy
from numpy.typing import NDArray
from scipy.special import gammaincc, gammaln, stdtrit  # not scipy.stats, which takes three times as long to import

from harness.model.capacity import Bounds, Objective, Outcome

Array = NDArray[numpy.float64]

SPREADS = {0.002: 1.0, 0.005: 1.0, 0.01: 1.0, 0.02: 1.0, 0.04: 0.7, 0.08: 0.4, 0.16: 0.2}
"""Standard deviations of the logarithm of a start's capacity that are considered, with how likely each is by itself."""
SLOPES = (4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0)
CLIFF = 40.0
"""Slope from which on it is called a cliff: 5 % more, and seven times as many are late."""
FARTHEST, STEP = 0.6, 0.005
"""Logarithms of rate ÷ capacity that are told apart, and how finely."""
SURE = 5.0
"""Times the goal, beyond which it does not matter how many more are late."""
LEVEL = 0.018
"""Chance that a capacity lies outside of its bounds by the posterior: then 95 of 100 searches hold it, with starts and
speeds that vary as no model says. Counted by benchmarks/capacity.py."""
BATCHES = 10
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
BURST, KNOWN, LATE_KNOWN = 8.0, 1.0, 10.0
"""Late requests that come together, by what is known before: as much as so many bursts, or late requests, would say."""
QUEUED, BEYOND = 0.5, 1.05
"""Share of late requests, and times the highest rate that held, from which on it is no matter of bursts any more: a
queue grows there."""
EXPLAINED = 0.8
"""Size of bursts ÷ what it is without looking at how crowded arrivals were, from which on that explains some."""
WANTED = 3.0
"""Bursts of late requests that a probe at its goal should see."""
SHORTEST, LONGEST = 10.0, 60.0
"""Seconds of a probe's window."""
LEAD_SECONDS, LEAD_LIMITS = 2.0, 20.0
"""Of load before the window at least, and in limits of the objectives."""
MOST_PROBES = 40

LEAST_SHAPE, MOST_SHAPE = 0.2, 5.0
"""Of the sizes of bursts."""
MANY = 60.0
"""Bursts from which on their sum is taken to be of a gamma distribution."""
SPOILT = 1e-4
"""Chance of a probe that was spoilt by what no distribution describes."""
_EXPECTED = numpy.geomspace(1e-4, 1e4, 400)
_BURSTS = numpy.arange(1.0, 160.0)
_NODES, _WEIGHTS = numpy.polynomial.hermite_e.hermegauss(5)
_DISTANCES = numpy.arange(-FARTHEST, FARTHEST + STEP / 2, STEP)


@dataclass(frozen=True, kw_only=True, slots=True)
class Probe:
    """What the search sees of one probe."""

    rate: float
    """Requests per second that were due."""
    due: tuple[int, ...]
    """Of each slice of the window."""
    missed: tuple[tuple[int, ...], ...]
    """Objective → of each slice, requests that missed it. They are no independent events: a queue makes many late."""
    valid: bool = True
    crowded: tuple[tuple[float, ...], ...] = ()
    """Objective → of each slice, how many requests would be late of a queue like most, by the moments at which they
    were due, ÷ how many of Poisson arrivals would: chance that is known. Empty where it is not."""


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


def batches(probe: Probe, objective: int, *, crowded: bool = False) -> list[tuple[float, int]]:
    """(due, missed) of some ten parts of a window, each of several slices: long against the bursts of a queue.
    `crowded`: what was due counts by how crowded the arrivals were."""
    size = max(1, len(probe.due) // BATCHES)
    pairs = list(zip(weights(probe, objective, crowded), probe.missed[objective], strict=True))
    parts = [pairs[at : at + size] for at in range(0, len(pairs), size)]
    if len(parts) > 1 and len(parts[-1]) < size:
        parts[-2] += parts.pop()
    return [(math.fsum(due for due, _ in part), sum(missed for _, missed in part)) for part in parts]


def weights(probe: Probe, objective: int, crowded: bool) -> list[float]:
    """Of each slice, the requests that were due in it, or what they count for."""
    if not crowded or not probe.crowded:
        return [float(due) for due in probe.due]
    return [due * by for due, by in zip(probe.due, probe.crowded[objective], strict=True)]


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
    return all(_meets(probe, place, objective.share) for place, objective in enumerate(objectives))


def _meets(probe: Probe, place: int, goal: float) -> bool:
    return sum(probe.missed[place]) <= goal * sum(probe.due)


def dispersion(probes: Sequence[Probe], place: int, goal: float, *, crowded: bool = False) -> float:
    """Variance ÷ mean of the late requests of batches, over the probes in which a queue comes and goes; 1 where each
    comes by itself."""
    squares, expected = BURST * LATE_KNOWN, LATE_KNOWN
    for probe in _wavering(probes, place, goal):
        parts = batches(probe, place, crowded=crowded)
        total, missed = sum(due for due, _ in parts), sum(count for _, count in parts)
        if total and len(parts) > 1:
            share = missed / total
            squares += math.fsum((count - share * due) ** 2 for due, count in parts) * len(parts) / (len(parts) - 1)
            expected += missed
    return max(1.0, squares / expected)


@dataclass(frozen=True, slots=True)
class Bursts:
    """How late requests come together."""

    mean: float
    """Requests of a burst; 1 where each comes by itself."""
    shape: float
    """Of the gamma distribution of their sizes: small where few are much larger than the others."""


def bursts(probes: Sequence[Probe], place: int, goal: float) -> tuple[Bursts, bool]:
    """Their sizes, by the runs of slices in which requests were late, over the probes in which a queue comes and goes;
    and whether crowded arrivals explain a part of them. Rounded, so that what is computed from it can be kept."""
    late, total = KNOWN, KNOWN * BURST
    for probe in _wavering(probes, place, goal):
        runs = [sum(run) for missed, run in itertools.groupby(probe.missed[place], bool) if missed]
        late, total = late + len(runs), total + sum(runs)
    found = {crowded: dispersion(probes, place, goal, crowded=crowded) for crowded in (False, True)}
    crowded = found[True] < EXPLAINED * found[False]
    # Where some are late in every slice a run is many bursts: none is larger on average than they vary.
    mean = max(1.0, min(found[crowded], total / late * found[crowded] / found[False]))
    shape = min(MOST_SHAPE, max(LEAST_SHAPE, 1 / max(1e-9, found[crowded] / mean - 1)))
    return Bursts(mean=_rounded(mean), shape=_rounded(shape)), crowded


def _wavering(probes: Sequence[Probe], place: int, goal: float) -> Iterator[Probe]:
    """Probes in which a queue comes and goes."""
    best = max((each.rate for each in probes if _meets(each, place, goal)), default=0.0)
    for probe in probes:
        due, missed = sum(probe.due), sum(probe.missed[place])
        share = missed / due if due else 0.0
        if 0 < share <= QUEUED and not (share > SURE * goal and probe.rate > BEYOND * best):
            yield probe


def _rounded(value: float) -> float:
    return 1.2 ** round(math.log(value, 1.2))


@functools.lru_cache(maxsize=4096)
def _by_expectation(missed: float, enough: float, mean: float, shape: float) -> Array:
    """Chance of what was seen of a probe, by the logarithm of how many bursts it should have had (_EXPECTED)."""
    spread = 1 + 1 / shape
    few = _BURSTS[None, :]
    numbers = _EXPECTED[:, None]
    poisson = numpy.exp(few * numpy.log(numbers) - numbers - gammaln(few + 1))
    if missed >= enough:
        of_few = gammaincc(shape * _BURSTS, enough * shape / mean)
        of_many = gammaincc(_EXPECTED / spread, enough / (mean * spread))
        chance = (poisson * of_few).sum(axis=1)
    elif missed:
        of_few = _density(missed, shape * _BURSTS, mean / shape)
        of_many = _density(missed, _EXPECTED / spread, numpy.full_like(_EXPECTED, mean * spread))
        chance = (poisson * of_few).sum(axis=1)
    else:
        of_many = chance = numpy.exp(-_EXPECTED)
    return numpy.asarray(numpy.where(_EXPECTED > MANY, of_many, chance))


def _density(value: float, shape: Array, scale: float | Array) -> Array:
    """Of a gamma distribution."""
    scale = numpy.asarray(scale, dtype=float)
    logs = (shape - 1) * math.log(value) - value / scale - shape * numpy.log(scale) - gammaln(shape)
    return numpy.asarray(numpy.exp(logs))


@functools.lru_cache(maxsize=4096)
def _likelihood(expected: float, missed: float, most: float, enough: float, late: Bursts) -> Array:
    """Log likelihood of a probe by distance, spread and slope. `expected`, `missed`: requests at the goal, and seen;
    `most`: all that were due; `enough`: from how many on it does not matter how many more there are."""
    distance = _DISTANCES[:, None, None, None]
    spread = numpy.array(list(SPREADS))[None, :, None, None]
    slope = numpy.array(SLOPES)[None, None, :, None]
    power = slope * (distance - spread * _NODES[None, None, None, :])
    mean = numpy.minimum(expected * numpy.exp(numpy.minimum(power, 50.0)), most)
    table = _by_expectation(missed, enough, late.mean, late.shape)
    each = numpy.interp(numpy.log(mean / late.mean + 1e-12), numpy.log(_EXPECTED), table)
    weights = _WEIGHTS / _WEIGHTS.sum()
    # A start may be spoilt by what no spread describes: no single one rules anything out for good.
    return numpy.asarray(numpy.log((each * weights).sum(axis=-1) + SPOILT))


def _enough(probe: Probe, place: int, goal: float) -> float:
    """Late requests from which on it does not matter how many more there are: a stall makes any number of them late,
    but not in every part of a window."""
    due = sum(probe.due)
    always = all(2 * missed > count for count, missed in batches(probe, place))
    return due / 2 if always else SURE * goal * due


def posterior(probes: Sequence[Probe], place: int, goal: float) -> tuple[Array, Array, float]:
    """Logarithms of rates, the chance of each to be the capacity under one objective, and the mean slope."""
    rates = [math.log(probe.rate) for probe in probes]
    grid = numpy.arange(min(rates) - FARTHEST, max(rates) + FARTHEST, STEP / 2)
    late, crowded = bursts(probes, place, goal)
    total = numpy.zeros((len(grid), len(SPREADS), len(SLOPES))) + numpy.log(list(SPREADS.values()))[None, :, None]
    for rate, probe in zip(rates, probes, strict=True):
        due = float(sum(probe.due))
        missed = float(sum(probe.missed[place]))
        expected = round(goal * math.fsum(weights(probe, place, crowded)), 3)
        table = _likelihood(expected, missed, due, _enough(probe, place, goal), late)
        at = numpy.clip((rate - grid + FARTHEST) / STEP, 0, len(_DISTANCES) - 1.001)
        below = at.astype(int)
        part = (at - below)[:, None, None]
        total += table[below] * (1 - part) + table[below + 1] * part
    chance = numpy.exp(total - total.max())
    chance /= chance.sum()
    slope = math.exp(float((chance.sum(axis=(0, 1)) * numpy.log(SLOPES)).sum()))
    return grid, chance.sum(axis=(1, 2)), slope


def _quantile(grid: Array, chance: Array, share: float) -> float:
    return float(math.exp(numpy.interp(share, numpy.cumsum(chance), grid)))


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
    missing = sorted(probe.rate for probe in valid if not _meets(probe, place, objective.share))
    meeting = sorted((probe.rate for probe in valid if _meets(probe, place, objective.share)), reverse=True)
    held_by_two, missed_by_two = (rates[STARTS - 1] if len(rates) >= STARTS else None for rates in (meeting, missing))
    if not missing or not meeting:
        return Bounds(low=held_by_two, high=missed_by_two, estimate=None), None
    grid, chance, slope = posterior(valid, place, objective.share)
    low, high = (_quantile(grid, chance, share) for share in (LEVEL / 2, 1 - LEVEL / 2))
    return (
        Bounds(
            low=low if held_by_two is not None and low <= held_by_two * NEAR else held_by_two,
            high=high if missed_by_two is not None and high >= missed_by_two / NEAR else missed_by_two,
            estimate=_quantile(grid, chance, 0.5),
        ),
        slope,
    )


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
    """In turn at what is rather below and rather above the capacity under the objective that is missed first."""
    answers = []
    for place, objective in enumerate(question.objectives):
        if all(_meets(probe, place, objective.share) for probe in valid):
            continue
        grid, chance, _ = posterior(valid, place, objective.share)
        answers.append((_quantile(grid, chance, 0.5), _quantile(grid, chance, LOW), _quantile(grid, chance, HIGH)))
    middle, low, high = min(answers)
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
    needed = max(
        WANTED * bursts(valid, place, objective.share)[0].mean / (objective.share * rate)
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
