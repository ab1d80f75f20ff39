"""Intervals of all pairs at once, which hold although one stops when they are narrow: simulated, with their rule."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy
import pytest
from scipy import stats

from harness.stats import simultaneous

PRECISION, MOST = 0.02, 40


def covered(deviations: Sequence[float], runs: int, seed: int = 1, *, against_one: bool = False) -> float:
    """Share of runs in which all intervals hold the truth, which is that the members are equal."""
    chance = numpy.random.default_rng(seed)
    hits = 0
    for _ in range(runs):
        values = chance.normal(size=(MOST, len(deviations))) * numpy.asarray(deviations)
        restarts = next(
            (
                number
                for number in range(simultaneous.LEAST_RESTARTS, MOST)
                if simultaneous.narrow(values[:number].tolist(), PRECISION, against_one=against_one)
            ),
            MOST,
        )
        differences = simultaneous.differences(values[:restarts].tolist())
        pairs = [pair for (a, _), pair in differences.items() if a == 0 or not against_one]
        halves = [(abs(pair.estimate), pair.half_width(values.shape[1], against_one=against_one)) for pair in pairs]
        hits += all(half is not None and off <= half for off, half in halves)
    return hits / runs


@pytest.mark.parametrize(
    "deviations",
    [
        (0.01, 0.01),
        (0.02, 0.02),
        (0.03, 0.01),
        (0.02,) * 4,
        (0.03, 0.01, 0.01, 0.01),
        (0.1, 0.01, 0.01),
    ],
    ids=str,
)
def test_stopped_intervals_hold(deviations: Sequence[float]) -> None:
    # benchmarks/coverage.py simulates many more: 95 ± 1.5 %. The bound allows for the chance of 400 runs, whose seed is
    # fixed.
    assert covered(deviations, 400) >= 0.93


@pytest.mark.parametrize("deviations", [(0.02,) * 4, (0.03, 0.01, 0.01, 0.01), (0.01, 0.03, 0.01, 0.01)], ids=str)
def test_stopped_intervals_of_all_beside_one_hold(deviations: Sequence[float]) -> None:
    assert covered(deviations, 400, against_one=True) >= 0.93


def test_fewer_pairs_have_narrower_intervals() -> None:
    """Those of all members with one of them are Sidak's, which lie close above Dunnett's."""
    chance = numpy.random.default_rng(2)
    values = chance.normal(size=(12, 9)).tolist()
    while not simultaneous.alike(values[: simultaneous.LEAST_RESTARTS]):
        values = chance.normal(size=(12, 9)).tolist()
    pair = simultaneous.differences(values)[0, 1]
    all_pairs, with_one = pair.half_width(9), pair.half_width(9, against_one=True)
    assert all_pairs is not None
    assert with_one is not None
    assert pair.error is not None
    level = simultaneous.POOLED_LEVEL ** (1 / 8)
    assert with_one == pytest.approx(stats.t.ppf((1 + level) / 2, pair.freedom) * pair.error)
    assert 0.82 < with_one / all_pairs < 0.92
    draws = numpy.random.default_rng(3)
    members, deviation = (
        draws.normal(size=(200_000, 9)),
        numpy.sqrt(draws.chisquare(pair.freedom, 200_000) / pair.freedom),
    )
    farthest = numpy.abs(members[:, 1:] - members[:, :1]).max(axis=1) / deviation / math.sqrt(2)
    dunnett = float(numpy.quantile(farthest, simultaneous.POOLED_LEVEL))
    assert 1.0 <= with_one / pair.error / dunnett < 1.04
    assert pair.half_width(2, against_one=True) == pytest.approx(pair.half_width(2))


def test_two_members_have_student_s_interval() -> None:
    values = [[0.0, 0.01 * number] for number in range(8)]
    (pair,) = simultaneous.differences(values).values()
    logs = [b - a for a, b in values]
    error = float(numpy.std(logs, ddof=1)) / math.sqrt(8)
    assert pair.estimate == pytest.approx(0.035)
    assert pair.half_width() == pytest.approx(stats.t.ppf((1 + simultaneous.PAIR_LEVEL) / 2, 7) * error)


def test_several_members_have_tukey_s_interval() -> None:
    chance = numpy.random.default_rng(2)
    values = chance.normal(size=(7, 4))
    whole = simultaneous.differences(values.tolist())
    residuals = values - values.mean(axis=0) - values.mean(axis=1, keepdims=True) + values.mean()
    error = math.sqrt((residuals**2).sum() / 18 / 7)
    half = stats.studentized_range.ppf(simultaneous.POOLED_LEVEL, 4, 18) * error
    assert len(whole) == 6
    assert {round(pair.half_width(4) or 0, 9) for pair in whole.values()} == {round(half, 9)}


def test_where_one_member_is_noisy_each_pair_s_variance_is_moderated_by_that_of_all() -> None:
    chance = numpy.random.default_rng(2)
    values = chance.normal(size=(7, 4)) * [3, 1, 1, 1]
    common = simultaneous.noise(values.tolist())
    assert common is not None
    assert not common.alike
    residuals = values - values.mean(axis=0) - values.mean(axis=1, keepdims=True) + values.mean()
    assert common.variance == pytest.approx((residuals**2).sum() / 18)
    own = float(numpy.var(values[:, 2] - values[:, 1], ddof=1))
    freedom = simultaneous.PRIOR + 6
    error = math.sqrt((simultaneous.PRIOR * 2 * common.variance + 6 * own) / freedom / 7)
    half = stats.studentized_range.ppf(simultaneous.OWN_LEVEL, 4, freedom) / math.sqrt(2) * error
    pair = simultaneous.differences(values.tolist())[1, 2]
    assert (pair.freedom, pair.pooled) == (freedom, False)
    assert pair.half_width(4) == pytest.approx(half)
    assert pair.p_value() == pytest.approx(2 * stats.t.sf(abs(pair.estimate) / error, freedom))


def test_a_wild_member_widens_no_interval_but_its_own() -> None:
    chance = numpy.random.default_rng(6)
    values = chance.normal(size=(7, 4))
    calm = simultaneous.differences(values[:, 1:].tolist())[0, 1]
    wild = (values * [100, 1, 1, 1]).tolist()
    common = simultaneous.noise(wild)
    assert common is not None
    assert not common.alike
    assert common.freedom == 12
    among = simultaneous.differences(wild)
    assert calm.error is not None
    assert among[1, 2].error == pytest.approx(calm.error, rel=0.3)
    assert among[1, 2].freedom == simultaneous.PRIOR + 6
    own = [row[1] - row[0] for row in wild]
    assert among[0, 1].error == pytest.approx(numpy.std(own, ddof=1) / math.sqrt(7))
    assert among[0, 1].freedom == 6


def test_a_member_that_turns_wild_later_still_counts() -> None:
    """Whether members vary alike is asked once; what comes after it must not be picked from."""
    chance = numpy.random.default_rng(7)
    values = chance.normal(size=(12, 4))
    while not simultaneous.alike(values[: simultaneous.LEAST_RESTARTS].tolist()):
        values = chance.normal(size=(12, 4))
    values[simultaneous.LEAST_RESTARTS :, 0] *= 100
    common = simultaneous.noise(values.tolist())
    assert common is not None
    assert (common.alike, common.freedom) == (True, 33)
    assert common.variance == pytest.approx(sum(simultaneous.variances(values.tolist())) / 4, rel=0.01)


def test_what_a_whole_restart_has_in_common_falls_out() -> None:
    values = [[drift, drift + 0.1, drift - 0.2] for drift in (0.0, 1.0, -2.0, 0.5, 0.3, 4.0)]
    pairs = simultaneous.differences(values)
    assert pairs[0, 1].estimate == pytest.approx(0.1)
    assert pairs[0, 1].half_width(3) == pytest.approx(0, abs=1e-9)


def test_a_noisy_member_is_found_out() -> None:
    chance = numpy.random.default_rng(3)
    draws = chance.normal(size=(200, simultaneous.LEAST_RESTARTS, 4))
    even = sum(simultaneous.alike(draw.tolist()) for draw in draws)
    wild = sum(simultaneous.alike((draw * [10, 1, 1, 1]).tolist()) for draw in draws)
    assert even > 110
    assert wild < 5


def test_one_restart_bounds_nothing_and_stops_nothing() -> None:
    (pair,) = simultaneous.differences([[0.0, 0.1]]).values()
    assert pair.half_width() is None
    assert pair.p_value() is None
    assert not simultaneous.narrow([[0.0, 0.0]] * 5, 0.5)
    assert simultaneous.narrow([[0.0, 0.0]] * 6, 0.5)


def test_errors_of_differences_that_share_no_restart_add() -> None:
    chance = numpy.random.default_rng(4)
    first, second = chance.normal(0.1, 0.02, 7).tolist(), chance.normal(0.3, 0.05, 9).tolist()
    found = simultaneous.minus(simultaneous.difference(second), simultaneous.difference(first))
    reference = stats.ttest_ind(second, first, equal_var=False)
    assert found.estimate == pytest.approx(numpy.mean(second) - numpy.mean(first))
    assert found.freedom == pytest.approx(reference.df)
    assert found.p_value() == pytest.approx(reference.pvalue)


def test_the_mean_of_independent_differences_is_surer_than_each() -> None:
    chance = numpy.random.default_rng(5)
    parts = [simultaneous.difference(chance.normal(0.1, 0.02, 8).tolist()) for _ in range(4)]
    found = simultaneous.mean(parts)
    assert found.estimate == pytest.approx(numpy.mean([each.estimate for each in parts]))
    assert found.error == pytest.approx(math.sqrt(sum((each.error or 0) ** 2 for each in parts)) / 4)
    assert found.freedom > 7
