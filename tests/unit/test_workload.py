"""Workloads: one signature for both twins, parameters read from it, answers checked."""

from __future__ import annotations

import asyncio
import inspect

import pytest

from harness.handlers import catalogue, fibonacci
from harness.handlers.styles import STYLES

WORKLOADS = catalogue.workload_names()


def test_the_six_workloads_are_found() -> None:
    assert WORKLOADS == ("cpu", "mixed", "noop", "select", "simulation", "sleep")


@pytest.mark.parametrize("name", WORKLOADS)
def test_twins_share_their_signature(name: str) -> None:
    work = catalogue.workload(name)
    sync, twin = inspect.signature(work.sync_twin), inspect.signature(work.async_twin)
    assert sync.parameters == twin.parameters
    assert not inspect.iscoroutinefunction(work.sync_twin)
    assert inspect.iscoroutinefunction(work.async_twin)


@pytest.mark.parametrize("name", ["noop", "sleep", "mixed", "cpu"])
def test_twins_give_the_same_right_answer(name: str) -> None:
    work = catalogue.workload(name)
    params = work.defaults() | ({"ms": 1} if "ms" in work.defaults() else {})
    answer = work.sync_twin(**params)
    assert work.check(answer, params) is None
    assert asyncio.run(work.async_twin(**params)) == answer  # type: ignore[arg-type]


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_wrong_answer_is_told(name: str) -> None:
    work = catalogue.workload(name)
    for wrong in (None, [], {}, {"wait_ms": -1}, {"rows": [{}]}, {"ok": False}, "ok"):
        assert work.check(wrong, work.defaults())


def test_a_simulation_with_a_wrong_sum_or_number_is_told() -> None:
    work = catalogue.workload("simulation")
    frames = {
        "products": {"product_id": [1], "title": ["a"], "unit_price": [1.0]},
        "all_user_orders": {
            **{name: [1, 2] for name in ("order_id", "item_id")},
            **{name: [1, 1] for name in ("user_id", "product_id")},
            **{"status": ["paid"] * 2, "created_at": [1.0] * 2, "unit_price": [1.0] * 2, "quantity": [2, 3]},
        },
    }
    params = work.defaults()
    assert work.check({**frames, "total_qtd": 5, "fib": 5}, params) is None
    assert "sum" in (work.check({**frames, "total_qtd": 6, "fib": 8}, params) or "")
    assert "Fibonacci" in (work.check({**frames, "total_qtd": 5, "fib": 8}, params) or "")
    assert work.check({**frames, "total_qtd": 5, "fib": 55}, params | {"fib": 10}) is None
    assert "asked for was 2" in (work.check({**frames, "total_qtd": 5, "fib": 5}, params | {"user_id": 2}) or "")
    frames["products"]["product_id"] = [2]
    assert "not those of the orders" in (work.check({**frames, "total_qtd": 5, "fib": 5}, params) or "")


def test_a_row_of_another_user_is_told() -> None:
    work = catalogue.workload("select")
    row = {
        **{"user_id": 7, "order_id": 1, "status": "paid", "created_at": 1.0, "item_id": 1},
        **{"quantity": 1, "unit_price": 1.0, "product_id": 1, "title": "a"},
    }
    assert work.check({"rows": [row]}, {"user_id": 7}) is None
    assert "asked for was user 8" in (work.check({"rows": [row]}, {"user_id": 8}) or "")


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("select", {"rows": []}),
        (
            "simulation",
            {
                **{"total_qtd": 0, "fib": 0, "products": {"product_id": [], "title": [], "unit_price": []}},
                "all_user_orders": {
                    name: []
                    for name in (
                        *("user_id", "order_id", "status", "created_at", "item_id", "product_id", "quantity"),
                        "unit_price",
                    )
                },
            },
        ),
    ],
)
def test_an_answer_without_rows_is_right_but_trivial(name: str, answer: dict[str, object]) -> None:
    work = catalogue.workload(name)
    assert work.check(answer, work.defaults()) is None
    assert "no orders" in (work.trivial(answer) or "")


def test_a_user_can_be_drawn_and_nothing_else() -> None:
    for name in ("select", "simulation"):
        work = catalogue.workload(name)
        params = work.parse({"user_id": "random"})
        drawn = work.drawn(params)
        assert drawn is not None
        assert (drawn.name, drawn.drawn_from) == ("user_id", "users")
        assert work.drawn(work.defaults()) is None
    with pytest.raises(ValueError, match="whole number"):
        catalogue.workload("simulation").parse({"fib": "random"})
    # A server never reads it: there it would be a mistake.
    with pytest.raises(ValueError, match="user_id=random"):
        drawn.parse("random")


@pytest.mark.parametrize(
    ("name", "given", "parsed"),
    [
        ("sleep", {"ms": "0"}, {"ms": 0}),
        ("sleep", {}, {"ms": 100}),
        ("cpu", {"n": "35"}, {"n": 35}),
        ("simulation", {"cpu": "thread"}, {"user_id": 1, "fib": None, "cpu": "thread", "tx": None}),
        ("simulation", {"fib": "20"}, {"user_id": 1, "fib": 20, "cpu": "inline", "tx": None}),
        ("select", {"tx": "1"}, {"user_id": 1, "tx": "1"}),
    ],
)
def test_parameters_are_parsed(name: str, given: dict[str, str], parsed: dict[str, object]) -> None:
    assert catalogue.workload(name).parse(given) == parsed


@pytest.mark.parametrize(
    ("name", "given", "says"),
    [
        ("sleep", {"ms": "-1"}, "from 0 to 60000"),
        ("sleep", {"ms": "60001"}, "from 0 to 60000"),
        ("sleep", {"ms": "a"}, "whole number"),
        ("sleep", {"s": "1"}, "it takes ms"),
        ("noop", {"ms": "1"}, "takes no parameters"),
        ("cpu", {"n": "36"}, "from 0 to 35"),
        ("simulation", {"cpu": "gpu"}, "inline or thread"),
    ],
)
def test_bad_parameters_are_told_with_what_is_accepted(name: str, given: dict[str, str], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        catalogue.workload(name).parse(given)


@pytest.mark.parametrize(
    ("framework", "style", "name", "params", "says"),
    [
        ("fastapi", "blocking", "mixed", {}, "anyio.run"),
        ("flask", "offloaded", "sleep", {}, "flask carries the styles sync and async only"),
        ("fastapi", "sync", "simulation", {"cpu": "thread"}, "off the event loop"),
        ("flask", "sync", "simulation", {"cpu": "thread"}, "off the event loop"),
    ],
)
def test_pairs_that_cannot_exist_have_a_reason(
    framework: str, style: str, name: str, params: dict[str, str], says: str
) -> None:
    work = catalogue.workload(name)
    assert says in (catalogue.refusal(framework, style, work, work.parse(params)) or "")


def test_what_can_exist_is_not_refused() -> None:
    count = 0
    for framework in catalogue.FRAMEWORKS:
        for style, name in catalogue.endpoints(framework):
            work = catalogue.workload(name)
            assert catalogue.refusal(framework, style, work, work.defaults()) is None
            count += 1
    assert count == 5 * 6 - 1 + 2 * 6


def test_waits_are_described() -> None:
    assert catalogue.workload("sleep").work(ms=250).awaited_seconds == 0.25
    assert catalogue.workload("sleep").work(ms=250).blocked_seconds == 0.0
    assert catalogue.workload("mixed").work(ms=250).blocked_seconds == 0.25
    assert catalogue.workload("cpu").work(n=20).blocked_seconds is None


def test_styles_add_nothing_where_nothing_is_to_add() -> None:
    sleep = catalogue.workload("sleep")
    assert STYLES["async"].endpoint(sleep) is sleep.async_twin
    assert STYLES["sync"].endpoint(sleep) is sleep.sync_twin


@pytest.mark.parametrize("n", range(20))
def test_both_fibonaccis_agree(n: int) -> None:
    assert fibonacci.naive(n) == fibonacci.quick(n)


@pytest.mark.parametrize(("n", "calls"), [(0, 1), (1, 1), (2, 3), (5, 15), (20, 21_891)])
def test_the_calls_of_the_recursion_are_counted(n: int, calls: int) -> None:
    assert fibonacci.calls(n) == calls
