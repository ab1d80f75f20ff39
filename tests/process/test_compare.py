"""`harness compare` as a user runs it, with real servers and generators.

The machine may be busy: no figure is asserted, and where others disturb it nothing may be told (exit code 3).
"""

from __future__ import annotations

import itertools
import json
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from harness.analysis import rotation
from harness.host.ports import free_port
from harness.model.rotation import Restart, Rotation
from harness.store import codec
from tests.conftest import ROOT, Harness, processes_mentioning

ONCE = ("--vus", "4", "--max-time", "3s", "--json")
"""One restart: none begins when twice the time has passed."""
OWN_REQUESTS = 10
APPLICATION = """
async def app(scope, receive, send):
    if scope["type"] == "http":
        {work}
        await send({{"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]}})
        await send({{"type": "http.response.body", "body": b"done"}})
"""


def compared(harness: Harness, *arguments: str, timeout: float = 100, **environment: str) -> tuple[int, Rotation]:
    """Exit code and answer of a comparison, which is the one document on standard output and the one in its folder."""
    done = harness.run("compare", *arguments, timeout=timeout, **environment)
    assert done.returncode in (0, 1, 3), done.stderr
    answer = Rotation.model_validate(json.loads(done.stdout))
    run = codec.read_run(only_run(harness))
    assert run.rotation == answer
    assert len(run.restarts) == answer.restarts + len(answer.void)
    assert answer.outcomes == []
    for restart in run.restarts:
        check(restart)
    return done.returncode, answer


def only_run(harness: Harness) -> Path:
    (folder,) = (harness.folder / "results").glob("*-compare")
    return folder


def check(restart: Restart) -> None:
    """What holds of a restart on the busiest machine."""
    slots = restart.slots
    rounds = [member for member, number in zip(slots.member, slots.round, strict=True) if number]
    assert all(first != second for first, second in itertools.pairwise(rounds))
    assert slots.drained_s == sorted(slots.drained_s)
    assert {len(column) for column in (slots.begin_s, slots.finished, slots.cpu_s, slots.answers)} == {
        len(slots.member)
    }
    for member in restart.members:
        finished = sum(member.requests_by_worker)
        assert finished > 0
        if member.answers is not None:
            assert abs(member.answers - finished) <= restart.users + OWN_REQUESTS


def metrics(answer: Rotation) -> set[str]:
    return {str(each.metric) for each in answer.contrasts}


@pytest.mark.slow
def test_two_servers_take_turns(harness: Harness, private_tmp: Path) -> None:
    code, answer = compared(
        harness,
        *("uvicorn/noop/c4", "granian/noop/c4", "--max-time", "20s", "--precision", "50%"),
        *("--fail-above", "5%", "--json"),
        TMPDIR=str(private_tmp),
    )
    assert answer.members == ["uvicorn/fastapi/async/noop/w1/c4", "granian/fastapi/async/noop/w1/c4"]
    assert (answer.users, answer.users_reason, answer.limit) == (4, "as asked for", 0.05)
    if answer.restarts:
        assert metrics(answer) >= {"throughput_rps", "cpu_us_per_request", "p50_ms", "p99_ms"}
    gated = [each for each in answer.contrasts if each.metric in ("throughput_rps", "cpu_us_per_request")]
    assert code == (3 if answer.restarts < 6 else int(any(each.worse for each in gated)))
    restarts = codec.read_run(only_run(harness)).restarts
    assert len({restart.seed for restart in restarts}) == len(restarts)
    assert all(member.answers for restart in restarts for member in restart.members)
    assert processes_mentioning(str(private_tmp)) == []


def test_littles_law_holds_in_turns(harness: Harness) -> None:
    """Throughput × mean latency is the number of users; of users who go in step a slot holds whole waves, and a request
    seems to take more than all the time that there is."""
    compared(harness, "uvicorn/sleep", "granian/sync/sleep", "--vus", "16", *ONCE[2:])
    for restart in codec.read_run(only_run(harness)).restarts:
        for figures, member in zip(rotation.figures(restart).values, restart.members, strict=True):
            (latency,) = member.latency
            assert latency.total_us is not None
            mean_seconds = latency.total_us / sum(latency.counts.values()) / 1e6
            assert 0.95 < figures["throughput_rps"] * mean_seconds / 16 < 1.011


def test_two_folders_of_an_application_are_compared(harness: Harness) -> None:
    """Each opens a port when it is imported, which both cannot have."""
    opens = "import os, socket\nopened = socket.create_server(('127.0.0.1', int(os.environ['METRICS_PORT'])))\n"
    for name, work in (("base", "pass"), ("head", "sum(range(20_000))")):
        (harness.folder / name).mkdir()
        (harness.folder / name / "shop.py").write_text(opens + APPLICATION.format(work=work))
    _, answer = compared(
        harness,
        *("granian", "granian", "--app", "shop:app", "--path", "/"),
        *("--first-env", f"METRICS_PORT={free_port()}", "--second-env", f"METRICS_PORT={free_port()}"),
        *("--first-app-dir", "base", "--second-app-dir", "head", *ONCE),
    )
    assert [member.partition("shop:app@")[2].partition("/")[0] for member in answer.members] == ["base", "head"]
    for restart in codec.read_run(only_run(harness)).restarts:
        base, head = (sum(member.requests_by_worker) for member in restart.members)
        assert head < base  # the folders are not mixed up: an answer of head counts to 20,000


@pytest.mark.slow
def test_flask_under_different_servers(harness: Harness) -> None:
    _, answer = compared(harness, "gunicorn", "granian", "--framework", "flask", "--style", "sync", *ONCE)
    assert all("/flask/sync/" in member for member in answer.members)


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
@pytest.mark.slow
def test_wrk_takes_turns_too(harness: Harness) -> None:
    _, answer = compared(harness, "uvicorn", "granian", "--generator", "wrk", *ONCE)
    assert not metrics(answer) & {"p50_ms", "p99_ms"}  # it tells no latency of a slot
    assert codec.read_run(only_run(harness)).record.generator.startswith("wrk ")


@pytest.mark.slow
def test_a_query_is_compared(harness: Harness) -> None:
    _, answer = compared(harness, "uvicorn", "granian", "--workload", "select", *ONCE)
    assert all("/select?" in member for member in answer.members)


@pytest.mark.slow
def test_the_same_rate_is_sent_to_both(harness: Harness) -> None:
    _, answer = compared(harness, "uvicorn", "granian", "--rate", "50", "--max-time", "3s", "--json")
    assert answer.users is None
    assert answer.users_reason == "50 requests per second, as a Poisson process"
    assert all(member.endswith("/r50") for member in answer.members)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("uvicorn/c4", "granian/c5"), "cells under different loads (c4, c5)"),
        (("uvicorn/r4", "granian/c5"), "cells under different loads"),
        (("uvicorn", "unicorn"), "unknown server"),
        (("uvicorn", "granian", "--precision", "2"), "--precision 2: not a share"),
    ],
)
def test_what_cannot_be_compared_is_refused(harness: Harness, arguments: tuple[str, ...], says: str) -> None:
    done = harness.run("compare", *arguments)
    assert done.returncode == 2
    assert says in done.stderr
    assert list(harness.folder.glob("results/*")) == []


def test_a_script_of_the_users_knows_no_turns(harness: Harness) -> None:
    applications = ROOT / "tests" / "applications"
    done = harness.run(
        *("compare", "uvicorn", "granian", "--app", "made_by_hand:app", "--app-dir", str(applications)),
        *("--k6-script", str(applications / "load.js"), "--vus", "4"),
    )
    assert done.returncode == 2, done.stderr
    assert "a k6 script of your own sends at its own pace and knows no turns" in done.stderr
    assert list(harness.folder.glob("results/*")) == []


def wait_for_restart(harness: Harness, number: int) -> Path:
    """The folder in which so many restarts are stored."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for path in harness.folder.glob(f"results/*-compare/restarts/{number:04}.json.gz"):
            return path.parent.parent
        time.sleep(0.02)
    raise AssertionError("no restart was stored")


def whole(folder: Path) -> list[dict[str, Any]]:
    """Every document of a run: none is half written."""
    return [json.loads(codec.read_bytes(path)) for path in (*folder.rglob("*.json"), *folder.rglob("*.json.gz"))]


def nothing_survives(tmp: Path) -> None:
    deadline = time.monotonic() + 5
    while processes_mentioning(str(tmp)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert processes_mentioning(str(tmp)) == []
    assert list(tmp.glob("harness-*/")) == []


@pytest.mark.slow
def test_an_interruption_leaves_the_answer_so_far(harness: Harness, private_tmp: Path) -> None:
    running = harness.start("compare", "uvicorn", "granian", "--vus", "4", TMPDIR=str(private_tmp))
    folder = wait_for_restart(harness, 2)
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=20)
    assert running.returncode == 130, err
    assert "Traceback" not in err
    nothing_survives(private_tmp)
    run = codec.read_run(folder)
    assert run.rotation is not None
    assert "interrupted after 2 restarts" in err
    assert len(run.restarts) == 2
    assert whole(folder)


@pytest.mark.slow
def test_a_killed_harness_leaves_no_process_and_whole_files(harness: Harness, private_tmp: Path) -> None:
    running = harness.start("compare", "uvicorn", "granian", "--vus", "4", TMPDIR=str(private_tmp))
    folder = wait_for_restart(harness, 1)
    deadline = time.monotonic() + 20
    while not any("k6" in command for command in processes_mentioning(str(private_tmp))):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    running.kill()
    running.communicate()
    nothing_survives(private_tmp)
    assert len(codec.read_run(folder).restarts) == 1
    assert whole(folder)
