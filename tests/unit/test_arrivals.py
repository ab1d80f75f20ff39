"""Arrivals of an open load: by chance with the same seed, or at equal distances."""

from __future__ import annotations

import itertools
import statistics

import pytest
from scipy import stats

from harness.config.cells import CellSpec, resolve_cell
from harness.errors import UsageError
from harness.load import arrivals
from harness.model import labels


def gaps(rate: float, seconds: float, seed: int = 1) -> list[float]:
    moments = arrivals.moments_ms(rate, seconds, "poisson", seed)
    return [b - a for a, b in itertools.pairwise([0.0, *moments])]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_gaps_of_a_poisson_process_are_exponential(seed: int) -> None:
    found = gaps(200.0, 100.0, seed)
    mean = statistics.fmean(found)
    assert mean == pytest.approx(5.0, rel=0.03)
    assert statistics.stdev(found) / mean == pytest.approx(1.0, abs=0.05)
    assert stats.kstest(found, "expon", args=(0, 5.0)).pvalue > 0.01
    assert abs(statistics.correlation(found[:-1], found[1:])) < 0.03


def test_every_cell_meets_the_same_arrivals() -> None:
    assert gaps(50.0, 10.0) == gaps(50.0, 10.0)
    assert gaps(50.0, 10.0) != gaps(50.0, 10.0, seed=2)


def test_even_arrivals_are_at_equal_distances() -> None:
    assert arrivals.moments_ms(4.0, 1.0, "even")[:5] == [0.0, 250.0, 500.0, 750.0, 1000.0]


def test_arrivals_outlast_the_window() -> None:
    for way in ("poisson", "even"):
        assert arrivals.moments_ms(100.0, 3.0, way)[-1] >= 3000  # type: ignore[arg-type]


def test_what_is_due_is_counted_by_its_moment() -> None:
    assert arrivals.due([0.0, 999.9, 1000.0, 1500.0, 2000.0], 1.0, 2.0) == 2


def test_arrivals_are_in_the_written_form() -> None:
    even = resolve_cell(CellSpec(server="uvicorn", rate=200.0, arrivals="even"))
    poisson = resolve_cell(CellSpec(server="uvicorn", rate=200.0))
    assert (even.cell.load.label, poisson.cell.load.label) == ("r200even", "r200")
    names = labels.Names(servers=["uvicorn"], frameworks=[], styles=[], workloads=[])
    parsed = labels.parse_cell_label("uvicorn/r12.5even", names)
    assert (parsed.rate, parsed.arrivals) == (12.5, "even")
    assert labels.parse_cell_label("uvicorn/r12.5", names).arrivals == "poisson"


def test_arrivals_that_mean_nothing_are_refused() -> None:
    with pytest.raises(UsageError, match="without --rate"):
        resolve_cell(CellSpec(server="uvicorn", users=5, arrivals="even"))
    with pytest.raises(UsageError, match="unknown arrivals 'bursty'"):
        resolve_cell(CellSpec(server="uvicorn", rate=5.0, arrivals="bursty"))
