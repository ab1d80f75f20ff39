"""A duet as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rich.text import Text

from harness.model.duet import Duet
from harness.model.quantities import duration
from harness.report import terminal
from harness.report.words import ratio

COLOURS = {"faster": "green", "slower": "red", "equivalent": "dim", "undecided": "none"}
DATABASE = ("first_database_us", "second_database_us")
CANNOT = (
    "a duet tells what a request costs in CPU time. It cannot tell latency, capacity or anything that waits: "
    "both sides take each other's cores"
)


def text(duet: Duet, path: Path | None) -> str:
    """All of it."""
    end = [] if path is None else [Text(f"\n{terminal.where(path)}")]
    return terminal.text(lambda _: [*lines(duet), *end])


def lines(duet: Duet) -> Iterator[Text]:
    """Everything that is printed."""
    yield Text("CPU time per request", style="bold")
    servers = ("", "") if duet.servers is None else tuple(f"   ({each})" for each in duet.servers)
    yield Text(f"  {duet.second}{servers[1]}\n  ÷ {duet.first}{servers[0]}\n")
    yield Text.assemble(f"  {ratio(duet.ratio, digits=3)}   ", (answer(duet), f"bold {COLOURS[duet.verdict]}"))
    slices = sum(each.slices for each in duet.restarts if each.void is None)
    counted = sum(each.void is None for each in duet.restarts)
    enough = "" if duet.reached else f", which was not narrow enough (±{duet.delta:.1%} were asked for)"
    yield Text(f"  {counted} restarts, {slices} slices in {duration(duet.seconds)}{enough}", style="dim")
    costs = [_mean([each.first_us for each in duet.restarts]), _mean([each.second_us for each in duet.restarts])]
    yield Text(f"  about {costs[1]} against {costs[0]} µs per request, both at the same time", style="dim")
    if duet.database_cores is not None:
        own = [_mean([getattr(each, name) for each in duet.restarts]) for name in DATABASE]
        per = "" if "–" in own else f", about {own[1]} against {own[0]} µs per request"
        said = f"  Postgres used {duet.database_cores:.2f} cores for both{per}; it is in neither figure"
        yield Text(said, style="dim")
    for each in duet.interference:
        yield Text(
            f"  beside its partner's load, {each.cell} costs {ratio(each.ratio, digits=3)} of what it costs beside an "
            "idle one",
            style="dim",
        )
    for restart in duet.restarts:
        if restart.void is not None:
            yield Text(f"  restart {restart.number} does not count: {restart.void}", style="yellow")
    if duet.limit is not None:
        said = "costs more by over" if duet.worse else "does not for certain cost more by over"
        yield Text(f"  the second {said} {duet.limit:.0%}", style="bold red" if duet.worse else "green")
    yield Text(f"\n  {CANNOT}", style="dim")


def answer(duet: Duet, second: str = "the second") -> str:
    """What follows, in words; `second` names its second side."""
    if duet.reason:
        return f"{duet.verdict}: {duet.reason}"
    return {
        "faster": f"{second} costs less",
        "slower": f"{second} costs more",
        "equivalent": f"equivalent within ±{duet.delta:.1%}",
        "undecided": "undecided",
    }[duet.verdict]


def _mean(costs: list[float | None]) -> str:
    known = [cost for cost in costs if cost is not None]
    return f"{sum(known) / len(known):,.0f}" if known else "–"
