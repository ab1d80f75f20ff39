"""Pooled quantiles, against distributions that can be inverted by hand and against the pooled samples themselves."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from harness.load import summary
from harness.stats.quantiles import Grid, Mixture

UP_TO_TEN = [(0.0, 0.0), (100.0, 10.0)]
TEN_TO_TWENTY = [(0.0, 10.0), (50.0, 15.0), (100.0, 20.0)]
HALF_OF_THEM_FIVE = [(0.0, 5.0), (20.0, 5.0), (50.0, 5.0), (100.0, 10.0)]


def interpolated(ordered: Sequence[float], percentile: float) -> float:
    """As k6 computes a percentile of all values."""
    place = percentile / 100 * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def grid_of(samples: Sequence[float]) -> Grid:
    ordered = sorted(samples)
    return [(percentile, interpolated(ordered, percentile)) for percentile in summary.percentiles()]


def test_quantiles_of_one_visit_are_its_own() -> None:
    rng = random.Random(1)
    grid = grid_of([rng.lognormvariate(3, 0.5) for _ in range(10_000)])
    mixture = Mixture([(grid, 10_000)])
    for percentile, value in grid[:-10]:  # up to 99.9, beyond which lie exactly ten
        assert mixture.quantile(percentile) == pytest.approx(value, rel=1e-9)


@pytest.mark.parametrize(
    ("counts", "percentile", "expected"),
    [
        ((1000, 1000), 25, 5.0),
        ((1000, 1000), 50, 10.0),
        ((1000, 1000), 90, 18.0),
        ((3000, 1000), 50, 20 / 3),
        ((3000, 1000), 75, 10.0),
        ((3000, 1000), 90, 16.0),
        ((0, 1000), 50, 15.0),
    ],
)
def test_visits_count_by_their_samples(counts: tuple[int, int], percentile: float, expected: float) -> None:
    mixture = Mixture(zip((UP_TO_TEN, TEN_TO_TWENTY), counts, strict=True))
    assert mixture.quantile(percentile) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("percentile", "expected"), [(10, 2.0), (25, 5.0), (25.1, 5.0), (40, 5.0), (50, 5.0), (60, 6.0), (80, 8.0)]
)
def test_values_that_repeat_are_a_jump(percentile: float, expected: float) -> None:
    # Below 5 only the first has samples; at 5 the share jumps from 25 % to 50 %; above, it is 10 % per millisecond.
    mixture = Mixture([(UP_TO_TEN, 1000), (HALF_OF_THEM_FIVE, 1000)])
    assert mixture.quantile(percentile) == pytest.approx(expected)


def test_visits_that_never_vary_have_their_value_as_every_quantile() -> None:
    mixture = Mixture([([(0.0, 7.0), (100.0, 7.0)], 500), ([(0.0, 9.0), (100.0, 9.0)], 1500)])
    assert [mixture.quantile(p) for p in (0, 24, 25, 26, 99)] == [7.0, 7.0, 7.0, 9.0, 9.0]


def test_between_visits_far_apart_nothing_is_invented() -> None:
    far = [(0.0, 1000.0), (100.0, 2000.0)]
    mixture = Mixture([(UP_TO_TEN, 1000), (far, 1000)])
    assert mixture.quantile(49.9) == pytest.approx(9.98)
    assert mixture.quantile(50) == 10
    assert mixture.quantile(50.1) == pytest.approx(1002)


def test_a_quantile_needs_ten_pooled_samples_beyond_it() -> None:
    assert Mixture([(UP_TO_TEN, 999)]).quantile(99) is None
    assert Mixture([(UP_TO_TEN, 500), (UP_TO_TEN, 500)]).quantile(99) == pytest.approx(9.9)
    assert Mixture([(UP_TO_TEN, 19)]).quantile(50) is None
    assert Mixture([(UP_TO_TEN, 20)]).quantile(50) == pytest.approx(5)


def test_visits_without_a_sample_take_no_part() -> None:
    assert Mixture([]).quantile(50) is None
    assert Mixture([([], 0)]).quantile(50) is None
    mixture = Mixture([([], 0), (UP_TO_TEN, 100)])
    assert mixture.count == 100
    assert mixture.quantile(50) == pytest.approx(5)


@pytest.mark.parametrize(
    "grid",
    [
        [],
        [(0.0, 1.0)],
        [(0.0, 1.0), (99.0, 2.0)],
        [(1.0, 1.0), (100.0, 2.0)],
        [(0.0, 2.0), (100.0, 1.0)],
        [(0.0, 1.0), (50.0, 2.0), (50.0, 3.0), (100.0, 4.0)],
    ],
)
def test_what_is_no_distribution_is_refused(grid: Grid) -> None:
    with pytest.raises(ValueError, match="ascend"):
        Mixture([(grid, 100)])


def test_pooled_quantiles_are_those_of_the_pooled_samples_and_averaged_ones_are_not() -> None:
    rng = random.Random(99)
    fast = [rng.lognormvariate(2.3, 0.2) for _ in range(30_000)]
    slow = [100 + rng.expovariate(1 / 20) for _ in range(3_000)]
    visits = [(grid_of(samples), len(samples)) for samples in (fast, slow)]
    pooled, mixture = sorted(fast + slow), Mixture(visits)
    for percentile in (50, 90, 95, 99):
        assert mixture.quantile(percentile) == pytest.approx(interpolated(pooled, percentile), rel=0.01)
    p99s = [dict(grid)[99.0] for grid, _ in visits]
    truth = interpolated(pooled, 99)
    weighted = (p99s[0] * len(fast) + p99s[1] * len(slow)) / len(pooled)
    assert abs(sum(p99s) / 2 / truth - 1) > 0.25
    assert abs(weighted / truth - 1) > 0.5


def test_one_slow_visit_in_eight_is_the_tail_of_all() -> None:
    rng = random.Random(7)
    visits = [[rng.lognormvariate(2.3, 0.2) for _ in range(3_000)] for _ in range(7)]
    visits.append([rng.lognormvariate(5, 0.1) for _ in range(3_000)])
    truth = interpolated(sorted(value for visit in visits for value in visit), 99)
    grids = [grid_of(visit) for visit in visits]
    assert Mixture((grid, 3_000) for grid in grids).quantile(99) == pytest.approx(truth, rel=0.01)
    assert sum(dict(grid)[99.0] for grid in grids) / 8 < truth / 3
