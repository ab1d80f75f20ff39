"""Requests that are judged by when they were due, and the commands that rest on them, with real servers and k6."""

from __future__ import annotations

import json

import pytest

from harness import api
from harness.load.arrivals import phases_ms
from harness.load.generator import Judging
from harness.measure.job import Offered
from harness.model.events import ignore
from tests.conftest import Harness

LIMITS = (5.0, 10_000.0)


def test_requests_are_judged_by_when_they_were_due(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    """100 requests per second that take 10 ms, then more than two threads serve: all are right, all take more than 5
    ms, none takes ten seconds; and what is due late in the burst waits longer than what is due before it."""
    monkeypatch.chdir(harness.folder)
    (spec,) = api.server_specs("uvicorn/sync/sleep?ms=10/t2/r300")
    due = phases_ms([(100, 2.5), (300, 1.0), (100, 6.0)], seed=1, at_once=3)
    judging = Judging(slice_seconds=0.5, slices=6, limits_ms=LIMITS, tail_seconds=4.0)
    timing = api.Timing(warmup_seconds=0.5, window_seconds=3.0)
    job = api.Job(spec=spec, timing=timing, generator=api.find_k6(None), offered=Offered(due_ms=due, judging=judging))
    seen = api.measure(job, ignore).facts.arrivals
    assert seen is not None
    assert seen.right == seen.due
    assert sum(seen.due) == sum(500 <= moment < 3500 for moment in due)
    assert seen.late[0] == seen.right
    assert sum(seen.late[1]) == 0
    assert seen.p50_ms[5] is not None
    assert seen.p50_ms[0] is not None
    assert seen.p50_ms[5] > 2 * seen.p50_ms[0] > 20
    assert seen.missed(10_000.0) == seen.late[1]


@pytest.mark.slow
def test_a_capacity_is_searched(harness: Harness) -> None:
    work = ("--style", "sync", "--workload", "sleep", "--param", "ms=10", "--threads", "2")
    done = harness.run("capacity", *work, "--objective", "p99<100ms", "--max-time", "45s", "--json", timeout=110)
    assert done.returncode in (0, 3), done.stderr
    document = json.loads(done.stdout)
    (cell,) = document["cells"]
    assert cell["cell"] == "uvicorn/fastapi/sync/sleep?ms=10/w1/t2"
    assert cell["points"]
    assert cell["closed_rps"] < 200
    assert "req/s" in done.stderr


@pytest.mark.slow
def test_an_overload_is_recovered_from(harness: Harness) -> None:
    work = ("--style", "sync", "--workload", "sleep", "--param", "ms=10", "--threads", "2")
    phases = ("--duration", "4s", "--burst-duration", "4s", "--starts", "1")
    done = harness.run("overload", *work, *phases, "--json", timeout=110)
    assert done.returncode in (0, 3), done.stderr
    (start,) = json.loads(done.stdout)["starts"]
    assert start["burst_p50_ms"] > 5 * start["base_p50_ms"]
