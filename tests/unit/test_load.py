"""The generator's summary: its grid, its quantiles, its shape; and how many users an open load needs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.load import k6, summary, wrk
from harness.load.generator import LoadSummary, LoadTarget
from harness.model.load import Feed, RequestMix, RequestTemplate


def read(document: dict[str, dict[str, float]]) -> LoadSummary:
    return k6.read_summary(document, 10.0, [])


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
    found = read(document(100_000))
    assert found.requests == 100_000
    assert len(found.grid) == 281
    assert (found.latency.p50, found.latency.p99, found.latency.max) == (50, 99, 100)
    assert found.failures.total == 0


@pytest.mark.parametrize(("count", "p99"), [(999, None), (1000, 99)])
def test_a_quantile_needs_ten_samples_beyond_it(count: int, p99: float | None) -> None:
    assert read(document(count)).latency.p99 == p99


def test_a_summary_without_requests_has_no_latency() -> None:
    found = read({"cell_timeouts": {"count": 3}})
    assert (found.requests, found.grid, found.latency.p50, found.failures.timeout) == (0, [], None, 3)


def test_an_unknown_shape_is_refused() -> None:
    broken = document(10)
    del broken["cell_latency"]["p(99.99)"]
    with pytest.raises(ValueError, match=r"p\(99\.99\)"):
        read(broken)
    with pytest.raises(ValueError, match="count"):
        read(document(10) | {"cell_succeeded": {"count": 11}})


@pytest.mark.parametrize(("rate", "seconds", "users"), [(1, 0.0, 10), (100, 0.1, 61), (1000, 0.0, 501)])
def test_users_of_an_open_load(rate: float, seconds: float, users: int) -> None:
    assert k6.users_for_rate(rate, seconds) == users


def test_wrk_knows_no_quantiles_and_counts_failures_as_requests() -> None:
    counts = {"connect": 0, "read": 1, "write": 0, "status": 5, "timeout": 2}
    found = wrk.read_summary({"duration_us": 10_050_000, "requests": 1000, "min_us": 500, "max_us": 9000, **counts})
    assert (found.requests, found.window_seconds, found.failures.total) == (993, 10.05, 8)
    assert (found.latency.min, found.latency.p50, found.latency.max, found.grid) == (0.5, None, 9.0, [])
    assert (found.matched, found.idle_seconds, found.blocked_ms_p99) == (None, None, None)


@pytest.mark.parametrize(
    ("script", "names"),
    [
        ("check(res, { 'status is 200': (r) => r.status === 200, 'under 45 ms': (r) => r.timings.duration < 45 })", 1),
        ("check(res, {\n  'under 45 ms': function (r) { return r.timings.duration < 45; },\n  ok: (r) => true })", 1),
        ('check(res, { "under 45 ms": r => r.timings.waiting < 45, "has items": r => r.json().items.length > 0 })', 1),
        ("check(res, { 'status is 200': (r) => r.status === 200 }); const t = res.timings.duration;", 0),
    ],
)
def test_checks_of_the_time_are_told_from_checks_of_answers(tmp_path: Path, script: str, names: int) -> None:
    path = tmp_path / "load.js"
    path.write_text(script)
    assert k6.timed_checks(str(path)) == ({"under 45 ms"} if names else set())


def test_checks_of_a_script_are_told_by_name() -> None:
    summary = k6.read_summary(
        {"named_checks": [["status is 200", 100, 0], ["under 45 ms", 50, 50], ["has items", 97, 3]]},
        10.0,
        [],
        scripted=True,
        timed={"under 45 ms"},
    )
    assert (summary.matched, summary.failed_checks) == (247, 3)
    assert [(each.name, each.of_time) for each in summary.checks] == [
        ("status is 200", False),
        ("under 45 ms", True),
        ("has items", False),
    ]


def test_long_lists_of_texts_are_given_to_k6_in_a_file_that_its_users_share(tmp_path: Path) -> None:
    long = tuple(f"user {number}" for number in range(3000))
    feeds = {
        "ids": Feed(count=7),
        "short": Feed(count=2, texts=("a", "b")),
        "long": Feed(count=3000, texts=long),
        "again": Feed(count=3000, texts=long),
    }
    mix = RequestMix(templates=(RequestTemplate(name="x", path=("/",)),), feeds=feeds)
    document = k6.target_document(LoadTarget(base="http://h", mix=mix, timeout_seconds=1.0), tmp_path)
    texts = {name: feed["texts"] for name, feed in document["feeds"].items()}
    assert (texts["ids"], texts["short"]) == (None, ("a", "b"))
    assert texts["long"] == texts["again"]
    assert json.loads(Path(texts["long"]).read_text()) == list(long)


def test_a_log_that_is_longer_than_memory_is_read_line_by_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(k6, "MOST_BODIES_LENGTH", 10)
    monkeypatch.setattr(k6, "LONGEST_LINE", 60)
    lines = [{"unexpected": "123456", "kind": 0, "iteration": number} for number in range(5)]
    printed = ["x" * 1000, *map(json.dumps, lines)]
    (tmp_path / "k6.log").write_text("\n".join(printed) + "\n")
    assert len(list(k6.log_objects(tmp_path / "k6.log"))) == 5
    assert [body.iteration for body in k6.unexpected_bodies(tmp_path / "k6.log")] == [0, 1]
