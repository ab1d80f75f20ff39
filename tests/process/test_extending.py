"""The two examples of docs/extending.md, taken from the page and put where it says, work."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, sound

EXAMPLE = re.compile(r"^`(?P<path>[\w/]+\.py)`\n```python\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the project with the page's files added."""
    folder = tmp_path / "project"
    for name in ("harness", "handlers", "servers", "k6", "sql"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    examples = list(EXAMPLE.finditer((ROOT / "docs" / "extending.md").read_text(encoding="utf-8")))
    assert [example["path"] for example in examples] == ["servers/waitress.py", "handlers/workloads/digest.py"]
    for example in examples:
        (folder / example["path"]).write_text(example["text"], encoding="utf-8")
    return folder


def harness(copy: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness", *arguments],
        cwd=copy,
        env=os.environ | {"PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )


QUICK = ("--vus", "5", "--warmup", "500ms", "--duration", "1s", "--attempts", "1", "--json")


def test_the_added_server_is_measured(copy: Path) -> None:
    arguments = ("--server", "waitress:poll=select", "--framework", "flask", "--style", "sync", "--threads", "8")
    done = harness(copy, "run", *arguments, *QUICK)
    document = json.loads(done.stdout)
    assert sound(document), document["reasons"]
    assert document["cell"]["id"] == "waitress:poll=select/flask/sync/sleep?ms=100/w1/t8/c5"
    assert document["server"]["effective"]["threads"] == 8
    assert "waitress" in harness(copy, "list", "servers").stdout
    assert "--workers 2: waitress runs 1 at most" in harness(copy, "run", *arguments, "--workers", "2").stderr


def test_the_added_workload_is_measured(copy: Path) -> None:
    done = harness(copy, "run", "--workload", "digest", "--style", "offloaded", "--param", "rounds=100", *QUICK)
    document = json.loads(done.stdout)
    assert sound(document), document["reasons"]
    assert document["sampled"]["wrong"] == 0
    listed = " ".join(harness(copy, "list", "workloads").stdout.split())
    assert "rounds: a whole number from 1 to" in listed
    assert "from 1 to 10000000" in harness(copy, "run", "--workload", "digest", "--param", "rounds=0").stderr
