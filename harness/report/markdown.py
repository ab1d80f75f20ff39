"""What a run says as Markdown that pull requests of GitHub and GitLab render; no name in it can inject markup."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from harness.model.claims import StudyResult
from harness.model.overview import Overview
from harness.report import claims, view
from harness.report.words import difference, verdict


def of_overview(overview: Overview, study: StudyResult) -> str:
    """A matrix, or a single cell."""
    return "\n".join(_lines(view.of_overview(overview, study))) + "\n"


def of_answer(report: view.View) -> str:
    """An answer with its tables: of cells that were loaded in turn, or whose capacity was searched."""
    lines = [f"### {escaped(report.title)}", "", *(f"- **{escaped(each)}**" for each in report.answers)]
    lines += ["", "```sh", report.command, "```"] if report.command else []
    lines += [f"- {escaped(each)}" for each in report.warnings]
    for grid in report.grids:
        head = [", ".join(filter(None, parts)) for parts in grid.head]
        rows = (list(map(escaped, row)) for row in grid.rows)
        lines += ["", *table_lines((escaped(grid.title), *map(escaped, head[1:])), rows)]
    lines += ["", *(f"- {escaped(name)}: {escaped(text)}" for name, text in report.basis)]
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """Text in which nothing is markup: a cell's name may come from anywhere."""
    return re.sub(r"([\\`*_{}\[\]<>#+!|~$@&])", r"\\\1", text).replace("\n", " ")


def code(text: str) -> str:
    """A name as code; backticks, which would end it, and pipes, which would end a table's cell, are taken out."""
    return "`" + text.replace("`", "'").replace("|", "/").replace("\n", " ") + "`"


def _lines(report: view.View) -> Iterator[str]:
    metric = view.headline()
    yield f"### {escaped(report.heading)}"
    yield from ("", *(f"- **{escaped(warning)}**" for warning in report.warnings))
    yield from (f"- {escaped(answer)}" for answer in report.answers)
    for table in report.tables:
        yield from ("", f"#### {code(table.workload)}: {metric.heading}", "")
        rows = [
            (code(name), *("–" if cell is None else escaped(str(cell.figures[metric.name])) for cell in row))
            for name, row in table.rows
        ]
        yield from table_lines(("", *map(escaped, table.columns)), rows)
    yield from ("", "; ".join(f"`{mark}` {meaning}" for mark, meaning in report.legend))
    yield from ("", *(f"- {escaped(name)}: {escaped(text)}" for name, text in report.remarks))
    findings = [each for each in report.findings if each.metric is metric]
    if findings:
        yield from ("", f"<details><summary>Comparisons of {metric.label}</summary>", "")
        contrasts = [
            (
                *(code(finding.workload), finding.axis.label, escaped(each.stratum)),
                f"{code(each.b.option)} against {code(each.a.option)}",
                difference(each.ratio),
                escaped(verdict(each)),
            )
            for finding in findings
            for each in finding.contrasts
        ]
        yield from table_lines(("workload", "axis", "with", "compared", "difference", "verdict"), contrasts)
        yield from ("", "</details>")
    if report.claims:
        yield from (
            "",
            f"#### {report.claimed} (ratios of throughput)",
            "",
            *_claims(report.claims),
            *_differences(report.differences),
        )
    for title, cells in report.kept_out:
        yield from ("", f"#### {title}", "", *(f"- {code(name)}: {escaped(why)}" for name, why in cells))


def claims_table(study: StudyResult) -> str:
    """Claim by claim: the study's ratio, the one here, and what follows; and in what the two differ."""
    return "\n".join([*_claims(claims.judged(study)), *_differences(study.differences)]) + "\n"


def _differences(sentences: Sequence[str]) -> list[str]:
    return ["", *(f"- {escaped(each)}" for each in sentences)] if sentences else []


def _claims(judged: Sequence[claims.Claim]) -> Iterator[str]:
    rows = [
        (
            *map(escaped, (each.text, each.published, each.here)),
            f"**{each.verdict}**" + (f": {escaped(each.why)}" if each.why else ""),
        )
        for each in judged
    ]
    return table_lines(("claim", "published", "here", "verdict"), rows)


def table_lines(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """The lines of a table. Its cells are Markdown already: `escaped` makes text such."""
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
