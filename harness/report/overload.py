"""What became of an overload, in words."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.text import Text

from harness.analysis.overload import ratios
from harness.model.overload import Overload, OverloadStart
from harness.report import rotation, terminal
from harness.report.capacity import rate
from harness.report.rotation import Grid

COLLAPSED = 0.7
"""Share of the capacity that is served in the burst, below which the server has collapsed."""
SHED = 0.02
"""Share of the burst from which on it is said to be refused."""


def exit_code(overload: Overload) -> int:
    """3 where no start was valid."""
    return 0 if any(not each.invalid for each in overload.starts) else 3


def title(overload: Overload) -> str:
    """What was overloaded."""
    return f"overload of {overload.cell}"


def question(overload: Overload) -> str:
    """What was offered."""
    plan = overload.plan
    return (
        f"{plan.base:.0%} of {rate(plan.capacity_rps)} requests per second, {plan.burst:g} times that for "
        f"{plan.burst_seconds:g} s, and {plan.base:.0%} again"
    )


def answers(overload: Overload) -> Iterator[str]:
    """What was served and refused in the burst, and how it went on."""
    valid = [each for each in overload.starts if not each.invalid]
    if not valid:
        yield "No start was valid, so nothing can be told."
        return
    served = [each.served_share for each in valid]
    collapse = ": it collapses" if statistics.median(served) < COLLAPSED else ""
    yield (
        f"In the burst {overload.cell} serves {_middle(served, '.0%')} of its capacity{collapse}, and refuses "
        f"{_shed(statistics.median(each.refused_share for each in valid), valid)}."
    )
    lost = [each for each in valid if each.recovery_seconds is None]
    if lost:
        watched = overload.plan.after_seconds
        yield f"In {len(lost)} of {len(valid)} starts it had not recovered {watched:.0f} s after the burst."
    found = ratios(valid)
    if found:
        seconds = [each.recovery_seconds for each in valid if each.recovery_seconds is not None]
        yield (
            f"Afterwards it takes {_middle(seconds, '.1f')} s until requests are answered as before, "
            f"{_middle(found, '.2f')} times what its queue takes to drain at least."
        )


def _middle(values: Sequence[float], form: str) -> str:
    """Their median, and between what they lie where there are several that differ."""
    low, high = (f"{each:{form}}" for each in (min(values), max(values)))
    told = f"{statistics.median(values):{form}}"
    return told if low == high else f"{told} ({low} to {high})"


def _shed(share: float, starts: list[OverloadStart]) -> str:
    if share < SHED:
        return "nothing to speak of"
    kinds: dict[str, int] = {}
    for each in starts:
        for what, count in each.refused.items():
            kinds[what] = kinds.get(what, 0) + count
    most = sorted(kinds, key=lambda what: -kinds[what])
    return f"{share:.0%} of the requests ({', '.join(f'{kinds[what]:,} {what}' for what in most[:4])})"


def figures(overload: Overload) -> Grid:
    """Start by start."""
    head = [
        ("", ""),
        ("p50 before", "ms"),
        ("p50 at most", "ms"),
        ("served", "of capacity"),
        ("refused", "of burst"),
        ("recovered", "s"),
        ("law", "s"),
        ("ratio", ""),
    ]
    rows = [
        [
            f"start {number}" + (" (invalid)" if each.invalid else ""),
            _number(each.base_p50_ms, 1),
            _number(each.burst_p50_ms, 0),
            f"{each.served_share:.0%}",
            f"{each.refused_share:.1%}",
            _number(each.recovery_seconds, 2),
            _number(each.law_seconds, 2),
            _number(each.ratio, 2),
        ]
        for number, each in enumerate(overload.starts, 1)
    ]
    return Grid(title="", head=head, rows=rows, verdicts=[""] * len(rows))


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"


def basis(overload: Overload) -> Iterator[tuple[str, str]]:
    """What it rests on."""
    plan = overload.plan
    yield "offered", question(overload)
    yield "capacity", f"{rate(plan.capacity_rps)} req/s, " + ("as given" if plan.given else "what closed load showed")
    yield (
        "law",
        f"what the burst leaves over drains at what the base load leaves free: {plan.burst_seconds:g} s × "
        f"({plan.burst:g} − 1) ÷ (1 − {plan.base:g}) = {plan.law_seconds:.1f} s; above by what really "
        "arrived and was served",
    )
    if overload.users < overload.queue:
        yield (
            "note",
            f"of {overload.queue:,} requests that are left over, {overload.users:,} at most are at the server; the "
            "others wait in the generator, and count from when they were due",
        )
    for number, each in enumerate(overload.starts, 1):
        if each.invalid:
            yield "does not count", f"start {number}: {each.invalid}"


def text(overload: Overload, folder: Path | None) -> str:
    """Everything that is printed, and where it is stored."""
    return terminal.text(
        lambda _: [
            *(Text(answer, style="bold") for answer in answers(overload)),
            Text(),
            rotation.table(figures(overload)),
            Text(),
            terminal.facts(basis(overload)),
            *([] if folder is None else [Text(f"\n{terminal.where(folder)}")]),
        ]
    )
