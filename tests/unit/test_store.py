"""The store: a run is there as a whole or not at all, and a measurement survives a disk that is full."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from harness import store
from harness.analysis.evaluate import judge
from harness.errors import LackError
from harness.experiments import single as runner
from harness.model.measurement import Measurement

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def test_a_run_appears_when_it_holds_a_measurement(tmp_path: Path, facts: Measurement) -> None:
    with store.RunFolder.create(tmp_path / "results", "name", NOON) as folder:
        folder.write_run({"a": 1})
        assert not folder.final.exists()
        outcome = runner.conclude(facts, "", folder)
    assert outcome.folder == tmp_path / "results" / "20260101T120000Z-name"
    names = sorted(str(path.relative_to(outcome.folder)) for path in outcome.folder.rglob("*") if path.is_file())
    assert names == ["measurements/0001.json", "run.json"]
    stored = json.loads((outcome.folder / "measurements" / "0001.json").read_text())
    assert stored == outcome.document
    assert stored["throughput_rps"] == 987.6
    assert stored["cell"]["id"] == "granian/fastapi/async/sleep?ms=100/w2/c100"
    assert stored["path"] == str(outcome.folder)


def test_a_run_without_a_measurement_leaves_nothing(tmp_path: Path) -> None:
    with store.RunFolder.create(tmp_path, "name", NOON) as folder:
        folder.write_run({})
    assert list(tmp_path.iterdir()) == []


def test_two_runs_of_one_second_do_not_meet(tmp_path: Path, facts: Measurement) -> None:
    published = []
    for _ in range(2):
        with store.RunFolder.create(tmp_path, "name", NOON) as folder:
            published.append(runner.conclude(facts, "", folder).folder.name)
    assert published == ["20260101T120000Z-name", "20260101T120000Z-name-2"]


def test_what_a_killed_harness_left_is_removed_by_the_next(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left = tmp_path / f".20260101T000000Z-x.{ended.pid}.new"
    mine = tmp_path / f".20260101T000000Z-y.{os.getpid()}.new"
    left.mkdir()
    mine.mkdir()
    with store.RunFolder.create(tmp_path, "name", NOON):
        assert not left.exists()
        assert mine.exists()


def test_a_full_disk_loses_no_measurement(tmp_path: Path, facts: Measurement, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    real = os.fsync

    def full(handle: int) -> None:
        if os.readlink(f"/proc/self/fd/{handle}").startswith(str(tmp_path / "results")):
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle)

    with store.RunFolder.create(tmp_path / "results", "name", NOON) as folder:
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(LackError, match="No space left") as caught:
            runner.conclude(facts, "", folder)
    rescued = next(tmp_path.glob("harness-measurement-*.json"))
    assert str(rescued) in caught.value.what
    assert json.loads(rescued.read_text())["requests"] == facts.requests
    assert list((tmp_path / "results").iterdir()) == []


def test_with_no_room_anywhere_the_measurement_is_in_the_message(
    tmp_path: Path, facts: Measurement, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with store.RunFolder.create(tmp_path, "name", NOON) as folder:
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(LackError) as caught:
            runner.conclude(facts, "", folder)
    assert f'"requests": {facts.requests}' in caught.value.detail


@pytest.mark.skipif(os.geteuid() == 0 and not Path("/proc/sys").exists(), reason="needs /proc")
def test_a_folder_that_cannot_be_written_is_found_out_first() -> None:
    with pytest.raises(LackError, match="cannot write") as caught:
        store.RunFolder.create(Path("/proc/sys/results"), "name", NOON)
    assert "--out" in caught.value.cure


def test_the_document_is_what_the_facts_and_the_judgement_say(facts: Measurement) -> None:
    document = store.as_document(facts, judge(facts), Path("x"))
    assert list(document)[:7] == ["schema", "protocol", "started_at", "block", "position", "cell", "placement"]
    assert (document["verdict"], document["failures"], document["ceiling"]) == ("valid", 0, None)
    assert "packages" not in json.dumps(document)


def test_the_home_folder_is_not_told() -> None:
    value = {"a": ["/somewhere/me/x", "=/somewhere/me/y", 1, None], "b": "/somewhere/meagre", "c": "/x/somewhere/me/y"}
    assert store.without_home(value, "/somewhere/me") == {
        "a": ["~/x", "=~/y", 1, None],
        "b": "/somewhere/meagre",
        "c": "/x/somewhere/me/y",
    }
    assert store.without_home(value, "/") == value
