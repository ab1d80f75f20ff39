"""`harness matrix` as a user runs it: real servers and k6, interrupted, killed, gone on with."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Any

from harness.analysis import review
from harness.store import codec
from tests.conftest import Harness, broken_environment, processes_mentioning

# What others do to the machine meanwhile is no matter here, so no visit is repeated.
QUICK = ("--warmup", "200ms", "--duration", "1s", "--vus", "5", "--attempts", "1")
TWO = ("matrix", "--server", "uvicorn,granian", "--workload", "sleep", "-p", "ms=10", *QUICK)


def folder(harness: Harness) -> Path:
    (found,) = harness.folder.glob("results/*-matrix")
    return found


def documents(run: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted((run / "measurements").glob("*.json"))]


def test_every_cell_is_visited_in_every_block_and_compared(harness: Harness) -> None:
    done = harness.run(*TWO, "--framework", "fastapi,flask", "--style", "sync", "--blocks", "2", "--json")
    assert done.returncode in (0, 3), done.stderr
    overview = json.loads(done.stdout)
    names = [cell["name"] for cell in overview["cells"]]
    assert names == [
        f"{server}/{framework}/sync/sleep?ms=10/w1/c5"
        for framework in ("fastapi", "flask")
        for server in ("uvicorn", "granian")
    ]
    run = json.loads((folder(harness) / "run.json").read_text())
    made = documents(folder(harness))
    assert len(made) == overview["visits"] == overview["planned"] == 10
    for document in made:
        place = document["place"]
        number = run["order"][place["block"] - 1][place["position"] - 1]
        assert document["cell"]["label"] == (names[0] if number == 4 else names[number])
        assert place["repeat"] == (number == 4)
    comparison = overview["comparison"]
    axes = {each["axis"] for each in comparison["contrasts"] + comparison["excluded"]}
    assert axes == {"server", "framework"} or any(document["verdict"] != "valid" for document in made)
    for each in comparison["contrasts"]:
        assert (each["verdict"], each["reason"]) == ("undecided", "too few blocks")
    lines = [line for line in done.stderr.splitlines() if line.startswith("[")]
    assert [line.partition("]")[0] for line in lines] == [f"[{number}/10" for number in range(1, 11)]
    assert all(" left" in line for line in lines)
    again = harness.run("report", str(folder(harness)), "--format", "json")
    assert json.loads(again.stdout) == overview
    text = harness.run("report", str(folder(harness))).stdout
    assert max(map(len, text.splitlines())) <= 100


def test_an_interrupted_run_is_gone_on_with_where_it_stopped(harness: Harness, private_tmp: Path) -> None:
    running = harness.start(*TWO, "--blocks", "2", "--seed", "5", TMPDIR=str(private_tmp))
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
    part = review.review(codec.read_run(folder(harness)))
    assert 0 < part.visits < part.planned == 6
    assert "of 6 visits so far" in harness.run("report", str(folder(harness))).stdout
    before = documents(folder(harness))
    done = harness.run("matrix", "--resume", str(folder(harness)), TMPDIR=str(private_tmp))
    assert done.returncode in (0, 3), done.stderr
    after = documents(folder(harness))
    assert after[: len(before)] == before
    assert [(each["place"]["block"], each["place"]["position"]) for each in after] == [
        (block, position) for block in (1, 2) for position in (1, 2, 3)
    ]
    nothing = harness.run("matrix", "--resume", str(folder(harness)))
    assert nothing.returncode in (0, 3)
    assert documents(folder(harness)) == after
    path = folder(harness) / "run.json"
    document = json.loads(path.read_text())
    document["environments"][""]["packages"]["granian"] = "0.1"
    path.write_text(json.dumps(document))
    refused = harness.run("matrix", "--resume", str(folder(harness)))
    assert refused.returncode == 2
    assert "installed packages have changed" in refused.stderr


def _stored(harness: Harness) -> int:
    return len(list(harness.folder.glob("results/*-matrix/measurements/*.json")))


def test_a_server_that_does_not_come_up_is_a_result_and_tried_once_more(harness: Harness, tmp_path: Path) -> None:
    python = broken_environment(tmp_path / "broken", "uvloop", "raise ImportError('no loop today')\n")
    done = harness.run(*TWO, "--python", python, "--blocks", "1", "--attempts", "2", "--json")
    assert done.returncode == 3, done.stderr
    overview = json.loads(done.stdout)
    assert [cell["failed"] for cell in overview["cells"]] == [2, 1]  # of the first one the A/A visit too
    assert "while starting" in overview["cells"][0]["reasons"][0]["reason"]
    made = documents(folder(harness))
    assert sorted(each["place"]["attempt"] for each in made) == [1, 1, 1, 2, 2, 2]
    assert all("requests" not in each and "uvloop" in each["log"] for each in made)
    assert "ImportError: no loop today" in harness.run("report", str(folder(harness))).stdout


def test_a_dry_run_measures_nothing(harness: Harness) -> None:
    done = harness.run(*TWO, "--framework", "fastapi,flask", "--style", "sync,blocking", "--blocks", "3", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "21 visits of 0.2 s warm-up and 1 s window" in done.stdout
    assert "uvicorn/flask/blocking/sleep?ms=10/w1/c5: " in done.stdout.partition("cannot exist")[2]
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
