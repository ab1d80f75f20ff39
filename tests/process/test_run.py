"""`harness run` as a user runs it: real servers, real k6, real Postgres."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import psycopg
import pytest

from harness import servers
from tests.conftest import SERVERS, Harness, sound

VARIANTS = [
    (name, "fastapi" if interface == "asgi" else "flask")
    for name in SERVERS
    for interface in servers.adapter(name).interfaces
]
COMMAND = "python -m uvicorn {target} --host {host} --port {port} --workers {workers} --log-level warning"


@pytest.mark.parametrize(("server", "framework"), VARIANTS)
def test_every_server_is_measured(harness: Harness, private_tmp: Path, server: str, framework: str) -> None:
    done = harness.run(
        *("run", "--server", server, "--framework", framework, "--style", "sync", "--workers", "2"),
        *("--workload", "sleep", "--param", "ms=10", "--vus", "10", "--warmup", "500ms", "--duration", "1s", "--json"),
        TMPDIR=str(private_tmp),
    )
    assert done.returncode in (0, 3), done.stderr
    document = json.loads(done.stdout)
    assert sound(document), document["reasons"]
    assert document["cell"]["label"] == f"{server}/{framework}/sync/sleep?ms=10/w2/c10"
    assert document["requests"] > 0
    assert document["failures"] == 0
    assert len(document["grid"]) == 281
    # The workers' own counters and the generator see the same requests, but for those at the window's edges.
    counted = sum(document["server"]["requests_by_worker"])
    assert abs(counted - document["requests"]) <= 20 + 0.1 * document["requests"]
    assert sum(document["server"]["connections_by_worker"]) == 10
    assert document["server"]["cpu_us_per_request"] > 0
    assert document["server"]["rss_peak_bytes"] > 10_000_000
    assert document["server"]["effective"]["tcp_nodelay"] is True
    assert document["sampled"]["wrong"] == 0
    assert document["latency_ms"]["min"] > 9
    assert document["database"] is None
    assert document["ceiling"]["rps"] == 1000
    assert document["ceiling"]["limit"].endswith("÷ 0.01 s")
    assert document["evidence"]["threads"]["limit"] == document["server"]["effective"]["threads"]
    assert document["evidence"]["in_flight_mean"] > 1
    loopless = framework == "flask" and server not in ("uvicorn", "hypercorn")
    assert (document["evidence"]["loop_lag_ms"] is None) == loopless
    assert document["evidence"]["pool"] is None  # not known is null, never 0
    stored = Path(harness.folder, document["path"])
    assert json.loads((stored / "measurements" / "0001.json").read_text()) == document
    run = json.loads((stored / "run.json").read_text())
    assert run["environments"][""]["packages"][server]
    assert run["host"]["cpus_total"] == os.cpu_count()


def test_a_server_without_an_adapter_is_measured(harness: Harness) -> None:
    done = harness.run(
        *("run", "--server-command", COMMAND, "--workers", "2", "--style", "sync", "--threads", "7"),
        *("--workload", "sleep"),
        *("--param", "ms=10", "--vus", "10", "--warmup", "500ms", "--duration", "1s", "--json"),
    )
    assert done.returncode in (0, 3), done.stderr
    document = json.loads(done.stdout)
    assert sound(document), document["reasons"]
    assert document["cell"]["label"] == "own-uvicorn/fastapi/sync/sleep?ms=10/w2/t7/c10"
    assert len(document["server"]["requests_by_worker"]) == 2
    assert document["server"]["effective"]["threads"] == 7
    assert document["server"]["effective"]["tcp_nodelay"] is True
    assert document["argv"]["server"][1:4] == ["-m", "uvicorn", "harness_entry:application"]


@pytest.mark.quiet
@pytest.mark.parametrize(
    ("arguments", "bound_by"),
    [
        (("--workload", "sleep", "--param", "ms=300"), "users"),
        (("--style", "blocking", "--workload", "sleep", "--param", "ms=30"), "event loop"),
        (("--style", "sync", "--workload", "sleep", "--param", "ms=300", "--threads", "3"), "threads"),
        pytest.param(
            (
                "--framework",
                "flask",
                "--server",
                "gunicorn",
                "--style",
                "sync",
                "--workload",
                "sleep",
                "--param",
                "ms=300",
                "--threads",
                "3",
            ),
            "threads",
            marks=pytest.mark.slow,
        ),
        (("--workload", "cpu", "--param", "n=20"), "cpu"),  # so much that k6 is never what is short
        (("--workload", "cpu", "--param", "n=20", "--style", "sync", "--pin", "none"), "gil"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_each_cause_is_found_in_a_cell_that_has_it(harness: Harness, arguments: tuple[str, ...], bound_by: str) -> None:
    document = harness.measure("--warmup", "1s", *arguments)
    found = document["diagnosis"]
    disturbed = "machine" in {reason["gate"] for reason in document["reasons"]}
    assert found["bound_by"] == bound_by or disturbed, found
    assert found["message"]


@pytest.mark.quiet
def test_waiting_for_a_pool_is_seen(harness: Harness) -> None:
    document = harness.measure("--workload", "select", "--pool-size", "1", "--pin", "none")
    pool = document["evidence"]["pool"]
    assert pool["connections"] == 1
    assert pool["queued"] > 0.8 * pool["requests"] > 0
    assert 0 < pool["wait_ms_mean"] <= document["latency_ms"]["max"]
    # One connection and one event loop are close to each other here: which of them is short depends on the machine.
    assert document["diagnosis"]["bound_by"] in ("pool", "cpu")


@pytest.mark.slow
@pytest.mark.quiet
def test_waiting_for_the_database_is_seen(harness: Harness) -> None:
    """Its table is locked most of the time, so requests wait there, and nothing of the server's is short."""
    from harness.database import connection

    ended = threading.Event()
    url = connection.prepare(None).url

    def lock() -> None:
        with psycopg.connect(url) as client:
            while not ended.is_set():
                with client.transaction():
                    client.execute("LOCK TABLE harness_shop.orders IN ACCESS EXCLUSIVE MODE")
                    time.sleep(0.2)
                time.sleep(0.002)

    thread = threading.Thread(target=lock)
    thread.start()
    try:
        document = harness.measure("--workload", "select", "--vus", "8", "--warmup", "1s", "--duration", "2s")
    finally:
        ended.set()
        thread.join()
    disturbed = "machine" in {reason["gate"] for reason in document["reasons"]}
    assert document["diagnosis"]["bound_by"] == "database" or disturbed, document["diagnosis"]


@pytest.mark.slow
def test_the_diagnosis_can_be_turned_off(harness: Harness) -> None:
    document = harness.measure("--no-diagnose")
    assert (document["evidence"], document["diagnosis"]) == (None, None)
    assert document["slices"][0]["lag_ms"] is None


@pytest.mark.parametrize("workload", ["select", "simulation"])
@pytest.mark.parametrize(
    "style", ["async", pytest.param("sync", marks=pytest.mark.slow), pytest.param("wrapped", marks=pytest.mark.slow)]
)
def test_the_database_needs_no_set_up(harness: Harness, workload: str, style: str) -> None:
    params = ("--param", "fib=10") if workload == "simulation" else ()
    document = harness.measure("--workload", workload, "--style", style, *params)
    assert sound(document), document["reasons"]
    assert document["requests"] > 0
    assert document["sampled"]["wrong"] == 0
    database = document["database"]
    assert (database["kind"], database["rows"]["users"]) == ("embedded", 10_000)
    assert database["cpu_cores"] > 0
    assert database["pooled"] == (style != "wrapped")
    assert any("connections of its own" in note["message"] for note in document["notes"]) == (style == "wrapped")


def test_an_open_load_is_offered_at_its_rate(harness: Harness) -> None:
    done = harness.run(
        *(
            "run",
            "--rate",
            "50",
            "--workload",
            "sleep",
            "--param",
            "ms=20",
            "--warmup",
            "500ms",
            "--duration",
            "2s",
            "--json",
        )
    )
    document = json.loads(done.stdout)
    offered = document["generator"]["offered_rps"]
    assert offered == pytest.approx(50, rel=0.4)  # by chance, the same in every run
    assert document["cell"]["load"] == {"kind": "open", "rate": 50, "arrivals": "poisson"}
    assert offered <= document["requests"] <= 2 * offered + 2
    assert document["generator"]["overdue"] is not None
    assert document["latency_ms"]["min"] > 19  # uvloop's timers count whole milliseconds, and so end up to one early


def test_above_capacity_lateness_is_part_of_the_latency(harness: Harness) -> None:
    """One event loop blocked 50 ms a request serves 20 a second; at 60 a second the queue must grow."""
    document = json.loads(
        harness.run(
            *("run", "--style", "blocking", "--workload", "sleep", "--param", "ms=50", "--rate", "60"),
            *("--warmup", "1s", "--duration", "2s", "--json"),
        ).stdout
    )
    assert document["throughput_rps"] < 25
    assert document["generator"]["overdue"] > 0
    assert document["verdict"] == "invalid"
    assert "offered" in [reason["gate"] for reason in document["reasons"]]
    assert document["latency_ms"]["p50"] > 500


def test_without_json_there_is_text_and_progress_in_plain_lines(harness: Harness) -> None:
    done = harness.run("run", "--vus", "10", "--warmup", "500ms", "--duration", "1s")
    assert done.returncode in (0, 3), done.stderr
    assert re.search(r"throughput\s+[\d.,]+ req/s\n", done.stdout)
    assert re.search(r"trustworthy\s+(yes|no)\b", done.stdout)
    assert re.search(r"latency\s+p50 [\d.]+", done.stdout)
    assert re.search(r"page\s+harness report results/", done.stdout)
    assert "warm-up, 0.5 s" in done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 100


def test_a_script_for_k6_by_hand(harness: Harness, private_tmp: Path) -> None:
    """The load test of the documentation, against `harness serve`, cut short."""
    from harness.host.ports import free_port
    from harness.load import k6
    from tests.conftest import ROOT

    port = free_port()
    serving = harness.start("serve", "--workload", "noop", "--port", str(port), TMPDIR=str(private_tmp))
    assert serving.stderr is not None
    line = serving.stderr.readline()
    assert f"http://127.0.0.1:{port}/async/noop" in line
    done = subprocess.run(
        [k6.find(None).path, "run", "--no-usage-report", "--stage", "1s:5,1s:5", str(ROOT / "k6" / "load_test.js")],
        env=os.environ | {"TARGET_VUS": "5", "URL": f"http://127.0.0.1:{port}/async/noop"},
        capture_output=True,
        text=True,
        check=False,
    )
    serving.terminate()
    assert serving.wait(timeout=20) == 130
    serving.communicate()
    assert done.returncode == 0, done.stderr
    assert re.search(r"checks_succeeded\D+100", done.stdout) or "100.00%" in done.stdout


def test_another_environment_runs_the_server(harness: Harness, tmp_path: Path) -> None:
    """A virtual environment that sees the packages of ours: another interpreter path, the same packages."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "other")], check=True)
    site = next((tmp_path / "other" / "lib").glob("python*/site-packages"))
    import fastapi

    (site / "ours.pth").write_text(str(Path(fastapi.__file__).parent.parent) + "\n")
    python = str(tmp_path / "other" / "bin" / "python")
    document = harness.measure("--python", python)
    assert sound(document), document["reasons"]
    run = json.loads((harness.folder / document["path"] / "run.json").read_text())
    assert run["environments"][""]["executable"] == python
    assert document["argv"]["server"][0] == python
