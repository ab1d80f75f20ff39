"""Gates: a flawless measurement passes, and each flaw is caught by the gate that is there for it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from types import ModuleType
from typing import get_args

import pytest

from harness.analysis import diagnosis, evaluation, validity
from harness.analysis.evaluation import evaluate
from harness.model.evaluation import Remedy
from harness.model.measurement import Collector, Failures, Interruptions, Latency, Measurement, Slice, WorkerStats
from harness.report.words import REMEDIES, remedied
from tests.conftest import changed


def happened(**parts: float) -> Interruptions:
    """What interrupted a measurement, by default nothing."""
    nothing = {"clock_step_s": 0.009, "suspended_s": 0.001, "throttled_periods": 0, "throttled_s": 0.25}
    return Interruptions.model_validate(nothing | parts)


def test_a_flawless_measurement_is_valid(facts: Measurement) -> None:
    result = evaluate(facts)
    assert result.verdict == "valid"
    assert result.reasons == []
    assert result.notes == []


@pytest.mark.parametrize(
    ("part", "values", "verdict", "gate", "says"),
    [
        ("failures_by_kind", {"timeout": 11}, "failed", "failures", "11 timed out"),
        ("failures_by_kind", {"status": 11}, "failed", "failures", "another status"),
        ("server", {"workers_lost": 1}, "failed", "workers", "1 of 2 workers"),
        ("sampled", {"wrong": 1, "example": "it is not JSON"}, "failed", "answers", "it is not JSON"),
        ("server", {"unmet": {"loop": "asked for a, in effect is b"}}, "invalid", "settings", "asked for a"),
        ("generator", {"cpu_cores": 0.81}, "invalid", "generator", "81%"),
        ("generator", {"null_rps": 1400.0}, "invalid", "null-ceiling", "71% of its maximum of 1,400 req/s"),
        ("generator", {"blocked_ms_p99": 11.0}, "invalid", "blocked", "waited 11.0 ms"),
        ("generator", {"users_accounted": 94.0}, "invalid", "user-seconds", "94% of the users' time"),
        ("machine", {"stolen_cores": 2.0}, "invalid", "machine", "took 50% of the cores in use (50% other guests"),
        ("machine", {"foreign_cores": 0.4}, "invalid", "machine", "10% other processes"),
        ("machine", {"interruptions": happened(clock_step_s=3.0)}, "invalid", "clock", "set forwards by 3.00 s"),
        ("machine", {"interruptions": happened(clock_step_s=-0.02)}, "invalid", "clock", "set backwards by 0.02 s"),
        ("machine", {"interruptions": happened(suspended_s=61.0)}, "invalid", "clock", "slept for 61.0 s"),
        ("machine", {"interruptions": happened(throttled_periods=1)}, "invalid", "quota", "used up 1 time: its"),
    ],
)
def test_each_flaw_is_caught(
    change: Callable[..., Measurement], part: str, values: dict[str, object], verdict: str, gate: str, says: str
) -> None:
    result = evaluate(change(**{part: values}))
    assert result.verdict == verdict
    assert [reason.gate for reason in result.reasons] == [gate]
    assert says in result.reasons[0].message


@pytest.mark.parametrize(
    ("generator", "words"),
    [
        ({"cpu_cores": 0.81}, "give the generator more cores, or measure with --generator wrk"),
        ({"null_rps": 1400.0}, "give the generator more cores, or measure with --generator wrk"),
        ({"cpu_cores": 0.81, "null_rps": 1400.0}, "give the generator more cores, or measure with --generator wrk"),
        ({"cpu_cores": 0.81, "name": "wrk"}, "give the generator more cores, or measure a slower configuration"),
    ],
)
def test_a_generator_without_cpu_time_left_has_its_remedies_once(
    change: Callable[..., Measurement], generator: dict[str, object], words: str
) -> None:
    reasons = evaluate(change(generator=generator)).reasons
    assert remedied(reasons[-1].message, reasons[-1].remedies).startswith(f"{reasons[-1].message}; {words}")
    assert [bool(reason.remedies) for reason in reasons] == [False] * (len(reasons) - 1) + [True]


def test_a_lower_rate_relieves_a_generator(change: Callable[..., Measurement], facts: Measurement) -> None:
    open_load = changed(facts.cell, rate=100.0)
    busy = change(generator={"cpu_cores": 0.81}).model_copy(update={"cell": open_load})
    assert Remedy(kind="rate", direction="lower") in evaluate(busy).reasons[0].remedies


def test_an_open_load_that_was_sent_is_valid(change: Callable[..., Measurement]) -> None:
    assert evaluate(change(generator={"offered_rps": 100.0, "overdue": 10})).verdict == "valid"


def test_a_few_failures_are_within_the_limit(change: Callable[..., Measurement]) -> None:
    assert evaluate(change(failures_by_kind={"connection": 9})).verdict == "valid"


def test_failures_outweigh_invalidity_and_both_are_told(change: Callable[..., Measurement]) -> None:
    result = evaluate(change(failures_by_kind={"connection": 500}, server={"workers_lost": 2}))
    assert result.verdict == "failed"
    assert [reason.gate for reason in result.reasons] == ["failures", "workers"]


def test_nothing_at_all_is_failed(facts: Measurement) -> None:
    nothing = facts.model_copy(update={"requests": 0, "failures_by_kind": Failures(timeout=0, connection=0, status=0)})
    assert evaluate(nothing).verdict == "failed"


def test_a_window_of_few_service_times_is_noted(facts: Measurement) -> None:
    slow = Latency(min=900, mean=1000, p50=1000, p90=1000, p95=None, p99=None, max=1000)
    notes = evaluate(facts.model_copy(update={"latency_ms": slow})).notes
    assert len(notes) == 1
    assert "10 service times of 1,000 ms" in notes[0].message
    assert remedied("", notes[0].remedies) == "measure longer (--duration 20s)"


def test_a_queue_that_is_still_filling_is_noted(facts: Measurement) -> None:
    def noted(*, requests: int, timed_out: int = 0, **changes: object) -> list[str]:
        failures = Failures(timeout=timed_out, connection=0, status=0)
        found = facts.model_copy(update={"requests": requests, "failures_by_kind": failures, **changes})
        return [
            remedied(note.message, note.remedies) for note in evaluate(found).notes if "still filling" in note.message
        ]

    assert facts.cell.load.users == 100
    enough = round(100 * facts.window_seconds / (facts.warmup_seconds + 0.049 * facts.window_seconds))
    assert noted(requests=enough) == []
    (note,) = noted(requests=enough // 2)
    assert f"after a warm-up of {facts.warmup_seconds:g} s" in note
    assert note.endswith("warm up longer (--warmup 3s)")
    assert noted(requests=enough // 2, timed_out=enough) == []  # these users did not wait any longer
    assert noted(requests=enough // 2, cell=changed(facts.cell, rate=10.0)) == []


def slices(*rates: int) -> list[Slice]:
    return [
        Slice(t=number, seconds=1.0, requests=rate, cpu_seconds=0.1, lag_ms=None, rss_bytes=1)
        for number, rate in enumerate(rates, 1)
    ]


@pytest.mark.parametrize(
    ("rates", "says"),
    [
        ((1000, 990, 1010, 1000, 1005, 500, 505, 495, 500, 500), "50% slower"),
        ((500, 505, 495, 500, 500, 1000, 990, 1010, 1000, 1005), "100% faster"),
        ((1000, 950, 900, 850, 800, 750, 700, 650, 600, 550), "28% slower"),
    ],
)
def test_a_window_that_is_not_steady_is_caught(facts: Measurement, rates: tuple[int, ...], says: str) -> None:
    reasons = evaluate(facts.model_copy(update={"slices": slices(*rates)})).reasons
    assert [reason.gate for reason in reasons] == ["steady"]
    assert says in reasons[0].message


@pytest.mark.parametrize(
    "rates",
    [
        (1000,) * 10,
        (1000, 950, 1000, 950, 1000, 950, 1000, 950, 1000, 950),
        (1000, 700, 1100, 900, 800, 650, 1000, 700, 900, 750),  # slower, but no more than it wanders anyway
        (1000, 1000, 1000, 500, 500),  # too few to tell
    ],
)
def test_what_wanders_anyway_is_steady(facts: Measurement, rates: tuple[int, ...]) -> None:
    assert evaluate(facts.model_copy(update={"slices": slices(*rates)})).verdict == "valid"


def test_slow_requests_are_not_judged_by_their_slices(facts: Measurement) -> None:
    slow = facts.latency_ms.model_copy(update={"p50": 501.0})
    update = {"slices": slices(1000, 1000, 1000, 1000, 500, 500, 500, 500), "latency_ms": slow}
    assert evaluate(facts.model_copy(update=update)).verdict == "valid"


def test_late_requests_of_idle_users_are_the_generators_fault(facts: Measurement) -> None:
    generator = facts.generator.model_copy(update={"lateness_ms_p99": 12.0})
    cell = changed(facts.cell, rate=100.0)
    reasons = evaluate(facts.model_copy(update={"generator": generator, "cell": cell})).reasons
    assert [reason.gate for reason in reasons] == ["lateness"]
    assert "12.0 ms late" in reasons[0].message


def test_late_requests_of_busy_users_are_no_fault_of_the_generator(change: Callable[..., Measurement]) -> None:
    assert evaluate(change(generator={"lateness_ms_p99": 12.0})).verdict == "valid"  # under closed load nothing is due


def test_what_interrupts_is_not_evaluated_where_it_is_not_known(change: Callable[..., Measurement]) -> None:
    old, v1 = change(machine={"interruptions": None}), happened().model_copy(update={"throttled_periods": None})
    assert {state_of(old, "clock"), state_of(old, "quota")} == {"not evaluated"}
    assert state_of(change(machine={"interruptions": v1}), "clock") == "passed"
    assert state_of(change(machine={"interruptions": v1}), "quota") == "not evaluated"


def test_a_step_of_the_clock_is_worth_another_attempt_and_a_quota_is_not(change: Callable[..., Measurement]) -> None:
    assert validity.disturbed(evaluate(change(machine={"interruptions": happened(clock_step_s=1.0)})))
    assert not validity.disturbed(evaluate(change(machine={"interruptions": happened(throttled_periods=9)})))


def test_every_kind_of_remedy_has_words() -> None:
    kinds = get_args(Remedy.model_fields["kind"].annotation)
    assert {kind for kind, _ in REMEDIES} == set(kinds)


@pytest.mark.parametrize("module", [validity, diagnosis, evaluation])
def test_messages_of_the_analysis_name_no_option(module: ModuleType) -> None:
    assert not re.search(r"--[a-z]", inspect.getsource(module))


def state_of(facts: Measurement, gate: str) -> str:
    (found,) = [each.state for each in evaluate(facts).gates if each.gate == gate]
    return found


def test_each_gate_has_a_state(change: Callable[..., Measurement], facts: Measurement) -> None:
    assert {each.gate for each in evaluate(facts).gates} == {
        *("failures", "nothing-measured", "workers", "answers", "settings", "generator", "null-ceiling", "blocked"),
        *("user-seconds", "counts", "clock", "quota", "machine", "steady"),
    }
    assert state_of(facts, "machine") == "passed"
    assert state_of(change(machine={"stolen_cores": 2.0}), "machine") == "failed"


def test_a_gate_that_cannot_be_evaluated_says_so(change: Callable[..., Measurement], facts: Measurement) -> None:
    long = facts.model_copy(update={"slices": facts.slices * 6})
    assert state_of(long, "steady") == "passed"
    assert state_of(facts, "steady") == "not evaluated"
    assert state_of(change(generator={"null_rps": 5000.0}), "null-ceiling") == "passed"
    assert state_of(facts, "null-ceiling") == "not evaluated"
    assert state_of(facts.model_copy(update={"sampled": None}), "answers") == "not evaluated"


def test_what_was_loaded_in_turn_has_gates_of_its_own(facts: Measurement) -> None:
    generator = facts.generator.model_copy(update={"answers": sum(facts.server.requests_by_worker)})
    turns = facts.model_copy(update={"method": "slots", "generator": generator})
    gates = {each.gate: each.state for each in evaluate(turns).gates}
    assert set(gates) >= {"settings", "counts", "idle-generator", "machine", "workers"}
    assert "steady" not in gates
    assert gates["counts"] == "passed"
    off = generator.model_copy(update={"answers": sum(facts.server.requests_by_worker) + 1000})
    assert evaluate(turns.model_copy(update={"generator": off})).reasons[0].gate == "counts"


def test_a_busy_generator_is_no_limit_where_the_server_is_at_its_own(facts: Measurement) -> None:
    busy = facts.generator.model_copy(update={"cpu_cores": 0.9, "answers": sum(facts.server.requests_by_worker)})
    idle = facts.model_copy(update={"method": "slots", "generator": busy})
    assert [reason.gate for reason in evaluate(idle).reasons] == ["generator"]
    cores = min(2, facts.cell.variant.workers)
    full = idle.model_copy(update={"server": facts.server.model_copy(update={"cpu_cores": 0.95 * cores})})
    assert evaluate(full).reasons == []


def test_an_open_load_of_which_a_part_was_not_sent_is_invalid(facts: Measurement) -> None:
    """1,100 requests were due in warm-up and window together."""
    open_load = facts.model_copy(
        update={
            "cell": changed(facts.cell, rate=100.0),
            "generator": facts.generator.model_copy(update={"offered_rps": 98.0, "overdue": 12}),
        }
    )
    result = evaluate(open_load)
    assert [reason.gate for reason in result.reasons] == ["offered"]
    assert "only 99% of the requests" in result.reasons[0].message
    fewer = open_load.generator.model_copy(update={"overdue": 10})
    assert evaluate(open_load.model_copy(update={"generator": fewer})).verdict == "valid"


@pytest.mark.parametrize(
    ("answers", "finished", "failures", "state"),
    [
        (9876, 9876, {}, "passed"),
        (9876, 9500, {}, "passed"),  # each tells the window's edges by its own clock
        (9876, 1700, {}, "failed"),
        (1700, 9876, {}, "failed"),
        (1700, 9876, {"timeout": 9000}, "passed"),  # what timed out was answered later
        (None, 1700, {}, "not evaluated"),
    ],
)
def test_generator_and_workers_must_have_seen_the_same_requests_of_a_window(
    change: Callable[..., Measurement], answers: int | None, finished: int, failures: dict[str, int], state: str
) -> None:
    facts = change(generator={"answers": answers}, server={"requests_by_worker": [finished]}, failures_by_kind=failures)
    assert {each.gate: each.state for each in evaluate(facts).gates}["counts"] == state


@pytest.mark.parametrize(
    ("pauses", "longest_ms", "workers", "noted"),
    [(6, 47.0, 1, True), (1, 47.0, 1, False), (6, 47.0, 4, False), (6, 4.0, 1, False), (0, 0.0, 1, False)],
)
def test_a_garbage_collector_that_makes_the_tail_is_noted(
    facts: Measurement, pauses: int, longest_ms: float, workers: int, noted: bool
) -> None:
    """Ten seconds, in which the p99 lies 40 ms above the median."""
    evidence = WorkerStats(
        loop_lag_ms=None,
        threads=None,
        pool=None,
        in_flight_mean=1.0,
        cpu_cores_by_worker=[0.5],
        collector=Collector(pauses=pauses, mean_ms=10.0, longest_ms=longest_ms),
    )
    slow = facts.latency_ms.model_copy(update={"p50": 50.0, "p99": 90.0})
    cell = changed(facts.cell, workers=workers)
    update = {"evidence": evidence, "latency_ms": slow, "cell": cell, "window_seconds": 10.0}
    notes = [each for each in evaluate(facts.model_copy(update=update)).notes if "garbage" in each.message]
    assert bool(notes) == noted
    if noted:
        assert "stopped the worker 6 times, for 10 ms on average, 0.6% of the time" in notes[0].message
        assert remedied("", notes[0].remedies) == "call gc.freeze() once the application is up"


@pytest.mark.parametrize(("piled_up", "noted"), [(None, False), (5, False), (400, False), (2300, True)])
def test_work_that_piles_up_after_answers_is_said(
    change: Callable[..., Measurement], piled_up: int | None, noted: bool
) -> None:
    facts = change(server={"piled_up": piled_up})
    notes = [each.message for each in evaluate(facts).notes]
    assert any("calls go on after their answer" in each for each in notes) == noted


def test_failures_are_told_by_their_statuses(facts: Measurement) -> None:
    failures = Failures(timeout=2, connection=0, status=1020, by_status={429: 900, 503: 100, 500: 10, 599: 5})
    (reason,) = evaluate(facts.model_copy(update={"failures_by_kind": failures})).reasons
    assert reason.message.endswith(
        "of the requests failed: 2 timed out, 900 were answered with 429 Too Many Requests, 100 were answered with 503 "
        "Service Unavailable, 10 were answered with 500 Internal Server Error, 10 with other statuses"
    )


@pytest.mark.parametrize(
    ("sizes", "noted"),
    [
        ([100] * 10, False),
        ([100, 130, 130, 130, 130, 130, 130, 130, 130, 130], False),  # it warmed up
        ([72 + 10 * second for second in range(10)], True),
        ([100, 101, 102, 103, 104, 105, 106, 107, 108, 109], False),  # within what it varies by anyway
        ([100, 200, 300], False),
    ],
)
def test_memory_that_grows_and_does_not_stop_is_said(facts: Measurement, sizes: list[int], noted: bool) -> None:
    pieces = [facts.slices[0].model_copy(update={"rss_bytes": size * 1_000_000}) for size in sizes]
    messages = [each.message for each in evaluate(facts.model_copy(update={"slices": pieces})).notes]
    assert any("memory grew by 90 MB within the window, 10.0 MB a second" in each for each in messages) == noted
