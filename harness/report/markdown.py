"""What a run says as Markdown that pull requests of GitHub and GitLab render; no name in it can inject markup."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from harness.model.claims import ClaimResult
from harness.model.comparison import Contrast
from harness.model.duet import Duet
from harness.model.overview import CellOverview, Overview
from harness.report.answers import answers
from harness.report.duet import answer
from harness.report.words import (
    MEANINGS,
    best_cells,
    column_of,
    figure,
    heading,
    ratio,
    remedied,
    row_of,
    too_few_blocks,
    verdict,
    workload_of,
)

MARKS = ", ".join(f"`{mark}` {meaning}" for mark, meaning in MEANINGS.items())


def of_overview(overview: Overview, claims: Sequence[ClaimResult]) -> str:
    """A matrix, or a single cell."""
    return "\n".join((*_overview(overview), *_claims(claims), *_problems(overview))) + "\n"


def of_duet(duet: Duet) -> str:
    """A duet."""
    servers = ("", "") if duet.servers is None else tuple(f", {escaped(each)}" for each in duet.servers)
    rows = [
        ("second", _code(duet.second) + servers[1]),
        ("first", _code(duet.first) + servers[0]),
        ("CPU time per request, second ÷ first", escaped(ratio(duet.ratio, digits=3))),
        ("verdict", escaped(answer(duet))),
        ("restarts", f"{sum(each.void is None for each in duet.restarts)} of {len(duet.restarts)} count"),
    ]
    if duet.limit is not None:
        rows.append(("limit", f"{duet.limit:.0%}: {'exceeded' if duet.worse else 'not exceeded for certain'}"))
    return "\n".join(("### Duet", "", *_table(("", ""), rows))) + "\n"


def escaped(text: str) -> str:
    """Text in which nothing is markup: a cell's name may come from anywhere."""
    return re.sub(r"([\\`*_{}\[\]<>#+!|~$@&])", r"\\\1", text).replace("\n", " ")


def _code(text: str) -> str:
    """A name as code; backticks, which would end it, and pipes, which would end a table's cell, are taken out."""
    return "`" + text.replace("`", "'").replace("|", "/").replace("\n", " ") + "`"


def _overview(overview: Overview) -> Iterator[str]:
    yield f"### {escaped(heading(overview))}"
    yield from ("", *(f"- {escaped(answer)}" for answer in answers(overview)))
    best = best_cells(overview)
    for workload in dict.fromkeys(map(workload_of, overview.cells)):
        cells = [cell for cell in overview.cells if workload_of(cell) == workload]
        yield from ("", f"#### {_code(workload)}, requests per second", "")
        yield from _matrix(cells, best)
    yield from ("", f"{MARKS}; ± 95 % interval over blocks.")
    contrasts = [each for each in overview.comparison.contrasts if each.metric == "throughput_rps"]
    if contrasts:
        yield from ("", "<details><summary>Contrasts of throughput</summary>", "")
        if too_few_blocks(overview):
            yield from ("Too few blocks for verdicts: ratios with their intervals only.", "")
        yield from _table(("workload", "axis", "at equal", "ratio", "verdict"), map(_contrast, contrasts))
        yield from ("", "</details>")


def _matrix(cells: Sequence[CellOverview], best: set[str]) -> Iterator[str]:
    rows = list(dict.fromkeys(row_of(cell, cells) for cell in cells))
    columns = list(dict.fromkeys(column_of(cell, cells) for cell in cells))
    found = {(row_of(cell, cells), column_of(cell, cells)): cell for cell in cells}
    body = []
    for row in rows:
        shown = [found.get((row, column)) for column in columns]
        body.append(
            (_code(row), *("–" if cell is None else escaped(figure(cell, cell.name in best)) for cell in shown))
        )
    yield from _table(("", *columns), body)


def _contrast(each: Contrast) -> tuple[str, ...]:
    said = f"{each.b.option} {ratio(each.ratio, of=each.a.option)}"
    return (_code(each.workload), each.axis, escaped(each.stratum), escaped(said), escaped(verdict(each)))


def claims_table(claims: Sequence[ClaimResult]) -> str:
    """Claim by claim: the study's ratio, the one here, and what follows."""
    rows = []
    for each in claims:
        case = f" ({each.case})" if each.case else ""
        claim = f"{each.claim} {escaped(each.text + case)}"
        said = f"**{each.verdict}**" + (f": {escaped(each.why)}" if each.why else "")
        rows.append((claim, f"{each.published:.2f}×", escaped(ratio(each.measured)), said))
    return "\n".join(_table(("claim", "published", "here", "verdict"), rows)) + "\n"


def _claims(claims: Sequence[ClaimResult]) -> Iterator[str]:
    if claims:
        yield from (
            "",
            "#### What the published study claims (ratios of throughput)",
            "",
            claims_table(claims).rstrip(),
        )


def _problems(overview: Overview) -> Iterator[str]:
    troubled = [cell for cell in overview.cells if cell.invalid or cell.failed]
    if troubled:
        yield from ("", "#### Not valid, and kept out", "")
    for cell in troubled:
        why = "; ".join(remedied(each.reason, each.remedies) for each in cell.reasons[:2])
        yield f"- {_code(cell.name)}: {cell.failed} failed, {cell.invalid} invalid, {cell.valid} valid: {escaped(why)}"
    capped = [cell for cell in overview.cells if cell.at_ceiling and cell.ceiling is not None]
    if capped:
        yield from ("", "#### At their ceiling", "")
    for cell in capped:
        assert cell.ceiling is not None
        yield f"- {_code(cell.name)}: {cell.ceiling.rps:,.0f} req/s = {escaped(cell.ceiling.limit)}"


def _table(head: Sequence[str], rows: Iterator[tuple[str, ...]] | Sequence[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
