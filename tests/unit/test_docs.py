"""Documentation that cannot drift: its commands, options, names and links exist."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import servers
from handlers import catalogue
from handlers.styles import STYLES
from harness.judge.gates import GENERATOR_SHARE
from harness.model.measurement import DatabaseFacts, Facts, GeneratorFacts, ServerFacts
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


COMMANDS = ("run", "matrix", "report", "duet", "compare", "serve", "doctor", "list", "db seed", "db status")


@pytest.fixture(scope="module")
def helps() -> dict[str, str]:
    return {name: help_of(*name.split()) for name in COMMANDS}


def test_every_command_line_of_the_pages_exists(helps: dict[str, str]) -> None:
    seen = 0
    for page in PAGES:
        for line in re.findall(
            r"harness ((?:run|matrix|report|duet|compare|serve|doctor|list|db)\b[^`\n|]*)",
            page.read_text(encoding="utf-8"),
        ):
            command = next((name for name in helps if line.startswith(name)), line.split()[0])
            for option in re.findall(r"(--[a-z0-9-]+)", line):
                assert option in helps[command], f"{page.name}: harness {line}"
                seen += 1
    assert seen > 5


def test_every_option_named_in_the_pages_exists(helps: dict[str, str]) -> None:
    known = " ".join(helps.values()) + "--rounds --seconds --times --seed --fix --server --out --timeout --exclude"
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


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
            if not link.startswith("http"):
                assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_every_field_of_a_result_is_documented() -> None:
    page = text("docs/results.md")
    documented = set(re.findall(r"`([a-z_0-9]+)", page))
    for name in set(Facts.model_fields) - {"started_at", "routes", "environment"}:
        assert name in documented, name
    assert {"effective", "declared_limits", "unmet", "workers_lost"} <= documented & set(ServerFacts.model_fields)
    assert {"offered_rps", "overdue", "lateness_ms_p99"} <= documented & set(GeneratorFacts.model_fields)
    assert DatabaseFacts.model_fields


def test_every_dependency_has_its_reason() -> None:
    import tomllib

    project = tomllib.loads(text("pyproject.toml"))["project"]
    page = text("docs/decisions.md")
    for requirement in project["dependencies"] + project["optional-dependencies"]["dev"]:
        name = re.split(r"[>=;\[]", requirement)[0]
        assert name in page, name
        pinned = re.search(rf"^{name}==", text("constraints.txt"), re.IGNORECASE | re.MULTILINE)
        assert pinned, f"{name} is not pinned"


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


def test_pages_quote_stored_results_as_they_are() -> None:
    found = importlib.util.spec_from_file_location("quote", ROOT / "benchmarks" / "quote.py")
    assert found is not None
    assert found.loader is not None
    quote = importlib.util.module_from_spec(found)
    found.loader.exec_module(quote)
    quotes = 0
    for page in PAGES:
        before = page.read_text(encoding="utf-8")
        assert quote.written(before) == before, f"{page.name}: run benchmarks/quote.py"
        quotes += len(quote.BLOCK.findall(before))
    assert quotes >= 2


def test_where_the_generator_gate_passes_both_generators_agree() -> None:
    rows = json.loads(text("results/reference/benchmarks/fidelity.json"))
    assert {row["server"] for row in rows} == {"uvicorn", "granian", "gunicorn", "hypercorn"}
    passing = [row for row in rows if row["k6_share_of_its_cores"] <= GENERATOR_SHARE]
    assert len(passing) >= 2
    for row in rows:
        assert row["generator_gate_passes"] == (row in passing)
        assert row["half_width"] <= 0.0305
    for row in passing:
        assert row["low"] <= 1.03
        assert row["high"] >= 0.97
