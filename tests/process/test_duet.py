"""`harness duet` as a user runs it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.conftest import Harness, processes_mentioning

QUICK = ("--warmup", "300ms", "--duration", "1s", "--vus", "4", "--max-time", "5s")


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="the generator has no core of its own")
def test_two_cells_are_loaded_at_the_same_time_and_compared(harness: Harness, private_tmp: Path) -> None:
    """A plain cell against one that computes for a millisecond: no doubt which costs more."""
    done = harness.run(
        *("duet", "uvicorn", "uvicorn/cpu?n=20", *QUICK, "--precision", "50%"),
        *("--fail-slower", "5%", "--no-interference", "--json"),
        TMPDIR=str(private_tmp),
    )
    answer = json.loads(done.stdout)
    counted = [each for each in answer["restarts"] if each["void"] is None]
    assert [each["swapped"] for each in answer["restarts"]] == [
        bool(number % 2) for number in range(len(answer["restarts"]))
    ]
    assert answer["first"] == "uvicorn/fastapi/async/noop/w1/c4"
    assert answer["second"] == "uvicorn/fastapi/async/cpu?n=20/w1/c4"
    if len(counted) >= 6:  # fewer on a machine that is very busy
        assert (answer["verdict"], answer["worse"], done.returncode) == ("slower", True, 1)
    assert all(each["ratio"] > 1.05 for each in counted)
    assert "restart 1" in done.stderr
    (folder,) = harness.folder.glob("results/*-duet")
    stored = sorted((folder / "measurements").glob("*.json"))
    assert len(stored) == 2 * len(answer["restarts"])
    pair = [json.loads(path.read_text()) for path in stored[:2]]
    assert [piece["t"] for piece in pair[0]["slices"]] == [piece["t"] for piece in pair[1]["slices"]]
    assert all(each["evidence"] is None for each in pair)  # its cost would be a part of what is compared
    again = harness.run("report", str(folder))
    assert "costs more by over 5%" in again.stdout or len(counted) < 6
    assert max(map(len, again.stdout.splitlines())) <= 100
    assert processes_mentioning(str(private_tmp)) == []


@pytest.mark.slow
def test_what_the_partners_do_to_each_other_is_looked_at(harness: Harness) -> None:
    done = harness.run("duet", "uvicorn", "granian", *QUICK, "--workload", "cpu", "--json", timeout=110)
    answer = json.loads(done.stdout)
    assert [each["cell"] for each in answer["interference"]] == [answer["first"], answer["second"]]
    assert all(0.2 < each["ratio"]["estimate"] < 5 for each in answer["interference"])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("uvicorn/c4", "granian/c5"), "equal users"),
        (("uvicorn/fast", "granian"), "'fast' is no framework"),
        (("uvicorn", "unicorn"), "unknown server"),
        (("uvicorn", "granian", "--precision", "2"), "--precision 2: not a share"),
    ],
)
def test_what_is_no_duet_is_refused(harness: Harness, arguments: tuple[str, ...], says: str) -> None:
    done = harness.run("duet", *arguments)
    assert done.returncode == 2
    assert says in done.stderr
