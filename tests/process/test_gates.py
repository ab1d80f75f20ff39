"""Gates fail for real: a starved and a saturated generator, wrong, slow and failing servers. A killed worker is in
test_faults.py."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from harness.analysis.interruptions import OTHERS_SHARE
from tests.conftest import Harness, broken_environment

LOAD = ("--workload", "noop", "--warmup", "1s")

FAULTY = """
import asyncio, importlib.util, sys, time

real = {real!r}
spec = importlib.util.spec_from_file_location("fastapi", real + "/__init__.py", submodule_search_locations=[real])
fastapi = importlib.util.module_from_spec(spec)
sys.modules["fastapi"] = fastapi
spec.loader.exec_module(fastapi)
calls, began = 0, None
plain = fastapi.FastAPI.add_api_route

def add_api_route(self, path, endpoint, **settings):
    async def faulty():
        global calls, began
        calls += 1
        began = began or time.monotonic()
{fault}
        return await endpoint()
    plain(self, path, faulty, **settings)

fastapi.FastAPI.add_api_route = add_api_route
"""
WRONG = """
        if calls > 20:
            return {"ok": False}
"""
ERRORS = """
        if calls % 10 == 0:
            raise fastapi.HTTPException(500)
"""
SLOWER = """
        await asyncio.sleep(0.005 if time.monotonic() - began < 6 else 0.02)
"""


def measured(harness: Harness, tmp_path: Path, fault: str, *arguments: str) -> dict[str, Any]:
    """A measurement of a server with a fault."""
    import fastapi

    text = FAULTY.format(real=str(Path(fastapi.__file__).parent), fault=fault)
    python = broken_environment(tmp_path / "faulty", "fastapi", text)
    return harness.measure(*LOAD, "--python", python, *arguments)


def failed(document: dict[str, Any]) -> dict[str, str]:
    return {reason["gate"]: reason["message"] for reason in document["reasons"]}


def test_a_wrong_answer_under_load_is_an_outcome(harness: Harness, tmp_path: Path) -> None:
    document = measured(harness, tmp_path, WRONG)
    assert document["verdict"] == "failed"
    assert 'expected {"ok": true}' in failed(document)["answers"].replace("'", '"').replace("True", "true")
    assert document["sampled"]["wrong"] > 0


def test_errors_are_failures_and_no_throughput(harness: Harness, tmp_path: Path) -> None:
    document = measured(harness, tmp_path, ERRORS)
    assert document["verdict"] == "failed"
    assert "were answered with 5" in failed(document)["failures"]
    share = document["failures"] / (document["failures"] + document["requests"])
    assert share == pytest.approx(0.1, abs=0.02)
    assert document["throughput_rps"] == pytest.approx(document["requests"] / document["window_seconds"], rel=0.001)


@pytest.mark.quiet
def test_a_server_that_slows_down_half_way_is_not_steady(harness: Harness, tmp_path: Path) -> None:
    document = measured(harness, tmp_path, SLOWER, "--warmup", "2s", "--duration", "8s", "--vus", "5")
    assert "slower than the first" in failed(document)["steady"]
    assert document["verdict"] == "invalid"


@pytest.mark.quiet
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="the generator has no core of its own")
def test_a_starved_generator_is_told(harness: Harness) -> None:
    core = max(os.sched_getaffinity(0))
    hog = subprocess.Popen(
        [sys.executable, "-c", "while True: pass"], preexec_fn=lambda: os.sched_setaffinity(0, {core})
    )
    try:
        document = harness.measure(*LOAD, "--duration", "2s")
    finally:
        hog.kill()
        hog.wait()
    assert document["verdict"] == "invalid"
    assert "other processes" in failed(document)["machine"]
    assert document["machine"]["foreign_cores"] > OTHERS_SHARE * document["machine"]["cores_in_use"]


@pytest.mark.quiet
@pytest.mark.slow
def test_a_saturated_generator_is_told(harness: Harness, tmp_path: Path) -> None:
    real = shutil.which("k6") or str(Path(sysconfig.get_path("scripts")) / "k6")
    slow = tmp_path / "k6"
    slow.write_text(f'#!/bin/sh\nGOGC=1 exec {real} "$@"\n')  # collects garbage without end
    slow.chmod(0o755)
    document = harness.measure(*LOAD, "--server", "granian", "--k6", str(slow), "--vus", "64", "--duration", "3s")
    assert document["verdict"] == "invalid"
    if "machine" not in failed(document):  # what others took the generator could not use
        assert "load generator saturated: it used" in failed(document)["generator"]
        assert document["diagnosis"]["bound_by"] == "generator"
