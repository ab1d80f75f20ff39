"""The search for a capacity, on servers whose capacity is known."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import numpy
import pytest

from harness.analysis import capacity, lateness
from harness.analysis.capacity import Question
from harness.analysis.lateness import Probe
from harness.errors import UsageError
from harness.model.capacity import parse_objective
from harness.model.measurement import Arrivals
from harness.stats import crowding

P99 = parse_objective("p99<50ms")
ERRORS = parse_objective("errors<0.1%")


def probe(rate: float, share: float, seconds: int = 20, *, other: float | None = None, valid: bool = True) -> Probe:
    """A probe of which each slice misses the same share of one objective, and of a second one."""
    due = tuple(round(rate) for _ in range(seconds))
    missed = [tuple(round(share * each) for each in due)]
    if other is not None:
        missed.append(tuple(round(other * each) for each in due))
    return Probe(rate=rate, due=due, missed=tuple(missed), valid=valid)


def searched(
    share: Callable[[float], float], question: Question, most: int = 30, burst: int = 1
) -> tuple[list[Probe], capacity.Known]:
    """A whole search of a server that misses the objective by a share that follows from the rate, in bursts."""
    chance, probes = random.Random(1), []
    while len(probes) < most and (rate := capacity.propose(question, probes)) is not None:
        due = tuple(max(1, round(rate)) for _ in range(20))
        missed = tuple(
            min(each, burst * sum(chance.random() < share(rate) for _ in range(max(1, each // burst)))) for each in due
        )
        probes.append(Probe(rate=rate, due=due, missed=(missed,)))
    return probes, capacity.known(question, probes)


@pytest.mark.parametrize(
    ("text", "share", "limit"),
    [("p99<50ms", 0.01, 50.0), ("p99.9 < 2s", 0.001, 2000.0), ("p50<=7.5ms", 0.5, 7.5), ("errors<0.1%", 0.001, None)],
)
def test_objectives_as_they_are_written(text: str, share: float, limit: float | None) -> None:
    objective = parse_objective(text)
    assert objective.share == pytest.approx(share)
    assert objective.limit_ms == limit


@pytest.mark.parametrize("text", ["p99", "p99<50", "p100<5ms", "p99<0ms", "errors<0%", "errors<5", "mean<5ms", ""])
def test_what_is_no_objective_says_how_to_write_one(text: str) -> None:
    with pytest.raises(UsageError, match="not an objective") as refused:
        parse_objective(text)
    assert "p99<50ms" in refused.value.cure


def test_late_failed_and_unanswered_requests_miss_an_objective() -> None:
    arrivals = Arrivals(
        slice_seconds=1, limits_ms=[50, 200], due=[10, 10], right=[10, 7], late=[[2, 1], [0, 1]], p50_ms=[1, 1]
    )
    assert arrivals.missed(P99.limit_ms) == [2, 4]
    assert arrivals.missed(ERRORS.limit_ms) == [0, 3]
    assert arrivals.missed(200.0) == [0, 4]


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, "pass"), (0.002, "pass"), (0.01, "cannot tell"), (0.03, "fail"), (0.7, "fail")]
)
def test_a_probe_by_itself(share: float, expected: str) -> None:
    missed = tuple(round(1000 * share * (0.6 if number % 4 < 2 else 1.4)) for number in range(20))
    assert capacity.outcome(Probe(rate=1000, due=(1000,) * 20, missed=(missed,)), [P99]) == expected


def test_late_requests_that_come_together_are_no_independent_events() -> None:
    """Of 20,000 requests 1.5 % are late: in all slices alike that is a miss, all in one moment it could be chance."""
    alike = Probe(rate=1000, due=(1000,) * 20, missed=((15,) * 20,))
    at_once = Probe(rate=1000, due=(1000,) * 20, missed=((300, *(0,) * 19),))
    assert capacity.outcome(alike, [P99]) == "fail"
    assert capacity.outcome(at_once, [P99]) == "cannot tell"
    assert lateness.dispersion([at_once], 0, P99.share) > 5 * lateness.dispersion([alike], 0, P99.share)


def test_an_invalid_probe_bounds_nothing() -> None:
    question = Question(objectives=(P99,), precision=0.1, start=100)
    good = [probe(100, 0.0), probe(140, 0.0)]
    spoilt = [*good, probe(50, 1.0, valid=False), probe(60, 1.0, valid=False)]
    assert capacity.outcome(spoilt[-1], [P99]) == "invalid"
    assert capacity.known(question, spoilt) == capacity.known(question, good)
    assert capacity.propose(question, spoilt) == capacity.propose(question, good)


def test_rates_go_by_growing_factors_until_something_held_and_something_did_not() -> None:
    question = Question(objectives=(P99,), precision=0.1, start=100)
    assert capacity.propose(question, []) == 100
    assert capacity.propose(question, [probe(100, 0)]) == pytest.approx(140)
    assert capacity.propose(question, [probe(100, 0), probe(140, 0)]) == pytest.approx(280)
    assert capacity.propose(question, [probe(100, 1)]) == pytest.approx(100 / 1.4)
    assert capacity.propose(question, [probe(100, 0), probe(200, 1)]) == pytest.approx(100 * math.sqrt(2))


def test_a_failure_is_believed_over_a_larger_rate_that_held() -> None:
    question = Question(objectives=(P99,), precision=0.1, start=100)
    rate = capacity.propose(question, [probe(100, 0), probe(400, 0), probe(200, 1)])
    assert rate == pytest.approx(100 * math.sqrt(2))


@pytest.mark.parametrize("held", [True, False])
def test_a_bound_that_one_start_stands_on_is_probed_itself(held: bool) -> None:
    """All probes together know the capacity, but on one side only one of them is near it."""
    question = Question(objectives=(P99,), precision=0.1, start=300)
    near = [slices(rate, 20, s3=round(4 * (rate / 1000) ** 20 * rate / 100)) for rate in (960, 970, 980, 990)]
    far = [probe(1400, 1.0), probe(1040, 0.03)] if held else [probe(600, 0.0), probe(960, 0.0)]
    if not held:
        near = [probe(rate, 0.02) for rate in (1010, 1020, 1030, 1040)]
    bounds = capacity.known(question, [*far, *near]).bounds
    assert (bounds.high if held else bounds.low) in (1400, 600)
    rate = capacity.propose(question, [*far, *near])
    assert rate is not None
    assert 1.0 < rate / 1000 < 1.2 if held else 0.85 < rate / 1000 < 1.0
    bounds = capacity.known(question, [*far, *near, probe(rate, 0.05 if held else 0.0)]).bounds
    found = bounds.high if held else bounds.low
    assert found is not None
    assert found / 1000 == pytest.approx(1.0, abs=0.15), "now by all probes together"


@pytest.mark.parametrize("slope", [6, 15, 60, 400])
def test_the_bounds_hold_the_capacity_whatever_the_curve(slope: float) -> None:
    question = Question(objectives=(P99,), precision=0.1, start=300)
    probes, known = searched(lambda rate: min(1.0, 0.01 * (rate / 777) ** slope), question)
    assert known.bounds.low is not None
    assert known.bounds.high is not None
    assert known.bounds.low < 777 < known.bounds.high
    assert known.reached
    assert known.binding == P99
    assert len(probes) <= 15


def test_bursts_make_it_less_certain() -> None:
    question = Question(objectives=(P99,), precision=0.001, start=700)

    def width(burst: int) -> float:
        _, known = searched(lambda rate: min(1.0, 0.01 * (rate / 777) ** 10), question, most=10, burst=burst)
        assert known.bounds.low is not None
        assert known.bounds.high is not None
        return known.bounds.high / known.bounds.low

    assert width(40) > 1.5 * width(1) - 0.5


def slices(rate: int, seconds: int, **late: int) -> Probe:
    """A probe of which some slices, `s` and their place, miss so many requests."""
    missed = tuple(late.get(f"s{place}", 0) for place in range(seconds))
    return Probe(rate=rate, due=(rate,) * seconds, missed=(missed,))


MEASURED = [slices(963, 10), slices(1146, 10), slices(1216, 10), slices(1240, 60, s26=32), slices(1251, 10)]
"""gunicorn with one query; further probes of it had stalls that made hundreds of requests late."""
STALLED = [
    slices(1301, 10, s8=3),
    slices(1338, 60, s9=12, s20=115),
    slices(1345, 10, s0=885),
    slices(1374, 10, s0=1337),
]


def test_a_stall_does_not_make_probes_without_late_requests_say_little() -> None:
    """With bursts of one size, that of the stalls, it was bounded by 843 and 1,645 after all of these."""
    question = Question(objectives=(P99,), precision=0.1, start=1000)
    bounds = capacity.known(question, [*MEASURED, *STALLED]).bounds
    assert bounds.low is not None
    assert bounds.high is not None
    assert 950 < bounds.low < bounds.high < 1600
    sizes, _ = lateness.bursts([*MEASURED, *STALLED], 0, P99.share)
    assert 100 < sizes.mean < lateness.dispersion(STALLED, 0, P99.share)


def test_what_is_late_all_the_time_says_more_than_one_stall() -> None:
    """The latter may come at any rate."""
    question = Question(objectives=(P99,), precision=0.1, start=1000)
    held = [slices(1000, 10), slices(1020, 10), slices(1040, 10)]
    always = slices(1100, 10, **{f"s{place}": 1100 for place in range(10)})
    once = slices(1100, 10, s3=1100, s4=1100, s5=1100, s6=1100)
    steep, gentle = (capacity.known(question, [*held, each, each]) for each in (always, once))
    assert steep.slope is not None
    assert gentle.slope is not None
    assert gentle.slope < steep.slope


def test_a_steep_slope_is_a_cliff_and_a_gentle_one_is_none() -> None:
    question = Question(objectives=(P99,), precision=0.1, start=300)
    _, steep = searched(lambda rate: float(rate > 777), question)
    _, gentle = searched(lambda rate: min(1.0, 0.01 * (rate / 777) ** 5), question)
    assert steep.slope is not None
    assert gentle.slope is not None
    assert gentle.slope < capacity.CLIFF < steep.slope


def test_a_bound_rests_on_two_fresh_starts() -> None:
    question = Question(objectives=(P99,), precision=0.1, start=100)
    one = [probe(100, 0.0), probe(110, 1.0)]
    assert capacity.known(question, one).bounds.low is None
    assert capacity.known(question, one).bounds.high is None
    assert not capacity.known(question, one).reached
    two = [*one, probe(100, 0.0), probe(110, 1.0)]
    assert capacity.known(question, two).bounds.low is not None
    assert capacity.known(question, two).bounds.high is not None


def test_where_nothing_is_near_a_bound_is_what_two_starts_held_and_did_not() -> None:
    """As it was measured: what all probes together say lies far from all that failed, and two did."""
    question = Question(objectives=(P99,), precision=0.1, start=100)
    probes = [probe(500, 0.0), probe(808, 0.004), probe(812, 0.004), probe(980, 0.61), probe(1130, 1.0)]
    bounds = capacity.known(question, probes).bounds
    assert bounds.low is not None
    assert bounds.high is not None
    assert 812 < bounds.high <= 1130
    few = capacity.known(question, [probe(500, 0.0), probe(1130, 1.0)]).bounds
    assert (few.low, few.high) == (None, None)
    wide = capacity.known(question, [probe(300, 0.0), probe(400, 0.0), probe(4000, 1.0), probe(5000, 1.0)]).bounds
    assert wide.low is not None
    assert wide.high is not None
    assert 300 <= wide.low <= 440
    assert 3600 <= wide.high <= 5000


def test_what_never_failed_has_no_upper_bound() -> None:
    question = Question(objectives=(P99,), precision=0.1, start=100)
    bounds = capacity.known(question, [probe(100, 0), probe(140, 0), probe(280, 0)]).bounds
    assert (bounds.low, bounds.high, bounds.estimate) == (140, None, None)


def test_a_search_goes_on_while_bounds_are_not_as_close_as_was_asked() -> None:
    question = Question(objectives=(parse_objective("p99<50ms"),), precision=0.001, start=100)
    many = [probe(100 + place % 5, 0.01 * (1.02 if place % 5 > 2 else 0.98)) for place in range(80)]
    assert not capacity.known(question, many).reached
    assert capacity.propose(question, many) is not None


def test_of_several_objectives_the_one_that_is_missed_first_binds() -> None:
    question = Question(objectives=(P99, ERRORS), precision=0.1, start=100)
    probes = [probe(r, 0.0 if r < 300 else 1.0, other=0.0 if r < 200 else 0.5) for r in (150, 160, 195, 205, 300, 310)]
    known = capacity.known(question, probes)
    assert known.binding == ERRORS
    assert known.bounds.high is not None
    assert known.bounds.high < 300, "the second start that missed it"
    assert known.by_objective[0].estimate is not None
    assert known.by_objective[0].estimate > 195


def test_no_number_of_probes_is_surer_than_the_curve() -> None:
    """Of probes that all follow one curve exactly."""
    question = Question(objectives=(P99,), precision=0.05, start=700)

    def width(count: int) -> float:
        probes = [probe(rate, 0.01 * (rate / 777) ** 30, 60) for rate in (740, 760, 780, 800) for _ in range(count)]
        bounds = capacity.known(question, probes).bounds
        assert bounds.low is not None
        assert bounds.high is not None
        assert bounds.low < 777 < bounds.high
        return bounds.high / bounds.low - 1

    assert width(25) < width(2)
    assert width(50) >= capacity.CLOSEST
    assert 0.03 < capacity.CLOSEST < 0.05


def test_what_the_curve_leaves_open_lies_on_both_sides_alike() -> None:
    """Of a capacity that would be known exactly otherwise."""
    chance = numpy.zeros(201)
    chance[100] = 1.0
    wider = lateness._widened(chance)
    places = (numpy.arange(201) - 100) * lateness.STEP / 2
    assert wider.sum() == pytest.approx(1)
    assert (wider * places).sum() == pytest.approx(0, abs=1e-12)
    assert math.sqrt((wider * places**2).sum()) == pytest.approx(lateness.CURVE_ERROR, rel=0.02)


def test_close_bounds_hold_a_capacity_that_differs_from_start_to_start() -> None:
    """Each start by 2 %, near a cliff. Where bounds are as close as the probes alone say, 32 of 40 hold it."""
    question = Question(objectives=(P99,), precision=0.05, start=600)
    held = 0
    for seed in range(40):
        chance, probes = numpy.random.default_rng(seed), list[Probe]()
        while len(probes) < 80 and (rate := capacity.propose(question, probes)) is not None:
            share = min(1.0, 0.01 * (rate / 777 / math.exp(chance.normal(0, 0.02))) ** 100)
            due = (round(rate),) * 20
            missed = tuple(int(each) for each in chance.binomial(due, share))
            probes.append(Probe(rate=rate, due=due, missed=(missed,)))
        known = capacity.known(question, probes)
        assert known.bounds.low is not None
        assert known.bounds.high is not None
        held += known.bounds.low < 777 < known.bounds.high
    assert held >= 38


def paused(question: Question, capacity_rps: float, chance: numpy.random.Generator) -> list[Probe]:
    """Twelve probes of a server that stops once in 3,800 requests, after which as many are late as the square of the
    rate says, times what the start and the pause differ by; far above, half of all are late."""
    probes = list[Probe]()
    while len(probes) < 12 and (rate := capacity.propose(question, probes)) is not None:
        seconds, every = math.ceil(capacity.window_seconds(question, probes, rate)), 3800 / rate
        due, missed, start = (round(rate),) * seconds, [0] * seconds, chance.normal(0, 0.5)
        for moment in numpy.arange(chance.uniform(0, every), seconds, every):
            late = 38 * (rate / capacity_rps) ** 2 * math.exp(start + chance.normal(0, 0.3))
            missed[int(moment)] = min(due[0], missed[int(moment)] + round(late))
        if rate > 1.33 * capacity_rps:
            missed = [each // 2 for each in due]
        probes.append(Probe(rate=rate, due=due, missed=(tuple(missed),)))
    return probes


def test_a_capacity_that_pauses_limit_is_not_told_too_low() -> None:
    """The share of late requests grows as slowly as the square of the rate there. With slopes from four on, ten of
    sixty bounds are too low."""
    question = Question(objectives=(P99,), precision=0.1, start=630)
    bounds = [
        capacity.known(question, paused(question, 582, numpy.random.default_rng(seed))).bounds for seed in range(60)
    ]
    assert sum(each.high is not None and each.high < 582 for each in bounds) <= 4
    assert sum(each.low is not None and each.low > 582 for each in bounds) <= 3


def test_a_start_is_watched_for_longer_where_bounds_should_come_closer() -> None:
    bracketed = [probe(100, 0.0), probe(110, 0.2)]
    rough, close = (Question(objectives=(P99,), precision=share, start=100) for share in (0.1, 0.05))
    rate = 300.0
    assert capacity.window_seconds(rough, bracketed, 2 * rate) < capacity.LONGEST
    assert capacity.window_seconds(close, bracketed, 4 * rate) == pytest.approx(
        capacity.window_seconds(rough, bracketed, rate)
    )


def test_a_window_is_long_enough_to_see_late_requests_and_shorter_while_it_brackets() -> None:
    question = Question(objectives=(P99,), precision=0.1, start=100)
    bracketed = [probe(100, 0.0), probe(110, 0.2)]
    assert capacity.window_seconds(question, bracketed, 5000) == capacity.SHORTEST
    assert capacity.window_seconds(question, bracketed, 100) == pytest.approx(
        3 * lateness.bursts(bracketed, 0, 0.01)[0].mean / (0.01 * 100)
    )
    assert capacity.window_seconds(question, [], 100) < capacity.window_seconds(question, bracketed, 100)
    assert capacity.window_seconds(question, bracketed, 1) == capacity.LONGEST


def test_the_ratio_of_two_cells_holds_what_it_is() -> None:
    question = Question(objectives=(P99,), precision=0.05, start=300)
    first, _ = searched(lambda rate: min(1.0, 0.01 * (rate / 500) ** 15), question)
    second, _ = searched(lambda rate: min(1.0, 0.01 * (rate / 750) ** 15), question)
    estimate, low, high = capacity.ratios(question, [first, second])[0, 1]
    assert low < 1.5 < high
    assert low > 1.3
    assert 1.4 < estimate < 1.6
    assert capacity.ratios(question, [first, first[:1]]) == {}


def arrivals(rate: float, seconds: float, seed: int) -> list[float]:
    chance = random.Random(seed)
    return sorted(chance.uniform(0, seconds) for _ in range(round(rate * seconds)))


@pytest.mark.parametrize(("throughput", "servers"), [(120.0, 1), (125.0, 10)])
def test_how_crowded_arrivals_are_is_one_on_average_and_more_in_a_crowd(throughput: float, servers: int) -> None:
    def crowded(moments: list[float], edges: list[float]) -> list[list[float]]:
        return crowding.crowded(moments, 100.0, 0.01, edges, throughput=throughput, servers=servers)

    moments = arrivals(100.0, 2000, seed=2)
    even = crowded(moments, [10.0, 2000.0])
    assert len(even) == len(crowding.LEVELS)
    usual = even[crowding.LEVELS.index(4.0)]
    assert usual == [pytest.approx(1.0, abs=0.35)]
    crowd = sorted([*moments, *(500.0 + number / 1000 for number in range(60))])
    slices = crowded(crowd, [499.0, 500.0, 501.0])
    for level, (before, inside) in zip(crowding.LEVELS, slices, strict=True):
        assert inside > before, level
    assert {each[0] for each in crowded([1.5], [0.0, 1.0, 2.0])} == {1.0}


@pytest.mark.parametrize(("throughput", "servers", "load"), [(800.0, 40, 0.88), (200.0, 20, 0.8), (1000.0, 1, 0.85)])
def test_arrivals_are_as_crowded_as_most_in_the_long_run(throughput: float, servers: int, load: float) -> None:
    """What is expected followed from one simulation, whose one longest queue made all arrivals seem less crowded than
    most, and capacities of forty threads 3 % smaller than they are."""
    rate = load * throughput
    moments = numpy.cumsum(numpy.random.default_rng(99).exponential(1 / rate, 4_000_000))
    levels = crowding.crowded(
        moments.tolist(), rate, 0.01, [10.0, float(moments[-1])], throughput=throughput, servers=servers
    )
    for level, (crowd,) in zip(crowding.LEVELS, levels, strict=True):
        assert crowd == pytest.approx(1.0, abs=0.08 if level >= 1 else 0.15 if level >= 0.25 else 0.4), level


def test_a_queue_of_the_cells_own_size_tells_who_waits_longest() -> None:
    """Waits of one that takes turns, by hand: two servers, a second each."""
    waited = crowding.waiting_seconds(numpy.array([0.0, 0.0, 0.5, 0.5, 3.0]), 1.0, 2)
    assert waited.tolist() == [0.0, 0.0, 0.5, 0.5, 0.0]
    assert crowding.waiting_seconds(numpy.array([0.0, 0.25, 0.5]), 1.0, 1).tolist() == [0.0, 0.75, 1.5]
    assert crowding.waiting_seconds(numpy.array([]), 1.0, 3).tolist() == []


def test_where_next_to_nobody_waits_no_crowd_explains_anything() -> None:
    """A queue that is nearly always empty: fewer wait at all than may be late."""
    moments = arrivals(10.0, 100, seed=3)
    levels = crowding.crowded(moments, 10.0, 0.01, [0.0, 50.0, 100.0], throughput=1000.0, servers=5)
    assert {each for level in levels for each in level} == {1.0}


def test_what_crowds_explain_is_not_taken_for_the_server() -> None:
    """The same late requests, in slices that were crowded, or in slices like all others."""
    question = Question(objectives=(P99,), precision=0.1, start=700)

    def width(explained: bool) -> float:
        chance, probes = random.Random(5), []
        for rate in (700, 740, 770, 800, 700, 740, 770, 800):
            share = 0.01 * (rate / 777) ** 10
            crowded = tuple(6.0 if chance.random() < 1 / 6 else 0.0 for _ in range(30))
            missed = tuple(round(rate * share * by) for by in crowded)
            probes.append(
                Probe(rate=rate, due=(rate,) * 30, missed=(missed,), crowded=((crowded,),) if explained else ())
            )
        bounds = capacity.known(question, probes).bounds
        assert bounds.low is not None
        assert bounds.high is not None
        return bounds.high / bounds.low

    assert width(explained=True) - 1 < 0.6 * (width(explained=False) - 1)
