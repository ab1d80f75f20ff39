"""Markdown of a run: what is in it, and that no name can inject markup."""

from __future__ import annotations

import pytest

from harness.analysis.overview import Question, Visit, overview
from harness.model.claims import StudyResult
from harness.model.measurement import Measurement
from harness.report import markdown


@pytest.mark.parametrize(
    "hostile",
    ["<img src=x onerror=alert(1)>", "a|b", "[x](http://evil)", "`code`", "**bold**", "two\nlines", "@everyone"],
)
def test_text_from_a_result_is_no_markup(hostile: str) -> None:
    text = markdown.escaped(hostile)
    assert "\n" not in text
    for mark in "<>[]`*|@":
        assert text.count(mark) == text.count("\\" + mark)


def test_a_cell_s_name_cannot_leave_its_code_or_its_table_cell(facts: Measurement) -> None:
    hostile = "evil`|<script>alert(1)</script>\n| x |"
    cell = facts.cell.model_copy(update={"variant": facts.cell.variant.model_copy(update={"server": hostile})})
    visit = Visit(cell=cell, restart=1, repeat=False, facts=facts.model_copy(update={"cell": cell}), failure=None)
    text = markdown.of_overview(overview([visit], Question(title="<b>"), seconds=1.0), StudyResult())
    assert "`evil'/<script>" in text  # inside of code nothing is markup
    rows = [line for line in text.splitlines() if line.startswith("| `evil")]
    assert [row.count("|") for row in rows] == [3]
    assert r"\<b\>" in text
