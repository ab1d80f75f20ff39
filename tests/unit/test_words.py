"""One way to say each thing: words that readers found odd are in no output, help or page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.report import render
from harness.store import codec
from tests.conftest import ROOT
from tests.unit.test_docs import help_of

REFERENCE = ROOT / "results" / "reference"
RUNS = ["first-run", *(f"matrices/{name}" for name in ("article", "noop", "servers", "ten-noop", "users", "workers"))]
ODD = (
    r"told apart|tells? (no|them|two|servers) apart|tells no|difference (could be|was|is) told",
    r"ke(pt|ep) out|cannot exist|comes? along|found out|is no TOML",
    r"at (its|their|the same) ceiling|undecided|tie groups?|strat(um|a)|duets?|visits?|void",
    r"ours|of yours|cures?|lacks?|mend|told to be|anecdote",
)
"""Words of the first versions; docs/glossary.md has what is said in their place."""
ODD_IN_OUTPUT = (
    *ODD,
    r"cells?",
    r"windows? of",
    r"contrasts?",
    r"at equal(?! distances)",
    r"gates?",
    r"in effect",
    r"\d %",
)
"""Words that stay in code and in pages for people who change it."""
FOR_DEVELOPERS = {"architecture.md", "decisions.md", "extending.md", "glossary.md", "benchmarks.md"}
COMMANDS = ["recommend", "run", "matrix", "compare", "report", "diff", "list", "serve", "doctor", "init", "ci", "db"]


def odd(text: str, words: tuple[str, ...]) -> list[str]:
    found = re.finditer(rf"(?<![\w`/-])({'|'.join(words)})(?![\w`-])", text, re.IGNORECASE)
    return [f"{each[0]}: …{text[max(0, each.start() - 50) : each.end() + 30]!r}" for each in found]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_no_odd_word(command: str) -> None:
    assert odd(help_of(command), ODD_IN_OUTPUT) == []


@pytest.mark.parametrize("form", ["text", "markdown", "html"])
@pytest.mark.parametrize("run", RUNS)
def test_reports_have_no_odd_word(run: str, form: str) -> None:
    if form == "html" and run not in RUNS[:2]:
        pytest.skip("the others are made alike")
    shown = render.text(codec.read_run(REFERENCE / run), form)
    shown = re.sub(r"<(script|style|pre)\b.*?</\1>|<[^>]+>", " ", shown, flags=re.DOTALL)
    assert odd(shown, ODD_IN_OUTPUT) == []


def pages() -> list[Path]:
    docs = [path for path in sorted((ROOT / "docs").glob("*.md")) if path.name not in FOR_DEVELOPERS]
    return [ROOT / "README.md", ROOT / "results" / "README.md", *docs]


@pytest.mark.parametrize("page", pages(), ids=lambda path: path.name)
def test_pages_have_no_odd_word(page: Path) -> None:
    text = re.sub(r"^```.*?^```$|`[^`\n]+`|\]\([^)]*\)|<!--.*?-->", " ", page.read_text("utf-8"), flags=re.S | re.M)
    assert odd(text, ODD) == []
