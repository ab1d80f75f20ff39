"""Estimates over restarts, against values computed by hand and by scipy.stats."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest
from scipy import stats

from harness.model.comparison import Interval
from harness.stats.intervals import (
    could_be,
    distance,
    excludes,
    hodges_lehmann,
    holm,
    interval,
    p_value,
    paired,
    standard_error,
    unpaired_interval,
    usable,
)

LOGS = [0.031, -0.012, 0.054, 0.020, 0.047, 0.003, 0.038, 0.025]


def test_a_mean_is_geometric_and_its_interval_symmetric_in_ratios() -> None:
    found = interval([math.log(value) for value in (1, 2, 4, 8)])
    # Logarithms are 0 to 3 × ln 2: standard deviation √(5/3) × ln 2; t of 3 degrees of freedom is 3.182446.
    half = 3.182446 * math.sqrt(5 / 3) / 2 * math.log(2)
    assert found.low is not None
    assert found.high is not None
    assert found.estimate == pytest.approx(2**1.5)
    assert found.low == pytest.approx(2**1.5 / math.exp(half), rel=1e-6)
    assert found.high == pytest.approx(2**1.5 * math.exp(half), rel=1e-6)
    assert found.n == 4


@pytest.mark.parametrize("comparisons", [1, 3, 28])
def test_an_interval_is_that_of_student_widened_by_bonferroni(comparisons: int) -> None:
    expected = stats.ttest_1samp(LOGS, 0).confidence_interval(1 - 0.05 / comparisons)
    found = interval(LOGS, comparisons=comparisons)
    assert found.low == pytest.approx(math.exp(expected.low), rel=1e-9)
    assert found.high == pytest.approx(math.exp(expected.high), rel=1e-9)


@pytest.mark.parametrize("comparisons", [1, 19])
def test_an_unpaired_interval_is_that_of_welch_widened_by_bonferroni(comparisons: int) -> None:
    others = [log * 3 + 0.4 for log in LOGS[:5]]
    expected = stats.ttest_ind(others, LOGS, equal_var=False).confidence_interval(1 - 0.05 / comparisons)
    found = unpaired_interval(LOGS, others, comparisons=comparisons)
    assert found.low == pytest.approx(math.exp(expected.low), rel=1e-9)
    assert found.high == pytest.approx(math.exp(expected.high), rel=1e-9)
    assert (found.n, found.estimate) == (5, pytest.approx(math.exp(np.mean(others) - np.mean(LOGS))))


def test_an_unpaired_interval_of_equal_values_has_no_width_and_of_one_value_none() -> None:
    equal = unpaired_interval([0.1] * 3, [0.3] * 4)
    assert (equal.low, equal.high) == (equal.estimate, equal.estimate)
    alone = unpaired_interval([0.1], [0.3] * 4)
    assert (alone.low, alone.high, alone.n) == (None, None, 1)


def test_a_p_value_is_that_of_student() -> None:
    for logs in (LOGS, [-log for log in LOGS], LOGS[:2]):
        assert p_value(logs) == pytest.approx(stats.ttest_1samp(logs, 0).pvalue, rel=1e-9)


def test_p_and_interval_agree_on_what_excludes_one() -> None:
    shifts = [shift / 1000 for shift in range(-60, 30)]
    decided = []
    for shift in shifts:
        logs = [log + shift for log in LOGS]
        p = p_value(logs)
        assert p is not None
        assert (p < 0.05) == excludes(interval(logs), 1.0)
        decided.append(p < 0.05)
    assert {True, False} == set(decided)


def test_an_interval_of_eight_values_holds_the_truth_in_95_of_100_samples() -> None:
    rng = random.Random(8)
    held = sum(not excludes(interval([rng.gauss(0.1, 0.05) for _ in range(8)]), math.exp(0.1)) for _ in range(2000))
    assert 0.935 < held / 2000 < 0.965


def test_equal_values_have_an_interval_of_no_width() -> None:
    for log in (0.0, 0.1, -1.3659603562239058):  # seven times the last, ÷ 7, is not the last
        found = interval([log] * 7)
        assert found.low == found.estimate == found.high == pytest.approx(math.exp(log))
        assert standard_error([log] * 7) == 0
    assert p_value([0.0] * 8) == 1
    assert p_value([0.1] * 8) == 0


def test_rounding_takes_nothing_apart() -> None:
    exact = Interval(estimate=1.1, low=1.1, high=1.1, n=8)
    assert not excludes(exact, math.nextafter(1.1, 0))
    assert not excludes(exact, math.nextafter(1.1, 2))
    assert excludes(exact, 1.1 - 1e-9)
    assert excludes(exact, 1.1 + 1e-9)


def test_one_value_bounds_nothing() -> None:
    assert interval([0.1]) == Interval(estimate=math.exp(0.1), low=None, high=None, n=1)
    assert p_value([0.1]) is None
    assert standard_error([0.1]) is None


def test_bounds_beyond_any_number_are_none() -> None:
    found = interval([0.0, 1.0], comparisons=1000)  # t of 1 degree of freedom: 12,732
    assert (found.low, found.high) == (None, None)
    assert could_be(found) is None
    assert not excludes(found, 1e300)


def test_pairs_are_formed_from_restarts_that_both_have() -> None:
    logs = paired({1: 100.0, 2: 50.0, 3: 10.0}, {3: 11.0, 1: 200.0, 4: 7.0})
    assert list(logs) == [1, 3]
    assert list(logs.values()) == pytest.approx([math.log(2), math.log(1.1)])


@pytest.mark.parametrize("value", [None, 0.0, -1.0, math.nan, math.inf])
def test_what_has_no_logarithm_is_not_usable(value: float | None) -> None:
    assert not usable(value)
    assert usable(1e-9)


def test_hodges_lehmann_is_the_median_of_walsh_averages() -> None:
    # 1, 1.5, 2, 3.5, 4, 6
    assert hodges_lehmann([6.0, 1.0, 2.0]) == 2.75
    assert hodges_lehmann([5.0]) == 5


def test_hodges_lehmann_hardly_moves_with_one_outlier() -> None:
    spoilt = [*LOGS[:-1], 5.0]
    assert abs(hodges_lehmann(spoilt) - hodges_lehmann(LOGS)) < 0.01
    assert sum(spoilt) / 8 - sum(LOGS) / 8 > 0.6


def test_holm_multiplies_by_what_is_left_and_never_descends() -> None:
    # Ascending: 0.005 × 4, 0.01 × 3, 0.03 × 2, 0.04 × 1 (raised to its predecessor's 0.06).
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([0.02, 0.02]) == [0.04, 0.04]
    assert holm([]) == []


def test_a_distance_is_the_same_from_either_side() -> None:
    assert distance(1.25) == distance(0.8) == pytest.approx(0.25)
    assert distance(1.0) == 0


def test_what_could_be_is_the_farther_end() -> None:
    assert could_be(Interval(estimate=1.0, low=0.8, high=1.1, n=8)) == pytest.approx(0.25)
    assert could_be(Interval(estimate=1.0, low=0.95, high=1.1, n=8)) == pytest.approx(0.1)


def _drifting(chance: np.random.Generator, restarts: int, runs: int) -> tuple[Any, Any]:
    """Logs of two cells over restarts: own noise of 6 %, and what each restart does to both, which drifts."""
    drift = np.cumsum(chance.normal(0, 0.1, (runs, restarts)), axis=1)
    first, second = (chance.normal(0, 0.06, (runs, restarts)) + drift for _ in range(2))
    return first, second


@pytest.mark.parametrize("restarts", [6, 8, 12])
def test_intervals_of_paired_ratios_cover_the_truth_although_the_machine_drifts(restarts: int) -> None:
    chance = np.random.default_rng(restarts)
    first, second = _drifting(chance, restarts, 10_000)
    found = [interval(list(logs)) for logs in second - first]
    covered = sum(each.low <= 1 <= each.high for each in found if each.low is not None and each.high is not None)
    assert 0.940 <= covered / 10_000 <= 0.960


def test_the_power_on_a_known_difference_is_what_the_t_test_has() -> None:
    """A difference of 10 % under noise of 6 % per restart, eight restarts: by theory (noncentral t) 0.76 are found."""
    chance = np.random.default_rng(4)
    first, second = _drifting(chance, 8, 4000)
    p = [p_value(list(logs + math.log(1.1))) for logs in second - first]
    found = sum(each is not None and each < 0.05 for each in p) / 4000
    freedom, shift = 7, math.log(1.1) / (0.06 * math.sqrt(2)) * math.sqrt(8)
    edge = stats.t.ppf(0.975, freedom)
    expected = stats.nct.sf(edge, freedom, shift) + stats.nct.cdf(-edge, freedom, shift)
    assert found == pytest.approx(expected, abs=0.03)
