"""`harness diff` and `harness report` on stored runs, made from the reference run with other figures."""

from __future__ import annotations

import json
import random
import re
import shutil
from pathlib import Path
from typing import Any

import polars
import pytest

from harness.model.plan import Plan
from harness.model.record import MatrixRecord, MeasurementRecord, Place
from harness.store import codec
from tests.conftest import ROOT, Harness

REFERENCE = ROOT / "results" / "reference" / "first-run"
THREE = {"uvicorn": 900.0, "granian": 900.0, "gunicorn": 900.0}
"""Cells without which what a whole run shares cannot be told from a change."""


def made(
    folder: Path, rates: dict[str, float], *, restarts: int = 8, seed: int = 1, generator: str = "k6", **host: Any
) -> Path:
    """A stored matrix with these throughputs by server, and 1 % of noise; `host`: what differs about the machine."""
    chance = random.Random(seed)
    reference = codec.read_run(REFERENCE)
    visit = reference.visits[-1]
    assert isinstance(visit, MeasurementRecord)
    (folder / "measurements").mkdir(parents=True)
    cells = {
        server: visit.cell.model_copy(update={"variant": visit.cell.variant.model_copy(update={"server": server})})
        for server in rates
    }
    servers = [*rates, next(iter(rates))]
    for number in range(restarts * len(servers)):
        restart, position = divmod(number, len(servers))
        server, repeat = servers[position], position == len(servers) - 1
        record = visit.model_copy(
            update={
                "place": Place(restart=restart + 1, member=position + 1, repeat=repeat),
                "cell": cells[server],
                "requests": round(10 * rates[server] * chance.gauss(1, 0.01)),
                "waits": None,
                "generator": visit.generator.model_copy(update={"name": generator}),
            }
        )
        path = folder / "measurements" / f"{number + 1:04}.json"
        path.write_text(codec.as_text(codec.document(record)))
    run = MatrixRecord(
        **{name: value for name, value in reference.record if name not in ("kind", "schema_version")}
        | {
            "host": reference.record.host.model_copy(update=host),
            "started_at": "2026-01-01T00:00:00.000+00:00",
            "cells": list(cells.values()),
        },
        plan=Plan.model_validate({"cells": [{}]}),
        impossible=[],
        sets=[],
        finished=True,
        repeated=cells[servers[0]].label,
        database=None,
        requests=None,
    )
    (folder / "run.json").write_text(codec.as_text(codec.document(run)))
    return folder


def test_differences_are_told_from_noise_and_gated(harness: Harness) -> None:
    calm = {"uvicorn": 900, "gunicorn": 900, "hypercorn": 900}
    first = made(harness.folder / "a", {**calm, "granian": 900})
    same = made(harness.folder / "b", {**calm, "granian": 900}, seed=2)
    slower = made(harness.folder / "c", {**calm, "granian": 700}, seed=3)
    equal = harness.run("diff", str(first), str(same), "--fail-above", "5%")
    assert equal.returncode == 0, equal.stderr
    assert equal.stdout.count(", equivalent") + equal.stdout.count("  equivalent") == 4
    assert re.search(r"all configurations together: [+-]?0\.\d%", equal.stdout)
    assert equal.stdout.count("PASS") == 4
    assert re.search(r"no regression above 5%; it would have found [67]\.\d% and more", " ".join(equal.stdout.split()))
    gated = harness.run("diff", str(first), str(slower), "--fail-above", "5%")
    assert gated.returncode == 1
    assert re.match(r"FAIL +granian/\S+, throughput -2[123]\.\d% .*: worse by", " ".join(gated.stdout.split()))
    lenient = harness.run("diff", str(first), str(slower), "--fail-above", "40%", "--json")
    assert lenient.returncode == 0
    found = {each["name"].partition("/")[0]: each for each in json.loads(lenient.stdout)["contrasts"]}
    assert {server: each["verdict"] for server, each in found.items()} == {
        **dict.fromkeys(calm, "equivalent"),
        "granian": "slower",
    }
    assert found["granian"]["ratio"]["estimate"] == pytest.approx(700 / 900, rel=0.02)


def test_runs_of_different_hosts_are_not_compared_unless_told_to(harness: Harness) -> None:
    first = made(harness.folder / "a", THREE)
    other = made(harness.folder / "b", THREE, cpu_model="another")
    done = harness.run("diff", str(first), str(other))
    assert done.returncode == 2
    assert "cpu_model" in done.stderr
    assert harness.run("diff", str(first), str(other), "--anyway").returncode == 0


def test_runs_of_different_generators_are_not_compared_unless_told_to(harness: Harness) -> None:
    first = made(harness.folder / "a", THREE)
    other = made(harness.folder / "b", THREE, generator="wrk")
    done = harness.run("diff", str(first), str(other))
    assert done.returncode == 2
    assert "the load generator is k6 and wrk" in done.stderr
    assert harness.run("diff", str(first), str(other), "--anyway").returncode == 0


def test_a_gate_that_compared_nothing_is_not_passed(harness: Harness) -> None:
    first = made(harness.folder / "a", {"uvicorn": 900})
    other = made(harness.folder / "b", {"granian": 500})
    done = harness.run("diff", str(first), str(other), "--fail-above", "5%")
    assert done.returncode == 3
    assert "nothing could be compared" in done.stdout
    assert "PASS" not in done.stdout
    alone = made(harness.folder / "c", {"uvicorn": 500}, seed=2)
    done = harness.run("diff", str(first), str(alone), "--fail-above", "5%")
    assert done.returncode == 3
    assert "harness compare measures two side by side" in " ".join(done.stdout.split())
    assert "PASS" not in done.stdout


def test_few_restarts_are_shown_without_a_ranking(harness: Harness) -> None:
    folder = made(harness.folder / "a", {"uvicorn": 900, "granian": 500, "hypercorn": 895}, restarts=2)
    said = harness.run("report", str(folder), "--details").stdout
    assert "Too few restarts to compare (2 of at least 6)" in said
    assert "best:" not in said.partition("Comparisons")[2]
    assert "granian against uvicorn: -44%" in said


def test_an_ending_that_no_format_has_is_refused(harness: Harness) -> None:
    folder = made(harness.folder / "a", {"uvicorn": 900}, restarts=1)
    done = harness.run("report", str(folder), "--to", "report.pdf")
    assert done.returncode == 2
    assert "ending .pdf" in done.stderr
    assert not (harness.folder / "report.pdf").exists()


def test_a_stored_matrix_is_shown_again(harness: Harness) -> None:
    folder = made(harness.folder / "a", {"uvicorn": 900, "granian": 500, "hypercorn": 895})
    done = harness.run("report", str(folder))
    assert done.returncode == 0, done.stderr
    assert re.search(r"(uvicorn|hypercorn) and (uvicorn|hypercorn) are within noise of each other", done.stdout)
    assert re.search(r"granian is 4[345]% slower", done.stdout)
    assert len(done.stdout.splitlines()) <= 24
    assert max(map(len, done.stdout.splitlines())) <= 100


def test_runs_are_listed_and_the_latest_is_shown(harness: Harness) -> None:
    assert harness.run("report", "--latest").returncode == 2
    assert harness.run("list", "runs").stdout == "no runs are stored below results; make one with: harness run\n"
    made(harness.folder / "results" / "a", {"uvicorn": 900})
    shutil.copytree(REFERENCE, harness.folder / "results" / "b")
    (harness.folder / "results" / "no-run").mkdir()
    listed = json.loads(harness.run("list", "runs", "--json").stdout)
    assert [(each["folder"], each["kind"], each["measurements"]) for each in listed] == [
        ("results/a", "matrix", 16),
        ("results/b", "single", len(list(REFERENCE.glob("measurements/*.json")))),
    ]
    long = harness.folder / "results" / "20260101T000000Z-a-name-that-is-as-long-as-the-longest-of-ours"
    shutil.copytree(REFERENCE, long)
    assert f"results/{long.name} " in harness.run("list", "runs").stdout
    shutil.rmtree(long)
    latest = harness.run("report", "--latest")
    assert harness.run("report").stdout == latest.stdout
    assert harness.run("report", "results", "--latest").returncode == 2
    assert latest.stdout.splitlines()[0] == "granian, 4 workers: fastapi async, cpu?n=16, 16 connections"


def test_a_run_is_exported_as_tidy_tables_and_as_markdown(harness: Harness) -> None:
    folder = made(harness.folder / "a", {"uvicorn": 900, "granian": 500})
    for form, read in (("csv", polars.read_csv), ("parquet", polars.read_parquet)):
        done = harness.run("report", str(folder), "--format", form, "--to", "tables")
        assert done.stdout.split() == [f"tables/cells.{form}", f"tables/restarts.{form}"], done.stderr
        cells = read(harness.folder / "tables" / f"cells.{form}")
        assert cells.height == 2 * 8
        rate = cells.filter(polars.col("metric") == "throughput_rps", polars.col("server") == "granian")
        assert rate["estimate"][0] == pytest.approx(500, rel=0.02)
        assert rate["low"][0] < rate["estimate"][0] < rate["high"][0]
        restarts = read(harness.folder / "tables" / f"restarts.{form}")
        assert restarts.height == 8 * 3
        assert restarts["repeat"].sum() == 8
    text = harness.run("report", str(folder), "--format", "markdown").stdout
    assert "| `granian` |" in text
    assert "#### `cpu?n=16`: throughput, requests/s" in text
    (row,) = [line for line in text.splitlines() if line.startswith("| `cpu?n=16` | server |")]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert len(cells) == 6
    assert cells[3] == "`granian` against `uvicorn`"
    assert re.fullmatch(r"-4[345]% \(95% CI -4[456]% to -4[345]%\)", cells[4])
    assert cells[5] == "slower"
    assert harness.run("report", str(folder), "--format", "csv").returncode == 2
    assert harness.run("report", str(folder), "--format", "png").returncode == 2


def test_a_stored_single_cell_is_shown_as_it_was(harness: Harness) -> None:
    done = harness.run("report", str(REFERENCE))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "granian, 4 workers: fastapi async, cpu?n=16, 16 connections"
    assert "limited by   CPU: the server uses" in done.stdout
