"""A plan as text: its cells, what it asks for that cannot exist, how long it will take, and the plan as a file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from harness.config.expand import Expansion, order, repeated
from harness.model.counting import counted
from harness.model.load import Timing
from harness.model.plan import Plan
from harness.model.quantities import duration

OVERHEAD_SECONDS = 3.0
"""What a visit takes besides warm-up and window, by experience."""


def show(plan: Plan, expansion: Expansion, timing: Timing) -> None:
    """Print it to standard output."""
    print("\n".join(lines(plan, expansion, timing)))


def lines(plan: Plan, expansion: Expansion, timing: Timing) -> Iterator[str]:
    """Everything that is printed."""
    visits = sum(map(len, order(len(expansion.cells), plan.blocks, plan.seed)))
    blocks = counted(plan.blocks, "block")
    cells = "1 cell, visited" if len(expansion.cells) == 1 else f"{len(expansion.cells)} cells, one of them"
    each = timing.warmup_seconds + timing.window_seconds + OVERHEAD_SECONDS
    yield (
        f"{cells} twice, in {blocks}: {visits} visits of "
        f"{timing.warmup_seconds:g} s warm-up and {timing.window_seconds:g} s window, about {duration(visits * each)}"
    )
    yield ""
    twice = repeated(expansion)
    yield from (
        f"  {cell.label}{'   (twice in each block: A/A)' if place == twice else ''}"
        for place, cell in enumerate(expansion.cells)
    )
    if expansion.impossible:
        yield "\ncannot exist, and left out:"
        yield from (f"  {cell}: {reason}" for cell, reason in expansion.impossible)
    yield "\nthe same as a file:\n"
    yield from (f"  {line}" if line else "" for line in toml(plan))


def toml(plan: Plan) -> Iterator[str]:
    """The plan as TOML."""
    document = plan.model_dump(mode="json", exclude_unset=True, exclude_none=True, by_alias=True)
    groups, application = document.pop("cells"), document.pop("application", None)
    yield from (f"{name} = {_value(value)}" for name, value in document.items())
    for head, table in (("[application]", application), *(("[[cells]]", group) for group in groups)):
        if table is not None:
            yield ""
            yield head
            yield from (f"{name} = {_value(value)}" for name, value in table.items())


def _value(value: Any) -> str:
    """Of strings, numbers and lists of them JSON is written the same."""
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{json.dumps(key)} = {_value(item)}' for key, item in value.items())} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    return json.dumps(value, ensure_ascii=False)
