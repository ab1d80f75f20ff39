"""A duet in words: as text for a terminal, and as facts for Markdown and the page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rich.text import Text

from harness.model.duet import Duet
from harness.model.quantities import duration
from harness.report import terminal
from harness.report.words import ratio

CANNOT = (
    "a duet tells what a request costs in CPU time. It cannot tell latency, capacity or anything that waits: "
    "both sides take each other's cores"
)


def text(duet: Duet, path: Path | None) -> str:
    """A duet, and where it is stored if that is to be said."""
    end = [] if path is None else [Text(f"\n{terminal.where(path)}")]
    return terminal.text(lambda _: [*lines(duet), *end])


def lines(duet: Duet) -> Iterator[Text]:
    """The answer, what it rests on, and what it cannot tell."""
    yield Text("CPU time per request", style="bold")
    servers = ("", "") if duet.servers is None else tuple(f"   ({each})" for each in duet.servers)
    yield Text(f"  {duet.second}{servers[1]}\n  ÷ {duet.first}{servers[0]}\n")
    colour = terminal.COLOURS.get(duet.verdict, "none")
    yield Text.assemble(f"  {ratio(duet.ratio, digits=3)}   ", (answer(duet), f"bold {colour}"))
    slices = sum(each.slices for each in duet.restarts if each.void is None)
    counted = sum(each.void is None for each in duet.restarts)
    enough = "" if duet.reached else f", which was not narrow enough (±{duet.delta:.1%} were asked for)"
    yield Text(f"  {counted} restarts, {slices} slices in {duration(duet.seconds)}{enough}", style="dim")
    yield Text(f"  about {_costs(duet, 'us')} µs per request, both at the same time", style="dim")
    if duet.database_cores is not None:
        costs = _costs(duet, "database_us")
        per = "" if "–" in costs else f", about {costs} µs per request"
        used = f"  Postgres used {duet.database_cores:.2f} cores for both{per}; it is in neither figure"
        yield Text(used, style="dim")
    for each in duet.interference:
        beside = ratio(each.ratio, digits=3)
        yield Text(
            f"  beside its partner's load, {each.cell} costs {beside} of what it costs beside an idle one", style="dim"
        )
    for restart in duet.restarts:
        if restart.void is not None:
            yield Text(f"  restart {restart.number} does not count: {restart.void}", style="yellow")
    if duet.limit is not None:
        more = "costs more by over" if duet.worse else "does not for certain cost more by over"
        yield Text(f"  the second {more} {duet.limit:.0%}", style="bold red" if duet.worse else "green")
    yield Text(f"\n  {CANNOT}", style="dim")


def facts(duet: Duet) -> Iterator[tuple[str, str]]:
    """Name and text of everything that there is to say."""
    servers = ("", "") if duet.servers is None else tuple(f", {each}" for each in duet.servers)
    yield "second", duet.second + servers[1]
    yield "first", duet.first + servers[0]
    yield "CPU time per request, second ÷ first", ratio(duet.ratio, digits=3)
    yield "verdict", answer(duet)
    yield "asked for", f"±{duet.delta:.1%}" + ("" if duet.reached else ", not reached")
    counted = [each for each in duet.restarts if each.void is None]
    yield "restarts", f"{len(counted)} of {len(duet.restarts)} count, {sum(each.slices for each in counted)} slices"
    yield "second against first, µs per request", _costs(duet, "us")
    if duet.database_cores is not None:
        yield "Postgres", f"{duet.database_cores:.2f} cores for both, in neither figure"
    for each in duet.interference:
        beside = ratio(each.ratio, digits=3)
        yield "interference", f"beside its partner's load {each.cell} costs {beside} of its cost alone"
    if duet.limit is not None:
        yield "limit", f"{duet.limit:.0%}: {'exceeded' if duet.worse else 'not exceeded for certain'}"


def cost(duet: Duet) -> str:
    """The verdict in words of cost: `costs less`."""
    return {"faster": "costs less", "slower": "costs more"}.get(duet.verdict, duet.verdict)


def summary(duet: Duet) -> str:
    """A duet among several, on two lines."""
    return f"{duet.second}\n    {ratio(duet.ratio, of=duet.first, digits=3)}: {cost(duet)}"


def answer(duet: Duet) -> str:
    """What follows, in words."""
    if duet.reason:
        return f"{duet.verdict}: {duet.reason}"
    if duet.verdict in ("faster", "slower"):
        return f"the second {cost(duet)}"
    return f"equivalent within ±{duet.delta:.1%}" if duet.verdict == "equivalent" else "undecided"


def _costs(duet: Duet, name: str) -> str:
    """Second against first, each the mean of the restarts that tell it."""
    costs = []
    for side in ("second", "first"):
        values = [value for each in duet.restarts if (value := getattr(each, f"{side}_{name}")) is not None]
        costs.append(f"{sum(values) / len(values):,.0f}" if values else "–")
    return " against ".join(costs)
