"""Duets: the estimate and its coverage with the stopping rule, what voids a restart, how cells are written."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable

import pytest
from scipy import stats

from harness.analysis import duet
from harness.config.cells import CellSpec, parse_cell, resolve_cell
from harness.errors import UsageError
from harness.model.comparison import Interval
from harness.model.measurement import Measurement, Slice
from harness.model.variant import Cell


def sliced(facts: Measurement, *slices: tuple[int, float]) -> Measurement:
    """With these requests and CPU seconds per slice."""
    found = [
        Slice(t=float(place), seconds=1.0, requests=requests, cpu_seconds=cpu, lag_ms=None, rss_bytes=1)
        for place, (requests, cpu) in enumerate(slices, 1)
    ]
    return facts.model_copy(update={"slices": found})


def test_a_restart_is_the_mean_over_its_slices(facts: Measurement) -> None:
    first = sliced(facts, (1000, 0.5), (500, 0.5))
    second = sliced(facts, (500, 0.5), (500, 0.5))
    assert duet.restart_log(first, second) == pytest.approx(math.log(2) / 2)


def test_the_interval_is_over_restarts() -> None:
    logs = [0.01, 0.02, 0.0, 0.015, 0.005, 0.01]
    found = duet.estimate(logs)
    bounds = stats.t.interval(0.97, 5, statistics.fmean(logs), stats.sem(logs))
    assert (found.estimate, found.n) == (pytest.approx(math.exp(0.01)), 6)
    assert (found.low, found.high) == (pytest.approx(math.exp(bounds[0])), pytest.approx(math.exp(bounds[1])))
    assert duet.estimate([0.5]).low is None


@pytest.mark.parametrize("noise", [0.005, 0.01, 0.015, 0.02])
def test_the_interval_covers_the_truth_although_one_stops_when_it_is_narrow(noise: float) -> None:
    """Restarts with noise of their own; stopped by the rule, at forty at the latest. Nominal 95 %."""
    chance = random.Random(11)
    covered = 0
    for _ in range(1500):
        logs: list[float] = []
        while len(logs) < 40 and not duet.enough(logs, 0.01):
            logs.append(0.03 + chance.gauss(0, noise))
        found = duet.estimate(logs)
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= math.exp(0.03) <= found.high
    assert covered / 1500 >= 0.94


def test_one_does_not_stop_before_six_restarts() -> None:
    assert not duet.enough([0.01] * 5, 0.01)
    assert duet.enough([0.01] * 6, 0.01)
    assert not duet.enough([0.1, -0.1] * 3, 0.01)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.995, 1.005, "equivalent"), (1.02, 1.04, "slower"), (0.9, 0.95, "faster"), (0.98, 1.03, "undecided")],
)
def test_verdicts(low: float, high: float, verdict: str) -> None:
    ratio = Interval(estimate=math.sqrt(low * high), low=low, high=high, n=8)
    assert duet.verdict(ratio, 0.01) == (verdict, None)
    assert duet.verdict(ratio.model_copy(update={"n": 5}), 0.01) == ("undecided", "too few restarts")
    assert duet.verdict(None, 0.01) == ("undecided", "no restart counts")


def test_the_gate_needs_the_whole_interval() -> None:
    ratio = Interval(estimate=1.05, low=1.02, high=1.08, n=8)
    assert duet.beyond(ratio, 0.01) is True
    assert duet.beyond(ratio, 0.03) is False
    assert duet.beyond(ratio, None) is None
    assert duet.beyond(ratio.model_copy(update={"n": 5}), 0.01) is False


def test_a_fair_restart_counts(facts: Measurement) -> None:
    good = sliced(facts, (1000, 0.5), (1000, 0.5))
    assert duet.void(good, good) is None


def test_steal_alone_voids_nothing(change: Callable[..., Measurement]) -> None:
    stolen = sliced(change(machine={"stolen_cores": 1.0}), (1000, 0.5))
    assert duet.void(stolen, stolen) is None


@pytest.mark.parametrize(
    ("part", "says"),
    [
        ({"server": {"workers_lost": 1}}, "died or were replaced"),
        ({"failures_by_kind": {"status": 500}}, "another status"),
        ({"generator": {"cpu_cores": 0.97}}, "the generator used 97%"),
        ({"sampled": {"wrong": 1, "example": "so"}}, "answers were wrong"),
    ],
)
def test_what_voids_a_restart(
    change: Callable[..., Measurement], part: dict[str, dict[str, object]], says: str
) -> None:
    bad, good = sliced(change(**part), (1000, 0.5)), sliced(change(), (1000, 0.5))
    assert says in (duet.void(bad, good) or "")
    assert says in (duet.void(good, bad) or "")


def test_unequal_progress_voids_a_restart(facts: Measurement) -> None:
    good, starved = sliced(facts, (1000, 0.5), (1000, 0.5)), sliced(facts, (1000, 0.5), (10, 0.01))
    assert "unequal progress" in (duet.void(good, starved) or "")
    assert "unequal progress" in (duet.void(starved, good) or "")
    assert "unequal progress" in (duet.void(good, sliced(facts, (1000, 0.5), (0, 0.5))) or "")


def test_cells_are_written_in_parts() -> None:
    shared = CellSpec(server="", workload="noop", users=16)
    found = parse_cell("uvicorn:loop=asyncio,http=h11/sync/sleep?ms=5/w2/t10", shared)
    assert found == CellSpec(
        server="uvicorn:loop=asyncio,http=h11",
        style="sync",
        workload="sleep",
        params=("ms=5",),
        workers=2,
        threads=10,
        users=16,
    )
    assert parse_cell("granian", shared) == CellSpec(server="granian", workload="noop", users=16)
    with pytest.raises(UsageError, match="'fast' is no framework, style, workload, application or number"):
        parse_cell("granian/fast", shared)


def test_a_cell_s_id_is_its_written_form(cell: Cell) -> None:
    found = resolve_cell(parse_cell(cell.label, CellSpec(server="", workload="noop", users=1)))
    assert found.cell.label == cell.label
