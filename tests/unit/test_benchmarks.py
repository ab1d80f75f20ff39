"""Benchmarks of the harness itself: each starts, and rests on `harness.api` alone, so that none is broken unseen."""

from __future__ import annotations

import ast
import gc
import importlib
import runpy
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest

from harness import api
from harness.analysis import diagnosis
from harness.analysis.diagnosis import ADVICE
from harness.handlers import catalogue
from tests.conftest import ROOT

BENCHMARKS = sorted((ROOT / "benchmarks").glob("*.py"))
SCRIPTS = [path for path in BENCHMARKS if "__main__" in path.read_text(encoding="utf-8")]


def harness_modules(path: Path) -> Iterator[str]:
    """What a script imports of the harness, as `module` or `module.name`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names if each.name.partition(".")[0] == "harness")
        elif (
            isinstance(node, ast.ImportFrom) and node.module is not None and node.module.partition(".")[0] == "harness"
        ):
            yield from (f"{node.module}.{each.name}" for each in node.names)


@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.stem)
def test_imports_of_the_harness_are_of_its_api(path: Path) -> None:
    outside = [name for name in harness_modules(path) if name != "harness.api" and not name.startswith("harness.api.")]
    assert outside == []


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_starts_and_reads_its_arguments(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # In this process: importing the harness for each anew would take most of half a minute.
    monkeypatch.setattr(sys, "argv", [str(path), "--help"])
    monkeypatch.setattr(sys, "path", [str(path.parent), *sys.path])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(path), run_name="__main__")
    assert ended.value.code == 0
    assert "usage:" in capsys.readouterr().out


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_is_told_in_the_documentation(path: Path) -> None:
    assert f"`{path.name}" in (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")


def test_a_large_run_is_generated_as_it_is_read(tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
from typing import Any
from generated import generate, reference_visit
from harness import api
visit = reference_visit()[1]
cells = [visit.cell, visit.cell.model_copy(update={"load": api.ClosedLoad(users=7)})]
made = generate(Path(sys.argv[1]), cells, 3, noise=0.0, rps=lambda cell: 500.0 if cell.load.users == 7 else 900.0)
overview = api.review(api.read_run(Path(sys.argv[1])))
assert made == 9
assert overview.restarts == 3
print([(each.name, each.valid, each.throughput.estimate) for each in overview.cells])
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "run")],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT / "benchmarks",
    )
    assert done.returncode == 0, done.stderr
    assert "w4/c16', 6, 900" in done.stdout
    assert "w4/c7', 3, 500" in done.stdout


def test_every_piece_of_advice_is_tried_by_a_benchmark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(ROOT / "benchmarks"), *sys.path])
    cases = runpy.run_path(str(ROOT / "benchmarks" / "advice.py"))["CASES"]
    given = {finding: {(each.kind, each.direction) for each in remedies} for finding, remedies in ADVICE.items()}
    assert {finding: set(case.after) for finding, case in cases.items()} == given


def test_a_diagnosis_gives_no_other_advice() -> None:
    tree = ast.parse(Path(diagnosis.__file__).read_text(encoding="utf-8"))
    remedies = [
        ast.unparse(node.value) for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg == "remedies"
    ]
    assert len(remedies) >= len(ADVICE)
    assert all("ADVICE[" in each for each in remedies)


def test_a_known_queue_stands_still_in_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two threads in which requests sleep for a second, behind a core that each needs for 0.1 s. With the third it
    pauses for 2 s, from 1.3 to 3.3, and with the seventh for 0.5 s, from 9.1 to 9.6."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    model = importlib.import_module("capacity_model")
    arrivals = numpy.array([0.5, 1.0, 1.2, 4.5, 5.0, 5.3, 9.0, 9.05])
    paused = model.Queue(
        **{"name": "", "servers": 2, "service_ms": 1000.0, "objective": "p99<75ms"},
        **{"pauses_ms": (2000.0, 500.0), "pause_requests": 4, "work_ms": 100.0},
    )
    ends = arrivals + model.paused_latencies(arrivals, paused)
    # The core is through with them at 0.6, 1.1, 3.3, 4.6, 5.1, 5.4, 9.6 and 9.7; a sleep that ends in a pause waits.
    assert ends == pytest.approx([3.3, 3.3, 4.3, 5.6, 6.1, 6.6, 10.6, 10.7])
    never = model.Queue(
        **{"name": "", "servers": 2, "service_ms": 1000.0, "objective": "p99<75ms"}, pauses_ms=(0.0,), pause_requests=9
    )
    plain = model.latencies(arrivals, numpy.array([1.0]), 2)
    assert model.paused_latencies(arrivals, never) == pytest.approx(plain)


def test_a_frozen_workload_sleeps_and_leaves_the_collector_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = ROOT / "benchmarks" / "workloads"
    monkeypatch.syspath_prepend(str(folder))
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (name, module), *others = project["entry-points"]["harness.workloads"].items()
    work = importlib.import_module(module).WORKLOAD
    assert (others, work.name) == ([], name)
    assert work.work(ms=50) == catalogue.load("sleep").work(ms=50)
    frozen = gc.get_freeze_count()
    try:
        assert work.check(work.sync_twin(ms=1), {"ms": 1}) is None
        assert gc.get_freeze_count() > frozen + 10_000
    finally:
        gc.unfreeze()


def test_bounds_on_the_way_are_the_first_that_are_close(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    capacity = importlib.import_module("capacity")
    told = capacity.Told()
    assert capacity.within(told, 100.0) is None
    for number, (low, high) in enumerate([(None, 120.0), (90.0, 120.0), (96.0, 105.0), (99.0, 101.0)], 1):
        told(
            api.ProbeFinished(
                **{"number": number, "cell": "", "rate": 1.0, "outcome": "pass", "why": "", "fraction": 0.1},
                **{"low": low, "high": high},
            )
        )
    found = capacity.within(told, 100.0)
    assert (found["probes"], found["low"], found["high"], found["held"]) == (3, 96.0, 105.0, True)
    assert not capacity.within(told, 106.0)["held"]


def test_the_campaign_of_faults_sees_what_is_wrong(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Else a table without a fault would say nothing."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path))
    striking = importlib.import_module("striking")
    monkeypatch.setattr(striking, "GIVEN_SECONDS", 0.1)
    left = []

    def leaves(scene: Any) -> Any:
        left.append(subprocess.Popen(["sleep", "60"], env={"TMPDIR": str(scene.temporary)}, cwd="/"))
        assert scene.wait_for("sleep 60")  # Linux shows a new program's environment a moment after it has begun
        (scene.temporary / "harness-private").mkdir()
        run = scene.results / "a-run"
        run.mkdir(parents=True)
        (run / "run.json").write_text("{")
        return striking.Ended(code=1, out="", err="Traceback (most recent call last):")

    def fine(scene: Any) -> Any:
        return striking.Ended(code=3, out="", err="error: 5 of 7")

    def hangs(scene: Any) -> Any:
        return scene.finish(scene.start(argv=["sleep", "60"]), 0.1)

    kinds = [
        striking.Kind(name="bad", strike=leaves, codes=(0, 3), times=1, survives=True),
        striking.Kind(name="fine", strike=fine, codes=(0, 3), times=4),
        striking.Kind(name="hangs", strike=hangs, codes=(0,), times=1),
        striking.Kind(name="not here", strike=fine, codes=(0,), lacks=lambda: "takes root"),
    ]
    bad, good, endless, skipped = striking.campaign(kinds, 1, 0.5)
    left[0].kill()
    left[0].wait()
    for number, beginning in enumerate(
        (
            "exit code 1",
            "a traceback",
            "still running: sleep 60",
            "left behind: harness-private",
            "a-run",
            "nothing was",
        )
    ):
        assert bad.wrong[number].startswith(beginning), bad.wrong
    assert (good.times, good.codes, good.said, good.wrong) == (2, {"3": 2}, {"error: # of #": 2}, [])
    assert "it did not end within 0.1 s" in endless.wrong[0]
    assert (skipped.times, skipped.skipped) == (0, "takes root")
    assert "takes root" in striking.told([bad, good, endless, skipped])
