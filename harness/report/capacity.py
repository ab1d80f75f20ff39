"""What a search for capacities says, in words: the answer first, then the curve, then what it rests on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from harness.analysis.probes import enough
from harness.model.capacity import Bounds, Capacity, CellCapacity, Outcome, ProbePoint
from harness.model.comparison import Interval
from harness.model.counting import counted
from harness.model.quantities import duration
from harness.report import rotation, terminal, words
from harness.report.members import Names, shortened
from harness.report.rotation import Grid

CLIFF = "a cliff: a few percent more, and nearly everything is late"


def exit_code(capacity: Capacity) -> int:
    """0 where every cell is bounded on both sides, 3 where one is not."""
    return 0 if all(each.bounds.low and each.bounds.high for each in capacity.cells) else 3


def title(capacity: Capacity) -> str:
    """What was searched."""
    names = _names(capacity)
    return "Capacity of " + ", ".join(filter(None, (" and ".join(names.short.values()), names.common)))


def question(capacity: Capacity) -> str:
    """What must hold."""
    return f"how many requests per second, arriving by chance, with {objectives(capacity)}"


def objectives(capacity: Capacity) -> str:
    """As they were written."""
    return " and ".join(each.text for each in capacity.objectives)


def heading(capacity: Capacity) -> str:
    """How much was measured, in how long."""
    return f"{counted(sum(len(each.points) for each in capacity.cells), 'probe')} in {duration(capacity.seconds)}"


def _names(capacity: Capacity) -> Names:
    return shortened([each.cell for each in capacity.cells])


def answers(capacity: Capacity) -> Iterator[str]:
    """What a cell holds, or which of several holds most; what a rate takes. Several are called by what they differ in:
    the rest stands in the title."""
    names = _names(capacity)
    for each in _answers(capacity):
        yield names.shortened(each) if len(capacity.cells) > 1 else each


def _answers(capacity: Capacity) -> Iterator[str]:
    bounded = [each for each in capacity.cells if None not in (each.bounds.low, each.bounds.high, each.bounds.estimate)]
    if len(bounded) > 1:
        yield from _ranking(bounded, capacity)
    for cell in capacity.cells:
        if len(bounded) < 2 or cell not in bounded:
            yield sentence(cell, capacity)
    if capacity.rate is not None:
        yield sizing(capacity, capacity.rate)


def _ranking(bounded: Sequence[CellCapacity], capacity: Capacity) -> Iterator[str]:
    """Which cell holds most, of those that may the one that does for sure, and how much of that every other holds; the
    table has their bounds."""
    first = max(bounded, key=lambda each: each.bounds.estimate or 0.0)
    behind = _less(_against(first, capacity))
    best = max((each for each in bounded if each.cell not in behind), key=lambda each: each.bounds.low or 0.0)
    ratios = _against(best, capacity)
    less = _less(ratios)
    near = [f"{cell} ({words.ratio(ratio)} as much)" for cell, ratio in ratios.items() if cell not in less]
    most = "holds most for sure" if near else "holds most"
    low, high = rate(best.bounds.low), rate(best.bounds.high)
    yield f"{best.cell} {most}: {low} requests per second with {objectives(capacity)}, and not {high}."
    if near:
        yield f"Inconclusive against it: {words.listed(near)}."
    if less:
        yield f"{words.listed([f'{cell} holds {words.ratio(ratio)} as much' for cell, ratio in less.items()])}."


def _against(cell: CellCapacity, capacity: Capacity) -> dict[str, Interval]:
    """Of each other cell: how much it holds ÷ what this one does."""
    ratios = {each.b: each.ratio for each in capacity.ratios if each.a == cell.cell}
    return ratios | {each.a: words.inverse(each.ratio) for each in capacity.ratios if each.b == cell.cell}


def _less(ratios: Mapping[str, Interval]) -> dict[str, Interval]:
    """Those that hold less."""
    return {cell: ratio for cell, ratio in ratios.items() if ratio.high is not None and ratio.high < 1}


def sentence(cell: CellCapacity, capacity: Capacity) -> str:
    """What a cell holds, and what it does not."""
    low, high, asked = cell.bounds.low, cell.bounds.high, objectives(capacity)
    if not cell.points:
        return f"{cell.cell} was not probed: nothing is known of its capacity."
    if low is None and high is None:
        return f"{cell.cell}: nothing bounds its capacity with {asked}."
    if low is None:
        return f"{cell.cell} does not hold {rate(high)} requests per second with {asked}; {_found(cell, 'pass')} hold."
    if high is None:
        return f"{cell.cell} holds {rate(low)} requests per second with {asked}; {_found(cell, 'fail')} not hold."
    why = f"; {cell.binding} is missed first" if cell.binding and len(capacity.objectives) > 1 else ""
    cliff = f", {CLIFF}" if cell.cliff else ""
    return (
        f"{cell.cell} holds {rate(low)} requests per second with {asked}, and does not hold {rate(high)}{why}{cliff}."
    )


def _measured(cell: CellCapacity) -> list[ProbePoint]:
    """Its probes that say something."""
    return [each for each in cell.points if each.outcome != "invalid"]


def _found(cell: CellCapacity, outcome: Outcome) -> str:
    """That no rate was seen, or by one start only, that did or did not hold."""
    rates = [each.rate for each in cell.points if each.outcome == outcome]
    return f"one start at {rate(rates[0])} did" if rates else "no rate was found that does"


def rate(value: float | None) -> str:
    """Three digits of requests per second."""
    if value is None:
        return "–"
    digits = max(0, 2 - math.floor(math.log10(value))) if value > 0 else 0
    return f"{round(value, 2 - math.floor(math.log10(value))):,.{digits}f}" if value > 0 else "0"


def sizing(capacity: Capacity, wanted: float) -> str:
    """What it takes to serve a rate: by what was measured, or, where nothing measured holds it, said to be a guess."""
    asked = f"For {rate(wanted)} requests per second with {objectives(capacity)}"
    cell = enough(capacity)
    if cell is not None and cell.bounds.low is not None:
        spare = cell.bounds.low / wanted - 1
        return (
            f"{asked}: {counted(cell.workers, 'worker')} on {counted(cell.cores, 'core')} of this machine "
            f"({cell.cell}), with {spare:.0%} to spare."
        )
    best = max(
        (each for each in capacity.cells if each.bounds.low), key=lambda each: each.bounds.low or 0, default=None
    )
    if best is None or not best.bounds.low:
        return f"{asked}: nothing that was measured is known to hold any rate."
    workers = math.ceil(best.workers * wanted / best.bounds.low)
    return (
        f"{asked}: nothing that was measured holds so much; {best.cell} holds {rate(best.bounds.low)}. If workers and "
        f"cores scaled in proportion, which was not measured, it would take {workers}: measure that with --workers "
        f"{workers}."
    )


def figures(capacity: Capacity) -> Grid:
    """Cell by cell: its bounds, what is likely between them, and what goes on at the highest rate that it held."""
    price = capacity.core_hour_price is not None
    head = [
        ("", ""),
        ("holds", "req/s"),
        ("likely", "req/s"),
        ("does not", "req/s"),
        ("served", "req/s"),
        ("p50", "ms"),
        ("p99", "ms"),
        ("in flight", "requests"),
        ("CPU", "cores"),
        ("memory", "MB"),
        *([("cost", "per 1M")] if price else []),
    ]
    return Grid(
        title="",
        head=head,
        rows=[_figures(each, short(capacity, each), price) for each in capacity.cells],
        verdicts=[""] * len(capacity.cells),
    )


def _figures(cell: CellCapacity, name: str, price: bool) -> list[str]:
    at = cell.at
    return [
        name,
        rate(cell.bounds.low),
        rate(cell.bounds.estimate),
        rate(cell.bounds.high),
        *(
            ["–"] * 6
            if at is None
            else [
                rate(at.served),
                _number(at.p50_ms, 1),
                _number(at.p99_ms, 1),
                _number(at.in_flight, 1),
                _number(at.cpu_cores, 2),
                _number(at.rss_bytes / 1e6, 0),
            ]
        ),
        *([_number(cell.cost_per_million, 4)] if price else []),
    ]


def stable(cell: CellCapacity, point: ProbePoint) -> bool:
    """Whether latency is of the server, not of how long a queue was left to grow."""
    return point.outcome != "fail" if cell.bounds.high is None else point.rate <= cell.bounds.high


def curve(cell: CellCapacity, name: str) -> Grid:
    """All probes by their rates. Latency is told where the queue is stable only."""
    points = sorted(_measured(cell), key=lambda each: each.rate)
    rows = []
    for each in points:
        latencies = (each.p50_ms, each.p90_ms, each.p99_ms) if stable(cell, each) else (None, None, None)
        rows.append(
            [
                rate(each.rate),
                rate(each.goodput),
                *(_number(value, 1) for value in latencies),
                " / ".join(f"{share:.2%}" for share in each.missed),
                each.outcome,
            ]
        )
    return Grid(
        title=name,
        head=[
            ("offered", "req/s"),
            ("in time", "req/s"),
            ("p50", "ms"),
            ("p90", "ms"),
            ("p99", "ms"),
            ("missed", "share"),
            ("verdict", ""),
        ],
        rows=rows,
        verdicts=[_verdict(each.outcome) for each in points],
    )


def _verdict(outcome: str) -> str:
    return {"pass": "faster", "fail": "slower"}.get(outcome, "undecided")


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"


def basis(capacity: Capacity) -> Iterator[tuple[str, str]]:
    """What the answer rests on."""
    yield (
        "how sure",
        "95% that a capacity lies between both rates, by all probes together, each of which is a fresh start; a bound "
        "rests on two at least; half of the chance lies below what is likely, and ratios are of that",
    )
    yield "measured", heading(capacity)
    for cell in capacity.cells:
        if cell.at is not None and cell.at.cpu_us_per_request is not None:
            bound = "" if cell.at.bound_by in (None, "rate") else f", bound by {cell.at.bound_by}"
            cost = f"{cell.at.cpu_us_per_request:,.0f} µs CPU per request"
            yield "there", f"{short(capacity, cell)}: {cost} at {rate(cell.at.rate)} req/s{bound}"
        if cell.at is None and cell.bounds.low is not None:
            yield "there", f"{short(capacity, cell)}: no start that held was near the rate that it holds (–)"
        if cell.cliff and len(capacity.cells) > 1:
            yield "there", f"{short(capacity, cell)}: {CLIFF}"
        if len(capacity.objectives) > 1:
            yield "objectives", f"{short(capacity, cell)}: " + "; ".join(_objectives(capacity, cell.by_objective))
    if capacity.core_hour_price is not None:
        yield (
            "price",
            f"{capacity.core_hour_price:g} for a core and hour, of which follows the cost of a million requests: all "
            "cores of a cell at the rate that it holds",
        )
    yield from (("note", _names(capacity).shortened(each)) for each in capacity.notes)


def _objectives(capacity: Capacity, bounds: Sequence[Bounds]) -> Iterator[str]:
    for objective, each in zip(capacity.objectives, bounds, strict=True):
        yield f"{objective.text} {rate(each.low)} to {rate(each.high)}"


def grids(capacity: Capacity) -> list[Grid]:
    """All tables, without cells that were not probed: a search that was interrupted early has such."""
    probed = [each for each in capacity.cells if _measured(each)]
    return [figures(capacity), *(curve(each, short(capacity, each)) for each in probed)] if probed else []


def short(capacity: Capacity, cell: CellCapacity) -> str:
    """A cell by what it differs in from the others."""
    return _names(capacity).short[cell.cell]


def text(capacity: Capacity, folder: Path | None) -> str:
    """Everything that is printed about a search, and where it is stored."""
    return terminal.text(lambda _: _parts(capacity, folder))


def _parts(capacity: Capacity, folder: Path | None) -> Iterator[Text | Table]:
    if len(capacity.cells) > 1:
        yield Text(f"{_names(capacity).common}: {question(capacity)}\n")
    for answer in answers(capacity):
        yield Text(answer, style="bold")
    for grid in grids(capacity):
        yield Text()
        yield rotation.table(grid)
    yield Text()
    yield terminal.facts(basis(capacity))
    if folder is not None:
        yield Text(f"\n{terminal.where(folder)}")
