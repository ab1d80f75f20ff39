"""Which cells of a run can be compared: pairs that are equal in all but one axis, and never across workloads. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

from harness.judge.statistics import paired, usable
from harness.model.comparison import Axis, Metric, Observation, Side

METRICS: tuple[Metric, ...] = get_args(Metric)
CONTRASTED: tuple[Metric, ...] = ("throughput_rps", "p50_ms", "p99_ms", "cpu_us_per_request")
BOUND_BY_CEILING: frozenset[Metric] = frozenset({"throughput_rps", "p50_ms", "p99_ms"})
"""At a cell's ceiling these say what limits it, and nothing about the cell."""
AXES: tuple[Axis, ...] = get_args(Axis)


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """A cell in an environment, with its values."""

    environment: str
    cell: str
    workload: str
    options: Mapping[Axis, str]
    values: Mapping[Metric, Mapping[int, float]]
    """Block → value, of those that have a logarithm."""
    at_ceiling: bool
    """In any block: then it is so close that chance decides in which."""

    def side(self, axis: Axis) -> Side:
        """As it is named in what is compared along an axis."""
        return Side(environment=self.environment, cell=self.cell, option=self.options[axis])


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """Two subjects that are equal in all but one axis, in one metric."""

    stratum: str
    a: Side
    b: Side
    logs: Mapping[int, float]
    """Block → log(b ÷ a)."""
    excluded: str | None
    """Why they cannot be contrasted."""

    @property
    def sample(self) -> list[float]:
        """The log-ratios without their blocks."""
        return list(self.logs.values())


@dataclass(frozen=True, kw_only=True, slots=True)
class Family:
    """All pairs of a workload along an axis, in one metric."""

    workload: str
    axis: Axis
    metric: Metric
    pairs: Sequence[Pair]


def subjects(observations: Iterable[Observation]) -> list[Subject]:
    """In the order of their first visits; ValueError if one has two observations of the same block."""
    visits: dict[tuple[str, ...], list[Observation]] = {}
    for each in observations:
        visits.setdefault((each.cell.application.work, *_options(each).values()), []).append(each)
    return [_subject(each) for each in visits.values()]


def families(found: Sequence[Subject]) -> list[Family]:
    """Of a pair, a is the one whose option comes first in `found`, whatever its workload and stratum."""
    made: list[Family] = []
    for axis in AXES:
        options = list(dict.fromkeys(each.options[axis] for each in found))
        ordered = sorted(found, key=lambda each: options.index(each.options[axis]))
        for workload in dict.fromkeys(each.workload for each in found):
            strata = _strata([each for each in ordered if each.workload == workload], axis)
            made.extend(_family(workload, axis, metric, strata) for metric in CONTRASTED)
    return made


def _subject(visits: Sequence[Observation]) -> Subject:
    first = visits[0]
    if len({visit.block for visit in visits}) < len(visits):
        raise ValueError(f"{first.cell.id} has two observations of the same block")
    return Subject(
        environment=first.environment,
        cell=first.cell.id,
        workload=first.cell.application.work,
        options=_options(first),
        values={
            metric: {visit.block: value for visit in visits if usable(value := visit.values.get(metric))}
            for metric in METRICS
        },
        at_ceiling=any(visit.at_ceiling for visit in visits),
    )


def _options(observation: Observation) -> dict[Axis, str]:
    """A cell's place on each axis, such that different places have different texts."""
    cell = observation.cell
    return {
        "environment": observation.environment,
        "server": cell.served_by,
        "framework": cell.application.framework,
        "style": cell.application.style,
        "workers": f"w{cell.workers}",
        "threads": f"t{cell.threads}",
        "pool_size": "no pool" if cell.pool_size is None else f"p{cell.pool_size}",
        "load": cell.load,
    }


def _strata(found: Sequence[Subject], axis: Axis) -> dict[str, list[Subject]]:
    """Those that are equal in all but the axis, by their other options; what all have in common goes without saying."""
    varied = [each for each in AXES if each != axis and len({subject.options[each] for subject in found}) > 1]
    strata: dict[str, list[Subject]] = {}
    for subject in found:
        strata.setdefault(", ".join(subject.options[each] for each in varied), []).append(subject)
    return strata


def _family(workload: str, axis: Axis, metric: Metric, strata: Mapping[str, Sequence[Subject]]) -> Family:
    pairs = [
        _pair(axis, metric, stratum, a, b)
        for stratum, members in strata.items()
        for a, b in itertools.combinations(members, 2)
    ]
    return Family(workload=workload, axis=axis, metric=metric, pairs=pairs)


def _pair(axis: Axis, metric: Metric, stratum: str, a: Subject, b: Subject) -> Pair:
    logs = paired(a.values[metric], b.values[metric])
    at_ceiling = [each.options[axis] for each in (a, b) if each.at_ceiling and metric in BOUND_BY_CEILING]
    excluded = None
    if at_ceiling:
        excluded = f"at its ceiling: {', '.join(at_ceiling)}"
    elif not logs:
        excluded = "no block in which both have a value"
    return Pair(stratum=stratum, a=a.side(axis), b=b.side(axis), logs=logs, excluded=excluded)
