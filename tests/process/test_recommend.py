"""Recommending with real servers: what is printed, stored and shown; which application is meant."""

from __future__ import annotations

import json
from pathlib import Path

from tests.conftest import ROOT, Harness

APPLICATIONS = ROOT / "tests" / "applications"


def test_an_application_of_the_user_s_gets_its_advice(harness: Harness) -> None:
    """In so short a time it may be that nothing is valid, on a machine where others work."""
    done = harness.run(
        *("recommend", "made_with_fastapi:app", "--app-dir", str(APPLICATIONS), "--path", "/items", "--vus", "4"),
        *("--server", "uvicorn,granian", "--max-time", "10s", "--json"),
        timeout=90,
    )
    assert done.returncode in (0, 3), done.stderr
    answer = json.loads(done.stdout)
    assert answer["kind"] == "recommendation"
    assert answer["finished"]
    assert "it can compare servers" in done.stderr
    assert answer["stages"][0]["name"] == "servers"
    (folder,) = Path(harness.folder, "results").iterdir()
    shown = harness.run("report", str(folder))
    assert shown.returncode == 0, shown.stderr
    if answer["best"] is not None:
        assert answer["production"]["command"].split()[0] in ("uvicorn", "granian")
        assert f"Use {answer['best']['configuration']['server']}" in shown.stdout
    assert "recommendation" in harness.run("list", "runs").stdout


def test_without_an_application_it_says_what_it_found(harness: Harness) -> None:
    nothing = harness.run("recommend")
    assert nothing.returncode == 2
    assert "no application is in this folder" in nothing.stderr
    for name in ("one", "two"):
        Path(harness.folder, f"{name}.py").write_text("from fastapi import FastAPI\napp = FastAPI()\n")
    several = harness.run("recommend", "--path", "/")
    assert several.returncode == 2
    assert "2 applications are in this folder" in several.stderr
    assert "one:app, two:app" in several.stderr
    both = harness.run("recommend", "one:app", "--app", "two:app")
    assert both.returncode == 2
    assert "one:app and --app two:app together" in both.stderr
