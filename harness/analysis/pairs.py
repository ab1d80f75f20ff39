"""Which cells of a run can be compared: pairs that are equal in all but one axis, and never across workloads. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.model.axes import AXES, AxisName, options
from harness.model.comparison import Observation, Side
from harness.model.metrics import METRICS, MetricName, contrasted
from harness.stats.intervals import paired, usable


@dataclass(frozen=True, kw_only=True, slots=True)
class ComparedCell:
    """A cell with its values."""

    cell: str
    workload: str
    options: Mapping[AxisName, str]
    values: Mapping[MetricName, Mapping[int, float]]
    """Block → value, of those that have a logarithm."""
    at_ceiling: bool
    """Whether it is at its ceiling in any block: then it is so close that chance decides in which."""

    def side(self, axis: AxisName) -> Side:
        """The cell as one side of a contrast along an axis."""
        return Side(cell=self.cell, option=self.options[axis])


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """Two cells that are equal in all but one axis, in one metric."""

    stratum: str
    a: Side
    b: Side
    logs: Mapping[int, float]
    """Block → log(b ÷ a)."""
    excluded: str | None
    """The reason why the two cannot be contrasted; None where they can."""

    @property
    def sample(self) -> list[float]:
        """The log-ratios without their blocks."""
        return list(self.logs.values())


@dataclass(frozen=True, kw_only=True, slots=True)
class Family:
    """All pairs of a workload along an axis, in one metric."""

    workload: str
    axis: AxisName
    metric: MetricName
    pairs: Sequence[Pair]


def compared_cells(observations: Iterable[Observation]) -> list[ComparedCell]:
    """Cells with their values, in the order of their first visits; ValueError if one has two observations of the same
    block."""
    visits: dict[tuple[str, ...], list[Observation]] = {}
    for each in observations:
        visits.setdefault((each.cell.variant.application.work_label, *options(each.cell).values()), []).append(each)
    return [_compared_cell(each) for each in visits.values()]


def families(cells: Sequence[ComparedCell]) -> list[Family]:
    """All pairs that can be contrasted, by workload, axis and metric. Of a pair, a is the one whose option comes first
    in `cells`, whatever its workload and stratum."""
    groups: list[Family] = []
    for axis in (each.name for each in AXES):
        along = list(dict.fromkeys(each.options[axis] for each in cells))
        ordered = sorted(cells, key=lambda each: along.index(each.options[axis]))
        for workload in dict.fromkeys(each.workload for each in cells):
            strata = _strata([each for each in ordered if each.workload == workload], axis)
            groups.extend(_family(workload, axis, metric, strata) for metric in (each.name for each in contrasted()))
    return groups


def _compared_cell(visits: Sequence[Observation]) -> ComparedCell:
    first = visits[0]
    if len({visit.block for visit in visits}) < len(visits):
        raise ValueError(f"{first.cell.label} has two observations of the same block")
    return ComparedCell(
        cell=first.cell.label,
        workload=first.cell.variant.application.work_label,
        options=options(first.cell),
        values={
            metric: {visit.block: value for visit in visits if usable(value := visit.values.get(metric))}
            for metric in METRICS
        },
        at_ceiling=any(visit.at_ceiling for visit in visits),
    )


def _strata(cells: Sequence[ComparedCell], axis: AxisName) -> dict[str, list[ComparedCell]]:
    """Cells that are equal in all but the axis, by their other options; those that all have in common are left out."""
    others = [each.name for each in AXES if each.name != axis and len({cell.options[each.name] for cell in cells}) > 1]
    strata: dict[str, list[ComparedCell]] = {}
    for cell in cells:
        strata.setdefault(", ".join(cell.options[name] for name in others), []).append(cell)
    return strata


def _family(workload: str, axis: AxisName, metric: MetricName, strata: Mapping[str, Sequence[ComparedCell]]) -> Family:
    pairs = [
        _pair(axis, metric, stratum, a, b)
        for stratum, members in strata.items()
        for a, b in itertools.combinations(members, 2)
    ]
    return Family(workload=workload, axis=axis, metric=metric, pairs=pairs)


def _pair(axis: AxisName, metric: MetricName, stratum: str, a: ComparedCell, b: ComparedCell) -> Pair:
    logs = paired(a.values[metric], b.values[metric])
    at_ceiling = [each.options[axis] for each in (a, b) if each.at_ceiling and METRICS[metric].capped]
    excluded = None
    if at_ceiling:
        excluded = f"at its ceiling: {', '.join(at_ceiling)}"
    elif not logs:
        excluded = "no block in which both have a value"
    return Pair(stratum=stratum, a=a.side(axis), b=b.side(axis), logs=logs, excluded=excluded)
