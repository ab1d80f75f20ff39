"""How much a cell can take: what is asked of it (objectives), what a probe showed, and the answer.

A capacity is a rate of Poisson arrivals, in requests per second. Shares are of the requests that were due.
"""

from __future__ import annotations

import re
from typing import Literal

from harness.errors import UsageError
from harness.model import Value
from harness.model.comparison import Interval
from harness.model.measurement import Collector

Outcome = Literal["pass", "fail", "cannot tell", "invalid"]
"""Of a probe. What is invalid bounds nothing."""
OBJECTIVE = re.compile(r"p(\d{1,2}(?:\.\d+)?)\s*<=?\s*(\d+(?:\.\d+)?)\s*(ms|s)")
ERRORS = re.compile(r"errors\s*<=?\s*(\d+(?:\.\d+)?)\s*%")


class Objective(Value):
    """What must hold: at most a share of the requests is late, or fails."""

    text: str
    """As it is written: `p99<50ms`, `errors<0.1%`."""
    share: float
    """Of the requests that were due, that may miss it."""
    limit_ms: float | None
    """Within which a request must have its right answer, from the moment when it was due; None: it must have it."""


def parse_objective(text: str) -> Objective:
    """`p99<50ms` or `errors<0.1%`. UsageError where it is neither."""
    stripped = text.strip()
    if match := OBJECTIVE.fullmatch(stripped):
        share = round(1 - float(match[1]) / 100, 9)
        limit = float(match[2]) * (1000 if match[3] == "s" else 1)
        if limit and share < 1:
            return Objective(text=f"p{match[1]}<{match[2]}{match[3]}", share=share, limit_ms=limit)
    if match := ERRORS.fullmatch(stripped):
        share = float(match[1]) / 100
        if 0 < share < 1:
            return Objective(text=f"errors<{match[1]}%", share=share, limit_ms=None)
    raise UsageError(f"--objective {text}: not an objective", cure="write it as 'p99<50ms' or 'errors<0.1%'")


class Bounds(Value):
    """Between which rates a capacity lies, in requests per second, 95 %. None: nothing bounds it on that side."""

    low: float | None
    """The highest rate that held."""
    high: float | None
    """The lowest rate that did not."""
    estimate: float | None
    """Half of the chance lies below."""


class ProbePoint(Value):
    """A probe as a point of the curve."""

    number: int
    """Of the visit in the run, from 1."""
    rate: float
    seconds: float
    outcome: Outcome
    why: str
    """Of what is invalid, or which objective it missed."""
    served: float
    """Right answers per second, of requests that were due in the window."""
    goodput: float
    """Of those, within all objectives' limits."""
    missed: list[float]
    """Objective → share that missed it."""
    p50_ms: float | None
    p90_ms: float | None
    p99_ms: float | None
    in_flight: float | None
    """Requests under way on average, by Little's law: answers per second × mean latency."""
    cpu_cores: float
    cpu_us_per_request: float | None
    rss_bytes: int
    bound_by: str | None
    """What limits it, by the diagnosis."""
    collector: Collector | None = None
    """How often the garbage collector stopped its workers; None where that was not looked at."""


class CellCapacity(Value):
    """What a search found out about one cell."""

    cell: str
    """The cell's written form, without a load."""
    workers: int
    cores: int
    """Cores that its workers had."""
    bounds: Bounds
    by_objective: list[Bounds]
    """Of each objective by itself."""
    binding: str | None
    """The objective that is missed first."""
    cliff: bool
    """A few percent more, and nearly everything is late: there is no rate at which a little is."""
    reached: bool
    """The bounds are as close as was asked for."""
    at: ProbePoint | None
    """The probe that passed nearest to the highest rate that held; None where none is near."""
    points: list[ProbePoint]
    """All probes, in the order in which they were made."""
    closed_rps: float | None
    """What it served under closed load, from which the search began."""
    cost_per_million: float | None = None
    """Of a million requests at the highest rate that held, by the price of its cores; None where no price was given."""


class CapacityRatio(Value):
    """Two cells: b ÷ a of their capacities."""

    a: str
    b: str
    ratio: Interval


class Capacity(Value):
    """The answer."""

    kind: Literal["capacity"] = "capacity"
    objectives: list[Objective]
    precision: float
    """How close the bounds should come, as a share of the lower one."""
    rate: float | None = None
    """Requests per second that are to be served, where that was asked."""
    core_hour_price: float | None = None
    cells: list[CellCapacity]
    ratios: list[CapacityRatio]
    """Of each pair of cells; intervals of all of them hold at once."""
    notes: list[str]
    seconds: float
