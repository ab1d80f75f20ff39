"""A duet in words: as text for a terminal, and as facts for Markdown and the page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rich.console import RenderableType
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
    return terminal.text(lambda _: [*parts(duet), *end])


def parts(duet: Duet) -> Iterator[RenderableType]:
    """The answer, what it rests on, and what it cannot tell."""
    yield Text("CPU time per request, loaded at the same time\n", style="bold")
    yield terminal.facts(facts(duet))
    yield Text(f"\n  {CANNOT}", style="dim")


def facts(duet: Duet) -> Iterator[tuple[str, str]]:
    """Name and text of everything that there is to say."""
    servers = ("", "") if duet.servers is None else tuple(f" ({each})" for each in duet.servers)
    yield "second", duet.second + servers[1]
    yield "first", duet.first + servers[0]
    yield "second ÷ first", ratio(duet.ratio, digits=3)
    yield "verdict", answer(duet)
    yield "asked for", f"±{duet.delta:.1%}" + ("" if duet.reached else ", not reached")
    counted = [each for each in duet.restarts if each.void is None]
    slices = sum(each.slices for each in counted)
    yield "restarts", f"{len(counted)} of {len(duet.restarts)} count, {slices} slices in {duration(duet.seconds)}"
    yield "µs per request", f"second against first {_costs(duet, 'us')}, both at the same time"
    if duet.database_cores is not None:
        costs = _costs(duet, "database_us")
        per = "" if "–" in costs else f", {costs} µs per request"
        yield "Postgres", f"{duet.database_cores:.2f} cores for both{per}; in neither figure"
    for each in duet.interference:
        beside = ratio(each.ratio, digits=3)
        yield (
            "interference",
            f"beside its partner's load {each.cell} costs {beside} of what it costs beside an idle one",
        )
    for restart in duet.restarts:
        if restart.void is not None:
            yield "void", f"restart {restart.number} does not count: {restart.void}"
    if duet.limit is not None:
        more = "costs more by over" if duet.worse else "does not for certain cost more by over"
        yield "limit", f"the second {more} {duet.limit:.0%}"


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
