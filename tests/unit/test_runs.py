"""Two runs compared cell by cell: Welch's interval, verdicts, what cannot be compared, the gate."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import pytest

from harness.analysis.runs import compare_runs
from harness.analysis.verdicts import worse
from harness.model.comparison import Interval, Observation
from harness.model.evaluation import Ceiling
from harness.model.variant import Cell
from tests.conftest import changed

CAPPED = Ceiling(rps=1000.0, limit="100 users ÷ 0.1 s", bound_by="users")
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
            ceiling=CAPPED if capped else None,
        )
        for server, rate in rates.items()
        for restart, factor in enumerate(noise, 1)
    ]


CALM = {"gunicorn": 1000.0, "uvicorn:http=h11": 1000.0, "uvicorn:loop=asyncio": 1000.0}
"""Cells that do not change."""


def test_each_cell_has_its_verdict(cell: Cell) -> None:
    first = run(cell, {"uvicorn": 1000, "granian": 1000, "hypercorn": 1000, **CALM})
    second = run(cell, {"uvicorn": 1001, "granian": 1500, "hypercorn": 500, **CALM})
    found = compare_runs(first, second, "throughput_rps", 0.03, None)
    assert [(each.name.partition("/")[0], each.verdict) for each in found.contrasts[:3]] == [
        ("uvicorn", "equivalent"),
        ("granian", "faster"),
        ("hypercorn", "slower"),
    ]
    assert all(each.worse is None for each in found.contrasts)


def test_what_all_cells_have_in_common_is_the_machine_s(cell: Cell) -> None:
    """A machine that is half as fast on the second day, and one cell that is a fifth slower beyond that."""
    first = run(cell, {"uvicorn": 1000, **CALM})
    second = run(cell, {"uvicorn": 400, **{name: rate / 2 for name, rate in CALM.items()}})
    found = compare_runs(first, second, "throughput_rps", 0.03, 0.1)
    assert found.shift is not None
    assert found.shift.estimate == pytest.approx(0.5, rel=0.01)
    assert found.contrasts[0].ratio.estimate == pytest.approx(0.8, rel=0.01)
    assert [each.worse for each in found.contrasts] == [True, False, False, False]


def test_a_run_that_is_slower_as_a_whole_fails_no_build(cell: Cell) -> None:
    """By what a whole run shares, two runs differ by a fifth: simulated, sixteen equal cells of eight restarts."""
    chance = random.Random(1)
    failed = 0
    for _ in range(60):
        days = [math.exp(chance.gauss(0, 0.2)) for _ in range(2)]
        runs = [
            [
                Observation(
                    cell=changed(cell, threads=threads),
                    restart=restart,
                    values={"throughput_rps": 1000 * day * math.exp(chance.gauss(0, 0.06))},
                )
                for threads in range(1, 17)
                for restart in range(1, 9)
            ]
            for day in days
        ]
        failed += any(each.worse for each in compare_runs(*runs, "throughput_rps", 0.03, 0.05).contrasts)
    assert failed <= 3


def test_few_restarts_or_cells_give_no_verdict(cell: Cell) -> None:
    first, second = run(cell, {"uvicorn": 1000, **CALM}, NOISE[:5]), run(cell, {"uvicorn": 500, **CALM})
    found = compare_runs(first, second, "throughput_rps", 0.03, 0.05)
    assert (found.contrasts[0].verdict, found.contrasts[0].reason) == ("undecided", "too few restarts")
    assert found.contrasts[0].worse is False
    alone = compare_runs(run(cell, {"uvicorn": 1000}), run(cell, {"uvicorn": 500}), "throughput_rps", 0.03, 0.05)
    assert (alone.contrasts[0].verdict, alone.contrasts[0].worse, alone.shift) == ("undecided", False, None)
    assert "harness compare measures two side by side" in str(alone.contrasts[0].reason)


def test_what_only_one_run_has_and_what_is_at_its_ceiling_is_left_out(cell: Cell) -> None:
    first, second = run(cell, {"uvicorn": 1000, "granian": 1000}), run(cell, {"granian": 900, "hypercorn": 10})
    found = compare_runs(first, second, "throughput_rps", 0.03, None)
    assert [each.name.partition("/")[0] for each in found.contrasts] == ["granian"]
    assert [reason for _, reason in found.excluded] == [
        "not in the second run, or without a valid restart there",
        "not in the first run, or without a valid restart there",
    ]
    both = [run(cell, {"granian": 1000}, capped=True) for _ in range(2)]
    capped = compare_runs(*both, "throughput_rps", 0.03, 0.05)
    assert capped.contrasts == []
    assert [reason for _, reason in capped.excluded] == ["limited by the load in both"]
    assert len(compare_runs(*both, "cpu_us_per_request", 0.03, 0.05).excluded) == 0
    assert len(compare_runs(first, both[1], "throughput_rps", 0.03, 0.05).contrasts) == 1


@pytest.mark.parametrize(("rate", "fails"), [(1000, False), (970, False), (930, False), (800, True), (1300, False)])
def test_the_gate_fails_only_where_the_whole_interval_is_beyond_the_limit(cell: Cell, rate: float, fails: bool) -> None:
    first, second = run(cell, {"uvicorn": 1000, **CALM}), run(cell, {"uvicorn": rate, **CALM})
    found = compare_runs(first, second, "throughput_rps", 0.03, 0.07)
    assert found.contrasts[0].worse is fails


def test_for_latency_and_cost_more_is_worse() -> None:
    ratio = Interval(estimate=1.2, low=1.1, high=1.3, n=8)
    assert worse("p99_ms", ratio, 0.05)
    assert not worse("p99_ms", ratio, 0.15)
    assert not worse("throughput_rps", ratio, 0.05)
    assert not worse("p99_ms", ratio.model_copy(update={"low": None}), 0.05)
