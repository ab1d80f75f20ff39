"""`harness doctor` on this machine, and the generator's ceiling that it shows."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.host.ports import free_port
from harness.load import null_server
from tests.conftest import SERVERS, Harness


def test_it_finds_what_a_run_needs(harness: Harness) -> None:
    done = harness.run("doctor", "--json")
    assert done.returncode == 0, done.stdout
    found = {finding["subject"]: finding for finding in json.loads(done.stdout)}
    assert {"cores", "others at work", "clock source", "open files", "k6", "Postgres", *SERVERS} <= set(found)
    assert found["k6"]["state"] == "ok"
    assert "uvloop" in found["granian"]["found"]


def test_a_lack_is_told_with_its_cure_and_exit_code_5(harness: Harness) -> None:
    done = harness.run("doctor", "--k6", "/nowhere/k6", "--database-url", "postgresql://127.0.0.1:1/none")
    assert done.returncode == 5
    lines = done.stdout.splitlines()
    lacks = [place for place, line in enumerate(lines) if line.startswith("lack")]
    assert len(lacks) == 2
    assert all("→" in lines[place + 1] for place in lacks)
    assert "k6" in lines[lacks[0]]
    assert "Postgres" in lines[lacks[1]]


def test_a_server_that_is_not_installed_is_a_warning(harness: Harness, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    done = harness.run("doctor", "--python", str(tmp_path / "bare" / "bin" / "python"))
    assert done.returncode == 0
    assert "granian" in done.stdout.partition("with: pip install ")[2]


@pytest.mark.slow
def test_the_generator_is_calibrated_where_a_cell_may_come_near_it(harness: Harness) -> None:
    fast = harness.run(
        *("run", "--workload", "noop", "--vus", "7", "--warmup", "500ms", "--duration", "1s", "--json"),
        *("--attempts", "1"),
    )
    assert "calibrating the generator" in fast.stderr
    found = json.loads(fast.stdout)["generator"]["null_rps"]
    assert found > 0
    slow = harness.measure("--workload", "sleep", "--vus", "7")
    assert slow["generator"]["null_rps"] is None
    assert f"{found:,.0f} req/s" in harness.run("doctor").stdout
    stored = Path(harness.environment["HARNESS_DATA"]) / "null-ceilings.json"
    assert found in [each["rps"] for each in json.loads(stored.read_text()).values()]


def test_the_null_server_answers_every_request_on_every_connection() -> None:
    port = free_port()
    serving = subprocess.Popen([sys.executable, "-P", null_server.__file__, str(port)])
    try:
        deadline = time.monotonic() + 15
        while True:
            client = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            try:
                client.request("GET", "/first")
                break
            except ConnectionRefusedError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        assert client.getresponse().read().decode() == null_server.BODY
        for half in (b"GET / HTTP/1.1\r\nHost: x\r", b"\n\r\nGET / HTTP/1.1\r\n\r\n"):
            client.sock.sendall(half)
            time.sleep(0.1)
        assert client.sock.recv(65536) == null_server.ANSWER * 2
        client.close()
    finally:
        serving.kill()
        serving.wait()
