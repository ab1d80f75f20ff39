"""Gates: a flawless measurement passes, and each flaw is caught by the gate that is there for it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.judge.gates import judge
from harness.model.measurement import Facts, Failures, Latency


def test_a_flawless_measurement_is_valid(facts: Facts) -> None:
    judgement = judge(facts)
    assert judgement.verdict == "valid"
    assert judgement.reasons == []
    assert judgement.notes == []


@pytest.mark.parametrize(
    ("part", "values", "verdict", "gate", "says"),
    [
        ("failures", {"timeout": 11}, "failed", "failures", "11 timed out"),
        ("failures", {"status": 11}, "failed", "failures", "another status"),
        ("server", {"workers_lost": 1}, "invalid", "workers", "1 of 2 workers"),
        ("sampled", {"wrong": 1, "example": "it is not JSON"}, "invalid", "answers", "it is not JSON"),
        ("server", {"unmet": {"loop": "asked for a, in effect is b"}}, "invalid", "settings", "asked for a"),
        ("generator", {"cpu_cores": 0.81}, "invalid", "generator", "81%"),
        ("generator", {"offered_rps": 100.0, "overdue": 12}, "invalid", "offered", "only 99% of the requests"),
    ],
)
def test_each_flaw_is_caught(
    change: Callable[..., Facts], part: str, values: dict[str, object], verdict: str, gate: str, says: str
) -> None:
    judgement = judge(change(**{part: values}))
    assert judgement.verdict == verdict
    assert [reason.gate for reason in judgement.reasons] == [gate]
    assert says in judgement.reasons[0].message


def test_an_open_load_that_was_sent_is_valid(change: Callable[..., Facts]) -> None:
    assert judge(change(generator={"offered_rps": 100.0, "overdue": 10})).verdict == "valid"


def test_a_few_failures_are_within_the_limit(change: Callable[..., Facts]) -> None:
    assert judge(change(failures={"connection": 9})).verdict == "valid"


def test_failures_outweigh_invalidity_and_both_are_told(change: Callable[..., Facts]) -> None:
    judgement = judge(change(failures={"connection": 500}, server={"workers_lost": 2}))
    assert judgement.verdict == "failed"
    assert [reason.gate for reason in judgement.reasons] == ["failures", "workers"]


def test_nothing_at_all_is_failed(facts: Facts) -> None:
    nothing = facts.model_copy(update={"requests": 0, "failures": Failures(timeout=0, connection=0, status=0)})
    assert judge(nothing).verdict == "failed"


def test_a_window_of_few_service_times_is_noted(facts: Facts) -> None:
    slow = Latency(min=900, mean=1000, p50=1000, p90=1000, p95=None, p99=None, max=1000)
    notes = judge(facts.model_copy(update={"latency_ms": slow})).notes
    assert len(notes) == 1
    assert "10 service times of 1,000 ms" in notes[0]


def test_time_taken_by_others_is_noted(change: Callable[..., Facts]) -> None:
    assert "took 50%" in judge(change(machine={"stolen_cores": 2.0})).notes[0]


def test_users_that_wait_unseen_are_noted(change: Callable[..., Facts]) -> None:
    assert "the time of 26 of 100 users" in judge(change(generator={"users_accounted": 26.0})).notes[0]
