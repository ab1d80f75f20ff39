"""A stored run read anew: what it measured evaluated and compared under this version of the protocol. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from datetime import datetime

from harness.analysis import behaviour, overview, rotation
from harness.analysis.runs import compare_runs
from harness.analysis.verdicts import MARGIN
from harness.errors import UsageError
from harness.model.axes import refuse_unknown_server
from harness.model.comparison import RunComparison
from harness.model.labels import twin
from harness.model.metrics import MetricName
from harness.model.overview import Overview
from harness.model.quantities import parse_fraction
from harness.model.record import (
    CapacityRecord,
    FailureRecord,
    MatrixRecord,
    MeasurementRecord,
    OverloadRecord,
    RecommendationRecord,
    RotationRecord,
    StoredRun,
)
from harness.model.rotation import Restart


def review(stored: StoredRun) -> Overview:
    """The overview of a run so far, be it a matrix, finished or not, or a single cell."""
    record = stored.record
    matrix = record if isinstance(record, MatrixRecord) else None
    in_sets = record if isinstance(record, MatrixRecord | RecommendationRecord) else None
    return overview.overview(
        visits(stored),
        overview.Question(
            title=None if matrix is None else matrix.plan.title,
            precision=None if matrix is None else parse_fraction("precision", matrix.plan.precision),
            margin=_margin(stored),
            against=None if matrix is None else matrix.plan.against,
        ),
        sets=max(1, len(in_sets.sets)) if in_sets else 1,
        finished=in_sets is None or in_sets.finished,
        seconds=_seconds(stored),
        notes=list(behaviour.told(remarks(stored.restarts))) if in_sets else [],
        impossible=in_sets.impossible if in_sets else [],
    )


def against(stored: StoredRun, server: str) -> StoredRun:
    """The same run, whose servers are all compared with one of them and not with each other. UsageError where it is no
    matrix, or where no cell has that server."""
    record = stored.record
    if not isinstance(record, MatrixRecord):
        raise UsageError(f"--against {server}: {stored.folder} is no matrix", cure="leave it out")
    refuse_unknown_server(server, record.cells)
    plan = record.plan.model_copy(update={"against": server})
    return dataclasses.replace(stored, record=record.model_copy(update={"plan": plan}))


def _margin(stored: StoredRun) -> float:
    record = stored.record
    if isinstance(record, RecommendationRecord):
        return record.margin
    return parse_fraction("margin", record.plan.margin) if isinstance(record, MatrixRecord) else MARGIN


def compare(
    first: StoredRun, second: StoredRun, metric: MetricName, limit: float | None, *, anyway: bool
) -> RunComparison:
    """Contrast two runs cell by cell. UsageError where they were not measured alike, unless `anyway`."""
    for each in (first, second):
        if isinstance(each.record, RotationRecord | CapacityRecord | OverloadRecord):
            raise UsageError(
                f"{each.folder} is no matrix and no single cell: it compares its cells itself",
                cure="give runs of matrices or single cells; a report of it shows its answer",
            )
    differences = list(_differences(first, second))
    if differences and not anyway:
        raise UsageError(
            f"{first.folder} and {second.folder} are not comparable: {'; '.join(differences)}",
            cure="measure both alike, or compare them anyway and mind the difference",
        )
    observations = [overview.observations(overview.evaluate_all(visits(each))) for each in (first, second)]
    margin = max(_margin(first), _margin(second))
    return compare_runs(observations[0], observations[1], metric, margin, limit)


def _differences(first: StoredRun, second: StoredRun) -> Iterator[str]:
    """Circumstances in which two runs differ, so that their figures would differ whatever was measured."""
    protocols = [sorted({visit.protocol for visit in each.visits}) for each in (first, second)]
    if protocols[0] != protocols[1]:
        yield f"protocol {protocols[0]} and {protocols[1]}"
    hosts = [each.record.host.identity for each in (first, second)]
    for name in hosts[0]:
        if hosts[0][name] != hosts[1][name]:
            yield f"the host's {name} is {hosts[0][name]} and {hosts[1][name]}"
    windows = [each.record.timing.window_seconds for each in (first, second)]
    if windows[0] != windows[1]:
        yield f"window_seconds is {windows[0]} and {windows[1]}"
    if first.record.pin != second.record.pin:
        yield f"pin is {first.record.pin} and {second.record.pin}"
    generators = [_generators(each) for each in (first, second)]
    if generators[0] != generators[1]:
        yield f"the load generator is {' and '.join(' or '.join(each) or 'none' for each in generators)}"


def _generators(stored: StoredRun) -> list[str]:
    return sorted({each.generator.name for each in stored.visits if isinstance(each, MeasurementRecord)})


def visits(stored: StoredRun) -> list[overview.Visit]:
    """Each cell in each restart, in the order of the run's cells: of two cells that are compared, the one that comes
    first is the base."""
    places = {cell.label: place for place, cell in enumerate(stored.record.cells)}
    whole = {restart.number for restart in stored.restarts}
    in_turn = isinstance(stored.record, MatrixRecord | RecommendationRecord) and bool(stored.record.sets)
    values = _compared_values(stored.restarts)
    last: dict[tuple[int, int], MeasurementRecord | FailureRecord] = {}
    for each in stored.visits:
        if in_turn and isinstance(each, MeasurementRecord) and (each.place is None or each.place.restart not in whole):
            continue  # a harness that was killed had not stored the rest of its restart
        # A cell that is measured alone is measured again where others disturbed it: the last one counts.
        last[(1, 1) if each.place is None else (each.place.restart, each.place.member)] = each
    in_order = sorted(last.items(), key=lambda item: (places[item[1].cell.label], item[0][0], _repeat(item[1])))
    return [
        overview.Visit(
            cell=each.cell,
            restart=restart,
            set=1 if each.place is None else each.place.set,
            repeat=_repeat(each),
            facts=each if isinstance(each, MeasurementRecord) else None,
            failure=each.reasons[0] if isinstance(each, FailureRecord) else None,
            values=values.get((restart, twin(each.cell.label) if _repeat(each) else each.cell.label), {}),
        )
        for (restart, _), each in in_order
    ]


def _repeat(visit: MeasurementRecord | FailureRecord) -> bool:
    return visit.place is not None and visit.place.repeat


def _compared_values(restarts: Sequence[Restart]) -> dict[tuple[int, str], dict[MetricName, float]]:
    """(restart, cell) → metric → figure by which the cell is compared with the others of its set."""
    values: dict[tuple[int, str], dict[MetricName, float]] = {}
    for of_set in _by_set(restarts):
        counting = [restart for restart in of_set if rotation.void(restart) is None] or of_set
        for restart, figures in zip(of_set, rotation.settled_figures(of_set, counting), strict=True):
            for name, metrics in zip(restart.cells, figures.values, strict=True):
                values[restart.number, name] = metrics
    return values


def _by_set(restarts: Sequence[Restart]) -> list[list[Restart]]:
    """The restarts of each set; apart where another of its cells came up."""
    sets: dict[tuple[int, tuple[str, ...]], list[Restart]] = {}
    for restart in restarts:
        sets.setdefault((restart.set, tuple(restart.cells)), []).append(restart)
    return list(sets.values())


def remarks(restarts: Sequence[Restart]) -> Iterator[behaviour.Remark]:
    """What a reader should know of how cells behaved in their turns, set by set."""
    for own in _by_set(restarts):
        yield from behaviour.remarks([each for each in own if rotation.void(each) is None], own[0].cells)


def _seconds(stored: StoredRun) -> float:
    """Seconds from the beginning of the run to the end of its last restart."""
    moments = [(each.started_at, each.seconds) for each in stored.restarts]
    timing = stored.record.timing
    moments += [(each.started_at, timing.warmup_seconds + timing.window_seconds) for each in stored.visits]
    if not moments:
        return 0.0
    began = datetime.fromisoformat(stored.record.started_at)
    return max((datetime.fromisoformat(at) - began).total_seconds() + seconds for at, seconds in moments)
