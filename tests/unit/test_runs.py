"""Two runs compared cell by cell: Welch's interval, verdicts, what cannot be compared, the gate."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from scipy import stats

from harness.analysis.runs import compare_runs
from harness.analysis.verdicts import worse
from harness.model.comparison import Interval, Observation
from harness.model.variant import Cell
from harness.stats.intervals import difference
from tests.conftest import changed

NOISE = (1.0, 1.02, 0.98, 1.01, 0.99, 1.0, 1.01, 0.99)


def run(
    cell: Cell, rates: dict[str, float], noise: Sequence[float] = NOISE, *, capped: bool = False
) -> list[Observation]:
    """Cells by their server, with a throughput each."""
    return [
        Observation(
            cell=changed(cell, server=server),
            restart=restart,
            values={"throughput_rps": rate * factor},
            at_ceiling=capped,
        )
        for server, rate in rates.items()
        for restart, factor in enumerate(noise, 1)
    ]


def test_the_interval_is_welch_s() -> None:
    first, second = [0.1, 0.2, 0.15, 0.12], [0.3, 0.5, 0.35, 0.45, 0.4]
    found, p = difference(first, second)
    reference = stats.ttest_ind(second, first, equal_var=False)
    bounds = reference.confidence_interval(0.95)
    assert found.low == pytest.approx(math.exp(bounds.low))
    assert found.high == pytest.approx(math.exp(bounds.high))
    assert p == pytest.approx(reference.pvalue)
    assert found.n == 4


def test_one_restart_bounds_nothing_and_equal_values_are_certain() -> None:
    found, p = difference([0.0], [0.1, 0.2])
    assert (found.low, found.high, p) == (None, None, None)
    found, p = difference([0.0, 0.0], [1.0, 1.0])
    assert (found.low, p) == (found.estimate, 0.0)


def test_each_cell_has_its_verdict(cell: Cell) -> None:
    first = run(cell, {"uvicorn": 1000, "granian": 1000, "hypercorn": 1000})
    second = run(cell, {"uvicorn": 1001, "granian": 1500, "hypercorn": 500})
    found = compare_runs(first, second, "throughput_rps", 0.03, None)
    assert [(each.name.partition("/")[0], each.verdict) for each in found.contrasts] == [
        ("uvicorn", "equivalent"),
        ("granian", "faster"),
        ("hypercorn", "slower"),
    ]
    assert all(each.worse is None for each in found.contrasts)


def test_few_restarts_give_no_verdict(cell: Cell) -> None:
    found = compare_runs(
        run(cell, {"uvicorn": 1000}, NOISE[:5]), run(cell, {"uvicorn": 500}), "throughput_rps", 0.03, 0.05
    )
    assert (found.contrasts[0].verdict, found.contrasts[0].reason) == ("undecided", "too few restarts")


def test_what_only_one_run_has_and_what_is_at_its_ceiling_is_left_out(cell: Cell) -> None:
    first, second = run(cell, {"uvicorn": 1000, "granian": 1000}), run(cell, {"granian": 900, "hypercorn": 10})
    found = compare_runs(first, second, "throughput_rps", 0.03, None)
    assert [each.name.partition("/")[0] for each in found.contrasts] == ["granian"]
    assert [reason for _, reason in found.excluded] == [
        "not in the second run, or without a valid restart there",
        "not in the first run, or without a valid restart there",
    ]
    capped = compare_runs(first, run(cell, {"granian": 500}, capped=True), "throughput_rps", 0.03, 0.05)
    assert capped.contrasts == []
    assert ("at its ceiling") in [reason for _, reason in capped.excluded]


@pytest.mark.parametrize(("rate", "fails"), [(1000, False), (970, False), (930, False), (800, True), (1300, False)])
def test_the_gate_fails_only_where_the_whole_interval_is_beyond_the_limit(cell: Cell, rate: float, fails: bool) -> None:
    found = compare_runs(run(cell, {"uvicorn": 1000}), run(cell, {"uvicorn": rate}), "throughput_rps", 0.03, 0.07)
    assert found.contrasts[0].worse is fails


def test_for_latency_and_cost_more_is_worse() -> None:
    ratio = Interval(estimate=1.2, low=1.1, high=1.3, n=8)
    assert worse("p99_ms", ratio, 0.05)
    assert not worse("p99_ms", ratio, 0.15)
    assert not worse("throughput_rps", ratio, 0.05)
    assert not worse("p99_ms", ratio.model_copy(update={"low": None}), 0.05)
