"""What was asked: which options were measured, and under which load."""

from __future__ import annotations

from collections.abc import Sequence

from harness.model.application import UserApplication
from harness.model.axes import AXES
from harness.model.overview import Overview
from harness.report.words import load

MOST_OPTIONS = 6
"""That are named, of one axis."""


def question(overview: Overview) -> str:
    """What was measured: the options of each axis that the written forms name, and the load."""
    cells = [each.cell for each in overview.cells]
    parts: list[str] = []
    own = [each.variant.application for each in cells if isinstance(each.variant.application, UserApplication)]
    if own:
        parts.append(_listed("application", [each.work_label for each in own]))
        parts.append(_listed("request", list(dict.fromkeys(line for each in own for line in each.requests))))
    else:
        parts.append(_listed("workload", [each.variant.application.work_label for each in cells]))
    for axis in AXES:
        if axis.name != "load" and any(axis.part(each) for each in cells):
            parts.append(_listed(axis.label, [axis.option(each) for each in cells]))
    parts.append(_listed("load", [load(each.load) for each in cells]))
    return "; ".join(part for part in parts if part)


def _listed(what: str, options: Sequence[str]) -> str:
    distinct = list(dict.fromkeys(filter(None, options)))
    if not distinct:
        return ""
    if len(distinct) == 1:
        return f"{what} {distinct[0]}"
    named = f": {', '.join(distinct)}" if len(distinct) <= MOST_OPTIONS else ""
    return f"{len(distinct)} {what}s{named}"
