"""The second generator."""

from __future__ import annotations

import json
import shutil

import pytest

from tests.conftest import Harness, sound

needs_wrk = pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")


@needs_wrk
def test_wrk_measures_and_leaves_null_what_it_cannot_know(harness: Harness) -> None:
    document = harness.measure("--generator", "wrk", "--workload", "sleep", "--param", "ms=20", "--duration", "2s")
    assert sound(document), document["reasons"]
    generator = document["generator"]
    assert generator["name"] == "wrk"
    assert "a run of its own" in generator["window_method"]
    assert 2 <= document["window_seconds"] < 2.5
    assert 300 < document["throughput_rps"] <= 500
    assert document["throughput_rps"] == pytest.approx(document["requests"] / document["window_seconds"], rel=0.001)
    assert document["latency_ms"]["min"] > 19
    assert (document["grid"], document["latency_ms"]["p50"], document["sampled"]) == ([], None, None)
    assert (generator["users_accounted"], generator["blocked_ms_p99"]) == (None, None)
    assert document["server"]["connections_by_worker"] == [10]
    counted = sum(document["server"]["requests_by_worker"])
    assert abs(counted - document["requests"]) <= 20 + 0.1 * document["requests"]


@needs_wrk
@pytest.mark.slow
def test_a_matrix_is_loaded_with_wrk(harness: Harness) -> None:
    axes = ("--workload", "noop", "--vus", "4", "--max-time", "4s")
    done = harness.run("matrix", "--generator", "wrk", *axes, "--json")
    assert done.returncode in (0, 3), done.stderr
    (run,) = harness.folder.glob("results/*-matrix")
    document = json.loads((run / "run.json").read_text())
    assert (document["plan"]["generator"], document["generator"].split()[0]) == ("wrk", "wrk")
    (cell,) = json.loads(done.stdout)["cells"]
    assert cell["valid"] + cell["invalid"] > 1
    assert cell["figures"]["p50_ms"] == {"value": None, "interval": None}
    made = sorted((run / "measurements").glob("*.json"))
    assert {json.loads(path.read_text())["generator"]["name"] for path in made} == {"wrk"}


def test_a_matrix_names_a_generator_that_there_is_not(harness: Harness) -> None:
    done = harness.run("matrix", "--generator", "ab", "--workload", "noop")
    assert done.returncode == 2
    assert "unknown generator 'ab'" in done.stderr
    assert "known: k6, wrk" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(("--rate", "5"), "no arrival rate"), (("--duration", "1500ms"), "whole seconds"), (("--k6", "k6"), "together")],
)
def test_what_wrk_cannot_do_is_refused(harness: Harness, arguments: tuple[str, ...], says: str) -> None:
    if shutil.which("wrk") is None and says != "together":
        pytest.skip("wrk is not installed")
    done = harness.run("run", "--generator", "wrk", *arguments)
    assert done.returncode == 2
    assert says in done.stderr
    assert not list(harness.folder.glob("results/*"))


def test_a_generator_that_is_missing_is_named(harness: Harness) -> None:
    done = harness.run("run", "--generator", "wrk", PATH="/nowhere")
    assert done.returncode == 5
    assert "wrk is not installed" in done.stderr
    assert "apt install wrk" in done.stderr
