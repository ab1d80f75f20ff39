"""Continuous integration: one comment, annotations, workflow files, hosts that are alike, and who holds the lock."""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from harness.analysis.verdicts import detectable
from harness.config import ci
from harness.errors import LackError, UsageError
from harness.host import lock
from harness.model.application import UserApplication
from harness.model.measurement import Measurement
from harness.model.record import RotationRecord
from harness.model.rotation import Rotation
from harness.report import github, render
from harness.report.html import overall
from harness.store import codec, index
from harness.store.folder import RunFolder
from tests.unit.test_report import CELLS, REFERENCE, interval_of, rotation_of, with_variant

SLOWER = rotation_of((0.843, 0.011, "slower"), (1.2, 0.01, "slower"), limit=0.05)
NOISY = rotation_of((0.98, 0.1, "undecided"), (1.0, 0.1, "undecided"), limit=0.05)
KEPT = rotation_of((1.0, 0.01, "equivalent"), (1.0, 0.01, "equivalent"), limit=0.05)


def stored(results: Path, facts: Measurement, answer: Rotation, path: str) -> Path:
    """A stored comparison of two versions of a user's application."""
    record = codec.read_run(REFERENCE / "first-run").record
    application = UserApplication(target="shop.main:app", requests=[f"GET {path}"], digest="x")
    cells = [with_variant(facts.cell, server=label.partition("/")[0], application=application) for label in CELLS]
    header = {**dict(record), "kind": "rotation", "cells": cells, "precision": 0.01, "margin": 0.03}
    folder = RunFolder.create(results, path.strip("/"), datetime.now(UTC))
    with folder:
        folder.write_run(RotationRecord(**{name: header[name] for name in RotationRecord.model_fields}))
        folder.write_rotation(answer)
        return folder.publish()


def test_a_comment_has_the_worst_endpoint_first_and_its_verdict_in_the_heading(
    tmp_path: Path, facts: Measurement
) -> None:
    for answer, path in ((KEPT, "/kept"), (SLOWER, "/slower"), (NOISY, "/noisy")):
        stored(tmp_path, facts, answer, path)
    runs = [codec.read_run(each.folder) for each in index.runs(tmp_path)]
    text = github.comment(runs)
    assert text.startswith("### ❌ Performance FAIL: CPU per request +20.0% (limit 5%)\n")
    assert text.rstrip().endswith(github.MARKER)
    assert text.count(github.MARKER) == 1
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| `GET")]
    assert [row[0] for row in rows] == ["| `GET /slower`"] * 2 + ["| `GET /noisy`"] * 2 + ["| `GET /kept`"] * 2
    assert rows[0][1:] == ["CPU per request", "96 µs", "115 µs", "**+20.0%**", "+18.8% to +21.2%", "6.0%", "❌ FAIL |"]
    assert [row[-1] for row in rows[2:]] == ["⚠️ INCONCLUSIVE |"] * 2 + ["✅ PASS |"] * 2
    assert "would have found: 15.5% at worst" in text
    lines = list(github.workflow_commands(runs))
    assert [line.partition(" ")[0] for line in lines] == ["::error"] * 2 + ["::warning"] * 2
    title, _, said = lines[0].removeprefix("::error title=").partition("::")
    assert title == "Performance%2C GET /slower"
    assert said.startswith("granian against uvicorn, CPU per request +20.0%25 (95%25 CI")
    (kept,) = (run for run in runs if "kept" in str(run.folder))
    assert list(github.workflow_commands([kept])) == []


@pytest.mark.parametrize(
    ("answer", "heading"),
    [
        (KEPT, "### ✅ Performance PASS: no regression above 5%"),
        (NOISY, "### ⚠️ Performance INCONCLUSIVE: too noisy for a limit of 5%"),
        (rotation_of(), "### Performance: 1 run without a limit"),
    ],
)
def test_headings(tmp_path: Path, facts: Measurement, answer: Rotation, heading: str) -> None:
    run = codec.read_run(stored(tmp_path, facts, answer, "/items"))
    assert github.comment([run]).splitlines()[0] == heading


def test_no_request_can_inject_markup_or_a_command(tmp_path: Path, facts: Measurement) -> None:
    run = codec.read_run(stored(tmp_path, facts, SLOWER, "/a|b`<script>\n::error::x"))
    assert "`GET /a/b'<script> ::error::x`" in github.comment([run])
    assert all("\n" not in line for line in github.workflow_commands([run]))


def test_the_comment_of_a_folder_goes_to_a_file_and_its_annotations_to_the_log(
    tmp_path: Path, facts: Measurement, capsys: pytest.CaptureFixture[str]
) -> None:
    stored(tmp_path / "results", facts, SLOWER, "/slower")
    render.show(tmp_path / "results", "github", tmp_path / "comment.md")
    assert capsys.readouterr().out.count("::error ") == 2
    assert "FAIL" in (tmp_path / "comment.md").read_text("utf-8")
    render.show(tmp_path / "results", "github", None)
    printed = capsys.readouterr()
    assert printed.out.startswith("### ❌")
    assert printed.err.count("::error ") == 2
    with pytest.raises(UsageError, match="holds 1 run, and --format csv shows one"):
        render.show(tmp_path / "results", "csv", tmp_path)
    with pytest.raises(UsageError, match="holds no run"):
        render.show(tmp_path / "nothing", "html", None)


def test_a_page_and_markdown_of_one_run_say_whether_the_limit_is_kept(tmp_path: Path, facts: Measurement) -> None:
    run = codec.read_run(stored(tmp_path, facts, SLOWER, "/items"))
    assert '<h2>Limit 5%</h2><p class="value">FAIL</p>' in render.text(run, "html")
    first = next(line for line in render.text(run, "markdown").splitlines() if line.startswith("- "))
    assert first.startswith("- **FAIL")


def test_the_smallest_regression_that_would_have_failed_is_beyond_the_limit_by_the_interval() -> None:
    assert detectable("cpu_us_per_request", interval_of(1.0, 0.01), 0.05) == pytest.approx(1.05 * 1.01 - 1)
    assert detectable("throughput_rps", interval_of(1.0, 0.01), 0.05) == pytest.approx(1 - 0.95 / 1.01)
    assert detectable("throughput_rps", interval_of(1.0, None), 0.05) is None


@pytest.mark.parametrize("service", ["github", "gitlab"])
def test_a_workflow_is_written_once_and_is_shell_that_parses(
    service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    wanted = ci.workflow("shop.main:app", ["/items?limit=20", "/it's"], "granian", "3%", strict=True)
    path = ci.write(service, wanted, None)
    text = path.read_text("utf-8")
    assert path == ci.FILES[service]
    assert "--app shop.main:app --fail-above 3% --strict --no-wait" in text
    assert """for path in '/items?limit=20' '/it'"'"'s'; do""" in text
    assert "$$" not in text
    assert not re.search(r"\$\{?(server|options|paths)\b", text)
    (loop,) = re.findall(r"( +)code=0\n(.*?)\n\1exit", text, re.DOTALL)
    subprocess.run(["bash", "-n", "-c", f"code=0\n{loop[1]}"], check=True)
    with pytest.raises(UsageError, match="exists already"):
        ci.write(service, wanted, None)


def test_a_workflow_takes_the_application_of_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="no application was found"):
        ci.workflow(None, [], "uvicorn", "5%", strict=False)
    (tmp_path / "harness.toml").write_text('[application]\napp = "shop:make"\nfactory = true\npath = ["/a", "/b"]\n')
    wanted = ci.workflow(None, [], "uvicorn", "5%", strict=False)
    assert (wanted.app, wanted.factory, wanted.paths) == ("shop:make", True, ["/a", "/b"])
    assert "--app shop:make --factory --fail-above 5% --no-wait" in ci.text("github", wanted)


def test_hosts_are_compared_by_what_matters() -> None:
    host = codec.read_run(REFERENCE / "first-run").record.host
    alike: dict[str, Any] = {"memory_bytes": (host.memory_bytes or 0) + 400_000, "kernel": f"{host.kernel}-v782"}
    assert host.model_copy(update=alike).identity == host.identity
    for other in ({"memory_bytes": 8_000_000_000}, {"kernel": "5.15.0-1-generic"}, {"cpu_model": "another"}):
        assert host.model_copy(update=other).identity != host.identity


HOLD = (
    "import fcntl, sys, time; file = open(sys.argv[1]); fcntl.flock(file, 2); print('held', flush=True); time.sleep(60)"
)


def test_the_holder_of_the_lock_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock.tempfile, "gettempdir", lambda: str(tmp_path))
    path = tmp_path / "harness-measuring.lock"
    path.touch()
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path), "harness", "run", "--database-url", "postgres://u:secret@h/d"],
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        try:
            named = pytest.raises(LackError, match=rf"process {holder.pid}, \d+ \w+ old: ")
            with named as refused, lock.machine(wait=False):
                pass
            assert "--no-wait" in refused.value.cure
            assert "old: harness run --database-url URL)" in refused.value.what
        finally:
            holder.kill()
    with lock.machine(wait=False):
        handle = os.open(path, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(handle)


def test_a_folder_of_runs_has_a_page_with_the_history_of_each_configuration(tmp_path: Path, facts: Measurement) -> None:
    first = stored(tmp_path, facts, rotation_of(), "/first")
    stored(tmp_path, facts, rotation_of((0.8, 0.01, "slower")), "/<b>second")
    (first / "report.html").write_text("")
    render.show(tmp_path, "html", None)
    page = (tmp_path / "index.html").read_text("utf-8")
    assert page.count('data-kind="compare"') == 2
    assert f'href="{first.name}/report.html"' in page
    assert page.count('class="history"') == 2
    assert "Granian is 15.7% faster" in page or "granian is 15.7% faster" in page
    assert "<b>second" not in page
    assert "script-src 'sha256-" in page
    runs = [
        overall.Listed(
            name=str(number),
            link=None,
            started_at=f"2026-01-0{number}",
            kind="run",
            what="",
            says="",
            throughputs={"a": interval_of(rps, 0.1), f"only {number}": interval_of(1.0, 0.1)},
        )
        for number, rps in ((2, 50.0), (1, 100.0))
    ]
    (history,) = overall.histories(runs)
    assert [point.run for point in history.points] == ["1", "2"]
    assert history.points[0].y < history.points[1].y
    assert history.points[0].low > history.points[0].y > history.points[0].high
    assert history.described == "a: 100 requests/s ±10% (2026-01-01), 50.0 requests/s ±10% (2026-01-02)"
