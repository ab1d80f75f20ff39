"""How the cells of a run compare over its restarts: the values that go in, and what is said of them.

Ratios are dimensionless. A ratio's distance from 1 is told as a fraction, the larger ÷ the smaller − 1, so that it is
the same from either side. A cell is named by its written form, an option as there (`w2`, `c100`).
"""

from __future__ import annotations

import math
from typing import Literal

from harness.model import Value
from harness.model.axes import AxisName
from harness.model.evaluation import Ceiling
from harness.model.metrics import MetricName
from harness.model.variant import Cell

ContrastVerdict = Literal["equivalent", "faster", "slower", "undecided"]

TOO_FEW = "too few restarts"
"""Why nothing is told of what was measured in too few of them."""


class Observation(Value):
    """A cell in one restart, if it was valid; failed and invalid ones are left out."""

    cell: Cell
    restart: int
    """Number in the run: cells of one restart are paired."""
    set: int = 1
    """Of the cells that were up at once."""
    values: dict[MetricName, float | None]
    """In the unit that the metric's name says. What is None, zero or missing takes no part."""
    ceiling: Ceiling | None = None
    """The ceiling that it is at; None where it is below."""
    short_turns: bool = False
    """It was loaded in turns so short that the slowest requests of a long window may be others."""
    tail_moments: int | None = None
    """Separate moments at which its slowest requests ended, p99 and beyond; None where the generator does not tell."""
    repeat: bool = False
    """The second of the cell that is there twice."""


class Interval(Value):
    """A geometric mean over restarts with its t interval, in the unit of the values; of ratios, dimensionless."""

    estimate: float
    low: float | None
    """None, as `high`, where the restarts bound nothing: there is one only, or the bound is beyond any number."""
    high: float | None
    n: int
    """Restarts."""

    @property
    def half_width(self) -> float | None:
        """As a fraction: the interval reaches from the estimate ÷ (1 + this) to the estimate × (1 + this)."""
        if self.low is None or self.high is None or self.low <= 0:
            return None
        return math.sqrt(self.high / self.low) - 1


class Side(Value):
    """One cell of a contrast or ranking."""

    cell: str
    """The cell's written form."""
    option: str
    """Its option along the axis."""


class Mean(Value):
    """A metric of one cell over its restarts, 95 %. Latency has none: quantiles are pooled, never averaged."""

    cell: str
    """The cell's written form."""
    metric: MetricName
    interval: Interval


class Control(Value):
    """The cell that is there twice, in one metric: what the two differ by is no difference of cells."""

    cell: str
    """The cell's written form."""
    metric: MetricName
    ratio: Interval
    """Second ÷ first, over restarts; intervals of all metrics hold at once."""
    excludes_one: bool
    """Something else than the cells is at work, and differences as small as this one are not to be trusted."""


class Contrast(Value):
    """Two cells that are equal in all but one axis, compared in one metric. The verdict is of b: `faster` than a."""

    workload: str
    """With its parameters, such as `sleep?ms=100`."""
    axis: AxisName
    metric: MetricName
    stratum: str
    """Options along the other axes, of those that vary within the workload."""
    a: Side
    b: Side
    ratio: Interval
    """b ÷ a; the intervals of the family hold at once, 95 %, although one stops when they are narrow."""
    p: float | None
    """Two-sided, of the ratio being 1; None with one restart."""
    p_holm: float | None
    """The same, adjusted for all contrasts of the run (Holm)."""
    hodges_lehmann: float | None
    """b ÷ a as the median of all pairwise means of the log-ratios, which outliers hardly move; None of two cells that
    were never up at once."""
    by_way_of: str | None
    """Of two cells that were never up at once: the cell that both were compared with."""
    verdict: ContrastVerdict
    """For latency and CPU, less is `faster`."""
    reason: str | None
    """Why there can be no verdict."""
    could_be: float | None
    """The largest difference inside of the shown interval, as a fraction; None where the interval is unbounded."""


class Excluded(Value):
    """A contrast that cannot be made."""

    workload: str
    axis: AxisName
    metric: MetricName
    stratum: str
    a: Side
    b: Side
    reason: str


class TieGroup(Value):
    """Cells between which nothing is decided, seen from the best of them, which comes first."""

    members: list[Side]


class Ranking(Value):
    """The cells of one stratum along an axis, best group first.

    Sorted by estimate. The first group holds everything that is not decided to be slower than its best member; the next
    one is made likewise from the rest. So two members of a group may still be decided against each other, and a group
    may hold a cell that is behind one of the next group but too noisy to be decided.
    """

    workload: str
    axis: AxisName
    metric: MetricName
    stratum: str
    groups: list[TieGroup]
    unranked: list[Side]
    """Those that no contrast could be made with, such as cells at their ceiling."""


class MainEffect(Value):
    """b against a over all strata of a workload: the mean of the simple effects, where one number can stand for them.

    The simple effects are the contrasts of the same workload, axis, metric and options.
    """

    workload: str
    axis: AxisName
    metric: MetricName
    a: str
    b: str
    """Options along the axis."""
    strata: int
    effect: Interval | None
    """b ÷ a, 95 % over all main effects of the family together; None where it is withheld."""
    farthest: str | None
    """The stratum whose simple effect deviates most from the mean; None where there is no mean."""
    deviation: float | None
    """By how much, as a fraction."""
    reason: str | None
    """Why it is withheld."""


class Comparison(Value):
    """Everything that the restarts of a run say about its cells."""

    margin: float
    """Difference, as a fraction, below which two cells are taken for equivalent."""
    against: str | None
    """The server with which all others were compared, and not with each other; None where all were. Then servers have
    no ranking."""
    controls: list[Control]
    """Empty where no cell is there twice."""
    means: list[Mean]
    contrasts: list[Contrast]
    excluded: list[Excluded]
    rankings: list[Ranking]
    main_effects: list[MainEffect]


class RunContrast(Value):
    """The same cell in two runs, in one metric. The verdict is of the second run: `faster` than the first."""

    name: str
    """The cell's, as both runs have it."""
    metric: MetricName
    ratio: Interval
    """Second ÷ first beyond what all cells have in common, 95 % over all cells together (Bonferroni). Restarts of two
    runs are no pairs, so the interval is that of Welch's t; `n` is the smaller number of restarts."""
    p: float | None
    p_holm: float | None
    verdict: ContrastVerdict
    reason: str | None
    """Why there can be no verdict."""
    could_be: float | None
    """The largest difference inside of the shown interval, as a fraction; None where the interval is unbounded."""
    worse: bool | None
    """Whether the whole interval lies beyond the limit that was asked for; None without one."""


class RunComparison(Value):
    """Two runs, cell by cell."""

    metric: MetricName
    margin: float
    """Difference, as a fraction, below which two are taken for equivalent: the larger margin of the two runs."""
    limit: float | None
    """How much worse the second run may be, as a fraction."""
    shift: Interval | None
    """Second ÷ first of all cells together, which is taken for the machine's; None of fewer than three cells."""
    contrasts: list[RunContrast]
    excluded: list[tuple[str, str]]
    """Cells that cannot be compared, with the reason."""
