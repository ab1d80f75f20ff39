"""Ceilings: operational laws, with the slots and the split of connections that were recorded."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from harness.analysis.bounds import ceiling
from harness.analysis.evaluation import evaluate
from harness.model.measurement import Measurement, Waits
from tests.conftest import changed


def facts_of(
    facts: Measurement,
    *,
    total: float,
    occupied: float,
    slot: Literal["event loop", "thread"] = "thread",
    workers: int = 1,
    threads: int | str = 40,
    users: int = 200,
    rate: float | None = None,
    connections: list[int] | None = None,
) -> Measurement:
    server: dict[str, Any] = {
        "connections_by_worker": connections,
        "effective": facts.server.effective | {"threads": threads},
    }
    load = {"users": users} if rate is None else {"rate": rate}
    return facts.model_copy(
        update={
            "cell": changed(facts.cell, workers=workers, **load),
            "waits": Waits(total_seconds=total, occupied_seconds=occupied, slot=slot),
            "server": facts.server.model_copy(update=server),
        }
    )


@pytest.mark.parametrize(
    ("given", "rps", "limit"),
    [
        ({"total": 0.1, "occupied": 0.0, "slot": "event loop", "users": 100}, 1000, "100 connections ÷ 0.1 s"),
        ({"total": 1, "occupied": 1}, 40, "40 threads ÷ 1 s"),
        (
            {"total": 0.5, "occupied": 0.5, "workers": 2, "connections": [100, 100]},
            160,
            "2 workers × 40 threads ÷ 0.5 s",
        ),
        (
            {"total": 0.4, "occupied": 0.2, "slot": "event loop", "users": 20},
            5,
            "1 event loop ÷ 0.2 s blocked",
        ),
        (
            {"total": 0.1, "occupied": 0.1, "slot": "event loop", "users": 50, "workers": 2, "connections": [30, 20]},
            20,
            "2 event loops ÷ 0.1 s blocked",
        ),
        (
            {"total": 1, "occupied": 1, "workers": 2, "users": 100, "connections": [31, 69]},
            71,
            "71 threads that have a user (connections 31 / 69) ÷ 1 s",
        ),
        ({"total": 1, "occupied": 1, "users": 10}, 10, "10 connections ÷ 1 s"),
        ({"total": 1, "occupied": 1, "rate": 30.0}, 30, "30 requests/s offered"),
        ({"total": 1, "occupied": 1, "threads": "40 / 20", "users": 100}, 100, "100 connections ÷ 1 s"),
    ],
)
def test_the_lowest_ceiling_and_how_it_follows(
    facts: Measurement, given: dict[str, Any], rps: float, limit: str
) -> None:
    found = ceiling(facts_of(facts, **given))
    assert found is not None
    assert (found.rps, found.limit) == (pytest.approx(rps), limit)
    words = {"connections ÷": "users", "offered": "rate", "thread": "threads", "event loop": "event loop"}
    assert found.bound_by == next(term for word, term in words.items() if word in limit)


def test_without_known_waits_there_is_none(facts: Measurement) -> None:
    assert ceiling(facts) is None
    assert ceiling(facts_of(facts, total=0.0, occupied=0.0)) is None


def test_a_cell_at_its_ceiling_is_marked(facts: Measurement) -> None:
    at = evaluate(facts_of(facts, total=0.1, occupied=0.0, slot="event loop", users=100))
    assert at.ceiling_fraction == pytest.approx(0.9876)
    assert "does not rank servers" in at.notes[0].message
    below = evaluate(facts_of(facts, total=0.05, occupied=0.0, slot="event loop", users=100))
    assert below.ceiling_fraction == pytest.approx(0.4938)
    assert below.notes == []
