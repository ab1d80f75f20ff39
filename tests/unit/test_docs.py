"""Documentation that cannot drift: its commands, options, names and links exist."""

from __future__ import annotations

import ast
import importlib.util
import itertools
import json
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from packaging.utils import canonicalize_name
from typer.testing import CliRunner

from harness import servers
from harness.analysis import review
from harness.analysis.validity import GENERATOR_SHARE
from harness.cli.main import app
from harness.handlers import catalogue
from harness.handlers.styles import STYLES
from harness.model.application import BundledApplication
from harness.model.axes import AXES
from harness.model.load import ClosedLoad, OpenLoad
from harness.model.measurement import DatabaseFacts, GeneratorFacts, ServerFacts
from harness.model.metrics import METRICS
from harness.model.plan import Plan
from harness.model.record import (
    CapacityRecord,
    FailureRecord,
    MatrixRecord,
    MeasurementRecord,
    OverloadRecord,
    Place,
    SingleRecord,
)
from harness.model.variant import Variant
from harness.store import codec
from tests.conftest import ROOT

PAGES = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    ROOT / "results" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def shell_blocks(page: str) -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)


def help_of(*command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "harness", *command, "--help"], capture_output=True, text=True, check=True
    )
    return done.stdout


COMMANDS = (
    "recommend",
    "run",
    "matrix",
    "capacity",
    "overload",
    "report",
    "compare",
    "diff",
    "serve",
    "doctor",
    "list",
    "ci",
    "init",
    "db seed",
    "db status",
)


@pytest.fixture(scope="module")
def helps() -> dict[str, str]:
    return {name: help_of(*name.split()) for name in COMMANDS}


def test_every_command_line_of_the_pages_exists(helps: dict[str, str]) -> None:
    seen = 0
    for page in PAGES:
        for line in re.findall(
            rf"harness ((?:{'|'.join(dict.fromkeys(name.split()[0] for name in COMMANDS))})\b[^`\n|]*)",
            page.read_text(encoding="utf-8"),
        ):
            command = next((name for name in helps if line.startswith(name)), line.split()[0])
            for option in re.findall(r"(--[a-z0-9-]+)", line):
                assert option in helps[command], f"{page.name}: harness {line}"
                seen += 1
    assert seen > 5


def test_every_option_named_in_the_pages_exists(helps: dict[str, str]) -> None:
    known = (
        help_of()
        + " ".join(helps.values())
        + "--quick --rounds --seconds --times --seed --fix --server --out --timeout --exclude"
    )
    for page in PAGES:
        for option in re.findall(r"`(--[a-z0-9-]+)", page.read_text(encoding="utf-8")):
            assert option in known, f"{page.name}: {option}"


def test_names_in_the_readme_are_all_there_are() -> None:
    readme = text("README.md")
    for name in (*servers.names(), *catalogue.FRAMEWORKS, *STYLES, *catalogue.workload_names()):
        assert f"`{name}`" in readme, name


def test_the_page_of_servers_is_what_runs(capsys: pytest.CaptureFixture[str]) -> None:
    from harness.report import lists

    lists.launches()
    assert capsys.readouterr().out in text("docs/servers.md"), "renew it with: harness list launches"


HOUSE = ROOT / "harness"
MENTION = re.compile(r"`([\w./]+\.(?:py|toml|json))(?:: ([\w.]+))?`")
"""A file, with what is defined in it: `model/variant.py: Cell.label`."""


def names_in(file: Path) -> set[str]:
    """Functions, classes with their members, and constants of a module: `Cell`, `Cell.label`, `AXES`."""

    def names(body: list[ast.stmt], prefix: str = "") -> Iterator[str]:
        for statement in body:
            if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                yield prefix + statement.name
                if isinstance(statement, ast.ClassDef):
                    yield from names(statement.body, f"{prefix}{statement.name}.")
            elif isinstance(statement, ast.Assign | ast.AnnAssign):
                targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
                yield from (prefix + target.id for target in targets if isinstance(target, ast.Name))

    return set(names(ast.parse(file.read_text(encoding="utf-8")).body))


@pytest.mark.parametrize(("page", "least"), [("architecture", 50), ("glossary", 40)])
def test_files_and_names_that_a_page_mentions_exist(page: str, least: int) -> None:
    mentions = MENTION.findall(text(f"docs/{page}.md"))
    for path, name in mentions:
        file = next((folder / path for folder in (HOUSE, ROOT) if (folder / path).is_file()), None)
        if file is None:
            assert page == "architecture", path
            assert path == "measurements/0001.json", path
        else:
            assert not name or name in names_in(file), f"{path}: {name}"
    assert len(mentions) >= least


def test_the_glossary_has_every_axis_and_metric() -> None:
    page = text("docs/glossary.md")
    for word in (*(axis.name.replace("_", " ") for axis in AXES), *(metric.label for metric in METRICS.values())):
        assert word in page, word


def block_after(page: str, mark: str) -> list[str]:
    """The lines behind a mark of a page up to the next empty one."""
    return page.partition(f"<!-- {mark} -->\n")[2].partition("\n\n")[0].splitlines()


def layers() -> list[set[str]]:
    """The layers of pyproject.toml, from the top."""
    contract = tomllib.loads(text("pyproject.toml"))["tool"]["importlinter"]["contracts"][0]
    assert contract["type"] == "layers"
    return [set(layer.split(" | ")) for layer in contract["layers"]]


def test_the_picture_of_the_house_has_its_layers_and_rooms() -> None:
    page = text("docs/architecture.md")
    picture = [line for line in block_after(page, "layers") if not line.startswith("```")]
    assert [set(line.strip().split(" | ")) for line in picture] == layers()
    rooms = [re.match(r"\| `(\w+)` \| \S", line) for line in block_after(page, "rooms")[2:]]
    listed = [room[1] for room in rooms if room]
    there = {path.stem for path in HOUSE.iterdir() if path.is_dir() or path.suffix == ".py"}
    assert set(listed) == there - {"__pycache__", "__init__", "__main__"}
    assert len(listed) == len(set(listed)) == len(rooms)


def test_every_room_says_who_may_import_it_and_what_it_may_import() -> None:
    order: list[set[str]] = [set(), *layers(), set()]
    for above, rooms, below in zip(order, order[1:], order[2:], strict=False):
        for room in rooms:
            package = HOUSE / room / "__init__.py"
            if not package.exists():
                continue  # errors and resources are modules
            docstring = ast.get_docstring(ast.parse(package.read_text(encoding="utf-8"))) or ""
            sentence = re.search(
                r"(Nothing imports it|May be imported by (.+?)); it (imports nothing|may import (.+)$)",
                " ".join(docstring.split()),
            )
            assert sentence, f"{room}: {docstring}"
            assert set(re.findall(r"`(\w+)`", sentence[2] or "")) == above, room
            assert set(re.findall(r"`(\w+)`", sentence[4] or "")) <= below, room


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
            if not link.startswith("http"):
                assert (page.parent / link).exists(), f"{page.name}: {link}"


PARTS = r"`((?:harness|servers|handlers|k6|sql|docs|tests|benchmarks)/[\w./-]+)"


def test_every_path_that_a_page_names_exists() -> None:
    not_there = {"servers/werkzeug.py", "handlers/workloads/digest.py"}  # a reader makes them
    not_there.add("k6/http")  # a module of k6
    for page in PAGES:
        for path in set(re.findall(PARTS, page.read_text(encoding="utf-8"))) - not_there:
            assert any((folder / path).exists() for folder in (ROOT, HOUSE)), f"{page.name}: {path}"


def test_every_field_of_a_result_is_documented() -> None:
    page = text("docs/results.md")
    documented = set(re.findall(r"`([a-z_0-9]+)", page))
    for record in (MeasurementRecord, FailureRecord, SingleRecord, MatrixRecord, CapacityRecord, OverloadRecord):
        for name, field in record.model_fields.items():
            assert (field.alias or name) in documented, name
    assert {*Place.model_fields, *Variant.model_fields, *ClosedLoad.model_fields, *OpenLoad.model_fields} <= documented
    assert {*BundledApplication.model_fields, "target", "folder", "digest"} <= documented
    assert {column for axis in AXES for column in axis.columns} <= documented
    assert {"effective", "declared_limits", "unmet", "workers_lost"} <= documented & set(ServerFacts.model_fields)
    assert {"offered_rps", "overdue", "lateness_ms_p99"} <= documented & set(GeneratorFacts.model_fields)
    assert DatabaseFacts.model_fields


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads(text("pyproject.toml"))["project"]
    page = text("docs/decisions.md")
    pinned = {canonicalize_name(line.partition("==")[0]) for line in text("constraints.txt").splitlines()}
    for requirement in itertools.chain(project["dependencies"], *project["optional-dependencies"].values()):
        name = re.split(r"[>=;\[]", requirement)[0]
        assert name in page, name
        assert canonicalize_name(name) in pinned, f"{name} is not pinned"


def test_the_readme_begins_with_the_two_commands() -> None:
    first, second = shell_blocks(text("README.md"))[:2]
    assert "harness run --server granian --style async --workers 4" in first
    assert second.strip() == "./check"
    assert "./check" in text(".ci/run")


def test_nothing_is_pinned_by_address() -> None:
    for line in text("constraints.txt").splitlines():
        assert re.fullmatch(r"[\w.-]+==[\w.]+", line), line


def test_scripts_are_executable() -> None:
    for name in ("check", ".ci/run"):
        assert Path(ROOT, name).stat().st_mode & 0o111


def script(name: str) -> ModuleType:
    found = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module  # where its dataclasses look for their names
    found.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def quote() -> ModuleType:
    return script("quote")


def test_pages_quote_stored_results_as_they_are(quote: ModuleType) -> None:
    assert set(quote.PAGES) | {ROOT / "CHANGELOG.md"} == set(PAGES)
    quotes = figures = 0
    for page in quote.PAGES:
        before = page.read_text(encoding="utf-8")
        assert quote.written(page, before) == before, f"{page.name}: run benchmarks/quote.py"
        quotes += len(quote.BLOCK.findall(before))
        figures += len(quote.FIGURE.findall(before))
    assert quotes >= 10
    assert figures >= 10


def test_servers_are_quoted_against_uvicorn(quote: ModuleType) -> None:
    run = quote.forms.reference.REFERENCE / "matrices" / "noop"
    header, _, *rows, _, known = quote.forms.of_servers(run).splitlines()
    assert header.startswith("| server ÷ uvicorn | fastapi async: throughput | fastapi async: CPU | fastapi sync:")
    assert [row.split(" | ")[0] for row in rows] == ["| granian", "| gunicorn", "| hypercorn"]
    # The widest of those that are known best: of each server the better one of throughput and CPU.
    halves: dict[tuple[str, ...], float] = {}
    for each in review.review(review.against(codec.read_run(run), "uvicorn")).comparison.contrasts:
        if each.axis == "server" and each.metric in ("throughput_rps", "cpu_us_per_request") and each.ratio.half_width:
            assert each.a.option == "uvicorn"
            key = (each.b.option, each.stratum)
            halves[key] = min(each.ratio.half_width, halves.get(key, 1.0))
    assert f"±{max(halves.values()):.1%} or better" in known
    # What pages quote of the same run.
    ratio = quote.figures.figure(run, "cpu fastapi async: hypercorn ÷ uvicorn")
    assert rows[2].split(" | ")[2].startswith(ratio.partition(" ")[0])


def test_pictures_show_what_the_results_say(quote: ModuleType) -> None:
    found = [each for page in quote.PAGES for each in quote.shown(page, page.read_text(encoding="utf-8"))]
    for picture in found:
        assert picture.current, f"{picture.file.name}: run benchmarks/quote.py"
    assert {each.file for each in found} == set(quote.PICTURES.iterdir())
    images = {
        (page.parent / link).resolve()
        for page in quote.PAGES
        for link in re.findall(r"!\[[^\]]*\]\(([^)\s]+)", page.read_text(encoding="utf-8"))
    }
    assert images <= {each.file for each in found} | {ROOT / "docs" / "report.png"}, "a picture without its source"


def test_no_figure_of_a_study_is_written_by_hand(quote: ModuleType) -> None:
    for page in quote.STUDIES:
        assert quote.unquoted(page.read_text(encoding="utf-8")) == [], page.name


def test_a_quote_fails_where_its_sentence_no_longer_holds(quote: ModuleType) -> None:
    readme, path = ROOT / "README.md", "results/reference/matrices/noop"
    ratio = "cpu fastapi async: hypercorn ÷ uvicorn"
    link = f'costs [about twice]({path} "{ratio}; above 1") as much'
    assert "×" in quote.written(readme, link)
    assert quote.unquoted(quote.written(readme, link)) == []
    for asked in (f"{ratio}; below 1", f"{ratio}; equivalent", "speed"):
        with pytest.raises(quote.figures.Unfounded, match=re.escape(asked)):
            quote.written(readme, f'[x]({path} "{asked}")')
    assert quote.unquoted("It costs 2.3 times as much.\n`--duration 5s` is no figure, nor are 4 servers.") == [
        "It costs 2.3 times as much."
    ]


def test_reference_results_are_what_their_recipes_measure() -> None:
    reference = script("reference")
    recipes = {each.name: each.command for each in reference.REFERENCES}
    stored = {
        str(path.parent.relative_to(reference.REFERENCE))
        for path in reference.REFERENCE.glob("**/run.json")
        if "another-machine" not in str(path)
    }
    assert stored <= recipes.keys()
    for name in stored:
        document = json.loads((reference.REFERENCE / name / "run.json").read_text(encoding="utf-8"))
        if "plan" in document and "sets" not in document:
            continue  # it was measured before cells took turns, with other options
        if "plan" in document:
            done = CliRunner().invoke(app, [*recipes[name], "--dry-run"])
            assert done.exit_code == 0, done.output
            wanted = tomllib.loads(done.stdout.partition("the same as a file:")[2].replace("\n  ", "\n"))
            assert Plan.model_validate(wanted).model_dump() == Plan.model_validate(document["plan"]).model_dump(), name
        elif "command" in document:
            assert shlex.join(recipes[name]) in document["command"], name


def test_where_the_generator_gate_passes_both_generators_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    rows = {row["cell"]: row for row in json.loads(text("results/reference/benchmarks/fidelity.json"))}
    assert list(rows) == list(script("fidelity").CELLS)
    passing = [row for row in rows.values() if row["k6_share_of_its_cores"] <= GENERATOR_SHARE]
    for row in rows.values():
        assert row["generator_gate_passes"] == (row in passing)
    for row in passing:
        assert row["low"] <= 1.03
        assert row["high"] >= 0.97
