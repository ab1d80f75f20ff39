"""From the stored visits of an overload to what became of it. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from harness.analysis.probes import SPOILING, name_of
from harness.model.measurement import Arrivals
from harness.model.overload import Overload, OverloadPlan, OverloadStart
from harness.model.record import MeasurementRecord, OverloadRecord, StoredRun

SLICE_SECONDS = 0.25
LIKE_BEFORE, LIKE_BEFORE_MS = 1.5, 5.0
"""Times the slowest median but one of the second half of the base load, and milliseconds more: up to that requests are
answered as before."""
STAYS, STALLED = 8, 1
"""Slices in a row that must be so, but for so many of those after the first: a machine stalls now and then, under the
base load before the burst too."""


def overload_of(stored: StoredRun) -> Overload:
    """What a run says so far."""
    record = stored.record
    assert isinstance(record, OverloadRecord)
    visits = [
        (number, visit)
        for number, visit in enumerate(stored.visits, 1)
        if isinstance(visit, MeasurementRecord) and visit.arrivals is not None
    ]
    plan = record.plan
    return Overload(
        cell=name_of(record.cells[0].label),
        plan=plan,
        starts=[start(number, visit, visit.arrivals, plan) for number, visit in visits if visit.arrivals is not None],
        users=max((visit.generator.users for _, visit in visits), default=0),
        queue=round((plan.burst - 1) * plan.capacity_rps * plan.burst_seconds),
    )


def start(number: int, visit: MeasurementRecord, arrivals: Arrivals, plan: OverloadPlan) -> OverloadStart:
    """One fresh start."""
    begin = round(plan.base_seconds / arrivals.slice_seconds)
    end = begin + round(plan.burst_seconds / arrivals.slice_seconds)
    due = sum(arrivals.due[begin:end])
    lost = due - sum(arrivals.right[begin:end])
    burst_end = plan.base_seconds + plan.burst_seconds
    # The first half second of the burst is left out: its queue only begins. What is queued hides its end.
    served = _served(visit, plan.base_seconds + 0.5, burst_end + 0.5)
    after = sum(arrivals.due[end:]) / (len(arrivals.due[end:]) * arrivals.slice_seconds)
    left = max(0.0, due - lost - served * plan.burst_seconds)
    # It drains no faster than the server was ever seen to serve, while it drains included: machines change their speed.
    recovered = recovery(arrivals, begin, end)
    draining = _served(visit, burst_end - 0.5, burst_end + (recovered or 0.0))
    can = max(plan.capacity_rps, served, draining)
    failures = visit.failures_by_kind
    refused = {str(status): count for status, count in sorted(failures.by_status.items())}
    refused |= {"timeout": failures.timeout, "connection": failures.connection}
    unanswered = sum(arrivals.due) - sum(arrivals.right) - failures.total
    before = [each for each in arrivals.p50_ms[:begin] if each is not None]
    during = [each for each in arrivals.p50_ms[begin:end] if each is not None]
    return OverloadStart(
        number=number,
        invalid=next((each.message for each in visit.reasons if each.gate in SPOILING), ""),
        base_p50_ms=statistics.median(before) if before else None,
        burst_p50_ms=max(during, default=None),
        served_share=round(served / plan.capacity_rps, 4),
        refused={what: count for what, count in {**refused, "unanswered": unanswered}.items() if count > 0},
        refused_share=round(lost / due, 4) if due else 0.0,
        law_seconds=round(left / max(1e-9, can - after), 3),
        recovery_seconds=recovered,
    )


def _served(visit: MeasurementRecord, begin: float, end: float) -> float:
    """Requests that workers finished per second between two moments of the window; 0 where no slice lies there."""
    inside = [each for each in visit.slices if begin <= each.t - each.seconds and each.t <= end]
    seconds = sum(each.seconds for each in inside)
    return sum(each.requests for each in inside) / seconds if seconds else 0.0


def recovery(arrivals: Arrivals, begin: int, end: int) -> float | None:
    """Seconds from the end of the burst until requests are answered as before it, and stay so."""
    before = sorted(each for each in arrivals.p50_ms[begin // 2 : begin] if each is not None)
    if not before:
        return None
    limit = before[max(0, len(before) - 1 - STALLED)] * LIKE_BEFORE + LIKE_BEFORE_MS
    like = [_like(arrivals, place, limit) for place in range(end, len(arrivals.due))]
    for place in range(len(like) - STAYS + 1):
        if like[place] and sum(like[place : place + STAYS]) >= STAYS - STALLED:
            return place * arrivals.slice_seconds
    return None


def _like(arrivals: Arrivals, place: int, limit: float) -> bool:
    """Whether what was due in a slice was answered as before."""
    median = arrivals.p50_ms[place]
    if not arrivals.due[place]:
        return True
    return arrivals.right[place] == arrivals.due[place] and median is not None and median <= limit


def ratios(starts: Sequence[OverloadStart]) -> list[float]:
    """Recovery ÷ law of those that say something."""
    return [each.ratio for each in starts if not each.invalid and each.ratio is not None]
