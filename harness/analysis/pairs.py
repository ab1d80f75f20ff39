"""Which cells of a run can be compared: pairs that are equal in all but one axis, and never across workloads or loads.
Pure."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.analysis import bounds
from harness.analysis.verdicts import SHORT_TURNS, few_moments
from harness.model.axes import AXES, AxisName, options
from harness.model.comparison import Observation, Side
from harness.model.evaluation import Ceiling
from harness.model.metrics import METRICS, MetricName
from harness.stats import simultaneous
from harness.stats.intervals import usable
from harness.stats.simultaneous import Difference

SERVER = "server"
LOAD = "load"
"""The axis along which nothing is contrasted: cells under different loads are never up at once."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ComparedCell:
    """A cell with its values."""

    cell: str
    workload: str
    options: Mapping[AxisName, str]
    logs: Mapping[MetricName, Mapping[int, float]]
    """Restart → logarithm, of what has one."""
    sets: Mapping[int, int]
    """Restart → the set of cells that was up."""
    ceiling: Ceiling | None
    """The one that it is at in most of its restarts."""
    short_turns: bool
    tail_moments: Sequence[int | None]
    """Of its restarts."""

    def side(self, axis: AxisName) -> Side:
        """The cell as one side of a contrast along an axis."""
        return Side(cell=self.cell, option=self.options[axis])


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """Two cells that are equal in all but one axis, in one metric."""

    stratum: str
    a: Side
    b: Side
    difference: Difference | None
    """log(b ÷ a); None where the two cannot be compared."""
    logs: Sequence[float]
    """The same of each restart in which both were up; empty where they never were."""
    by_way_of: str | None
    """The cell that both were compared with, where they were never up at once."""
    excluded: str | None
    """The reason why the two cannot be contrasted; None where they can."""
    undecided: str | None
    """The reason why there can be no verdict on them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Family:
    """All pairs of a workload along an axis, in one metric, or those with one option only."""

    workload: str
    axis: AxisName
    metric: MetricName
    strata: Mapping[str, int]
    """Stratum → cells in it."""
    pairs: Sequence[Pair]
    against: str | None
    """The option with which all others are compared, and not with each other; None where all are."""


def compared_cells(observations: Iterable[Observation]) -> list[ComparedCell]:
    """Cells with their values, in the order of their first observations; ValueError if one has two of the same
    restart."""
    restarts: dict[tuple[str, ...], list[Observation]] = {}
    for each in observations:
        restarts.setdefault((each.cell.variant.application.work_label, *options(each.cell).values()), []).append(each)
    return [_compared_cell(each) for each in restarts.values()]


def _compared_cell(observed: Sequence[Observation]) -> ComparedCell:
    first = observed[0]
    if len({each.restart for each in observed}) < len(observed):
        raise ValueError(f"{first.cell.label} has two observations of the same restart")
    return ComparedCell(
        cell=first.cell.label,
        workload=first.cell.variant.application.work_label,
        options=options(first.cell),
        logs={
            metric: {each.restart: math.log(value) for each in observed if usable(value := each.values.get(metric))}
            for metric in METRICS
        },
        sets={each.restart: each.set for each in observed},
        ceiling=_ceiling([each.ceiling for each in observed]),
        short_turns=any(each.short_turns for each in observed),
        tail_moments=[each.tail_moments for each in observed],
    )


def _ceiling(ceilings: Sequence[Ceiling | None]) -> Ceiling | None:
    """The last one, where most restarts have one."""
    found = [each for each in ceilings if each is not None]
    return found[-1] if 2 * len(found) > len(ceilings) else None


class Differences:
    """How cells differ in one metric: by the restarts in which both were up, else by way of a third cell."""

    def __init__(self, cells: Sequence[ComparedCell], metric: MetricName) -> None:
        self._cells, self._metric = cells, metric
        self._shared = [each for each in cells if len(set(each.sets.values())) > 1]
        """Cells that were up in several sets: by way of them all others are compared."""
        self._noise = {number: self._noise_of(number) for number in {s for each in cells for s in each.sets.values()}}

    def of(self, a: ComparedCell, b: ComparedCell) -> tuple[Difference | None, list[float], str | None]:
        """log(b ÷ a), the same of each restart in which both were up, and the cell by way of which it was found."""
        direct = self._direct(a, b)
        if direct is not None:
            return direct, self._logs(a, b), None
        ways = []
        for other in self._shared:
            first, second = self._direct(other, a), self._direct(other, b)
            if first is not None and second is not None:
                ways.append((simultaneous.minus(second, first), other.cell))
        if not ways:
            return None, [], None
        difference, way = min(ways, key=lambda each: math.inf if each[0].error is None else each[0].error)
        return difference, [], way

    def _logs(self, a: ComparedCell, b: ComparedCell) -> list[float]:
        first, second = a.logs[self._metric], b.logs[self._metric]
        return [second[restart] - first[restart] for restart in sorted(first.keys() & second.keys())]

    def _direct(self, a: ComparedCell, b: ComparedCell) -> Difference | None:
        """None where the two were never up at once."""
        logs = self._logs(a, b)
        if not logs:
            return None
        sets = {a.sets[restart] for restart in a.logs[self._metric].keys() & b.logs[self._metric].keys()}
        noise = self._noise[next(iter(sets))] if len(sets) == 1 else None
        return simultaneous.difference(logs, noise)

    def _noise_of(self, number: int) -> simultaneous.Noise | None:
        """By how much the cells of a set vary; None where that is not known."""
        members = [
            {restart: value for restart, value in each.logs[self._metric].items() if each.sets[restart] == number}
            for each in self._cells
        ]
        members = [each for each in members if each]
        restarts = sorted(set.intersection(*map(set, members))) if members else []
        return simultaneous.noise([[each[restart] for each in members] for restart in restarts])


def families(cells: Sequence[ComparedCell], metrics: Sequence[MetricName], against: str | None = None) -> list[Family]:
    """All pairs that can be contrasted, by workload, axis and metric. Of a pair, a is the one whose option comes first
    in `cells`, whatever its workload and stratum. `against`: the server with which all other servers are compared, and
    not with each other; it is the a of each pair."""
    works = {
        name: [each for each in cells if each.workload == name] for name in dict.fromkeys(c.workload for c in cells)
    }
    differences = {
        (work, metric): Differences(members, metric) for work, members in works.items() for metric in metrics
    }
    groups: list[Family] = []
    for axis in (each.name for each in AXES if each.name != LOAD):
        base = against if axis == SERVER else None
        along = sorted(dict.fromkeys(each.options[axis] for each in cells), key=lambda option: option != base)
        for work, members in works.items():
            strata = _strata(sorted(members, key=lambda each: along.index(each.options[axis])), axis)
            groups += [_family(work, axis, metric, strata, differences[work, metric], base) for metric in metrics]
    return groups


def _strata(cells: Sequence[ComparedCell], axis: AxisName) -> dict[str, list[ComparedCell]]:
    """Cells that are equal in all but the axis, by their other options; those that all have in common are left out."""
    others = [each.name for each in AXES if each.name != axis and len({cell.options[each.name] for cell in cells}) > 1]
    strata: dict[str, list[ComparedCell]] = {}
    for cell in cells:
        strata.setdefault(", ".join(cell.options[name] for name in others), []).append(cell)
    return strata


def _family(
    workload: str,
    axis: AxisName,
    metric: MetricName,
    strata: Mapping[str, Sequence[ComparedCell]],
    differences: Differences,
    base: str | None,
) -> Family:
    pairs = [
        _pair(axis, metric, stratum, a, b, differences)
        for stratum, members in strata.items()
        for a, b in itertools.combinations(members, 2)
        if base in (None, a.options[axis])
    ]
    compared = {pair.stratum for pair in pairs}
    sizes = {stratum: len(members) for stratum, members in strata.items() if stratum in compared}
    return Family(workload=workload, axis=axis, metric=metric, strata=sizes, pairs=pairs, against=base)


def _pair(
    axis: AxisName, metric: MetricName, stratum: str, a: ComparedCell, b: ComparedCell, differences: Differences
) -> Pair:
    difference, logs, way = differences.of(a, b)
    excluded = None
    if a.ceiling is not None and bounds.same(a.ceiling, b.ceiling) and bounds.hides(a.ceiling, METRICS[metric]):
        excluded = f"both are at the same ceiling, {a.ceiling.limit}"
    elif difference is None:
        excluded = "no restart in which both have a value, nor a cell with which both were up"
    return Pair(
        stratum=stratum,
        a=a.side(axis),
        b=b.side(axis),
        difference=difference,
        logs=logs,
        by_way_of=way,
        excluded=excluded,
        undecided=_tail_reason(a, b) if METRICS[metric].tail else None,
    )


def _tail_reason(a: ComparedCell, b: ComparedCell) -> str | None:
    """Why there can be no verdict on the slowest requests of two cells."""
    if a.short_turns or b.short_turns:
        return SHORT_TURNS
    return next((why for each in (a, b) if (why := few_moments(each.cell, each.tail_moments))), None)
