"""A burst beyond what a cell can serve, between two phases of base load: what is served, and how it recovers."""

from __future__ import annotations

import dataclasses
import functools
import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from harness.analysis import overload as analysis
from harness.config.cells import ResolvedCell
from harness.deploy.spec import ServerSpec
from harness.errors import TargetError, UsageError
from harness.experiments import capacity, preflight
from harness.experiments.capacity import CLOSED, TAIL_SECONDS
from harness.experiments.databases import DatabaseWatch
from harness.experiments.session import ExecutionOptions, exclusive, stored
from harness.host import signals
from harness.load import arrivals
from harness.load.generator import Judging
from harness.measure import Job, Measured, measure
from harness.measure.job import Offered
from harness.model.events import Emit, ignore
from harness.model.load import Timing
from harness.model.overload import Overload, OverloadPlan
from harness.model.record import OverloadRecord, Place, StoredRun

LEAD_SECONDS = 2.0
MOST_USERS = 1000
"""Requests that are under way at most; what arrives beyond waits in the generator, which is counted from when it was
due."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class OverloadOptions:
    """How much, and for how long."""

    base: float = 0.5
    """Of the capacity, as a share."""
    burst: float = 1.5
    """In capacities."""
    base_seconds: float = 10.0
    burst_seconds: float = 10.0
    capacity_rps: float | None = None
    """What the cell can serve at all; None: what it serves under closed load."""
    starts: int = 3
    seed: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class OverloadResult:
    """The answer, and where it is stored."""

    overload: Overload
    folder: Path


def run(cell: ResolvedCell, rules: OverloadOptions, options: ExecutionOptions, emit: Emit = ignore) -> OverloadResult:
    """Overload a cell. UsageError, LackError or TargetError where that cannot be done."""
    started = datetime.now(UTC)
    check(rules)
    cells = [capacity.closed(cell)]
    checked = preflight.check(cells, options, CLOSED)
    capacity.refuse_pace(cells, checked.generator)
    with exclusive(cells, wait=options.wait), stored(options, emit, name="overload") as session:
        (spec,) = preflight.prepare(checked, cells, options)
        watch, visits = DatabaseWatch([spec]), []
        most = rules.capacity_rps
        if most is None:
            with signals.section():
                closed = Job(spec=spec, timing=CLOSED, generator=checked.generator)
                measured = watch.measured([closed.spec], functools.partial(_measure, closed, emit))
                visits.append(session.store(measured, Place(restart=1, member=1)))
            most = visits[0].throughput_rps
            if visits[0].diagnosis is not None and visits[0].diagnosis.bound_by == "users":
                raise UsageError(
                    f"{capacity.CLOSED_USERS} users that wait for their answers do not saturate {cells[0].label}, so "
                    "its capacity is not known",
                    cure="give it, in requests per second: --capacity N",
                )
        if not most:
            raise TargetError(f"{cells[0].label} served nothing", cure="try it by hand: harness serve")
        plan = OverloadPlan(
            base=rules.base,
            burst=rules.burst,
            base_seconds=rules.base_seconds,
            burst_seconds=rules.burst_seconds,
            capacity_rps=most,
            given=rules.capacity_rps is not None,
        )
        header = preflight.record_header(cells, checked, options, CLOSED, started)
        record = session.folder.cleaned(OverloadRecord(**header, plan=plan, seed=rules.seed))
        session.folder.write_run(record)
        timing = Timing(warmup_seconds=LEAD_SECONDS, window_seconds=plan.window_seconds)
        waiting = round(plan.capacity_rps * plan.burst * plan.burst_seconds)
        for number in range(rules.starts):
            seed = random.Random(f"{rules.seed}/{number}").getrandbits(31)
            job = capacity.probe_job(
                spec,
                cells[0],
                checked.generator,
                plan.capacity_rps * plan.burst,
                _offered(plan, seed),
                timing,
                users=min(MOST_USERS, waiting),
            )
            with signals.section():
                measured = watch.measured([job.spec], functools.partial(_measure, job, emit))
                visits.append(session.store(measured, Place(restart=len(visits) + 1, member=1)))
            log.info(f"start {number + 1} of {rules.starts} is stored")
        answer = analysis.overload_of(StoredRun(folder="", record=record, visits=list(visits)))
        return OverloadResult(overload=answer, folder=session.folder.publish())


def _measure(job: Job, emit: Emit, specs: Sequence[ServerSpec]) -> Measured:
    return measure(dataclasses.replace(job, spec=specs[0]), emit)


def check(rules: OverloadOptions) -> None:
    """Refuse a base load that leaves nothing free, and a burst that is none."""
    if not 0 < rules.base < 1:
        raise UsageError(f"--base {rules.base:g}: no part of the capacity", cure="give one between 0 and 1: 0.5")
    if rules.burst <= 1:
        raise UsageError(f"--burst {rules.burst:g}: not beyond the capacity", cure="give more than 1, such as 1.5")
    if rules.base_seconds < 4 or rules.burst_seconds < 4:
        raise UsageError("phases under 4 s tell nothing", cure="give longer ones: --duration 10s --burst-duration 10s")


def _offered(plan: OverloadPlan, seed: int) -> Offered:
    base, burst = plan.base * plan.capacity_rps, plan.burst * plan.capacity_rps
    tail = TAIL_SECONDS + arrivals.AFTER_SECONDS
    slices = round(plan.window_seconds / analysis.SLICE_SECONDS)
    return Offered(
        due_ms=arrivals.phases_ms(
            [
                (base, LEAD_SECONDS + plan.base_seconds),
                (burst, plan.burst_seconds),
                (base, plan.after_seconds + tail),
            ],
            seed,
        ),
        judging=Judging(slice_seconds=analysis.SLICE_SECONDS, slices=slices, limits_ms=(), tail_seconds=TAIL_SECONDS),
    )
