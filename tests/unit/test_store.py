"""The store: a run is there as a whole or not at all, is read back as it was, and survives a disk that is full."""

from __future__ import annotations

import errno
import gzip
import json
import logging
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from harness.analysis import review
from harness.errors import LackError, TargetError, UsageError
from harness.experiments.session import Session
from harness.host import logs
from harness.measure import Measured
from harness.model.environment import Environment
from harness.model.events import ignore
from harness.model.load import Timing
from harness.model.measurement import Measurement
from harness.model.plan import Axes, CellSet, Plan
from harness.model.record import (
    SCHEMA,
    CapacityRecord,
    DatabaseIdentity,
    HostFacts,
    MatrixRecord,
    MeasurementRecord,
    OverloadRecord,
    Place,
    RotationRecord,
    SingleRecord,
)
from harness.model.variant import Cell
from harness.store import codec, holding, index
from harness.store.folder import RunFolder
from harness.store.redaction import clean
from tests import fakes
from tests.conftest import ROOT, changed

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
REFERENCE = sorted(path.parent for path in (ROOT / "results" / "reference").rglob("run.json"))
HOST = HostFacts(
    system="Linux",
    kernel="6.1",
    machine="x86_64",
    cpu_model=None,
    cpus_available=4,
    cpus_total=8,
    memory_bytes=8 << 30,
    distribution=None,
    hypervisor=True,
    cpu_governor=None,
    somaxconn="4096",
    load_average=[0.5, 0.25, 0.125],
)


def header(*cells: Cell) -> dict[str, Any]:
    """What the records of all kinds of runs have in common."""
    packages = {"granian": "2.8.7"}
    environment = Environment(python="3.11.7", implementation="CPython", executable="/x/python", packages=packages)
    return {
        "harness": "1.0",
        "command": None,
        "started_at": "2026-01-01T12:00:00.000+00:00",
        "host": HOST,
        "environments": dict.fromkeys({cell.variant.environment for cell in cells}, environment),
        "cells": list(cells),
        "timing": Timing(warmup_seconds=1.0, window_seconds=10.0),
        "pin": "auto",
        "generator": "k6 1.1.0",
    }


def single_record(cell: Cell) -> SingleRecord:
    return SingleRecord(**header(cell))


def matrix_record(cell: Cell) -> MatrixRecord:
    cells = [changed(cell, environment="py3.11", server="uvicorn"), changed(cell, environment="py3.13", rate=50.0)]
    return MatrixRecord(
        **header(*cells),
        plan=Plan(cells=[Axes(server=["uvicorn", "granian"], rate=[50.0])], title="both"),
        impossible=[("uvicorn/flask/wrapped/noop/w1/c1", "flask has no wrapped")],
        sets=[CellSet(members=[0, 1, 0], reference=None)],
        finished=True,
        repeated=cells[0].label,
        database=DatabaseIdentity(kind="embedded", version="18.4", server="local", checksums={"users": "0"}),
        requests=None,
    )


def rotation_record(cell: Cell) -> RotationRecord:
    application = fakes.application("shop:app", folder="services/head").served.application
    return RotationRecord(**header(cell, changed(cell, application=application)), precision=0.01, margin=0.03)


def stored(folder: RunFolder, facts: Measurement, place: Place | None = None) -> MeasurementRecord:
    return Session(folder, ignore).store(Measured(facts=facts, log_tail="its log"), place)


def test_a_run_appears_when_it_holds_a_measurement(tmp_path: Path, facts: Measurement) -> None:
    with RunFolder.create(tmp_path / "results", "name", NOON) as folder:
        folder.write_run(single_record(facts.cell))
        assert not folder.final.exists()
        record = stored(folder, facts)
    final = tmp_path / "results" / "20260101T120000Z-name"
    assert (folder.final, record.path) == (final, str(final))
    names = sorted(str(path.relative_to(final)) for path in final.rglob("*") if path.is_file())
    assert names == ["measurements/0001.json", "run.json"]
    document = json.loads((final / "measurements" / "0001.json").read_text())
    assert document == codec.document(record)
    assert document["throughput_rps"] == 987.6
    assert document["cell"]["label"] == "granian/fastapi/async/sleep?ms=100/w2/c100"
    assert document["path"] == str(final)


def test_a_run_without_a_measurement_leaves_nothing(tmp_path: Path, cell: Cell) -> None:
    with RunFolder.create(tmp_path, "name", NOON) as folder:
        folder.write_run(single_record(cell))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("make", [single_record, matrix_record, rotation_record])
def test_each_kind_of_run_is_read_back_as_it_was_written(
    tmp_path: Path, facts: Measurement, cell: Cell, make: Any
) -> None:
    record = make(cell)
    place = Place(restart=2, set=1, member=3, repeat=True)
    wrong = facts.model_copy(update={"requests": 0})
    error = TargetError("it ended while starting", cure="", detail="Traceback\nno")
    with RunFolder.create(tmp_path, "name", NOON) as folder:
        folder.write_run(record)
        visits = [
            stored(folder, facts),
            stored(folder, wrong, place),
            Session(folder, ignore).store_failure(record.cells[-1], error, place, NOON),
        ]
    run = codec.read_run(folder.final)
    assert type(run.record) is type(record)
    assert run.record == record
    assert run.visits == visits
    assert [visit.verdict for visit in run.visits] == ["valid", "failed", "failed"]
    assert run.visits[2].reasons[0].message == "it ended while starting; its log ends with: no"
    (entry,) = index.runs(tmp_path)
    measurements = 0 if record.kind == "rotation" else 3  # a rotation is listed with its restarts
    assert (entry.kind, entry.measurements, entry.started_at) == (record.kind, measurements, record.started_at)


def test_runs_are_listed_by_what_they_measured(tmp_path: Path, facts: Measurement, cell: Cell) -> None:
    makes = (single_record, matrix_record, rotation_record)
    for make in makes:
        with RunFolder.create(tmp_path, make.__name__, NOON) as folder:
            folder.write_run(make(cell))
            stored(folder, facts)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "run.json").write_text("[]")
    found = {entry.kind: entry.what for entry in index.runs(tmp_path)}
    assert found == {
        "single": cell.label,
        "matrix": "both: 2 configurations",
        "rotation": f"{cell.label} and granian/shop:app@services/head/w2/c100",
    }


def test_what_a_newer_harness_has_written_is_refused(tmp_path: Path, facts: Measurement, cell: Cell) -> None:
    with RunFolder.create(tmp_path, "name", NOON) as folder:
        folder.write_run(single_record(cell))
        stored(folder, facts)
    document = json.loads((folder.final / "run.json").read_text())
    assert document["schema"] == SCHEMA
    (folder.final / "run.json").write_text(json.dumps(document | {"schema": SCHEMA + 1}))
    with pytest.raises(UsageError, match="written by a newer harness") as caught:
        codec.read_run(folder.final)
    assert caught.value.cure == "update the harness"


def test_what_this_version_has_added_does_not_hinder_an_older_one(
    tmp_path: Path, facts: Measurement, cell: Cell
) -> None:
    with RunFolder.create(tmp_path, "name", NOON) as folder:
        folder.write_run(single_record(cell))
        record = stored(folder, facts)
    path = folder.final / "measurements" / "0001.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"added_later": 1}))
    assert codec.read_run(folder.final).visits == [record]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "holds no run: No such file"),
        ("{", "cannot be read"),
        ("[]", "cannot be read"),
        ("{}", "cannot be read: 'schema'"),
        ('{"schema": 1}', "was written by an older harness"),
        ('{"schema": 2, "kind": "other"}', "cannot be read"),
        ('{"schema": 2, "kind": "single"}', "cannot be read: single.harness: Field required"),
    ],
)
def test_what_is_no_run_is_refused(tmp_path: Path, text: str | None, says: str) -> None:
    (tmp_path / "measurements").mkdir()
    if text is not None:
        (tmp_path / "run.json").write_text(text)
    with pytest.raises(UsageError, match=says):
        codec.read_run(tmp_path)


@pytest.mark.parametrize("folder", REFERENCE, ids=lambda folder: f"{folder.parent.name}/{folder.name}")
def test_the_reference_runs_are_read(folder: Path) -> None:
    run = codec.read_run(folder)
    document = json.loads((folder / "run.json").read_text())
    cells = {cell.label: cell for cell in run.record.cells}
    assert len(run.visits) == len(codec.visit_files(folder)) > 0
    assert run.record.started_at == document["started_at"]
    assert set(run.record.environments) == {cell.variant.environment for cell in cells.values()}
    assert list(cells) == [cell["label"] for cell in document["cells"]]
    if isinstance(run.record, CapacityRecord | OverloadRecord):
        return  # each visit has a load of its own
    assert {visit.cell.label for visit in run.visits} == set(cells)
    assert len(review.visits(run)) > 0


def test_a_run_of_an_older_version_is_neither_read_nor_gone_on_with(
    tmp_path: Path, facts: Measurement, cell: Cell
) -> None:
    with RunFolder.create(tmp_path, "name", NOON) as folder:
        folder.write_run(single_record(cell))
        stored(folder, facts)
    again = RunFolder.reopen(folder.final)
    stored(again, facts)
    assert [path.name for path in codec.visit_files(folder.final)] == ["0001.json", "0002.json"]
    document = json.loads((folder.final / "run.json").read_text())
    (folder.final / "run.json").write_text(json.dumps(document | {"schema": SCHEMA - 1}))
    for read in (codec.read_run, RunFolder.reopen):
        with pytest.raises(UsageError, match=rf"an older harness \(schema {SCHEMA - 1}; .* reads {SCHEMA}\)"):
            read(folder.final)


def test_a_run_whose_documents_were_compressed_is_gone_on_with_after_the_last(
    tmp_path: Path, facts: Measurement, cell: Cell
) -> None:
    with RunFolder.create(tmp_path, "name", NOON) as folder:
        folder.write_run(single_record(cell))
        stored(folder, facts)
    (path,) = codec.visit_files(folder.final)
    path.with_name("0007.json.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    stored(RunFolder.reopen(folder.final), facts)
    assert [path.name for path in codec.visit_files(folder.final)] == ["0007.json.gz", "0008.json"]


def test_two_runs_of_one_second_do_not_meet(tmp_path: Path, facts: Measurement) -> None:
    published = []
    for _ in range(2):
        with RunFolder.create(tmp_path, "name", NOON) as folder:
            stored(folder, facts)
            published.append(folder.path.name)
    assert published == ["20260101T120000Z-name", "20260101T120000Z-name-2"]


HOLDS = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
from harness.store.folder import RunFolder

run = RunFolder.create(Path(sys.argv[1]), "x", datetime(2026, 1, 1, tzinfo=UTC))
print(run.path, flush=True)
time.sleep(60)
"""


def test_what_a_killed_harness_left_is_removed_by_the_next_and_what_a_living_one_builds_is_not(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDS, str(tmp_path)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        building = Path(other.stdout.readline().strip())
        odd = [tmp_path / ".20260101T000000Z-file.new", tmp_path / ".20260101T000000Z-link.new", tmp_path / ".mine.new"]
        odd[0].write_text("no folder")
        odd[1].symlink_to(tmp_path)
        odd[2].mkdir()
        with RunFolder.create(tmp_path, "name", NOON):
            assert (building / "measurements").is_dir()
        other.kill()
    with RunFolder.create(tmp_path, "name", NOON):
        assert not building.exists()
    assert all(path.exists() for path in odd)


def test_two_that_begin_at_once_build_two_folders(tmp_path: Path, facts: Measurement) -> None:
    with RunFolder.create(tmp_path, "name", NOON) as first, RunFolder.create(tmp_path, "name", NOON) as second:
        stored(second, facts)
        stored(first, facts)
    assert [each.path.name for each in (first, second)] == ["20260101T120000Z-name", "20260101T120000Z-name-2"]


def test_a_folder_that_is_taken_away_while_it_is_made_is_made_under_another_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold, calls = holding.hold, []

    def swept(folder: Path) -> int:
        calls.append(folder)
        if len(calls) == 1:
            holding.remove_left(folder)
            raise FileNotFoundError
        return hold(folder)

    monkeypatch.setattr(holding, "hold", swept)
    with RunFolder.create(tmp_path, "name", NOON) as folder:
        assert folder.final.name == "20260101T120000Z-name-2"


def test_who_writes_a_run_holds_it(tmp_path: Path, facts: Measurement) -> None:
    with RunFolder.create(tmp_path, "name", NOON) as folder:
        stored(folder, facts)
        with pytest.raises(UsageError, match="is being written by another harness"), holding.held(folder.final):
            pass
    with holding.held(folder.final), pytest.raises(BlockingIOError):
        holding.hold(folder.final)
    with pytest.raises(UsageError, match="holds no run"), holding.held(tmp_path / "nothing"):
        pass


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{}",
        "null",
        '{"cells": []}',
        '{"schema": 2, "kind": "matrix", "cells": [], "plan": [], "started_at": 1}',
        '{"schema": 2, "kind": 3, "cells": [{}], "started_at": "x"}',
        '{"schema": 2, "kind": "single", "cells": 7}',
        '{"schema": "x"}',
        "[" * 100_000,
        "\xff",
    ],
)
def test_odd_files_beside_results_break_no_list(tmp_path: Path, facts: Measurement, cell: Cell, text: str) -> None:
    with RunFolder.create(tmp_path, "name", NOON) as folder:
        folder.write_run(single_record(cell))
        stored(folder, facts)
    for name in ("odd", "pipe", "folder"):
        (tmp_path / name).mkdir()
    (tmp_path / "odd" / "run.json").write_bytes(text.encode("latin-1"))
    os.mkfifo(tmp_path / "pipe" / "run.json")
    (tmp_path / "folder" / "run.json").mkdir()
    (folder.final / "measurements" / "²³.json").write_text("no number")
    (folder.final / "measurements" / "0009.json").mkdir()
    assert [each.folder for each in index.runs(tmp_path)] == [folder.final]
    assert len(codec.read_run(folder.final).visits) == 1
    with pytest.raises(UsageError, match="cannot be read"):
        codec.read_run(tmp_path / "odd")


def test_names_of_stored_files_survive_a_power_cut(
    tmp_path: Path, facts: Measurement, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(holding, "sync", synced.append)
    with RunFolder.create(tmp_path, "name", NOON) as folder:
        hidden = folder.path
        stored(folder, facts)
    assert synced == [hidden / "measurements", tmp_path]


def test_a_full_disk_loses_no_measurement(tmp_path: Path, facts: Measurement, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    real = os.fsync

    def full(handle: int) -> None:
        if os.readlink(f"/proc/self/fd/{handle}").startswith(str(tmp_path / "results")):
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle)

    with RunFolder.create(tmp_path / "results", "name", NOON) as folder:
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(LackError, match="No space left") as caught:
            stored(folder, facts)
    rescued = next(tmp_path.glob("harness-measurement-*.json"))
    assert str(rescued) in caught.value.what
    assert json.loads(rescued.read_text())["requests"] == facts.requests
    assert list((tmp_path / "results").iterdir()) == []


def test_with_no_room_anywhere_the_measurement_is_in_the_message(
    tmp_path: Path, facts: Measurement, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with RunFolder.create(tmp_path, "name", NOON) as folder:
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(LackError) as caught:
            stored(folder, facts)
    assert f'"requests": {facts.requests}' in caught.value.detail
    assert list(tmp_path.glob("harness-measurement-*")) == []  # what is half written is no measurement


@pytest.mark.skipif(os.geteuid() == 0 and not Path("/proc/sys").exists(), reason="needs /proc")
def test_a_folder_that_cannot_be_written_is_found_out_first() -> None:
    with pytest.raises(LackError, match="cannot write") as caught:
        RunFolder.create(Path("/proc/sys/results"), "name", NOON)
    assert "--out" in caught.value.cure


def test_a_document_begins_with_what_it_is(tmp_path: Path, facts: Measurement) -> None:
    with RunFolder.create(tmp_path, "name", NOON) as folder:
        document = codec.document(stored(folder, facts))
    assert list(document)[:7] == ["schema", "kind", "protocol", "path", "started_at", "place", "cell"]
    assert (document["verdict"], document["failures"], document["ceiling"]) == ("valid", 0, None)
    assert "packages" not in json.dumps(document)


def test_the_log_of_a_visit_that_is_not_valid_is_kept(tmp_path: Path, facts: Measurement) -> None:
    with RunFolder.create(tmp_path, "name", NOON) as folder:
        stored(folder, facts)
        stored(folder, facts.model_copy(update={"requests": 0}))
    assert [path.name for path in (folder.final / "measurements").glob("*.log")] == ["0002.log"]
    assert (folder.final / "measurements" / "0002.log").read_text() == "its log\n"


def test_the_home_folder_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/somewhere/me")
    value = {"a": ["/somewhere/me/x", "=/somewhere/me/y", 1, None], "b": "/somewhere/meagre", "c": "/x/somewhere/me/y"}
    assert clean(value) == {"a": ["~/x", "=~/y", 1, None], "b": "/somewhere/meagre", "c": "/x/somewhere/me/y"}
    assert clean({"/somewhere/me/x": 1}) == {"~/x": 1}
    requested = {"requests": ["GET /somewhere/me/x"], "application": {"path": ["/somewhere/me/x"]}}
    assert clean(requested) == requested  # paths of URLs, in a container whose home is /app
    monkeypatch.setenv("HOME", "/")
    assert clean(value) == value


def test_a_log_holds_what_was_logged_meanwhile_without_secrets(tmp_path: Path) -> None:
    path = tmp_path / "harness.log"
    logger = logging.getLogger("harness.somewhere")
    for number in (1, 2):  # a run that is gone on with has one log
        with logs.to_file(path, lambda text: text.replace("tok-123456", "***")):
            logger.debug("part %d: %s", number, "tok-123456")
            try:
                raise ValueError("of tok-123456")
            except ValueError:
                logger.exception("ended")
        logger.error("afterwards")
    text = path.read_text()
    assert "DEBUG harness.somewhere: part 1: ***\n" in text
    assert "part 2: ***" in text
    assert "ValueError: of ***" in text
    assert "tok-123456" not in text
    assert "afterwards" not in text


def test_a_log_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "harness.log").mkdir()
    with pytest.raises(LackError, match=r"cannot write .*harness\.log"), logs.to_file(tmp_path / "harness.log", str):
        raise AssertionError("the block must not begin")


def test_a_full_disk_does_not_end_what_is_logged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("harness.somewhere")
    with logs.to_file(Path("/dev/full"), str):
        logger.warning("a sentence")
    assert "Logging error" not in capsys.readouterr().err
