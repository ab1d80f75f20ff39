"""Carrying out a matrix: what is repeated and when, and each duet once, also when a run is gone on with."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness import store
from harness.config import expand
from harness.errors import UsageError
from harness.experiments import matrix
from harness.model.plan import Axes, Plan


def test_a_stored_duet_is_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expansion = expand.expand(Plan(cells=[Axes(server=["uvicorn", "granian", "hypercorn"])]))
    pairs = expand.duets(expansion, "uvicorn")
    made: list[tuple[str, str]] = []

    def perform(first: Any, second: Any, settings: Any, shown: Any) -> None:
        names = (first.cell.label, second.cell.label)
        made.append(names)
        assert settings.out == tmp_path / "duets"
        folder = settings.out / str(len(made))
        folder.mkdir(parents=True)
        answer = {
            "schema": 1,
            "first": names[0],
            "second": names[1],
            "ratio": None,
            "verdict": "undecided",
            "reason": "no restart counts",
            "delta": 0.01,
            "reached": False,
            "limit": None,
            "worse": None,
            "seconds": 1.0,
            "restarts": [],
            "interference": [],
            "database_cores": None,
        }
        (folder / "duet.json").write_text(json.dumps(answer))

    monkeypatch.setattr("harness.duet.perform", perform)
    shown: Any = SimpleNamespace(tell=lambda _: None, observe=lambda _: None)
    work: Any = SimpleNamespace(duets=pairs, plan=Plan(cells=[Axes()]))
    folder = store.RunFolder(tmp_path, tmp_path)
    matrix._duets(work, folder, matrix.ExecutionOptions(), shown)
    assert [second.partition("/")[0] for _, second in made] == ["granian", "hypercorn"]
    matrix._duets(work, folder, matrix.ExecutionOptions(), shown)
    assert len(made) == 2
    assert [each.second.partition("/")[0] for each in store.read_duets(tmp_path)] == ["granian", "hypercorn"]


def test_a_disturbed_visit_is_repeated_at_a_quieter_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    verdicts = iter(["valid", "invalid", "failed", "valid", "failed"])
    said: list[str] = []

    def visit(service: Any, work: Any, place: Any, folder: Any, shown: Any) -> Any:
        said.append(f"{place.position}.{place.attempt}")
        return SimpleNamespace(verdict=next(verdicts), throughput_rps=1.0, said="")

    monkeypatch.setattr(matrix, "_visit", visit)
    monkeypatch.setattr(matrix.quiet, "wait", lambda seconds: said.append("waited"))
    work: Any = SimpleNamespace(
        order=[[0, 1, 2]],
        services=[None, None],
        plan=Plan(cells=[Axes()], attempts=2),
        visits=3,
        duets=[],
        service=lambda place: None,
        name=lambda place: "a",
    )
    shown: Any = SimpleNamespace(begin=lambda *_: None, end=lambda _: None, tell=lambda _: None)
    matrix._carry_out(work, store.RunFolder(tmp_path, tmp_path), {}, matrix.ExecutionOptions(), shown)
    assert said == ["1.1", "2.1", "3.1", "waited", "2.2", "3.2"]


def test_a_run_is_gone_on_with_by_the_cell_that_it_visits_twice() -> None:
    expansion = expand.expand(Plan(cells=[Axes(workload=["noop", "cpu"])]))
    first, second = (each.label for each in expansion.cells)
    assert expand.repeated(expansion) == 1
    assert matrix.place_of(first, expansion) == 0
    assert matrix.place_of(second, expansion) == 1
    assert matrix.place_of(None, expansion) == 1  # stored before a run said which


def test_duets_are_loaded_by_k6_whatever_loads_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str | None]] = []
    monkeypatch.setattr(matrix.k6, "find", lambda path: asked.append(("k6", path)))
    monkeypatch.setattr(matrix.load, "find", lambda name, path: asked.append((name, path)) or _Refuses())
    wanted = Plan(cells=[Axes(server=["uvicorn", "granian"])], generator="wrk", duet_baseline="uvicorn")
    with pytest.raises(UsageError, match="it refuses"):
        matrix.prepare(wanted, expand.expand(wanted), 0, {}, matrix.ExecutionOptions(k6="mine"), lambda _: None)
    assert asked == [("k6", "mine"), ("wrk", None)]


class _Refuses:
    name = "wrk"

    def refusal(self, **_: object) -> str:
        return "it refuses"
