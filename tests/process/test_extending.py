"""The examples of docs/extending.md, taken from the page and put where it says, work."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, sound
from tests.process.installed import install, run, site

PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
EXAMPLE = re.compile(r"^`(?P<path>[\w/]+\.py)`\n```python\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
EXAMPLES = {example["path"]: example["text"] for example in EXAMPLE.finditer(PAGE)}
QUICK = ("--vus", "5", "--warmup", "500ms", "--duration", "1s", "--attempts", "1", "--json")
WERKZEUG = ("--server", "werkzeug:threaded=no", "--framework", "flask", "--style", "sync", "--threads", "8")
DIGEST = ("--workload", "digest", "--style", "offloaded", "--param", "rounds=100")
Start = tuple[list[str | Path], Path]
"""How the harness is started, and where."""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Start:
    """A copy of the project with the page's files added."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("harness", "handlers", "servers", "k6", "sql"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored, symlinks=True)
    assert list(EXAMPLES) == ["servers/werkzeug.py", "handlers/workloads/digest.py"]
    for path, text in EXAMPLES.items():
        (folder / path).write_text(text, encoding="utf-8")
    code = f"import sys; sys.path[0] = {str(folder)!r}; from harness.cli.main import main; main()"
    return [sys.executable, "-c", code], folder


def add_distribution(folder: Path, entry_points: dict[str, Any], name: str = "our-additions") -> None:
    """What an installer leaves in a folder on the path of a distribution that holds entry points only."""
    information = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = []
    for group, entries in entry_points.items():
        lines += [f"[{group}]", *(f"{key} = {value}" for key, value in entries.items())]
    (information / "entry_points.txt").write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the harness installed, and on its path a folder for other distributions."""
    folder = tmp_path_factory.mktemp("additions")
    programs = install(folder)
    (site(programs) / "additions.pth").write_text(f"{folder / 'others'}\n")
    package = folder / "others" / "our_additions"
    package.mkdir(parents=True)
    for path, text in EXAMPLES.items():
        text = text.replace("from .adapter", "from harness.servers.adapter")
        text = text.replace("from ..workload", "from harness.handlers.workload")
        (package / Path(path).name).write_text(text, encoding="utf-8")
    (project,) = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    add_distribution(folder / "others", tomllib.loads(project)["project"]["entry-points"])
    return programs


@pytest.fixture(scope="module")
def additions(programs: Path) -> Start:
    """The harness beside a distribution that offers the page's files by entry points."""
    return [programs / "harness"], programs.parent


@pytest.fixture(params=["copy", "additions"])
def start(request: pytest.FixtureRequest) -> Start:
    chosen: Start = request.getfixturevalue(request.param)
    return chosen


def harness(start: Start, *arguments: str) -> subprocess.CompletedProcess[str]:
    argv, folder = start
    return run(*argv, *arguments, cwd=folder)


def measured(start: Start, *arguments: str) -> dict[str, Any]:
    done = harness(start, "run", *arguments, *QUICK)
    assert done.stdout, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    assert sound(document), document["reasons"]
    return document


def test_the_added_server_is_measured(start: Start) -> None:
    document = measured(start, *WERKZEUG)
    assert document["cell"]["label"] == "werkzeug:threaded=no/flask/sync/cpu?n=16/w1/t8/c5"
    assert document["server"]["effective"]["threads"] == 1
    assert "werkzeug" in harness(start, "list", "servers").stdout
    assert "werkzeug" in harness(start, "run", "--help").stdout
    assert "--workers 2: werkzeug runs 1 at most" in harness(start, "run", *WERKZEUG, "--workers", "2").stderr


def test_the_added_workload_is_measured(start: Start) -> None:
    document = measured(start, *DIGEST)
    assert document["sampled"]["wrong"] == 0
    listed = " ".join(harness(start, "list", "workloads").stdout.split())
    assert "rounds: a whole number from 1 to" in listed
    assert "digest" in harness(start, "run", "--help").stdout
    assert "from 1 to 10000000" in harness(start, "run", "--workload", "digest", "--param", "rounds=0").stderr


def test_both_additions_are_measured_together(additions: Start) -> None:
    document = measured(additions, *WERKZEUG, "--workload", "digest", "--param", "rounds=100")
    assert document["cell"]["label"] == "werkzeug:threaded=no/flask/sync/digest?rounds=100/w1/t8/c5"


def test_a_workload_must_be_installed_where_the_server_runs(additions: Start) -> None:
    done = harness(additions, "run", *DIGEST, "--python", sys.executable)
    assert done.returncode == 5
    assert "needs our-additions, which is not installed" in done.stderr


@pytest.mark.parametrize(
    ("group", "name", "value", "command", "message"),
    [
        ("servers", "uvicorn", "our_additions.werkzeug", "--server=uvicorn", "several servers are called uvicorn"),
        ("servers", "werkzeug", "our_additions.werkzeug", "--server=werkzeug", "that of mad and that of our-additions"),
        ("workloads", "sleep", "our_additions.digest", "--workload=sleep", "several workloads are called sleep"),
        ("servers", "other", "our_additions.werkzeug", "--server=other", "calls its adapter werkzeug, not other"),
        ("workloads", "other", "our_additions.digest", "--workload=other", "calls its workload digest, not other"),
        ("servers", "other", "our_additions.digest", "--server=other", "of mad defines no ADAPTER"),
        ("workloads", "other", "our_additions.werkzeug", "--workload=other", "of mad defines no WORKLOAD"),
        ("servers", "other", "nowhere", "--server=other", "nowhere of mad cannot be imported: ModuleNotFoundError"),
        ("workloads", "other", "nowhere:X", "--workload=other", "nowhere:X of mad cannot be imported"),
    ],
)
def test_what_cannot_be_told_apart_or_used_is_refused(
    programs: Path, tmp_path: Path, group: str, name: str, value: str, command: str, message: str
) -> None:
    add_distribution(tmp_path / "mad", {f"harness.{group}": {name: value}}, "mad")
    code = f"import sys; sys.path[0] = {str(tmp_path / 'mad')!r}; from harness.cli.main import main; main()"
    done = run(programs / "python", "-c", code, "run", command, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert "uninstall" in done.stderr
    assert run(programs / "python", "-c", code, "run", "--help", cwd=tmp_path).returncode == 0
