"""Contrasts, rankings and main effects, from values that are written out or vary in a known way."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any

import pytest

from harness.analysis.contrasts import compare, tie_groups
from harness.analysis.verdicts import SHORT_TURNS, verdict
from harness.model.comparison import Comparison, Contrast, Control, Interval, MainEffect, Observation, Ranking
from harness.model.evaluation import Ceiling
from harness.model.metrics import MetricName
from harness.model.variant import Cell
from harness.stats import simultaneous
from harness.stats.simultaneous import LEAST_RESTARTS, OWN_LEVEL, PAIR_LEVEL, POOLED_LEVEL, studentized_range
from tests.conftest import changed

WANDER = (1.0, -0.6, 0.3, -1.2, 0.8, -0.9, 1.1, -0.5)
"""Deviations of eight restarts: they add up to 0, and their standard deviation is 0.926."""
USERS = Ceiling(rps=1000.0, limit="100 users ÷ 0.1 s", bound_by="users")
THREADS = Ceiling(rps=400.0, limit="40 threads ÷ 0.1 s", bound_by="threads")
NEVER = "no restart in which both have a value, nor a cell with which both were up"
DRIFT = (100, 101, 97, 60, 99, 103, 98, 102)
"""Values of a machine that had a bad fourth restart."""


def values(factor: float, spread: float = 0.0, wander: Sequence[float] = WANDER) -> list[float]:
    """The drift of the restarts, times a factor that wanders by `spread`."""
    return [base * factor * math.exp(spread * each) for base, each in zip(DRIFT, wander, strict=True)]


def visits(
    cell: Cell,
    measured: Sequence[float | None],
    metric: MetricName = "throughput_rps",
    *,
    at_ceiling: bool = False,
    repeat: bool = False,
    first: int = 1,
    in_set: int = 1,
) -> list[Observation]:
    """One per restart."""
    return [
        Observation(
            cell=cell,
            restart=restart,
            values={metric: value},
            ceiling=USERS if at_ceiling else None,
            repeat=repeat,
            set=in_set,
        )
        for restart, value in enumerate(measured, first)
    ]


def servers(
    cell: Cell, *measured: Sequence[float | None], metric: MetricName = "throughput_rps", **parts: Any
) -> list[Observation]:
    """Of the servers a, b, c, …"""
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


def control(comparison: Comparison, metric: MetricName = "throughput_rps") -> Control:
    (found,) = [each for each in comparison.controls if each.metric == metric]
    return found


def of_pair(factor: float, spread: float, level: float = PAIR_LEVEL) -> tuple[float, float]:
    """Ends of the interval of a ratio that wanders so, of a pair by itself."""
    error = spread * math.sqrt(sum(each**2 for each in WANDER) / 7 / 8)
    half = studentized_range(level, 2, 7) / math.sqrt(2) * error
    return factor * math.exp(-half), factor * math.exp(half)


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


def test_what_disturbs_a_whole_restart_falls_out(cell: Cell) -> None:
    found = contrast(compare(servers(cell, values(1), values(1.1, 0.01))))
    low, high = of_pair(1.1, 0.01)
    assert found.ratio.low == pytest.approx(low)
    assert found.ratio.high == pytest.approx(high)
    assert found.ratio.n == 8


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
    ("ratio", "expected"),
    [
        (Interval(estimate=1.0, low=1 / 1.0299, high=1.0299, n=8), "equivalent"),
        (Interval(estimate=1.0, low=1 / 1.0301, high=1.0299, n=8), "undecided"),
        (Interval(estimate=1.0, low=1 / 1.0299, high=1.0301, n=8), "undecided"),
        (Interval(estimate=1.031, low=1.001, high=1.1, n=8), "faster"),
        (Interval(estimate=1.031, low=0.999, high=1.1, n=8), "undecided"),
        (Interval(estimate=1.029, low=1.001, high=1.1, n=8), "undecided"),
        (Interval(estimate=1 / 1.031, low=0.9, high=0.999, n=8), "slower"),
        (Interval(estimate=1 / 1.029, low=0.9, high=0.999, n=8), "undecided"),
        (Interval(estimate=1.0, low=None, high=None, n=1), "undecided"),
    ],
)
def test_a_verdict_needs_all_that_it_rests_on(ratio: Interval, expected: str) -> None:
    assert verdict("throughput_rps", ratio, 0.03) == expected


def test_a_verdict_stands_against_all_contrasts_of_the_run(cell: Cell) -> None:
    """One difference that would be told by itself, and many that are none."""
    chance = random.Random(1)

    def noisy(factor: float) -> list[float]:
        return [base * factor * math.exp(chance.gauss(0, 0.03)) for base in DRIFT]

    alone = servers(cell, values(1), values(1.06, 0.05))
    assert contrast(compare(alone)).verdict == "faster"
    others = [visit for users in range(200, 240) for visit in servers(cell, noisy(1), noisy(1), users=users)]
    among = contrast(compare(alone + others), stratum="c100")
    assert among.p_holm is not None
    assert among.p is not None
    assert among.p < 0.05 < among.p_holm
    assert among.verdict == "undecided"


def test_with_too_few_restarts_there_is_an_interval_and_no_verdict(cell: Cell) -> None:
    for restarts in range(2, 9):
        found = contrast(compare(servers(cell, values(1)[:restarts], values(1.3)[:restarts])))
        assert found.ratio.n == restarts
        assert found.ratio.low == pytest.approx(1.3)
        assert found.could_be == pytest.approx(0.3)
        assert (found.verdict, found.reason) == (
            ("undecided", "too few restarts") if restarts < LEAST_RESTARTS else ("faster", None)
        )


def test_one_restart_gives_a_ratio_without_an_interval(cell: Cell) -> None:
    comparison = compare(servers(cell, [100], [110], [120]))
    found = contrast(comparison)
    assert (found.ratio.low, found.ratio.high, found.ratio.n) == (None, None, 1)
    assert found.hodges_lehmann == pytest.approx(found.ratio.estimate)
    assert found.ratio.estimate == pytest.approx(1.1)
    assert (found.p, found.p_holm, found.could_be) == (None, None, None)
    assert (found.verdict, found.reason) == ("undecided", "too few restarts")


@pytest.mark.parametrize(("factor", "expected"), [(1.0, "equivalent"), (1.1, "faster")])
def test_values_that_never_vary_have_an_interval_of_no_width(cell: Cell, factor: float, expected: str) -> None:
    found = contrast(compare(servers(cell, [100.0] * 8, [100.0 * factor] * 8)))
    assert found.ratio.low == found.ratio.high == pytest.approx(factor)
    assert found.verdict == expected


def test_only_restarts_in_which_both_have_a_value_count(cell: Cell) -> None:
    a: list[float | None] = [*values(1)]
    b: list[float | None] = [*values(1.1)]
    a[3], b[0] = None, 0.0
    comparison = compare(servers(cell, a, b))
    assert contrast(comparison).ratio.n == 6
    assert contrast(comparison).ratio.estimate == pytest.approx(1.1)
    means = {each.cell[0]: each.interval.n for each in comparison.means}
    assert means == {"a": 7, "b": 7}


def test_without_a_common_restart_a_contrast_is_excluded(cell: Cell) -> None:
    comparison = compare(servers(cell, [100, None], [None, 100]))
    (found,) = [each for each in comparison.excluded if each.metric == "throughput_rps"]
    assert (found.a.option, found.b.option, found.reason) == ("a", "b", NEVER)
    assert comparison.contrasts == []
    assert comparison.rankings == []


def at(cell: Cell, *ceilings: Ceiling | None, **values: Sequence[float]) -> Comparison:
    """Servers at these ceilings in every restart; metric → value of each."""
    return compare(
        [
            Observation(
                cell=changed(cell, server=server),
                restart=restart,
                values={name: each[place] * (1 + 0.001 * (restart % 3)) for name, each in values.items()},
                ceiling=ceiling,
            )
            for restart in range(1, 9)
            for place, (server, ceiling) in enumerate(zip("abc", ceilings, strict=False))
        ]
    )


def verdicts(comparison: Comparison) -> dict[str, str]:
    return {each.metric: each.verdict for each in comparison.contrasts}


def test_where_users_bind_latency_and_cost_are_compared_and_throughput_is_not(cell: Cell) -> None:
    """p99 of 103 and 140 ms where each request waits for 100: tails differ by much, however equal the throughput."""
    found = at(
        cell,
        USERS,
        USERS,
        throughput_rps=(999, 998),
        p99_ms=(103, 140),
        beyond_wait_ms=(1, 5),
        cpu_us_per_request=(100, 120),
    )
    assert verdicts(found) == {"p99_ms": "slower", "beyond_wait_ms": "slower", "cpu_us_per_request": "slower"}
    (excluded,) = [each for each in found.excluded if each.metric == "throughput_rps"]
    assert excluded.reason == f"both are at the same ceiling, {USERS.limit}"


def test_where_threads_bind_quantiles_follow_from_them_too(cell: Cell) -> None:
    found = at(
        cell,
        THREADS,
        THREADS,
        throughput_rps=(400, 399),
        p99_ms=(250, 260),
        beyond_wait_ms=(150, 160),
        cpu_us_per_request=(100, 120),
    )
    assert verdicts(found) == {"cpu_us_per_request": "slower"}
    assert {each.metric for each in found.excluded} >= {"throughput_rps", "p99_ms", "beyond_wait_ms"}


def test_a_ceiling_that_the_server_makes_tells_servers_apart(cell: Cell) -> None:
    """A server that has six threads, whatever is asked for, beside one that has forty."""
    six = Ceiling(rps=60.0, limit="6 threads ÷ 0.1 s", bound_by="threads")
    assert verdicts(at(cell, THREADS, six, throughput_rps=(400, 60))) == {"throughput_rps": "slower"}


def test_a_cell_below_its_ceiling_is_compared_with_one_at_its_own(cell: Cell) -> None:
    assert verdicts(at(cell, USERS, None, throughput_rps=(999, 700))) == {"throughput_rps": "slower"}


def test_a_cell_is_at_its_ceiling_where_most_of_its_restarts_are(cell: Cell) -> None:
    def observed(restarts: int) -> Comparison:
        return compare(
            [
                each.model_copy(update={"ceiling": USERS if each.restart <= restarts else None})
                for each in servers(cell, values(1), values(1.001))
            ]
        )

    def of_throughput(restarts: int) -> list[str]:
        return [each.reason for each in observed(restarts).excluded if each.metric == "throughput_rps"]

    assert of_throughput(3) == []
    assert of_throughput(6) == [f"both are at the same ceiling, {USERS.limit}"]


def test_cells_that_no_contrast_is_made_with_are_not_ranked(cell: Cell) -> None:
    observations = servers(cell, values(1), values(1.2))
    observations += visits(changed(cell, server="c", threads=7), values(1.3), at_ceiling=True)
    observations += visits(changed(cell, server="d", threads=7), values(1.3), at_ceiling=True)
    (ranking,) = [each for each in compare(observations).rankings if each.axis == "server"]
    assert groups(ranking) == [["b"], ["a"]]


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
        {"users": 200},
        {"rate": 50.0},
    ],
)
def test_cells_that_differ_in_more_than_one_axis_or_in_workload_or_load_are_not_compared(
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


def test_intervals_of_a_family_hold_at_once(cell: Cell) -> None:
    """Three options in one stratum: Tukey's range of three, over errors that all have in common."""
    chance = random.Random(2)
    measured = [[base * math.exp(chance.gauss(0, 0.02)) for base in DRIFT] for _ in range(3)]
    (found,) = {
        round(math.log(each.ratio.high / each.ratio.low) / 2, 9)
        for each in compare(servers(cell, *measured)).contrasts
        if each.ratio.high and each.ratio.low
    }
    logs = [list(map(math.log, row)) for row in zip(*measured, strict=True)]
    common = simultaneous.noise(logs)
    assert common is not None
    assert common.freedom == 14
    error = math.sqrt(2 * common.variance / 8)
    assert found == pytest.approx(studentized_range(POOLED_LEVEL, 3, 14) / math.sqrt(2) * error, rel=1e-6)


def test_strata_widen_the_intervals_of_a_family(cell: Cell) -> None:
    one = servers(cell, values(1), values(1.1, 0.02), users=50)
    two = one + [
        each
        for server, measured in (("a", values(1)), ("b", values(1.1, 0.02)))
        for each in visits(changed(cell, server=server, users=60), measured, first=11, in_set=2)
    ]
    alone, both = contrast(compare(one)), contrast(compare(two), stratum="c50")
    low, _ = of_pair(1.1, 0.02, 1 - (1 - PAIR_LEVEL) / 2)
    assert both.ratio.low == pytest.approx(low)
    assert alone.ratio.low is not None
    assert alone.ratio.low > low


def test_cells_that_vary_differently_have_their_own_errors(cell: Cell) -> None:
    calm, wild = values(1.1, 0.002), values(1.2, 0.2, [-each for each in reversed(WANDER)])
    comparison = compare(servers(cell, values(1), calm, wild))
    found = contrast(comparison, "a", "b")
    low, _ = of_pair(1.1, 0.002)
    # The wild one says nothing of the other two, whose variance together is that of their difference.
    widened = studentized_range(OWN_LEVEL, 3, 7 + simultaneous.PRIOR) / studentized_range(PAIR_LEVEL, 2, 7)
    assert found.ratio.low is not None
    assert math.log(1.1 / found.ratio.low) == pytest.approx(math.log(1.1 / low) * widened)


def test_cells_that_were_never_up_at_once_are_compared_by_way_of_a_third(cell: Cell) -> None:
    """The reference is in both sets; the machine was twice as fast when the second one was up."""
    reference, left, right = (changed(cell, server=name) for name in "abc")
    observations = visits(reference, values(1)) + visits(left, values(1.2, 0.01))
    for each, factor, spread in ((reference, 2.0, 0.0), (right, 2.6, 0.02)):
        observations += visits(each, values(factor, spread), first=11, in_set=2)
    comparison = compare(observations)
    found = contrast(comparison, "b", "c")
    assert found.ratio.estimate == pytest.approx(1.3 / 1.2)
    assert (found.by_way_of, found.hodges_lehmann) == (reference.label, None)
    error = math.sqrt((0.01**2 + 0.02**2) * sum(each**2 for each in WANDER) / 7 / 8)
    freedom = (0.01**2 + 0.02**2) ** 2 / (0.01**4 / 7 + 0.02**4 / 7)
    half = studentized_range(OWN_LEVEL, 3, int(freedom)) / math.sqrt(2) * error
    assert found.ratio.high == pytest.approx(1.3 / 1.2 * math.exp(half))
    assert contrast(comparison, "a", "b").by_way_of is None
    assert {each.by_way_of for each in comparison.contrasts} == {None, reference.label}


def test_hodges_lehmann_stands_beside_the_estimate(cell: Cell) -> None:
    """Twelve restarts a little slower and four far faster: the mean says faster."""
    a = [100.0] * 16
    b = [99.9] * 12 + [164.0 + restart for restart in range(4)]
    found = contrast(compare(servers(cell, a, b)))
    assert found.ratio.estimate > 1.1
    assert found.hodges_lehmann == pytest.approx(0.999)


# The cell that is there twice


def test_no_noise_widens_what_matters(cell: Cell) -> None:
    observations = servers(cell, values(1), values(1.06, 0.01))
    assert compare(observations).controls == []
    noisy = compare(observations + visits(changed(cell, server="a"), values(1, 0.12), repeat=True))
    assert noisy.margin == 0.03
    assert not control(noisy).excludes_one
    assert contrast(noisy).verdict == contrast(compare(observations)).verdict == "faster"


def test_the_margin_is_the_readers(cell: Cell) -> None:
    observations = servers(cell, values(1), values(1.06, 0.01))
    assert contrast(compare(observations, 0.1)).verdict == "equivalent"
    assert contrast(compare(observations, 0.05)).verdict == "faster"


def test_the_second_of_a_cell_is_no_observation_of_it(cell: Cell) -> None:
    observations = servers(cell, values(1), values(1.1, 0.01))
    with_aa = compare(observations + visits(changed(cell, server="a"), values(1.01, 0.001), repeat=True))
    assert with_aa.contrasts == compare(observations).contrasts
    assert with_aa.means == compare(observations).means


def test_a_cell_that_differs_from_itself_says_so(cell: Cell) -> None:
    second = visits(changed(cell, server="a"), values(1.05, 0.01), repeat=True)
    found = control(compare(servers(cell, values(1), values(1)) + second))
    assert found.excludes_one
    assert found.ratio.estimate == pytest.approx(1.05)
    low, _ = of_pair(1.05, 0.01, 1 - (1 - PAIR_LEVEL) / 5)  # of five metrics at once
    assert found.ratio.low == pytest.approx(low)


def test_what_cannot_be_a_run_is_refused(cell: Cell) -> None:
    one, two = servers(cell, [100]), servers(cell, [100], [100])
    with pytest.raises(ValueError, match="two observations of the same restart"):
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


def test_a_cell_gains_nothing_by_missing_a_bad_restart(cell: Cell) -> None:
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


def test_a_main_effect_is_the_mean_over_strata(cell: Cell) -> None:
    observations = servers(cell, values(1), values(1.10, 0.02), workers=1)
    observations += servers(cell, values(2), values(2.24, 0.02), workers=2)
    found = main_effect(compare(observations))
    assert (found.a, found.b, found.strata, found.reason) == ("a", "b", 2, None)
    assert found.effect is not None
    assert found.effect.estimate == pytest.approx(math.sqrt(1.10 * 1.12))
    assert found.deviation == pytest.approx(math.sqrt(1.12 / 1.10) - 1)
    (one,) = [each for each in compare(observations).contrasts if each.stratum == "w1" and each.axis == "server"]
    assert found.effect.half_width is not None
    assert one.ratio.half_width is not None
    assert found.effect.half_width < one.ratio.half_width


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


def test_strata_may_deviate_by_the_margin(cell: Cell) -> None:
    observations = servers(cell, values(1), values(1.0), workers=1) + servers(cell, values(1), values(1.1), workers=2)
    assert main_effect(compare(observations)).effect is None
    assert main_effect(compare(observations, 0.06)).effect is not None


def test_a_main_effect_needs_every_stratum(cell: Cell) -> None:
    observations = servers(cell, values(1), values(1.1), workers=1)
    assert compare(observations).main_effects == []
    for users in (50, 100):
        observations += servers(cell, values(1), values(1.1), workers=2, users=users)
    ceiling = [
        visit.model_copy(update={"ceiling": USERS if visit.cell.load.users == 50 else None}) for visit in observations
    ]
    found = main_effect(compare(ceiling))
    assert (found.strata, found.effect) == (3, None)
    assert found.reason == "1 of 3 strata cannot be compared"


def test_a_main_effect_by_way_of_a_third_cell_is_no_surer_than_its_parts(cell: Cell) -> None:
    """What both have in common does not average out."""
    reference = changed(cell, server="r", workers=8)
    observations = visits(reference, values(1)) + visits(reference, values(1, 0.02), first=11, in_set=2)
    for workers in (1, 2, 3, 4):
        observations += visits(changed(cell, server="a", workers=workers), values(1))
        observations += visits(changed(cell, server="b", workers=workers), values(1), first=11, in_set=2)
    comparison = compare(observations)
    (effect,) = [each for each in comparison.main_effects if each.axis == "server" and each.metric == "throughput_rps"]
    simple = [each for each in comparison.contrasts if each.axis == "server" and each.by_way_of]
    assert len(simple) == 4
    assert effect.effect is not None
    assert effect.effect.half_width is not None
    assert all(each.ratio.half_width is not None for each in simple)
    assert effect.effect.half_width >= 0.6 * min(each.ratio.half_width or 0 for each in simple)


def test_means_are_geometric_and_latency_has_none(cell: Cell) -> None:
    observations = [
        Observation(
            cell=cell,
            restart=restart,
            values={"throughput_rps": rps, "p99_ms": 10.0, "rss_peak_bytes": 1e8, "cpu_us_per_request": None},
        )
        for restart, rps in enumerate((100.0, 400.0))
    ]
    means = {each.metric: each.interval for each in compare(observations).means}
    assert set(means) == {"throughput_rps", "rss_peak_bytes"}
    assert means["throughput_rps"].estimate == pytest.approx(200)
    assert means["rss_peak_bytes"].low == pytest.approx(1e8)


def test_nothing_says_nothing() -> None:
    comparison = compare([])
    assert comparison.controls == []
    assert not comparison.contrasts
    assert not comparison.rankings
    assert not comparison.main_effects


def test_a_comparison_can_be_stored(cell: Cell) -> None:
    """Bounds that no number holds included, which JSON cannot write."""
    comparison = compare(servers(cell, *([1.0 + place, 1e250 / (place + 1) ** 30] for place in range(8))))
    assert any(each.ratio.low is None for each in comparison.contrasts)
    assert Comparison.model_validate_json(comparison.model_dump_json()) == comparison


def test_of_short_turns_there_is_no_verdict_on_the_slowest_requests(cell: Cell) -> None:
    short = [
        each.model_copy(update={"short_turns": True})
        for metric in ("p99_ms",)
        for each in servers(cell, values(1), values(1.5), metric=metric)
    ]
    found = contrast(compare(short), metric="p99_ms")
    assert found.ratio.estimate == pytest.approx(1.5)
    assert (found.verdict, found.reason) == ("undecided", SHORT_TURNS)
    median = [
        each.model_copy(update={"short_turns": True}) for each in servers(cell, values(1), values(1.5), metric="p50_ms")
    ]
    assert contrast(compare(median), metric="p50_ms").verdict == "slower"


@pytest.mark.parametrize(("moments", "verdict"), [(1, "undecided"), (4, "slower"), (None, "slower")])
def test_a_tail_of_few_stalls_has_no_verdict(cell: Cell, moments: int | None, verdict: str) -> None:
    first, second = values(1), values(1.5)
    stalled = [
        each.model_copy(update={"tail_moments": moments}) for each in servers(cell, first, second, metric="p99_ms")
    ]
    found = contrast(compare(stalled), metric="p99_ms")
    assert found.verdict == verdict
    if verdict == "undecided":
        assert found.reason is not None
        assert f"ended at {len(first)} moments only, 10 are needed" in found.reason


def test_where_all_are_compared_with_one_server_there_are_fewer_pairs_and_no_ranking(cell: Cell) -> None:
    factors = (1.0, 1.2, 0.9, 1.01, 1.1)
    spreads = (0.010, -0.011, 0.012, -0.009, 0.010)
    observed = servers(cell, *(values(*each) for each in zip(factors, spreads, strict=True)))
    whole, beside = compare(observed), compare(observed, against="c")
    of_servers = [each for each in beside.contrasts if each.metric == "throughput_rps"]
    assert [(each.a.option, each.b.option) for each in of_servers] == [("c", "a"), ("c", "b"), ("c", "d"), ("c", "e")]
    assert len([each for each in whole.contrasts if each.metric == "throughput_rps"]) == 10
    for other in "de":
        wide, narrow = contrast(whole, "c", other).ratio, contrast(beside, "c", other).ratio
        assert narrow.estimate == pytest.approx(wide.estimate)
        assert narrow.half_width is not None
        assert wide.half_width is not None
        assert 0.8 < narrow.half_width / wide.half_width < 0.95
    assert contrast(beside, "c", "a").ratio.estimate == pytest.approx(1 / 0.9)
    assert (whole.against, beside.against) == (None, "c")
    assert [each.axis for each in whole.rankings].count("server") == 1
    assert [each.axis for each in beside.rankings].count("server") == 0


def test_other_axes_are_compared_as_ever_where_servers_are_compared_with_one(cell: Cell) -> None:
    observed = [
        visit
        for place, workers in enumerate((1, 2, 3))
        for visit in servers(cell, values(1 + place), values(1.1 + place), values(1.2 + place), workers=workers)
    ]
    comparison = compare(observed, against="b")
    counts = {axis: sum(each.axis == axis for each in comparison.contrasts) for axis in ("server", "workers")}
    assert counts == {"server": 3 * 2, "workers": 3 * 3}
    assert {each.axis for each in comparison.rankings} == {"workers"}


def test_a_stratum_without_the_server_has_no_pair_of_servers(cell: Cell) -> None:
    observed = [
        *servers(cell, values(1.0, 0.01), values(1.1, -0.01), workers=1),
        *[
            each
            for each in servers(cell, values(1.0), values(1.1), values(1.2), workers=2)
            if each.cell.variant.server != "a"
        ],
    ]
    found = [each for each in compare(observed, against="a").contrasts if each.axis == "server"]
    assert [(each.a.option, each.b.option, each.stratum) for each in found] == [("a", "b", "w1")]
    whole = contrast(compare(observed), stratum="w1").ratio  # one of two strata
    assert found[0].ratio.half_width is not None
    assert whole.half_width is not None
    assert found[0].ratio.half_width < whole.half_width
