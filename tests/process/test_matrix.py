"""`harness matrix` as a user runs it: real servers and k6, interrupted, killed, gone on with."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from harness.analysis import review
from harness.store import codec
from tests.conftest import Harness, broken_environment, processes_mentioning

SHORT = ("--vus", "4", "--max-time", "6s")
"""Of two or three restarts: enough to see what is made of them, too few for a verdict."""
TWO = ("matrix", "--server", "uvicorn,granian", "--workload", "cpu", "-p", "n=8", *SHORT)


def folder(harness: Harness) -> Path:
    (found,) = harness.folder.glob("results/*-matrix")
    return found


def documents(run: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted((run / "measurements").glob("*.json"))]


def test_cells_are_up_at_once_loaded_in_turn_and_compared(harness: Harness) -> None:
    done = harness.run(*TWO, "--framework", "fastapi,flask", "--style", "sync", "--json")
    assert done.returncode in (0, 3), done.stderr
    overview = json.loads(done.stdout)
    names = [cell["name"] for cell in overview["cells"]]
    assert names == [
        f"{server}/{framework}/sync/cpu?n=8/w1/c4"
        for framework in ("fastapi", "flask")
        for server in ("uvicorn", "granian")
    ]
    stored = codec.read_run(folder(harness))
    assert len(stored.restarts) == overview["restarts"] > 0
    for restart in stored.restarts:
        assert restart.cells == [*names, f"{names[0]} (2)"]
        counted = [restart.slots.member[place] for place in restart.slots.counted()]
        assert {counted.count(member) for member in range(5)} == {counted.count(0)}
    made = documents(folder(harness))
    assert len(made) == 5 * len(stored.restarts)
    for document in made:
        assert document["method"] == "slots"
        assert document["requests"] > 100
        assert document["latency_ms"]["p50"] > 0
        assert document["evidence"]["in_flight_mean"] > 0
        assert document["sampled"]["wrong"] == 0
        assert document["verdict"] in ("valid", "invalid")
        seen, counted = document["generator"]["answers"], sum(document["server"]["requests_by_worker"])
        assert abs(seen - counted) <= 4 + 10
    comparison = overview["comparison"]
    axes = {each["axis"] for each in comparison["contrasts"]}
    assert axes == {"server", "framework"} or any(document["verdict"] != "valid" for document in made)
    for each in comparison["contrasts"]:
        assert (each["verdict"], each["reason"]) == ("undecided", "too few restarts")
    lines = [line for line in done.stderr.splitlines() if line.startswith("[")]
    assert len(lines) == len(stored.restarts)
    assert all("4 cells" in line or "5 cells" in line for line in lines)
    again = harness.run("report", str(folder(harness)), "--format", "json")
    assert json.loads(again.stdout) == overview
    text = harness.run("report", str(folder(harness))).stdout
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.slow
def test_an_interrupted_run_is_gone_on_with_where_it_stopped(harness: Harness, private_tmp: Path) -> None:
    longer = ("--seed", "5", "--max-time", "20s")
    running = harness.start(*TWO, *longer, TMPDIR=str(private_tmp))
    for number in (signal.SIGINT, signal.SIGKILL):
        stored = _stored(harness)
        deadline = time.monotonic() + 60
        while _stored(harness) == stored and time.monotonic() < deadline:
            time.sleep(0.05)
        running.send_signal(number)
        _, said = running.communicate(timeout=30)
        if number == signal.SIGINT:
            assert running.returncode == 130
            assert f"go on with: harness matrix --resume {folder(harness).relative_to(harness.folder)}" in said
            running = harness.start("matrix", "--resume", str(folder(harness)), TMPDIR=str(private_tmp))
    deadline = time.monotonic() + 10
    while processes_mentioning(str(private_tmp)) and time.monotonic() < deadline:
        time.sleep(0.05)
    part = codec.read_run(folder(harness))
    assert not review.review(part).finished
    assert "so far" in harness.run("report", str(folder(harness))).stdout
    before = [restart.started_at for restart in part.restarts]
    done = harness.run("matrix", "--resume", str(folder(harness)), TMPDIR=str(private_tmp))
    assert done.returncode in (0, 3), done.stderr
    after = codec.read_run(folder(harness))
    assert [restart.started_at for restart in after.restarts][: len(before)] == before
    assert [restart.number for restart in after.restarts] == list(range(1, len(after.restarts) + 1))
    assert review.review(after).finished
    nothing = harness.run("matrix", "--resume", str(folder(harness)))
    assert nothing.returncode in (0, 3)
    assert "has come to its end" in nothing.stderr
    assert len(codec.read_run(folder(harness)).restarts) == len(after.restarts)
    path = folder(harness) / "run.json"
    document = json.loads(path.read_text()) | {"finished": False}
    document["environments"][""]["packages"]["granian"] = "0.1"
    path.write_text(json.dumps(document))
    refused = harness.run("matrix", "--resume", str(folder(harness)))
    assert refused.returncode == 2
    assert "installed packages have changed" in refused.stderr


def _stored(harness: Harness) -> int:
    return len(list(harness.folder.glob("results/*-matrix/restarts/*.json.gz")))


@pytest.mark.slow
def test_a_server_that_does_not_come_up_is_a_result_and_the_other_goes_on(harness: Harness, tmp_path: Path) -> None:
    python = broken_environment(tmp_path / "broken", "uvloop", "raise ImportError('no loop today')\n")
    servers = ("--server", "uvicorn:loop=asyncio,uvicorn:loop=uvloop")
    done = harness.run("matrix", *servers, "--workload", "noop", *SHORT, "--python", python, "--json")
    assert done.returncode in (0, 3), done.stderr
    overview = json.loads(done.stdout)
    assert [(cell["valid"] + cell["invalid"] > 0, cell["failed"]) for cell in overview["cells"]] == [
        (True, 0),
        (False, 1),
    ]
    assert "while starting" in overview["cells"][1]["reasons"][0]["reason"]
    (failed,) = [each for each in documents(folder(harness)) if "requests" not in each]
    assert "uvloop" in failed["log"]
    assert "ImportError: no loop today" in harness.run("report", str(folder(harness))).stdout


def test_a_dry_run_measures_nothing(harness: Harness) -> None:
    done = harness.run(*TWO, "--framework", "fastapi,flask", "--style", "sync,blocking", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "6 configurations, up at once" in done.stdout
    assert "--max-time 6s is too short" in done.stdout
    assert "uvicorn/flask/blocking/cpu?n=8/w1/c4: " in done.stdout.partition("unsupported combinations")[2]
    assert not (harness.folder / "results").exists()
    plan = done.stdout.partition("the same as a file:\n\n")[2]
    (harness.folder / "plan.toml").write_text(plan)
    again = harness.run("matrix", "plan.toml", "--dry-run")
    assert again.stdout == done.stdout


def test_what_is_no_run_is_told(harness: Harness) -> None:
    for arguments in (("report", "nowhere"), ("matrix", "--resume", "nowhere")):
        done = harness.run(*arguments)
        assert done.returncode == 2
        assert "nowhere holds no run" in done.stderr
