"""A plan as text: its cells, what it asks for that cannot exist, how long it will take, and the plan as a file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from harness.config.expand import Expansion
from harness.model.counting import counted
from harness.model.plan import Forecast, Plan
from harness.model.quantities import duration


def show(plan: Plan, expansion: Expansion, forecast: Forecast) -> None:
    """Print it to standard output."""
    print("\n".join(lines(plan, expansion, forecast)))


def lines(plan: Plan, expansion: Expansion, forecast: Forecast) -> Iterator[str]:
    """Everything that is printed."""
    sets = "at once" if len(forecast.sets) == 1 else f"in {len(forecast.sets)} sets that share a reference"
    most = max(forecast.seconds, forecast.most_seconds)
    yield from forecast.remarks
    yield (
        f"{counted(len(expansion.cells), 'configuration')}, up {sets}: {duration(forecast.seconds)} for the fewest "
        f"restarts, {duration(most)} at most"
    )
    yield (
        f"by then ratios of throughput are about ±{forecast.half_width:.1%} on a calm machine, two to three times "
        f"that on a busy one; it ends when all are within ±{forecast.precision:.1%}"
    )
    if forecast.seconds > forecast.most_seconds:
        yield f"--max-time {plan.max_time} is too short for a verdict on everything"
    for number, each in enumerate(forecast.sets, 1):
        yield ""
        if len(forecast.sets) > 1:
            yield f"set {number}"
        for at, place in enumerate(each.members):
            remarks = []
            if place == each.reference:
                remarks.append("reference")
            if place in each.members[:at]:
                remarks.append("once more: A/A")
            yield f"  {expansion.cells[place].label}{_remarked(remarks)}"
    if expansion.impossible:
        yield "\nunsupported combinations (skipped):"
        yield from (f"  {cell}: {reason}" for cell, reason in expansion.impossible)
    yield "\nthe same as a file:\n"
    yield from (f"  {line}" if line else "" for line in toml(plan))


def _remarked(remarks: Sequence[str]) -> str:
    return f"   ({', '.join(remarks)})" if remarks else ""


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
