"""From text to cells: what can be is chosen, what cannot is refused with what can."""

from __future__ import annotations

from typing import Any

import pytest

from harness.config.cells import CellSpec, ResolvedCell, parse_cell, resolve_cell
from harness.config.parsing import parse_timing, parse_workload, refuse_several
from harness.errors import UsageError
from harness.model.variant import Cell


def choose(**asked: Any) -> ResolvedCell:
    return resolve_cell(CellSpec(**({"server": "uvicorn"} | asked)))


def test_the_default_cell() -> None:
    assert choose().cell.label == "uvicorn/fastapi/async/cpu?n=16/w1/c16"


@pytest.mark.parametrize(
    ("asked", "written"),
    [
        ({"server": "uvicorn:loop=asyncio"}, "uvicorn:loop=asyncio/fastapi/async/cpu?n=16/w1/c16"),
        ({"server": "uvicorn:loop=uvloop"}, "uvicorn/fastapi/async/cpu?n=16/w1/c16"),
        ({"workers": 4, "params": ("n=5",)}, "uvicorn/fastapi/async/cpu?n=5/w4/c16"),
        ({"rate": 12.5}, "uvicorn/fastapi/async/cpu?n=16/w1/r12.5"),
        ({"workload": "noop"}, "uvicorn/fastapi/async/noop/w1/c16"),
        ({"threads": 10, "users": 3}, "uvicorn/fastapi/async/cpu?n=16/w1/t10/c3"),
        ({"workload": "select", "pool_size": 4}, "uvicorn/fastapi/async/select?user_id=1/w1/p4/c16"),
        (
            {"workload": "simulation", "framework": "flask", "style": "sync"},
            "uvicorn/flask/sync/simulation?user_id=1&cpu=inline/w1/c16",
        ),
    ],
)
def test_the_written_form(asked: dict[str, Any], written: str) -> None:
    assert choose(**asked).cell.label == written


@pytest.mark.parametrize(
    ("asked", "what", "cure"),
    [
        ({"server": "nginx"}, "unknown server 'nginx'", "gunicorn, h2corn, hypercorn"),
        ({"server": "uvicorn:color=red"}, "no option 'color'", "loop=uvloop|asyncio|rloop, http=httptools|h11"),
        ({"server": "uvicorn:loop=trio"}, "no such value", "uvloop, asyncio"),
        ({"server": "uvicorn:loop"}, "not key=value", "NAME:key=value"),
        (
            {"server": "gunicorn:worker=asgi", "framework": "flask", "style": "sync"},
            "under asgi only",
            "parser=auto|python|fast",
        ),
        ({"framework": "django"}, "unknown framework 'django'", "fastapi, flask"),
        ({"style": "threads"}, "unknown style 'threads'", "async, sync, blocking, offloaded, wrapped"),
        ({"workload": "sleepy"}, "unknown workload 'sleepy'", "noop"),
        ({"style": "blocking", "workload": "mixed"}, "cannot exist", "harness list"),
        ({"framework": "flask", "style": "wrapped"}, "cannot exist", "harness list"),
        ({"workload": "sleep", "params": ("ms=-1",)}, "from 0 to 60000", "harness list workloads"),
        ({"params": ("ms",)}, "not name=value", "--param ms=100"),
        ({"workers": 0}, "--workers 0: out of bounds", "from 1 to 1024"),
        ({"threads": 0}, "--threads 0", "from 1"),
        ({"users": 0}, "--vus 0", "from 1"),
        ({"users": 1, "rate": 1.0}, "closed or open", "--vus N"),
        ({"rate": 0.0}, "--rate 0", "above 0"),
        ({"rate": float("nan")}, "--rate nan", "above 0"),
        ({"pool_size": 3}, "uses no database", "leave --pool-size away"),
        ({"workload": "select", "pool_size": 0}, "--pool-size 0", "from 1"),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(asked: dict[str, Any], what: str, cure: str) -> None:
    with pytest.raises(UsageError) as caught:
        choose(**asked)
    assert what in caught.value.what
    assert cure in caught.value.cure
    assert caught.value.exit_code == 2


def test_a_window_too_short_is_refused() -> None:
    with pytest.raises(UsageError, match="too short"):
        parse_timing("1s", "900ms")


@pytest.mark.parametrize(("option", "value"), [("server", "uvicorn,granian"), ("style", "async,sync")])
def test_several_values_where_one_cell_is_measured_are_pointed_to_the_matrix(option: str, value: str) -> None:
    with pytest.raises(UsageError, match="one at a time") as caught:
        refuse_several(**{option: value})
    assert caught.value.cure == f"measure several with: harness matrix --{option} {value}"


def test_the_options_of_one_server_are_one_value() -> None:
    refuse_several(server="uvicorn:loop=asyncio,http=h11", style=None, workload="sleep")


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


@pytest.mark.parametrize(
    ("text", "params", "expected"),
    [
        ("cpu", [], ("cpu", ())),
        ("sleep?ms=20", [], ("sleep", ("ms=20",))),
        ("sleep?ms=20", ["ms=5"], ("sleep", ("ms=5",))),
        ("simulation?fib=20", ["user_id=2"], ("simulation", ("fib=20", "user_id=2"))),
    ],
)
def test_a_workload_is_taken_in_its_written_form(
    text: str, params: list[str], expected: tuple[str, tuple[str, ...]]
) -> None:
    assert parse_workload(text, params) == expected
