"""What scripts may import: its examples run, and nothing of the harness rests on it."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

from harness import api
from harness.errors import UsageError
from tests.conftest import ROOT


def test_its_examples_are_right(tmp_path: Path) -> None:
    ended = doctest.testmod(api, extraglobs={"results": tmp_path}, optionflags=doctest.FAIL_FAST)
    assert ended.failed == 0
    assert ended.attempted >= 8


def test_every_public_name_is_there_and_listed_in_order() -> None:
    assert [name for name in api.__all__ if not hasattr(api, name)] == []
    assert len(set(api.__all__)) == len(api.__all__)


def test_a_written_form_and_its_parts_are_the_same_cell() -> None:
    written = api.resolve("uvicorn:loop=asyncio/sync/cpu?n=20/w2/t7/r50")
    parts = api.CellSpec(
        server="uvicorn:loop=asyncio",
        style="sync",
        params=("n=20",),
        workers=2,
        threads=7,
        rate=50.0,
    )
    assert api.resolve(parts) == written
    assert api.resolve(written) is written


def test_an_application_of_the_users_is_resolved_by_its_options() -> None:
    options = api.ApplicationOptions(
        app="burning:app", app_dir=str(ROOT / "benchmarks" / "applications"), path=["/answer"]
    )
    resolved = api.resolve("uvicorn/c4", options)
    assert resolved.label == "uvicorn/burning:app@applications/w1/c4"
    assert resolved.subject.probes()[0].path == "/answer"


def test_a_project_around_is_no_part_of_a_resolved_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "harness.toml").write_text('[application]\napp = "shop:app"\n')
    monkeypatch.chdir(tmp_path)
    assert api.resolve("uvicorn/noop").label == "uvicorn/fastapi/async/noop/w1/c16"


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(UsageError, match="granite"):
        api.resolve("granite/noop")


def test_servers_that_are_up_are_loaded_as_often_as_asked() -> None:
    specs = api.server_specs("uvicorn/sleep?ms=10/c4", "uvicorn/sync/sleep?ms=10/c4")
    timing = api.Timing(warmup_seconds=0.2, window_seconds=1.0)
    generator = api.find_generator("k6")
    with api.deployed(*specs) as deployments:
        loads = [deployments.load(timing, generator, place) for place in (1, 0, 1)]
        processes = [server.child.process for server in deployments.servers]
    for window, summary in loads:
        assert 50 < summary.requests <= 450
        assert abs(sum(window.requests_by_worker) - summary.requests) < 100
    assert all(process.returncode is not None for process in processes)
