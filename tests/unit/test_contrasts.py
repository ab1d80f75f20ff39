"""Contrasts, rankings and main effects, from block values that are written out or vary in a known way."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest

from harness.analysis.contrasts import MINIMUM_BLOCKS, compare, tie_groups, verdict
from harness.model.comparison import Comparison, Contrast, Interval, MainEffect, Noise, Observation, Ranking
from harness.model.metrics import MetricName
from harness.model.variant import Cell
from harness.stats.intervals import interval
from tests.conftest import changed

WANDER = (1.0, -0.6, 0.3, -1.2, 0.8, -0.9, 1.1, -0.5)
"""Deviations of eight blocks: they add up to 0, and their standard deviation is 0.926."""
DRIFT = (100, 101, 97, 60, 99, 103, 98, 102)
"""Values of a machine that had a bad fourth block."""


def values(factor: float, spread: float = 0.0, wander: Sequence[float] = WANDER) -> list[float]:
    """The drift of the blocks, times a factor that wanders by `spread`."""
    return [base * factor * math.exp(spread * each) for base, each in zip(DRIFT, wander, strict=True)]


def visits(
    cell: Cell,
    measured: Sequence[float | None],
    metric: MetricName = "throughput_rps",
    *,
    at_ceiling: bool = False,
    repeat: bool = False,
) -> list[Observation]:
    """One visit per block."""
    return [
        Observation(
            cell=cell,
            block=block,
            values={metric: value},
            at_ceiling=at_ceiling,
            repeat=repeat,
        )
        for block, value in enumerate(measured, 1)
    ]


def servers(
    cell: Cell, *measured: Sequence[float | None], metric: MetricName = "throughput_rps", **parts: Any
) -> list[Observation]:
    """Visits of the servers a, b, c, …"""
    return [
        visit
        for name, each in zip("abcdefgh", measured, strict=False)
        for visit in visits(changed(cell, server=name, **parts), each, metric)
    ]


def contrast(
    comparison: Comparison,
    a: str = "a",
    b: str = "b",
    metric: MetricName = "throughput_rps",
    stratum: str | None = None,
) -> Contrast:
    (found,) = [
        each
        for each in comparison.contrasts
        if (each.a.option, each.b.option, each.metric) == (a, b, metric) and stratum in (None, each.stratum)
    ]
    return found


def noise(comparison: Comparison, metric: MetricName = "throughput_rps") -> Noise:
    (found,) = [each for each in comparison.noise if each.metric == metric]
    return found


def groups(ranking: Ranking) -> list[list[str]]:
    return [[member.option for member in group.members] for group in ranking.groups]


def main_effect(comparison: Comparison, axis: str = "server") -> MainEffect:
    (found,) = [each for each in comparison.main_effects if each.axis == axis]
    return found


@pytest.mark.parametrize(
    ("metric", "factor", "spread", "expected"),
    [
        ("throughput_rps", 1.01, 0.01, "equivalent"),
        ("throughput_rps", 1.10, 0.02, "faster"),
        ("throughput_rps", 0.90, 0.02, "slower"),
        ("throughput_rps", 1.10, 0.20, "undecided"),
        ("p50_ms", 1.10, 0.02, "slower"),
        ("p99_ms", 0.90, 0.02, "faster"),
        ("cpu_us_per_request", 0.90, 0.02, "faster"),
        ("cpu_us_per_request", 1.01, 0.01, "equivalent"),
    ],
)
def test_each_verdict_is_reached(cell: Cell, metric: MetricName, factor: float, spread: float, expected: str) -> None:
    found = contrast(compare(servers(cell, values(1), values(factor, spread), metric=metric)), metric=metric)
    assert found.verdict == expected
    assert found.reason is None
    assert found.ratio.estimate == pytest.approx(factor)


def test_what_disturbs_a_whole_block_falls_out(cell: Cell) -> None:
    found = contrast(compare(servers(cell, values(1), values(1.1, 0.01))))
    expected = interval([math.log(1.1) + 0.01 * each for each in WANDER])
    assert found.unadjusted.low == pytest.approx(expected.low)
    assert found.unadjusted.high == pytest.approx(expected.high)
    assert found.blocks == [1, 2, 3, 4, 5, 6, 7, 8]


def test_a_difference_that_is_certain_but_does_not_matter_is_equivalent(cell: Cell) -> None:
    found = contrast(compare(servers(cell, values(1), values(1.02, 0.001))))
    assert found.p_holm is not None
    assert found.p_holm < 1e-6
    assert found.verdict == "equivalent"


def test_a_difference_that_is_certain_but_may_not_matter_is_undecided_and_says_what_it_could_be(cell: Cell) -> None:
    found = contrast(compare(servers(cell, values(1), values(0.975, 0.02))))
    assert found.p_holm is not None
    assert found.p_holm < 0.05
    assert found.verdict == "undecided"
    assert found.ratio.low is not None
    assert found.ratio.low < 1 / 1.03
    assert found.could_be == pytest.approx(1 / found.ratio.low - 1)


@pytest.mark.parametrize(
    ("ratio", "p_holm", "expected"),
    [
        (Interval(estimate=1.0, low=1 / 1.0299, high=1.0299, n=8), 0.9, "equivalent"),
        (Interval(estimate=1.0, low=1 / 1.0301, high=1.0299, n=8), 0.9, "undecided"),
        (Interval(estimate=1.0, low=1 / 1.0299, high=1.0301, n=8), 0.9, "undecided"),
        (Interval(estimate=1.031, low=1.0, high=1.1, n=8), 0.049, "faster"),
        (Interval(estimate=1.031, low=1.0, high=1.1, n=8), 0.05, "undecided"),
        (Interval(estimate=1.029, low=1.0, high=1.1, n=8), 0.001, "undecided"),
        (Interval(estimate=1 / 1.031, low=0.9, high=1.0, n=8), 0.049, "slower"),
        (Interval(estimate=1 / 1.029, low=0.9, high=1.0, n=8), 0.001, "undecided"),
        (Interval(estimate=1.0, low=None, high=None, n=1), None, "undecided"),
    ],
)
def test_a_verdict_needs_all_that_it_rests_on(ratio: Interval, p_holm: float | None, expected: str) -> None:
    assert verdict("throughput_rps", ratio, p_holm, 0.03) == expected


def test_with_too_few_blocks_there_is_an_interval_and_no_verdict(cell: Cell) -> None:
    for blocks in range(2, 9):
        found = contrast(compare(servers(cell, values(1)[:blocks], values(1.3)[:blocks])))
        assert found.ratio.n == blocks
        assert found.ratio.low == pytest.approx(1.3)
        assert found.could_be == pytest.approx(0.3)
        assert (found.verdict, found.reason) == (
            ("undecided", "too few blocks") if blocks < MINIMUM_BLOCKS else ("faster", None)
        )


def test_one_block_gives_a_ratio_without_an_interval(cell: Cell) -> None:
    comparison = compare(servers(cell, [100], [110], [120]))
    found = contrast(comparison)
    assert found.ratio == found.unadjusted == Interval(estimate=found.hodges_lehmann, low=None, high=None, n=1)
    assert found.ratio.estimate == pytest.approx(1.1)
    assert (found.p, found.p_holm, found.could_be) == (None, None, None)
    assert (found.verdict, found.reason) == ("undecided", "too few blocks")


@pytest.mark.parametrize(("factor", "expected"), [(1.0, "equivalent"), (1.1, "faster")])
def test_values_that_never_vary_have_an_interval_of_no_width(cell: Cell, factor: float, expected: str) -> None:
    found = contrast(compare(servers(cell, [100.0] * 8, [100.0 * factor] * 8)))
    assert found.ratio.low == found.ratio.high == pytest.approx(factor)
    assert found.verdict == expected
    assert not found.disagrees


def test_only_blocks_in_which_both_have_a_value_count(cell: Cell) -> None:
    a: list[float | None] = [*values(1)]
    b: list[float | None] = [*values(1.1)]
    a[3], b[0] = None, 0.0
    comparison = compare(servers(cell, a, b))
    assert contrast(comparison).blocks == [2, 3, 5, 6, 7, 8]
    assert contrast(comparison).ratio.estimate == pytest.approx(1.1)
    means = {each.cell[0]: each.interval.n for each in comparison.means}
    assert means == {"a": 7, "b": 7}


def test_without_a_common_block_a_contrast_is_excluded(cell: Cell) -> None:
    comparison = compare(servers(cell, [100, None], [None, 100]))
    (found,) = [each for each in comparison.excluded if each.metric == "throughput_rps"]
    assert (found.a.option, found.b.option, found.reason) == ("a", "b", "no block in which both have a value")
    assert comparison.contrasts == []
    assert comparison.rankings == []


def test_at_the_ceiling_only_cpu_is_compared(cell: Cell) -> None:
    observations = [
        Observation(
            cell=changed(cell, server=server),
            block=block,
            values={"throughput_rps": 999, "p50_ms": 100, "p99_ms": 110, "cpu_us_per_request": cpu},
            at_ceiling=server != "a" and block == 3,
        )
        for block in range(1, 9)
        for server, cpu in (("a", 100), ("b", 120), ("c", 140))
    ]
    comparison = compare(observations)
    assert {each.metric for each in comparison.excluded} == {"throughput_rps", "p50_ms", "p99_ms"}
    assert {each.reason for each in comparison.excluded} == {
        "at its ceiling: b",
        "at its ceiling: c",
        "at its ceiling: b, c",
    }
    assert {(each.metric, each.verdict) for each in comparison.contrasts} == {("cpu_us_per_request", "slower")}
    assert len(comparison.contrasts) == 3


def test_cells_at_their_ceiling_are_not_ranked(cell: Cell) -> None:
    observations = servers(cell, values(1), values(1.2)) + visits(
        changed(cell, server="c"), values(1.3), at_ceiling=True
    )
    (ranking,) = compare(observations).rankings
    assert groups(ranking) == [["b"], ["a"]]
    assert [side.option for side in ranking.unranked] == ["c"]


@pytest.mark.parametrize(
    ("axis", "parts", "options"),
    [
        ("server", {"server": "uvicorn"}, ("granian", "uvicorn")),
        ("server", {"options": {"loop": "asyncio", "http": "h11"}}, ("granian", "granian:loop=asyncio,http=h11")),
        ("framework", {"framework": "flask", "interface": "wsgi"}, ("fastapi", "flask")),
        ("style", {"style": "sync"}, ("async", "sync")),
        ("workers", {"workers": 4}, ("w2", "w4")),
        ("threads", {"threads": 10}, ("t40", "t10")),
        ("pool_size", {"pool_size": 20}, ("p10", "p20")),
        ("load", {"users": 200}, ("c100", "c200")),
        ("load", {"rate": 50.0}, ("c100", "r50")),
        ("load", {"rate": 12345.67}, ("c100", "r12345.67")),
    ],
)
def test_each_axis_has_its_contrasts(cell: Cell, axis: str, parts: dict[str, Any], options: tuple[str, str]) -> None:
    cell = changed(cell, pool_size=10)
    comparison = compare(visits(cell, values(1)) + visits(changed(cell, **parts), values(1.1)))
    (found,) = comparison.contrasts
    assert found.axis == axis
    assert (found.a.option, found.b.option) == options
    assert (found.a.cell, found.b.cell) == (cell.label, changed(cell, **parts).label)
    assert found.stratum == ""


def test_environments_are_an_axis_and_tell_equal_cells_apart(cell: Cell) -> None:
    older, newer = (changed(cell, environment=name) for name in ("py3.11", "py3.13"))
    (found,) = compare(visits(older, values(1)) + visits(newer, values(1.1))).contrasts
    assert (found.axis, found.a.option, found.b.option) == ("environment", "py3.11", "py3.13")
    assert (found.a.cell, found.b.cell) == (f"py3.11:{cell.label}", f"py3.13:{cell.label}")


@pytest.mark.parametrize(
    "parts",
    [
        {"server": "uvicorn", "workers": 4},
        {"style": "sync", "users": 200},
        {"workload": "noop", "params": {}},
        {"params": {"ms": 50}},
    ],
)
def test_cells_that_differ_in_more_than_one_axis_or_in_the_workload_are_not_compared(
    cell: Cell, parts: dict[str, Any]
) -> None:
    comparison = compare(visits(cell, values(1)) + visits(changed(cell, **parts), values(1.1)))
    assert comparison.contrasts == []
    assert comparison.excluded == []
    assert comparison.main_effects == []


def test_contrasts_of_a_grid_are_its_edges(cell: Cell) -> None:
    observations = servers(cell, values(1), values(1.1), workers=1) + servers(cell, values(2), values(2.2), workers=2)
    found = compare(observations).contrasts
    assert [(each.axis, each.stratum, each.a.option, each.b.option) for each in found] == [
        ("server", "w1", "a", "b"),
        ("server", "w2", "a", "b"),
        ("workers", "a", "w1", "w2"),
        ("workers", "b", "w1", "w2"),
    ]


def test_a_is_the_option_that_was_observed_first_in_every_stratum(cell: Cell) -> None:
    one = servers(cell, values(1), values(1.1), workers=1)
    two = servers(cell, values(2), values(2.2), workers=2)
    found = [each for each in compare(one + two[::-1]).contrasts if each.axis == "server"]
    assert [(each.a.option, each.b.option) for each in found] == [("a", "b"), ("a", "b")]
    found = [each for each in compare(two[::-1] + one).contrasts if each.axis == "server"]
    assert [(each.a.option, each.b.option) for each in found] == [("b", "a"), ("b", "a")]


def test_a_family_is_a_workload_an_axis_and_a_metric(cell: Cell) -> None:
    three = servers(cell, values(1), values(1.05, 0.05), values(1.06, 0.06))
    other_parameters = servers(cell, values(1), values(1.05, 0.05), params={"ms": 50})
    other_axis = visits(changed(cell, server="a", workers=4), values(1.05, 0.05))
    comparison = compare(three + other_parameters + other_axis)
    family = [each for each in comparison.contrasts if each.workload == "sleep?ms=100" and each.axis == "server"]
    assert len(family) == 3
    for each in comparison.contrasts:
        if each not in family:
            assert each.p_holm == each.p
            assert each.ratio == each.unadjusted
    smallest = min(family, key=lambda each: each.p or 0)
    assert smallest.p is not None
    assert smallest.p_holm == pytest.approx(3 * smallest.p)


def test_holm_decides_and_bonferroni_is_shown(cell: Cell) -> None:
    comparison = compare(servers(cell, values(1), values(1.2, 0.02), values(1.25, 0.25)))
    first, second, third = (contrast(comparison, *pair) for pair in ("ab", "ac", "bc"))
    assert first.p is not None
    assert second.p is not None
    assert third.p is not None
    assert first.p < second.p < third.p
    assert first.p_holm == pytest.approx(3 * first.p)
    assert second.p_holm == pytest.approx(2 * second.p)
    assert third.p_holm == pytest.approx(max(2 * second.p, third.p))
    expected = interval([math.log(1.25) + 0.25 * each for each in WANDER], comparisons=3)
    assert second.ratio.low == pytest.approx(expected.low)
    assert second.unadjusted.low is not None
    assert second.unadjusted.low > (second.ratio.low or 0)


def test_holm_may_decide_what_the_interval_shown_leaves_open(cell: Cell) -> None:
    # p is between 0.05 ÷ 3 and 0.05, and the two others of the family are clear.
    unclear = values(1.085, 0.09)
    comparison = compare(servers(cell, values(1), unclear, [2 * value for value in unclear]))
    found = contrast(comparison)
    assert found.verdict == "faster"
    assert found.ratio.low is not None
    assert found.ratio.low < 1


def test_hodges_lehmann_that_disagrees_is_flagged(cell: Cell) -> None:
    """Twelve blocks a little slower and four far faster: the mean says faster."""
    a = [100.0] * 16
    b = [99.9] * 12 + [164.0 + block for block in range(4)]
    found = contrast(compare(servers(cell, a, b)))
    assert found.verdict == "faster"
    assert found.hodges_lehmann == pytest.approx(0.999)
    assert found.disagrees
    far_off = contrast(compare(servers(cell, a, [2 * value for value in b])))
    assert far_off.hodges_lehmann < (far_off.unadjusted.low or 0)
    assert far_off.disagrees
    assert not contrast(compare(servers(cell, values(1), values(1.1, 0.02)))).disagrees


def test_hodges_lehmann_that_would_not_matter_is_flagged(cell: Cell) -> None:
    skewed = (0.0, 0.0, 0.1, 0.0, 0.1, 0.0, 0.0, 1.0)
    found = contrast(compare(servers(cell, values(1), values(1.021, 0.08, skewed))))
    assert found.ratio.estimate > 1.03 > found.hodges_lehmann
    assert found.verdict == "faster"
    assert found.disagrees


def test_noise_widens_what_matters(cell: Cell) -> None:
    observations = servers(cell, values(1), values(1.06, 0.01))
    calm = compare(observations)
    assert noise(calm) == Noise(metric="throughput_rps", aa=None, excludes_one=False, at_ceiling=False, delta=0.03)
    assert contrast(calm).verdict == "faster"

    noisy = compare(observations + visits(changed(cell, server="a"), values(1, 0.12), repeat=True))
    # Half-width of the logarithms: t of 7 degrees of freedom is 2.364624.
    half = 2.364624 * 0.12 * math.sqrt(sum(each**2 for each in WANDER) / 7 / 8)
    assert noise(noisy).delta == pytest.approx(math.exp(half) - 1, rel=1e-5)
    assert noise(noisy).delta > 0.09
    assert not noise(noisy).excludes_one
    assert contrast(noisy).verdict == "equivalent"
    assert noise(noisy, "p99_ms").delta == 0.03


def test_a_calm_aa_leaves_the_least_delta(cell: Cell) -> None:
    observations = servers(cell, values(1), values(1.06, 0.01))
    comparison = compare(observations + visits(changed(cell, server="a"), values(1, 0.01), repeat=True))
    assert noise(comparison).delta == 0.03
    assert noise(comparison).aa is not None


def test_the_second_visit_is_no_observation_of_the_cell(cell: Cell) -> None:
    observations = servers(cell, values(1), values(1.1, 0.01))
    with_aa = compare(observations + visits(changed(cell, server="a"), values(1.01, 0.001), repeat=True))
    assert with_aa.contrasts == compare(observations).contrasts
    assert with_aa.means == compare(observations).means


def test_an_aa_that_excludes_one_says_so(cell: Cell) -> None:
    second = visits(changed(cell, server="a"), values(1.05, 0.01), repeat=True)
    found = noise(compare(servers(cell, values(1), values(1)) + second))
    assert found.excludes_one
    assert found.aa is not None
    assert found.aa.estimate == pytest.approx(1.05)
    assert found.delta == 0.03


def test_an_aa_of_too_few_blocks_makes_nothing_equivalent(cell: Cell) -> None:
    second = visits(changed(cell, server="a"), values(1, 0.12)[:3], repeat=True)
    comparison = compare(servers(cell, values(1), values(1.1, 0.01)) + second)
    assert noise(comparison).delta > 0.2
    assert (contrast(comparison).verdict, contrast(comparison).reason) == ("undecided", "too few A/A blocks")


def test_an_aa_of_too_few_blocks_leaves_what_is_larger_than_it(cell: Cell) -> None:
    second = visits(changed(cell, server="a"), values(1, 0.01)[:4], repeat=True)
    comparison = compare(servers(cell, values(1), values(0.5, 0.01)) + second)
    assert (contrast(comparison).verdict, contrast(comparison).reason) == ("slower", None)


def test_an_aa_at_its_ceiling_is_marked(cell: Cell) -> None:
    observations = visits(cell, values(1), at_ceiling=True) + visits(cell, values(1), repeat=True)
    assert noise(compare(observations)).at_ceiling
    assert not noise(compare(observations), "cpu_us_per_request").at_ceiling


def test_what_cannot_be_a_run_is_refused(cell: Cell) -> None:
    one, two = servers(cell, [100]), servers(cell, [100], [100])
    with pytest.raises(ValueError, match="two observations of the same block"):
        compare(one + one)
    repeats = [each.model_copy(update={"repeat": True}) for each in two]
    with pytest.raises(ValueError, match="more than one cell is repeated"):
        compare(two + repeats)


def test_tie_groups_are_seen_from_their_best() -> None:
    assert tie_groups(["a", "b", "c"], set()) == [["a", "b", "c"]]
    # a and b are tied, b and c as well, and a and c are not.
    assert tie_groups(["a", "b", "c"], {("c", "a")}) == [["a", "b"], ["c"]]
    # c is behind b, but so noisy that it is not decided to be slower than a: it stays with a.
    assert tie_groups(["a", "b", "c", "d"], {("b", "a"), ("d", "a"), ("d", "b")}) == [["a", "c"], ["b"], ["d"]]
    # c is decided to be slower than b, but not than a, from which the group is seen.
    assert tie_groups(["a", "b", "c"], {("c", "b")}) == [["a", "b", "c"]]
    assert tie_groups([], set()) == []


def test_a_ranking_of_ties_that_are_not_transitive(cell: Cell) -> None:
    comparison = compare(servers(cell, values(0.96, 0.001), values(1, 0.001), values(0.98, 0.001)))
    assert contrast(comparison, "b", "c").verdict == contrast(comparison, "a", "c").verdict == "equivalent"
    (ranking,) = comparison.rankings
    assert groups(ranking) == [["b", "c"], ["a"]]
    assert ranking.unranked == []


def test_the_lowest_latency_ranks_first(cell: Cell) -> None:
    comparison = compare(servers(cell, values(1.2), values(1), values(1.4), metric="p99_ms"))
    assert [groups(each) for each in comparison.rankings] == [[["b"], ["a"], ["c"]]]


def test_a_cell_gains_nothing_by_missing_a_bad_block(cell: Cell) -> None:
    lucky: list[float | None] = [*values(0.96)]
    lucky[3] = None
    comparison = compare(servers(cell, values(1), lucky))
    means = {each.cell[0]: each.interval.estimate for each in comparison.means}
    assert means["b"] > means["a"]
    assert [groups(each) for each in comparison.rankings] == [[["a"], ["b"]]]


def test_each_stratum_has_its_ranking(cell: Cell) -> None:
    observations = servers(cell, values(1), values(1.1), workers=1) + servers(cell, values(2), values(1.8), workers=2)
    found = {(each.axis, each.stratum): groups(each) for each in compare(observations).rankings}
    assert found == {
        ("server", "w1"): [["b"], ["a"]],
        ("server", "w2"): [["a"], ["b"]],
        ("workers", "a"): [["w2"], ["w1"]],
        ("workers", "b"): [["w2"], ["w1"]],
    }


def test_a_main_effect_is_the_mean_of_the_blocks_over_strata(cell: Cell) -> None:
    """What wanders oppositely in the two strata cancels in each block."""
    opposite = [-each for each in WANDER]
    observations = servers(cell, values(1), values(1.10, 0.05), workers=1)
    observations += servers(cell, values(2), values(2.24, 0.05, opposite), workers=2)
    found = main_effect(compare(observations))
    assert (found.a, found.b, found.strata, found.reason) == ("a", "b", 2, None)
    assert found.effect is not None
    assert found.effect.estimate == pytest.approx(math.sqrt(1.10 * 1.12))
    assert found.effect.low == pytest.approx(found.effect.estimate)
    assert found.deviation == pytest.approx(math.sqrt(1.12 / 1.10) - 1)


@pytest.mark.parametrize(("odd", "says"), [(1.2, "13.3%"), (0.8, "15.7%")])
def test_a_main_effect_is_withheld_where_a_stratum_deviates(cell: Cell, odd: float, says: str) -> None:
    observations = [
        visit
        for workers, factor in ((1, 1.0), (2, 0.99), (4, odd))
        for visit in servers(cell, values(1), values(factor), workers=workers)
    ]
    comparison = compare(observations)
    found = main_effect(comparison)
    assert found.effect is None
    assert (found.strata, found.farthest) == (3, "w4")
    mean = (1.0 * 0.99 * odd) ** (1 / 3)
    assert found.deviation == pytest.approx(max(odd / mean, mean / odd) - 1)
    assert found.reason == f"not the same in all strata: w4 deviates by {says}"
    assert contrast(comparison, stratum="w4").ratio.estimate == pytest.approx(odd)


def test_noise_widens_what_strata_may_deviate_by(cell: Cell) -> None:
    observations = servers(cell, values(1), values(1.0), workers=1) + servers(cell, values(1), values(1.1), workers=2)
    assert main_effect(compare(observations)).effect is None
    second = visits(changed(cell, server="a", workers=1), values(1, 0.12), repeat=True)
    assert main_effect(compare(observations + second)).effect is not None


def test_a_main_effect_needs_every_stratum(cell: Cell) -> None:
    observations = servers(cell, values(1), values(1.1), workers=1)
    assert compare(observations).main_effects == []
    for users in (50, 100):
        observations += servers(cell, values(1), values(1.1), workers=2, users=users)
    ceiling = [visit.model_copy(update={"at_ceiling": visit.cell.load.users == 50}) for visit in observations]
    found = main_effect(compare(ceiling))
    assert (found.strata, found.effect) == (3, None)
    assert found.reason == "1 of 3 strata cannot be compared"


def test_a_main_effect_needs_a_block_with_every_stratum(cell: Cell) -> None:
    observations = servers(cell, [100, None], [110, None], workers=1)
    observations += servers(cell, [None, 100], [None, 110], workers=2)
    assert main_effect(compare(observations)).reason == "no block in which all strata have both values"


def test_intervals_of_main_effects_hold_together(cell: Cell) -> None:
    measured = (values(1), values(1.1, 0.01), values(1.2, 0.02))
    found = compare([visit for workers in (1, 2) for visit in servers(cell, *measured, workers=workers)]).main_effects
    effects = [each.effect for each in found if each.axis == "server"]
    assert len(effects) == 3
    expected = interval([math.log(1.1) + 0.01 * each for each in WANDER], comparisons=3)
    assert effects[0] is not None
    assert effects[0].high == pytest.approx(expected.high)


def test_means_are_geometric_and_latency_has_none(cell: Cell) -> None:
    observations = [
        Observation(
            cell=cell,
            block=block,
            values={"throughput_rps": rps, "p99_ms": 10.0, "rss_peak_bytes": 1e8, "cpu_us_per_request": None},
        )
        for block, rps in enumerate((100.0, 400.0))
    ]
    means = {each.metric: each.interval for each in compare(observations).means}
    assert set(means) == {"throughput_rps", "rss_peak_bytes"}
    assert means["throughput_rps"].estimate == pytest.approx(200)
    assert means["rss_peak_bytes"].low == pytest.approx(1e8)


def test_nothing_says_nothing() -> None:
    comparison = compare([])
    assert [each.delta for each in comparison.noise] == [0.03] * 4
    assert not comparison.contrasts
    assert not comparison.rankings
    assert not comparison.main_effects


def test_a_comparison_can_be_stored(cell: Cell) -> None:
    """Bounds that no number holds included, which JSON cannot write."""
    comparison = compare(servers(cell, *([1.0 + place, 1e9 / (place + 1)] for place in range(8))))
    assert any(each.ratio.low is None for each in comparison.contrasts)
    assert Comparison.model_validate_json(comparison.model_dump_json()) == comparison
