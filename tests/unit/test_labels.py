"""The written form of cells: made and parsed, so that each cell is found again by it."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from harness.config.cells import CellSpec, parse_cell, resolve_cell
from harness.errors import UsageError
from harness.model.labels import CellLabel, Names, parse_cell_label
from tests.fakes import application

NAMES = Names(
    servers=("uvicorn", "granian"),
    frameworks=("fastapi", "flask"),
    styles=("async", "sync"),
    workloads=("sleep", "noop", "select"),
)


@pytest.mark.parametrize("environment", ["", "py3.13", "granian==2.5.0", "/opt/a/bin/python", "../venv/bin/python"])
@pytest.mark.parametrize("server", ["granian", "uvicorn:loop=asyncio,http=h11"])
@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"workload": "noop", "style": "sync", "workers": 4},
        {"framework": "flask", "style": "sync", "params": ("n=5",)},
        {"threads": 10, "users": 3},
        {"workload": "select", "params": ("user_id=random",), "pool_size": 4},
        {"workload": "simulation", "params": ("fib=20", "cpu=thread")},
        {"rate": 200.0},
        {"rate": 12.5},
        {"rate": 0.000001},
        {"app": "shop.main:app"},
        {"app": "shop.main:app", "folder": "head", "workers": 2, "rate": 5.0},
        {"app": "shop:create_app", "folder": "services/shop", "users": 7},
        {"app": "shop:app", "folder": "../base"},
        {"app": "shop:app", "folder": "/srv/base"},
    ],
)
def test_a_cell_is_found_again_by_its_written_form(environment: str, server: str, parts: dict[str, Any]) -> None:
    own = {name: parts[name] for name in ("app", "folder") if name in parts}
    others = {name: value for name, value in parts.items() if name not in own}
    prepared = application(own["app"], folder=own.get("folder")) if own else None
    cell = resolve_cell(CellSpec(server=server, environment=environment, application=prepared, **others)).cell
    # Nothing of these defaults is the cell's: all that it is comes from its written form.
    parsed = parse_cell(cell.label, CellSpec(server="", framework="?", style="?", workload="?", params=("?",)))
    assert parsed.python == (environment or None)
    assert parsed.app == (cell.variant.application.work_label if own else None)
    served = {"framework": "fastapi", "style": "async", "workload": "sleep", "params": ()} if own else {}
    found = dataclasses.replace(parsed, environment=environment, application=prepared, **served)  # type: ignore[arg-type]
    assert resolve_cell(found).cell == cell


def test_parts_may_come_in_any_order_and_be_left_out() -> None:
    assert parse_cell_label("granian", NAMES) == CellLabel(server="granian")
    assert parse_cell_label("granian/c5/p2/noop/w3/flask", NAMES) == CellLabel(
        server="granian", framework="flask", workload="noop", numbers={"workers": 3, "pool_size": 2}, users=5
    )
    assert parse_cell_label("py3.13:granian/r2.5", NAMES) == CellLabel(environment="py3.13", server="granian", rate=2.5)


def test_an_application_may_be_called_like_a_server() -> None:
    assert parse_cell_label("uvicorn/shop:granian/w2", NAMES) == CellLabel(
        server="uvicorn", application="shop:granian", numbers={"workers": 2}
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("granian/django", "'django' is no framework, style, workload, application or number"),
        ("granian/x5", "'x5' is no framework"),
        ("granian/w", "'w' is no framework"),
        ("granian/w²", "'w²' is no framework"),
        ("granian/w-1", "'w-1' is no framework"),
        ("granian/w1.5", "'w1.5' is no framework"),
        ("granian//w2", "'' is no framework"),
        ("granian/noop/", "'' is no framework"),
        ("granian/async?ms=1", r"'async\?ms=1' is no framework"),
        ("granian/shop:app@", "'shop:app@' is no framework"),
        ("granian/shop:app@a@b", "'shop:app@a@b' is no framework"),
        ("granian/w2/w4", "'w4' is a second workers"),
        ("granian/r5/r6", "'r6' is a second rate"),
        ("granian/fastapi/flask", "'flask' is a second framework"),
        ("granian/shop:app/fastapi", "framework and an application together"),
    ],
)
def test_bad_parts_are_refused(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        parse_cell_label(text, NAMES)
    assert caught.value.cure


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nginx/noop", "unknown server 'nginx'"),
        ("py3.13:nginx/noop", "nginx is not key=value"),
        ("granian:loop/noop", "loop is not key=value"),
        ("granian/c5/r5", "--vus and --rate together"),
        ("granian/w0", "--workers 0: out of bounds"),
        ("granian/noop?ms=1", "takes no parameters"),
    ],
)
def test_what_cannot_be_is_refused_when_the_cell_is_resolved(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        resolve_cell(parse_cell(text, CellSpec(server="")))
