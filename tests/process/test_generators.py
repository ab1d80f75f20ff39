"""The second generator, and measurements with two sides."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from harness.load import k6
from harness.measure import Job, Measured, ServerSpec, measure
from harness.model.load import Timing
from tests.conftest import Harness, processes_mentioning, sound
from tests.specs import server_spec

TIMING = Timing(warmup_seconds=0.5, window_seconds=2.0)
needs_wrk = pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")


@needs_wrk
def test_wrk_measures_and_leaves_null_what_it_cannot_know(harness: Harness) -> None:
    document = harness.measure("--generator", "wrk", "--param", "ms=20", "--duration", "2s")
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
def test_a_matrix_is_loaded_with_wrk_and_gone_on_with_by_it(harness: Harness) -> None:
    axes = ("--workload", "noop", "--vus", "4", "--warmup", "1s", "--duration", "1s", "--blocks", "1")
    done = harness.run("matrix", "--generator", "wrk", *axes, "--attempts", "1", "--json")
    assert done.returncode in (0, 3), done.stderr
    (run,) = harness.folder.glob("results/*-matrix")
    document = json.loads((run / "run.json").read_text())
    assert (document["plan"]["generator"], document["generator"].split()[0]) == ("wrk", "wrk")
    (cell,) = json.loads(done.stdout)["cells"]
    assert cell["valid"] + cell["invalid"] == 2
    assert cell["figures"]["p50_ms"] == {"value": None, "interval": None}
    made = sorted((run / "measurements").glob("*.json"))
    made[-1].unlink()
    assert harness.run("matrix", "--resume", str(run)).returncode in (0, 3)
    assert json.loads(made[-1].read_text())["generator"]["name"] == "wrk"


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


def side(server: str, style: str = "async") -> ServerSpec:
    return server_spec(server, style=style, params=("ms=10",), users=5)


def both(first: ServerSpec, second: ServerSpec) -> list[Measured]:
    return measure(Job(sides=(first, second), timing=TIMING, generator=k6.find(None)), lambda _: None)


def test_two_sides_are_loaded_at_the_same_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    found = both(side("uvicorn"), side("granian", style="sync"))
    facts = [each.facts for each in found]
    assert [each.cell.variant.server for each in facts] == ["uvicorn", "granian"]
    assert [piece.t for piece in facts[0].slices] == [piece.t for piece in facts[1].slices]
    for each in facts:
        assert each.requests > 100
        assert each.failures == 0
        assert each.sampled is not None
        assert (each.sampled.wrong, each.generator.users) == (0, 5)
        assert each.server.connections_by_worker == [5]
        assert each.server.cpu_us_per_request is not None
        counted = sum(piece.requests for piece in each.slices)
        assert abs(counted - each.requests) <= 20 + 0.1 * each.requests
        assert all(piece.cpu_seconds > 0 for piece in each.slices)
    ports = [next(word for word in each.argv.server if word.isdigit() and int(word) > 1024) for each in facts]
    assert len(set(ports)) == 2
    assert processes_mentioning(str(tmp_path)) == []
