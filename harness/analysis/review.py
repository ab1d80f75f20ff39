"""A stored run read anew: its visits evaluated and compared under this version of the protocol. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from harness.analysis import overview
from harness.analysis.runs import compare_runs
from harness.errors import UsageError
from harness.model.comparison import RunComparison
from harness.model.metrics import MetricName
from harness.model.overview import Overview
from harness.model.record import FailureRecord, MatrixRecord, MeasurementRecord, RotationRecord, StoredRun


def review(stored: StoredRun) -> Overview:
    """The overview of a run so far, be it a matrix, finished or not, or a single cell."""
    record = stored.record
    matrix = record if isinstance(record, MatrixRecord) else None
    return overview.overview(
        visits(stored),
        title=None if matrix is None else matrix.plan.title,
        blocks=1 if matrix is None else matrix.plan.blocks,
        planned=1 if matrix is None else sum(map(len, matrix.order)),
        seconds=_seconds(stored),
        impossible=[] if matrix is None else matrix.impossible,
    )


def compare(
    first: StoredRun, second: StoredRun, metric: MetricName, limit: float | None, *, anyway: bool
) -> RunComparison:
    """Contrast two runs cell by cell. UsageError where they were not measured alike, unless `anyway`."""
    for each in (first, second):
        if isinstance(each.record, RotationRecord):
            raise UsageError(
                f"{each.folder} is a rotation, which compares its cells itself",
                cure="give runs of matrices or single cells; a report of it shows its answer",
            )
    differences = list(_differences(first, second))
    if differences and not anyway:
        raise UsageError(
            f"{first.folder} and {second.folder} are not comparable: {'; '.join(differences)}",
            cure="measure both alike, or compare them anyway and mind the difference",
        )
    observations = [overview.observations(overview.evaluate_all(visits(each))) for each in (first, second)]
    return compare_runs(observations[0], observations[1], metric, limit)


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
    """The last attempt of every visit, in the order of the run's cells."""
    places = {cell.label: place for place, cell in enumerate(stored.record.cells)}
    last: dict[tuple[int, int], MeasurementRecord | FailureRecord] = {}
    for each in stored.visits:
        # Outside of a matrix there is one cell, which is measured again where others disturbed it.
        key = (1, 1) if each.place is None else (each.place.block, each.place.position)
        last[key] = each

    def in_order(each: MeasurementRecord | FailureRecord) -> tuple[int, int, int]:
        place = places[each.cell.label]
        return (place, 0, 0) if each.place is None else (place, each.place.block, each.place.repeat)

    return [
        overview.Visit(
            cell=each.cell,
            block=key[0],
            repeat=each.place is not None and each.place.repeat,
            facts=each if isinstance(each, MeasurementRecord) else None,
            failure=each.reasons[0] if isinstance(each, FailureRecord) else None,
        )
        for key, each in sorted(last.items(), key=lambda item: in_order(item[1]))
    ]


def _seconds(stored: StoredRun) -> float:
    """Seconds from the beginning of the run to the end of its last visit."""
    moments = [each.started_at for each in stored.visits]
    if not moments:
        return 0.0
    began = datetime.fromisoformat(stored.record.started_at)
    timing = stored.record.timing
    seconds = (max(map(datetime.fromisoformat, moments)) - began).total_seconds()
    return seconds + timing.warmup_seconds + timing.window_seconds
