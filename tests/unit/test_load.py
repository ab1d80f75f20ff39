"""The generator's summary: its grid, its quantiles, its shape; and how many users an open load needs."""

from __future__ import annotations

import pytest

from harness.load import k6, summary


def document(count: int) -> dict[str, dict[str, float]]:
    trend = {f"p({p:g})": p for p in summary.percentiles()}
    return {
        "cell_latency": {**trend, "min": 0.0, "avg": 50.0, "max": 100.0, "count": count},
        "cell_succeeded": {"count": count, "rate": 1.0},
        "cell_matched": {"count": 5},
    }


def test_the_grid_is_dense_towards_the_tail() -> None:
    grid = summary.percentiles()
    assert len(grid) == 281
    assert grid == sorted(set(grid))
    assert (grid[0], grid[90], grid[180], grid[-1]) == (0, 90, 99, 100)


def test_a_summary_is_read() -> None:
    read = summary.K6Summary(document(100_000))
    assert read.requests == 100_000
    assert len(read.grid) == 281
    assert (read.latency.p50, read.latency.p99, read.latency.max) == (50, 99, 100)
    assert read.failures.total == 0


@pytest.mark.parametrize(("count", "p99"), [(999, None), (1000, 99)])
def test_a_quantile_needs_ten_samples_beyond_it(count: int, p99: float | None) -> None:
    assert summary.K6Summary(document(count)).latency.p99 == p99


def test_a_summary_without_requests_has_no_latency() -> None:
    read = summary.K6Summary({"cell_timeouts": {"count": 3}})
    assert (read.requests, read.grid, read.latency.p50, read.failures.timeout) == (0, [], None, 3)


def test_an_unknown_shape_is_refused() -> None:
    broken = document(10)
    del broken["cell_latency"]["p(99.99)"]
    with pytest.raises(ValueError, match=r"p\(99\.99\)"):
        summary.K6Summary(broken)
    with pytest.raises(ValueError, match="count"):
        summary.K6Summary(document(10) | {"cell_succeeded": {"count": 11}})


@pytest.mark.parametrize(("rate", "seconds", "users"), [(1, 0.0, 10), (100, 0.1, 61), (1000, 0.0, 501)])
def test_users_of_an_open_load(rate: float, seconds: float, users: int) -> None:
    assert k6.users_for_rate(rate, seconds) == users
