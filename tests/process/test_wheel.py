"""The wheel carries everything: installed alone, it measures from an empty folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT, sound


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_scripts_and_sql_as_assets_and_no_tests(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert tops == {"harness", "handlers", "servers"}
    assert "harness/assets/k6/cell.js" in names
    assert "harness/assets/sql/queries/user_orders.sql" in names
    assert "harness/entry/harness_entry.py" in names


def test_the_installed_wheel_measures_in_an_empty_folder(wheel: Path, tmp_path: Path) -> None:
    installed, empty = tmp_path / "installed", tmp_path / "empty"
    empty.mkdir()
    zipfile.ZipFile(wheel).extractall(installed)
    code = f"import sys; sys.path.insert(0, {str(installed)!r}); from harness.cli import main; main()"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [
            *(sys.executable, "-c", code, "run", "--workload", "select", "--vus", "5"),
            *("--warmup", "500ms", "--duration", "1s", "--json"),
        ],
        cwd=empty,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    document = json.loads(done.stdout)
    assert sound(document), document["reasons"]
    assert document["argv"]["generator"][-1] == str(installed / "harness" / "assets" / "k6" / "cell.js")
    assert (empty / document["path"] / "run.json").exists()
