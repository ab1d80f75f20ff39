"""How many requests of a probe are late at which rate: the model that all probes of a search are held against. Pure.

Late answers come in bursts, since they wait in one queue, and servers differ from start to start; so one probe decides
little, and one that is 3 % above the capacity often passes. The share of late requests of a probe at rate r is taken to
be

    goal × (r ÷ (C × what this start differs by)) ^ slope,

in bursts that come by chance, of sizes that vary as those of the probes do (a compound Poisson distribution), beyond
what crowded arrivals explain. So a probe without any late request says as much as it had bursts to expect, however
large a few of them are; and one in which requests are late all the time lies beyond a cliff. Capacity C, the spread of
starts and the slope are unknown: what is told is their joint posterior, whose priors are nearly flat over logarithms. A
cliff is a steep slope.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy
from numpy.typing import NDArray
from scipy.special import gammaincc, gammaln  # not scipy.stats, which takes three times as long to import

from harness.stats.crowding import LEVELS

Array = NDArray[numpy.float64]

SPREADS = {0.01: 0.5, 0.02: 1.0, 0.04: 0.7, 0.08: 0.4, 0.16: 0.2}
"""Standard deviations of the logarithm of a start's capacity that are considered, with how likely each is by itself."""
SLOPES = {2.0: 0.25} | dict.fromkeys((4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0), 1.0)
"""Powers of the rate with which the share of late requests may grow, and how likely each is by itself. Hardly any queue
is so gentle as the first: only what stops a server at any rate is, such as collections of garbage."""
FARTHEST, STEP = 0.6, 0.005
"""Logarithms of rate ÷ capacity that are told apart, and how finely."""
SURE = 5.0
"""Times the goal, beyond which it does not matter how many more are late."""
BATCHES = 10
BURST, KNOWN, LATE_KNOWN = 8.0, 1.0, 10.0
"""Late requests that come together, by what is known before: as much as so many bursts, or late requests, would say."""
QUEUED, BEYOND = 0.5, 1.05
"""Share of late requests, and times the highest rate that held, from which on it is no matter of bursts any more: a
queue grows there."""
EXPLAINED = 0.6
"""Size of bursts ÷ what it is without looking at how crowded arrivals were, from which on that explains some."""
CURVE_ERROR = 0.007
"""Standard deviation of the logarithm of a capacity that no number of probes takes away: the share of late requests is
only nearly a power of the rate, and crowds explain it only nearly. Counted by benchmarks/capacity.py."""
LEAST_SHAPE, MOST_SHAPE = 0.2, 5.0
"""Of the sizes of bursts."""
MANY = 60.0
"""Bursts from which on their sum is taken to be of a gamma distribution."""
SPOILT = 1e-4
"""Chance of a probe that was spoilt by what no distribution describes."""
LOG_LEVELS = numpy.log(LEVELS)
_EXPECTED = numpy.geomspace(1e-4, 1e4, 400)
_LEAST, _APART = math.log(_EXPECTED[0]), math.log(_EXPECTED[1] / _EXPECTED[0])
_BURSTS = numpy.arange(1.0, 160.0)
_NODES, _WEIGHTS = numpy.polynomial.hermite_e.hermegauss(5)
_WEIGHTS /= _WEIGHTS.sum()
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
    crowded: tuple[tuple[tuple[float, ...], ...], ...] = ()
    """Objective → level of `crowding.LEVELS`, or one for all of them → of each slice, how many requests would be late
    by the moments at which they were due, ÷ how many of Poisson arrivals would: chance that is known. Empty where it is
    not."""


def batches(probe: Probe, objective: int, counting: Sequence[float] | None = None) -> list[tuple[float, int]]:
    """(due, missed) of some ten parts of a window, each of several slices: long against the bursts of a queue.
    `counting`: for what the requests count that were due in each slice; None: for what they are."""
    size = max(1, len(probe.due) // BATCHES)
    due = probe.due if counting is None else counting
    pairs = list(zip(due, probe.missed[objective], strict=True))
    parts = [pairs[at : at + size] for at in range(0, len(pairs), size)]
    if len(parts) > 1 and len(parts[-1]) < size:
        parts[-2] += parts.pop()
    return [(math.fsum(due for due, _ in part), sum(missed for _, missed in part)) for part in parts]


def by_level(probe: Probe, objective: int, crowded: bool) -> Array:
    """Level → of each slice, the requests that were due in it, or what they count for by how crowded they were."""
    due = numpy.asarray(probe.due, dtype=float)
    if not crowded or not probe.crowded:
        return due[None, :]
    return numpy.asarray(numpy.asarray(probe.crowded[objective]) * due)


def _seen(probe: Probe, objective: int, goal: float) -> list[float]:
    """Of each slice, what its requests count for at the level at which as many are late as were seen."""
    levels = by_level(probe, objective, crowded=True)
    if len(levels) == 1:
        return list(levels[0])
    late = LOG_LEVELS + numpy.log(goal * levels.sum(axis=1))
    level = numpy.interp(math.log(sum(probe.missed[objective])), numpy.maximum.accumulate(late), LOG_LEVELS)
    return [float(numpy.interp(level, LOG_LEVELS, of_slice)) for of_slice in levels.T]


def meets(probe: Probe, place: int, goal: float) -> bool:
    """Whether no more of the requests of a probe missed an objective than may, by its share as it is."""
    return sum(probe.missed[place]) <= goal * sum(probe.due)


def dispersion(probes: Sequence[Probe], place: int, goal: float, *, crowded: bool = False) -> float:
    """Variance ÷ mean of the late requests of batches, over the probes in which a queue comes and goes; 1 where each
    comes by itself."""
    squares, expected = BURST * LATE_KNOWN, LATE_KNOWN
    for probe in _wavering(probes, place, goal):
        parts = batches(probe, place, _seen(probe, place, goal) if crowded else None)
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
    best = max((each.rate for each in probes if meets(each, place, goal)), default=0.0)
    for probe in probes:
        due, missed = sum(probe.due), sum(probe.missed[place])
        share = missed / due if due else 0.0
        if 0 < share <= QUEUED and not (share > SURE * goal and probe.rate > BEYOND * best):
            yield probe


def _rounded(value: float) -> float:
    return 1.2 ** round(math.log(value, 1.2))


@functools.cache
def _numbers() -> Array:
    """Chance of each number of bursts (_BURSTS), by how many are expected (_EXPECTED)."""
    expected = _EXPECTED[:, None]
    return numpy.asarray(numpy.exp(_BURSTS * numpy.log(expected) - expected - gammaln(_BURSTS + 1)))


@functools.cache
def _growth() -> tuple[Array, Array]:
    """Of what is late, by distance, spread, slope and what a start differs by: the logarithm, and times the goal."""
    spread = numpy.array(list(SPREADS))[:, None, None]
    slope = numpy.array(list(SLOPES))[:, None]
    power = slope * (_DISTANCES[:, None, None, None] - spread * _NODES)
    return power, numpy.exp(numpy.minimum(power, 50.0))


@functools.lru_cache(maxsize=4096)
def _by_expectation(missed: float, enough: float, mean: float, shape: float) -> Array:
    """Chance of what was seen of a probe, by the logarithm of how many bursts it should have had (_EXPECTED)."""
    spread = 1 + 1 / shape
    if missed >= enough:
        of_few = gammaincc(shape * _BURSTS, enough * shape / mean)
        of_many = gammaincc(_EXPECTED / spread, enough / (mean * spread))
        chance = (_numbers() * of_few).sum(axis=1)
    elif missed:
        of_few = _density(missed, shape * _BURSTS, mean / shape)
        of_many = _density(missed, _EXPECTED / spread, numpy.full_like(_EXPECTED, mean * spread))
        chance = (_numbers() * of_few).sum(axis=1)
    else:
        of_many = chance = numpy.exp(-_EXPECTED)
    return numpy.asarray(numpy.where(_EXPECTED > MANY, of_many, chance))


def _density(value: float, shape: Array, scale: float | Array) -> Array:
    """Of a gamma distribution."""
    scale = numpy.asarray(scale, dtype=float)
    logs = (shape - 1) * math.log(value) - value / scale - shape * numpy.log(scale) - gammaln(shape)
    return numpy.asarray(numpy.exp(logs))


@functools.lru_cache(maxsize=4096)
def _likelihood(expected: tuple[float, ...], missed: float, most: float, enough: float, late: Bursts) -> Array:
    """Log likelihood of a probe by distance, spread and slope. `expected`: late requests by level, ÷ level; `missed`:
    those that were seen; `most`: all that were due; `enough`: from how many on it does not matter how many more there
    are."""
    power, growth = _growth()
    at_level = numpy.interp(power, LOG_LEVELS, expected) if len(expected) > 1 else expected[0]
    mean = numpy.minimum(at_level * growth, most) / late.mean
    # The table's logarithms are equally far apart: no search is needed, which would take most of the time.
    place = (numpy.log(numpy.clip(mean, _EXPECTED[0], _EXPECTED[-1])) - _LEAST) / _APART
    below = numpy.minimum(place.astype(int), len(_EXPECTED) - 2)
    table = _by_expectation(missed, enough, late.mean, late.shape)
    each = table[below] + (place - below) * numpy.diff(table)[below]
    # A start may be spoilt by what no spread describes: no single one rules anything out for good.
    return numpy.asarray(numpy.log((each * _WEIGHTS).sum(axis=-1) + SPOILT))


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
    total += numpy.log(list(SLOPES.values()))
    for rate, probe in zip(rates, probes, strict=True):
        due = float(sum(probe.due))
        missed = float(sum(probe.missed[place]))
        expected = tuple(round(goal * float(each), 3) for each in by_level(probe, place, crowded).sum(axis=1))
        table = _likelihood(expected, missed, due, _enough(probe, place, goal), late)
        at = numpy.clip((rate - grid + FARTHEST) / STEP, 0, len(_DISTANCES) - 1.001)
        below = at.astype(int)
        part = (at - below)[:, None, None]
        total += table[below] * (1 - part) + table[below + 1] * part
    chance = numpy.exp(total - total.max())
    chance /= chance.sum()
    slope = math.exp(float((chance.sum(axis=(0, 1)) * numpy.log(list(SLOPES))).sum()))
    return grid, _widened(chance.sum(axis=(1, 2))), slope


def _widened(chance: Array) -> Array:
    """A posterior of capacities with CURVE_ERROR in it."""
    reach = math.ceil(4 * CURVE_ERROR / (STEP / 2))
    kernel = numpy.exp(-0.5 * (numpy.arange(-reach, reach + 1) * STEP / 2 / CURVE_ERROR) ** 2)
    wider = numpy.convolve(chance, kernel, mode="same")
    return numpy.asarray(wider / wider.sum())


def quantile(grid: Array, chance: Array, share: float) -> float:
    """The rate below which a capacity lies with a chance, by a posterior."""
    return float(math.exp(numpy.interp(share, numpy.cumsum(chance), grid)))
