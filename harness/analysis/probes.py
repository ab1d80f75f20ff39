"""From the stored probes of a search to its answer. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.analysis import capacity
from harness.analysis.capacity import Question
from harness.analysis.lateness import Probe
from harness.model.capacity import Capacity, CapacityRatio, CellCapacity, Objective, ProbePoint
from harness.model.comparison import Interval
from harness.model.counting import counted
from harness.model.labels import unique
from harness.model.measurement import Arrivals
from harness.model.record import CapacityRecord, FailureRecord, MeasurementRecord, StoredRun

SPOILING = frozenset({"settings", "generator", "null-ceiling", "lateness", "counts", "machine"})
"""Gates without which a probe says nothing of its server. What a server does under a rate that it does not keep up with
is no such fault: requests that could not be sent for lack of users are as late as they are."""
LATE_SHARE = 0.1
"""Of the least limit of the objectives: up to that the generator may send one request in a hundred late, since few of
them were about to miss the limit."""
LOST = frozenset({"workers", "answers", "requests"})
"""Gates without which a server has not held anything."""
START_SHARE = 0.8
"""Of what a cell serves under closed load, the rate to begin with."""
LEAST_RATE = 0.5
SAME = 1.25
"""Within which factor of the highest rate that held a probe may be to show what goes on there."""
COLLECTING_SHARE = 0.25
"""Of what an objective allows to be late: from which on the garbage collector is told, if it stops a worker so much of
the time."""

Visit = MeasurementRecord | FailureRecord


def name_of(label: str) -> str:
    """A cell's written form without its load."""
    return label.rpartition("/")[0]


def names(record: CapacityRecord) -> list[str]:
    """What the cells of a search are called; one that is there twice is numbered."""
    return unique([name_of(cell.label) for cell in record.cells])


def of_cell(visits: Sequence[Visit], place: int) -> list[MeasurementRecord]:
    """What was measured of the cell at a place, from 0."""
    return [
        each
        for each in visits
        if isinstance(each, MeasurementRecord) and each.place is not None and each.place.member == place + 1
    ]


def closed_rps(visits: Sequence[MeasurementRecord]) -> float | None:
    """What a cell served under closed load; None where that was not measured."""
    closed = _closed(visits)
    return None if closed is None else closed.throughput_rps


def _closed(visits: Sequence[MeasurementRecord]) -> MeasurementRecord | None:
    return next((each for each in visits if each.cell.load.users is not None), None)


def queue(visits: Sequence[MeasurementRecord]) -> tuple[float, int]:
    """What a cell served under closed load, in requests per second, and how many it works on at once: by the
    utilisation law those that occupy a thread or a loop for a known time, else one."""
    closed = _closed(visits)
    rps = (closed and closed.throughput_rps) or LEAST_RATE
    if closed is None or closed.waits is None or closed.waits.occupied_seconds is None:
        return rps, 1
    return rps, max(1, round(rps * closed.waits.occupied_seconds))


def question(record: CapacityRecord, visits: Sequence[MeasurementRecord]) -> Question:
    """What the search of one cell is to find out."""
    start = max(LEAST_RATE, START_SHARE * (closed_rps(visits) or 0.0))
    return Question(objectives=tuple(record.objectives), precision=record.precision, start=start)


def why_invalid(visit: MeasurementRecord, objectives: Sequence[Objective]) -> str:
    """Why a probe bounds nothing; empty where it does."""
    late = LATE_SHARE * min((each.limit_ms for each in objectives if each.limit_ms is not None), default=math.inf)
    spoiling = (each for each in visit.reasons if each.gate in SPOILING)
    return next((each.message for each in spoiling if each.gate != "lateness" or (each.value or late) > late), "")


def probe_of(visit: MeasurementRecord, arrivals: Arrivals, objectives: Sequence[Objective]) -> Probe:
    """What the search sees of a visit."""
    lost = any(each.gate in LOST for each in visit.reasons)
    return Probe(
        rate=max(1, sum(arrivals.due)) / (arrivals.slice_seconds * len(arrivals.due)),
        due=tuple(arrivals.due),
        missed=tuple(tuple(arrivals.due if lost else arrivals.missed(each.limit_ms)) for each in objectives),
        valid=not why_invalid(visit, objectives),
        crowded=tuple(tuple(tuple(level) for level in each) for each in arrivals.crowded),
    )


def probes(visits: Sequence[MeasurementRecord], objectives: Sequence[Objective]) -> list[Probe]:
    """All probes of a cell, in the order in which they were made."""
    return [probe_of(each, each.arrivals, objectives) for each in visits if each.arrivals is not None]


def missing(probe: Probe, objectives: Sequence[Objective]) -> str:
    """The objectives that a probe missed, by its shares as they are."""
    due = max(1, sum(probe.due))
    shares = [sum(missed) / due for missed in probe.missed]
    return ", ".join(
        f"{objective.text} missed by {share:.2%}"
        for objective, share in zip(objectives, shares, strict=True)
        if share > objective.share
    )


def point(number: int, visit: MeasurementRecord, arrivals: Arrivals, objectives: Sequence[Objective]) -> ProbePoint:
    """A probe as a point of the curve."""
    probe = probe_of(visit, arrivals, objectives)
    due, seconds = max(1, sum(probe.due)), arrivals.slice_seconds * len(arrivals.due)
    missed = [sum(each) for each in probe.missed]
    latency, served = visit.latency_ms, sum(arrivals.right) / seconds
    return ProbePoint(
        number=number,
        rate=round(probe.rate, 3),
        seconds=seconds,
        outcome=capacity.outcome(probe, objectives),
        why=why_invalid(visit, objectives) or missing(probe, objectives),
        served=round(served, 3),
        goodput=round((due - max(missed)) / seconds, 3),
        missed=[round(each / due, 6) for each in missed],
        p50_ms=latency.p50,
        p90_ms=latency.p90,
        p99_ms=latency.p99,
        in_flight=None if latency.mean is None else round(served * latency.mean / 1000, 2),
        cpu_cores=visit.server.cpu_cores,
        cpu_us_per_request=visit.server.cpu_us_per_request,
        rss_bytes=visit.server.rss_peak_bytes,
        bound_by=None if visit.diagnosis is None else visit.diagnosis.bound_by,
        collector=None if visit.evidence is None else visit.evidence.collector,
    )


def capacity_of(stored: StoredRun, seconds: float | None = None) -> Capacity:
    """What a search says, finished or not. `seconds`: how long it took; None: as long as its probes."""
    record = stored.record
    assert isinstance(record, CapacityRecord)
    cells, searched, notes = [], [], []
    for place, name in enumerate(names(record)):
        visits = of_cell(stored.visits, place)
        asked = question(record, visits)
        cells.append(_cell(record, name, asked, visits, stored.visits))
        searched.append(probes(visits, record.objectives))
        notes += _notes(name, asked, cells[-1])
        notes += _collecting(name, asked, cells[-1])
    ratios = capacity.ratios(
        Question(objectives=tuple(record.objectives), precision=record.precision, start=1.0), searched
    )
    return Capacity(
        objectives=record.objectives,
        precision=record.precision,
        rate=record.rate,
        core_hour_price=record.core_hour_price,
        cells=cells,
        ratios=[
            CapacityRatio(
                a=cells[a].cell,
                b=cells[b].cell,
                ratio=Interval(estimate=estimate, low=low, high=high, n=min(len(searched[a]), len(searched[b]))),
            )
            for (a, b), (estimate, low, high) in ratios.items()
        ],
        notes=notes,
        seconds=round(sum(map(_seconds, stored.visits)) if seconds is None else seconds, 1),
    )


def _cell(
    record: CapacityRecord,
    name: str,
    asked: Question,
    visits: Sequence[MeasurementRecord],
    every: Sequence[Visit],
) -> CellCapacity:
    known = capacity.known(asked, probes(visits, record.objectives))
    points = [
        point(every.index(each) + 1, each, each.arrivals, record.objectives)
        for each in visits
        if each.arrivals is not None
    ]
    low = known.bounds.low
    there = [
        each for each in points if low is not None and each.outcome == "pass" and low / SAME <= each.rate <= low * SAME
    ]
    first = next(iter(visits), None)
    cores = 0 if first is None else len(first.placement.server_cpus or first.placement.cores)
    workers = 0 if first is None else first.cell.variant.workers
    return CellCapacity(
        cell=name,
        workers=workers,
        cores=min(cores, workers),
        bounds=known.bounds,
        by_objective=known.by_objective,
        binding=None if known.binding is None else known.binding.text,
        cliff=known.slope is not None and known.slope >= capacity.CLIFF,
        reached=known.reached,
        at=min(there, key=lambda each: abs(math.log(each.rate / (low or 1.0))), default=None),
        points=points,
        closed_rps=closed_rps(visits),
        cost_per_million=None if low is None else cost(min(cores, workers), low, record.core_hour_price),
    )


def cost(cores: int, rate: float, core_hour_price: float | None) -> float | None:
    """Of a million requests, where so many cores serve a rate (per second) all the time."""
    return None if core_hour_price is None else cores * core_hour_price / (rate * 3600) * 1e6


def enough(capacity: Capacity) -> CellCapacity | None:
    """The cell with the fewest cores, then workers, that was measured to hold the rate that is to be served."""
    rate = capacity.rate
    holding = [
        each for each in capacity.cells if rate is not None and each.bounds.low is not None and each.bounds.low >= rate
    ]
    return min(holding, key=lambda each: (each.cores, each.workers), default=None)


def _notes(name: str, asked: Question, cell: CellCapacity) -> list[str]:
    """What a reader should know of one cell."""
    notes = []
    invalid = [each for each in cell.points if each.outcome == "invalid"]
    if invalid:
        notes.append(f"{name}: {counted(len(invalid), 'probe')} bound nothing; the last: {invalid[-1].why}")
    if cell.bounds.low is not None and cell.bounds.high is not None and not cell.reached:
        apart = cell.bounds.high / cell.bounds.low - 1
        notes.append(
            f"{name}: bounds are {apart:.0%} apart, {asked.precision:.0%} was asked for: more time narrows them"
        )
    return notes


def _collecting(name: str, asked: Question, cell: CellCapacity) -> list[str]:
    """That the garbage collector makes requests late near the capacity, where it does."""
    binding = next((each for each in asked.objectives if each.text == cell.binding), None)
    middle = cell.bounds.estimate
    if binding is None or binding.limit_ms is None or middle is None:
        return []
    near = [each for each in cell.points if each.outcome != "invalid" and middle / SAME <= each.rate <= middle * SAME]
    seen = [(each.collector, each) for each in near if each.collector is not None and each.collector.pauses]
    stopped = math.fsum(collector.stopped_seconds for collector, _ in seen)
    pauses = sum(collector.pauses for collector, _ in seen)
    share = stopped / max(1e-9, math.fsum(each.seconds for each in near) * cell.workers)
    usual = min((each.p50_ms for _, each in seen if each.p50_ms is not None), default=0.0)
    if share < COLLECTING_SHARE * binding.share or 1000 * stopped / pauses < binding.limit_ms - usual:
        return []
    return [
        f"{name}: Python's garbage collector stops a worker for {1000 * stopped / pauses:,.0f} ms at a time, "
        f"{share:.1%} of the time, so that requests miss {binding.text}: call gc.freeze() once the application is up"
    ]


def _seconds(visit: Visit) -> float:
    if isinstance(visit, FailureRecord):
        return 0.0
    return visit.server.boot_seconds + visit.warmup_seconds + visit.window_seconds
