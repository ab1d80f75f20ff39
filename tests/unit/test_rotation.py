"""Rotations without processes: the schedule, settling, what restarts say and what makes them void."""

from __future__ import annotations

import itertools
import json
import math
import random
import socket
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from harness.analysis import behaviour, rotation, verdicts
from harness.analysis.settling import MOST_SETTLING, settling_responses
from harness.load import k6, k6_turns
from harness.load.control import Control
from harness.measure import schedule
from harness.model.comparison import Interval
from harness.model.measurement import Interruptions
from harness.model.rotation import MemberSamples, Restart, RotationContrast, Slots
from harness.stats import latencies, settling

MEMBER = MemberSamples(
    boot_s=0.5,
    requests_by_worker=[1000],
    rss_peak_bytes=50_000_000,
    processes=1,
    cores=1,
    idle_cpu_share=0.001,
    workers_lost=0,
    answers=1000,
    started_requests=1000,
    latency=[],
    effective={},
    unmet={},
    wrong_answer=None,
    answers_checked=10,
)


def restart_of(
    rates: Sequence[float],
    *,
    costs: Sequence[float] = (100.0, 100.0),
    rounds: int = 4,
    noise: Callable[[int], float] = lambda number: 1.0,
    settling_s: float = 0.02,
    slow: float = 1.0,
    **parts: Any,
) -> Restart:
    """A restart of members that serve at these rates (requests/s) for these costs (µs). In round r the machine is
    `noise(r)` times as fast; in a slot's settling part a member serves at `slow` times its rate."""
    columns: dict[str, list[Any]] = {name: [] for name in Slots.model_fields}
    moments = [settling_s, 0.06, 0.1]
    now = 0.0
    for number in range(rounds + 1):
        for member, rate in enumerate(rates):
            fast = rate * noise(number)
            early = round(fast * slow * settling_s)
            finished = [early, *(early + round(fast * (moment - settling_s)) for moment in moments[1:])]
            columns["member"].append(member)
            columns["round"].append(number)
            columns["kind"].append(0)
            columns["begin_s"].append(now)
            columns["drained_s"].append(now + 0.11)
            columns["settling_s"].append(settling_s)
            columns["read_s"].append(moments)
            columns["finished"].append(finished)
            columns["cpu_s"].append([count * costs[member] / 1e6 for count in finished])
            columns["drained_requests"].append(finished[-1])
            columns["drained_cpu_s"].append(finished[-1] * costs[member] / 1e6)
            columns["answers"].append(finished[-1])
            columns["failures"].append(0)
            columns["opened"].append(0)
            columns["stolen_s"].append(0.0)
            now += 0.12
    samples = parts.pop("members", [MEMBER for _ in rates])
    return Restart(
        number=1,
        started_at="2026-01-01T00:00:00.000+00:00",
        seed=1,
        method="slots",
        least_s=[0.08],
        users=16,
        response_s=[0.002 for _ in rates],
        slots=Slots(**(columns | parts.pop("slots", {}))),
        members=samples,
        seconds=2.0,
        **{"generator_cpu_share": 0.4, "foreign_cpu_share": 0.0, "stolen_cpu_share": 0.0, **parts},
    )


def ratio_of(restarts: Sequence[Restart], metric: str) -> Interval:
    figures = [rotation.figures(restart) for restart in restarts]
    pairs = rotation.contrasts(figures, ["a", "b"], 0.03, None, {})
    return next(each.ratio for each in pairs if each.metric == metric)


def test_every_member_has_a_slot_in_each_round_and_none_has_two_in_a_row() -> None:
    chance, last = random.Random(3), None
    orders = []
    for _ in range(200):
        order = schedule.orders(3, chance, last)
        orders.append(tuple(order))
        assert sorted(order) == [0, 1, 2]
        assert order[0] != last
        last = order[-1]
    assert len(set(orders)) == 6


@pytest.mark.parametrize(
    ("response", "wait", "counted", "method"),
    [
        (0.002, 0.0, 0.085, "slots"),  # no shorter than makes sense
        (0.050, 0.0, 0.5, "slots"),  # ten response times
        (0.010, 0.1, 2.0, "slots"),  # twenty waits
        (1.0, 1.0, 20.0, "windows"),
    ],
)
def test_slots_are_as_long_as_responses_and_waits_ask_for(
    response: float, wait: float, counted: float, method: str
) -> None:
    length = schedule.slot_length(response, known_wait_seconds=wait)
    assert length.counted_seconds == pytest.approx(counted)
    assert length.settling_seconds >= schedule.SETTLING_RESPONSES * response
    assert length.method == method
    moments = schedule.reading_times(length)
    assert moments == sorted(set(moments))
    assert moments[-1] == pytest.approx(length.seconds)
    assert length.settling_seconds in moments


def test_first_slots_are_made_longer_by_what_they_brought() -> None:
    assert (schedule.first_slot_seconds(0.0), schedule.first_slot_seconds(1.0)) == (0.25, 4.0)
    assert schedule.next_first_slot_seconds(4.0, 0.32) == pytest.approx(13.75)
    assert schedule.next_first_slot_seconds(4.0, 0.9) == 6.0  # no second attempt that may fail as well
    assert schedule.next_first_slot_seconds(0.25, 0.0) == 0.75
    assert schedule.next_first_slot_seconds(4.0, 0.1) == schedule.next_first_slot_seconds(12.0, 0.0) == 15.0


def test_noise_that_a_round_has_in_common_falls_out() -> None:
    wild = [
        restart_of((1000, 1500), noise=lambda number: 1 + 0.5 * (number % 2), rounds=5 + extra) for extra in range(6)
    ]
    ratio = ratio_of(wild, "throughput_rps")
    assert ratio.estimate == pytest.approx(1.5, rel=0.01)
    assert ratio.half_width is not None
    assert ratio.half_width < 0.01


def test_only_the_settled_part_of_a_slot_counts() -> None:
    slow_start = [restart_of((1000, 2000), slow=0.2) for _ in range(6)]
    assert ratio_of(slow_start, "throughput_rps").estimate == pytest.approx(2.0, rel=0.01)


def test_cost_is_told_apart_from_speed() -> None:
    restarts = [restart_of((1000, 1000), costs=(100.0, 140.0)) for _ in range(6)]
    assert ratio_of(restarts, "cpu_us_per_request").estimate == pytest.approx(1.4, rel=0.001)
    assert ratio_of(restarts, "throughput_rps").estimate == pytest.approx(1.0)


def test_the_first_round_does_not_count() -> None:
    warmed = [restart_of((1000, 1000), noise=lambda number: 1.0 if number else 0.1) for _ in range(6)]
    assert rotation.figures(warmed[0]).values[0]["throughput_rps"] == pytest.approx(1000, rel=0.01)


def test_latency_is_read_from_its_buckets_within_a_percent() -> None:
    counts: dict[int, int] = {}
    for micros in range(1000, 101_000, 100):
        bucket = latencies.bucket_of(micros)
        counts[bucket] = counts.get(bucket, 0) + 1
    assert latencies.quantile(counts, 0.5) == pytest.approx(51, rel=0.01)
    assert latencies.quantile(counts, 0.99) == pytest.approx(100, rel=0.012)
    assert latencies.quantile({100: 900}, 0.99) is None  # nine lie beyond
    assert latencies.mean(counts) == pytest.approx(51, rel=0.01)
    percentiles, milliseconds = zip(*latencies.grid(counts), strict=True)
    assert (percentiles[0], percentiles[-1]) == (0.0, 100.0)
    assert list(milliseconds) == sorted(milliseconds)
    assert latencies.grid({}) == []


def test_requests_that_one_stall_delayed_are_one_moment() -> None:
    quick, stalled = latencies.bucket_of(1_000), latencies.bucket_of(200_000)
    requests = [(turn, millisecond, quick) for turn in range(10) for millisecond in range(600)]
    one_stall = [(3, 700 + user // 32, stalled) for user in range(64)]  # of 64 users, who end within two milliseconds
    assert latencies.tail_moments(requests + one_stall) == 1
    many = [(turn, 700, stalled) for turn in range(10) for _ in range(8)]
    assert latencies.tail_moments(requests + many) == 10
    assert latencies.tail_moments(requests) > 1000  # all alike: whatever ends is as slow as p99
    assert latencies.tail_moments([]) == 0


def stepped(seconds: float) -> Interruptions:
    return Interruptions(clock_step_s=seconds, suspended_s=0.0, throttled_periods=None, throttled_s=None)


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({"stolen_cpu_share": 0.08}, "other guests of this machine's host took 8%"),
        ({"foreign_cpu_share": 0.3}, "other programs used 30%"),
        ({"interruptions": stepped(2.0)}, "the system's clock was set forwards by 2.00 s"),
        ({"members": [MEMBER, MEMBER.model_copy(update={"unmet": {"loop": "asked for x, in effect is y"}})]}, "loop"),
    ],
)
def test_what_makes_a_restart_void(parts: dict[str, Any], says: str) -> None:
    assert rotation.void(restart_of((1000, 1000))) is None
    assert says in (rotation.void(restart_of((1000, 1000), **parts)) or "")


def test_counts_of_generator_and_workers_must_agree_within_the_users() -> None:
    def counted(answers: int | None) -> str | None:
        return rotation.void(restart_of((1000, 1000), members=[MEMBER, MEMBER.model_copy(update={"answers": answers})]))

    assert counted(1000 - 16 - rotation.OWN_REQUESTS) is None
    assert counted(None) is None
    assert "the generator counts 973 requests of member 2, its workers 1,000" in (counted(973) or "")


@pytest.mark.parametrize(
    ("member", "failures", "says"),
    [
        ({"workers_lost": 1}, 0, "b lost 1 of its workers"),
        ({"wrong_answer": "it is not JSON"}, 0, "b answered wrongly: it is not JSON"),
        ({}, 9, "requests to b failed"),
    ],
)
def test_what_a_member_does_is_an_outcome(member: dict[str, Any], failures: int, says: str) -> None:
    fine = restart_of((1000, 1000))
    failed = [failures if place == 3 else 0 for place in range(len(fine.slots.member))]
    broken = restart_of((1000, 1000), members=[MEMBER, MEMBER.model_copy(update=member)], slots={"failures": failed})
    assert rotation.outcome(fine, ["a", "b"]) is None
    assert says in (rotation.outcome(broken, ["a", "b"]) or "")


@pytest.mark.parametrize(
    ("low", "high", "throughput", "cpu"),
    [
        (0.98, 1.02, "equivalent", "equivalent"),
        (1.05, 1.10, "faster", "slower"),
        (0.80, 0.90, "slower", "faster"),
        (0.99, 1.12, "undecided", "undecided"),
        (1.005, 1.03, "equivalent", "equivalent"),
        (1.005, 1.05, "undecided", "undecided"),  # more than chance, but within the margin or a little beyond it
    ],
)
def test_verdicts(low: float, high: float, throughput: str, cpu: str) -> None:
    ratio = Interval(estimate=math.sqrt(low * high), low=low, high=high, n=8)
    assert verdicts.verdict("throughput_rps", ratio, 0.03) == throughput
    assert verdicts.verdict("cpu_us_per_request", ratio, 0.03) == cpu


def test_few_restarts_give_no_verdict_and_a_reason_stands_for_its_metric() -> None:
    figures = [rotation.figures(restart_of((1000, 1500))) for _ in range(5)]
    (throughput, *_) = rotation.contrasts(figures, ["a", "b"], 0.03, None, {})
    assert (throughput.verdict, throughput.reason) == ("undecided", "5 restarts count, 6 are needed")
    figures.append(figures[0])
    found = {
        each.metric: each for each in rotation.contrasts(figures, ["a", "b"], 0.03, 0.1, {"throughput_rps": "why"})
    }
    assert found["throughput_rps"].reason == "why"
    assert not found["throughput_rps"].worse
    assert found["cpu_us_per_request"].reason is None


def test_the_gate_asks_for_the_whole_interval() -> None:
    def ratio(low: float, high: float) -> Interval:
        return Interval(estimate=math.sqrt(low * high), low=low, high=high, n=8)

    assert verdicts.worse("throughput_rps", ratio(0.90, 0.96), 0.03)
    assert not verdicts.worse("throughput_rps", ratio(0.90, 0.98), 0.03)
    assert verdicts.worse("cpu_us_per_request", ratio(1.04, 1.2), 0.03)
    assert not verdicts.worse("cpu_us_per_request", ratio(0.8, 0.9), 0.03)


def test_a_member_that_is_not_idle_or_reconnects_is_named() -> None:
    busy = MEMBER.model_copy(update={"idle_cpu_share": 0.03})
    opened = [number % 2 for number in range(10)]
    restarts = [restart_of((1000, 1000), members=[busy, MEMBER], slots={"opened": opened}) for _ in range(3)]
    notes = list(behaviour.told(behaviour.remarks(restarts, ["a", "b"])))
    assert any("a is not idle between its turns: 3.0% of a core" in note for note in notes)
    assert any(note.startswith("b closes connections") for note in notes)
    assert not any(note.startswith("b is not idle") for note in notes)


def never_settling(given_s: float) -> Restart:
    """A restart whose second member slows down from the begin of a slot to its end, whatever was given it to settle."""
    restart = restart_of((1000, 1000), rounds=9, settling_s=0.015)
    end = given_s + 0.085
    moments = [end * place / 8 for place in range(1, 9)]
    falling = [round(1000 * moment * (1.5 - moment / end / 2)) for moment in moments]
    slots = restart.slots.model_copy(
        update={
            "settling_s": [given_s if member else 0.015 for member in restart.slots.member],
            "read_s": [moments for _ in restart.slots.member],
            "finished": [
                falling if member else [round(1000 * each) for each in moments] for member in restart.slots.member
            ],
            "cpu_s": [moments for _ in restart.slots.member],
        }
    )
    return restart.model_copy(update={"slots": slots, "response_s": [0.005, 0.005]})


def test_a_member_that_never_settles_takes_no_earlier_restart_with_it() -> None:
    restarts: list[Restart] = []
    for _ in range(30):
        given = max(schedule.LEAST_SETTLING, settling_responses(restarts, 1) * 0.005 if restarts else 0.0)
        restarts.append(never_settling(given))
    assert settling_responses(restarts, 1) == MOST_SETTLING
    figures = rotation.settled_figures(restarts)
    assert all(
        metric in member
        for each in figures
        for member in each.logs
        for metric in ("throughput_rps", "cpu_us_per_request")
    )
    question = rotation.Question(members=["a", "b"], users=16, users_reason="", margin=0.03, precision=0.01)
    answer = rotation.answer(question, restarts, 60.0)
    assert answer.contrasts[0].metric == "throughput_rps"
    assert any(note.startswith("b never stands still") for note in answer.notes)


def test_later_slots_that_settle_end_the_growth_that_earlier_ones_asked_for() -> None:
    early = [never_settling(0.015)] * 4
    assert settling_responses(early, 1) == pytest.approx(1.5 * 3)
    assert settling_responses([*early, *[restart_of((1000, 1000))] * 4], 1) == schedule.SETTLING_RESPONSES


@pytest.mark.parametrize(("switches", "cost", "noted"), [(3.8, 120.0, True), (3.8, 350.0, False), (0.5, 120.0, False)])
def test_where_the_way_that_requests_arrive_counts_is_noted(switches: float, cost: float, noted: bool) -> None:
    members = [MEMBER.model_copy(update={"switches_per_request": each}) for each in (0.05, switches)]
    restarts = [restart_of((1000, 1000), costs=(cost, cost), members=members) for _ in range(3)]
    notes = list(behaviour.told(behaviour.remarks(restarts, ["a", "b"])))
    assert any(note.startswith(f"b switches threads {switches} times per request") for note in notes) is noted
    assert not any(note.startswith("a switches") for note in notes)


def test_one_sentence_tells_of_all_members_that_do_the_same_the_worst_first() -> None:
    members = [MEMBER.model_copy(update={"idle_cpu_share": share}) for share in (0.03, 0.001, 0.05)]
    restarts = [restart_of((1000, 1000, 1000), costs=(400.0,) * 3, members=members) for _ in range(3)]
    found = [*behaviour.remarks(restarts, ["a", "b", "c"]), *behaviour.remarks(restarts, ["a", "d", "c"])]
    assert list(behaviour.told(found)) == [
        "c is not idle between its turns: 5.0% of a core, at the others' cost; so it is with 1 more"
    ]


def slots_of(
    rate: Callable[[float], float], slots: int = 30, seed: int = 1
) -> tuple[list[list[float]], list[list[int]]]:
    """Readings of slots of 0.2 s in which a member serves rate(t) requests per second, with some chance."""
    chance = random.Random(seed)
    moments = [0.2 * place / 16 for place in range(1, 17)]
    finished = []
    for _ in range(slots):
        luck, total, counts = chance.gauss(1, 0.1), 0.0, []
        for begin, end in itertools.pairwise((0.0, *moments)):
            total += rate((begin + end) / 2) * (end - begin) * luck * chance.gauss(1, 0.03)
            counts.append(round(total))
        finished.append(counts)
    return [moments for _ in range(slots)], finished


@pytest.mark.parametrize(
    ("rate", "settled_s"),
    [
        (lambda moment: 10_000, 0.0),
        (lambda moment: 10_000 if moment > 0.05 else 5_000, 0.05),
        (lambda moment: 10_000 * min(1, moment / 0.08), 0.075),
        (lambda moment: 10_000 * moment, None),  # still rising at its end
    ],
)
def test_when_a_slot_has_settled(rate: Callable[[float], float], settled_s: float | None) -> None:
    moment = settling.settled(*slots_of(rate))
    if settled_s is None:
        assert moment is None
    else:
        assert moment == pytest.approx(settled_s, abs=0.014)


def test_the_parts_of_a_slot_are_told_against_its_last_half() -> None:
    parts = settling.parts(*slots_of(lambda moment: 10_000 if moment > 0.05 else 5_000))
    assert [part.estimate for part in parts[:4]] == pytest.approx([0.5] * 4, rel=0.05)
    assert [part.estimate for part in parts[8:]] == pytest.approx([1.0] * 8, rel=0.05)
    assert all(0 < part.error < 0.03 for part in parts)


@pytest.mark.parametrize(("rate", "users"), [(None, 16), (2000.0, 1001)])
def test_a_turn_of_open_load_begins_when_all_its_users_can_know_of_it(
    monkeypatch: pytest.MonkeyPatch, rate: float | None, users: int
) -> None:
    told: dict[int, dict[str, float]] = {}
    turns: Any = object.__new__(k6_turns.K6Turns)
    turns._lanes, turns._random = [SimpleNamespace(users=users, rate=rate)], random.Random(1)
    turns._control = SimpleNamespace(give=lambda lane, given: told.update(given))
    monkeypatch.setattr(turns, "_check", lambda: None)
    before = time.monotonic(), time.time() * 1000
    begins = turns.begin(0, 0.5)
    after = time.monotonic(), time.time() * 1000
    lead = 0.0 if rate is None else users * k6_turns.TELLING_SECONDS
    assert before[0] + lead <= begins <= after[0] + lead
    assert set(told) == set(range(users))
    for turn in told.values():
        assert before[1] + lead * 1000 <= turn["start_ms"] <= after[1] + lead * 1000
        assert turn["until_ms"] == pytest.approx(turn["start_ms"] + 500)
        assert (turn["due_ms"] is None) == (rate is None)


def test_arrivals_of_an_open_load_go_round_its_users(monkeypatch: pytest.MonkeyPatch) -> None:
    """None is asked for the next one while it may still wait for the answer to the one before: with arrivals of its own
    a user of a server that answers in 100 ms would send one in six of them late."""
    told: dict[int, dict[str, list[float]]] = {}
    turns: Any = object.__new__(k6_turns.K6Turns)
    turns._lanes, turns._random = [SimpleNamespace(users=67, rate=110.0)], random.Random(1)
    turns._control = SimpleNamespace(give=lambda lane, given: told.update(given))
    monkeypatch.setattr(turns, "_check", lambda: None)
    turns.begin(0, 60.0)
    own = [turn["due_ms"] for turn in told.values()]
    together = sorted(itertools.chain.from_iterable(own))
    gaps = [later - earlier for earlier, later in itertools.pairwise(together)]
    assert len(together) == pytest.approx(110 * 60, rel=0.05)
    assert statistics.pstdev(gaps) / statistics.fmean(gaps) == pytest.approx(1, abs=0.05)
    assert min(later - earlier for each in own for earlier, later in itertools.pairwise(each)) > 100


def test_users_of_a_turn_begin_evenly_over_a_response_time(monkeypatch: pytest.MonkeyPatch) -> None:
    orders: list[list[int]] = []
    turns: Any = object.__new__(k6_turns.K6Turns)
    turns._lanes, turns._random = [SimpleNamespace(users=16, rate=None)], random.Random(1)
    monkeypatch.setattr(turns, "_check", lambda: None)
    for _ in range(2):
        told: dict[int, dict[str, float]] = {}
        turns._control = SimpleNamespace(give=lambda lane, given, told=told: told.update(given))
        turns.begin(0, 2.0, 0.1)
        firsts = {user: turn["first_ms"] - turn["start_ms"] for user, turn in told.items()}
        assert sorted(firsts.values()) == pytest.approx([100 / 16 * place for place in range(16)], abs=0.01)
        orders.append(sorted(firsts, key=lambda user: firsts[user]))
    assert orders[0] != orders[1]


def asked(control: Control, lane: int, user: int, body: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", int(control.url.rpartition(":")[2])))
    head = f"POST /turn/{lane}/{user} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    for part in (head[:20], head[20:] + body[:3], body[3:]):
        connection.sendall(part)
        time.sleep(0.01)
    return connection


def test_users_wait_until_it_is_their_turn_and_tell_what_came_of_it() -> None:
    control = Control(2)
    connections: list[socket.socket] = []

    def users() -> None:
        connections.extend(asked(control, lane, user, b"{}") for lane in (0, 1) for user in (0, 1))

    thread = threading.Thread(target=users)
    thread.start()
    deadline = time.monotonic() + 5
    while control.waiting(0) + control.waiting(1) < 4 and time.monotonic() < deadline:
        control.serve(time.monotonic() + 0.01)
    thread.join()
    assert (control.waiting(0), control.waiting(1)) == (2, 2)
    control.give(1, {0: {"until_ms": 5}, 1: {"until_ms": 5}})
    assert (control.waiting(0), control.waiting(1)) == (2, 0)
    answer = connections[2].recv(1000)
    assert json.loads(answer.partition(b"\r\n\r\n")[2]) == {"until_ms": 5}
    body = b'{"begun": [1, 2]}'
    connections[2].sendall(b"POST /turn/1/0 HTTP/1.1\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))
    while not control.waiting(1) and time.monotonic() < deadline:
        control.serve(time.monotonic() + 0.01)
    assert control.reports(1) == [{"begun": [1, 2]}]
    control.close()
    assert b'{"end": true}' in connections[0].recv(1000)
    for connection in connections:
        connection.close()


@pytest.mark.parametrize(
    ("ratio", "limit", "answered"),
    [
        ((0.90, 0.88, 0.92), 0.05, True),  # worse for certain
        ((1.00, 0.97, 1.03), 0.05, True),  # not worse for certain
        ((0.96, 0.92, 1.00), 0.05, False),
        ((0.90, 0.88, 0.92), None, False),
        ((0.90, None, None), 0.05, False),
    ],
)
def test_what_a_limit_asks_may_be_answered_before_the_interval_is_narrow(
    ratio: tuple[float, float | None, float | None], limit: float | None, answered: bool
) -> None:
    estimate, low, high = ratio
    interval = Interval(estimate=estimate, low=low, high=high, n=6)
    question = rotation.Question(members=["a", "b"], users=1, users_reason="", margin=0.03, precision=0.01, limit=limit)
    found = rotation.answer(question, [], 1.0).model_copy(
        update={
            "contrasts": [
                RotationContrast(
                    metric="throughput_rps",
                    a="a",
                    b="b",
                    ratio=interval,
                    verdict="undecided",
                    reason=None,
                    worse=None if limit is None else high is not None and high < 1 - limit,
                )
            ]
        }
    )
    assert rotation.decided(found) == answered


@pytest.mark.parametrize(
    ("free", "users", "tuning"),
    [
        (100 * 2**30, 160, {"GOGC": "off", "GOMEMLIMIT": str(4 * 2**30)}),
        (4 * 2**30, 160, {"GOGC": "off", "GOMEMLIMIT": str(2**30)}),
        (2 * 2**30, 1000, k6.FEWER_COLLECTIONS),  # their own memory nine times is more than a quarter of that
        (100 * 2**30, 10_000, k6.FEWER_COLLECTIONS),
        (None, 16, k6.FEWER_COLLECTIONS),
    ],
)
def test_garbage_is_collected_as_rarely_as_memory_allows_but_never_more_often_than_else(
    monkeypatch: pytest.MonkeyPatch, free: int | None, users: int, tuning: dict[str, str]
) -> None:
    monkeypatch.setattr("harness.host.limits.available_bytes", lambda: free)
    assert k6.tuning(users, [0, 1]) == {"GOMAXPROCS": "2", **tuning}
