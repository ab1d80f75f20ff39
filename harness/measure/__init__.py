"""One measurement: fresh server → every worker up → answer verified → warm-up → window → stopped.

It has one side, or two that are loaded at the same time: whatever the machine does to one it then does to the other.

May be imported by `config`, `analysis`, `store` and the rooms above; it may import `deploy`, `load` and the rooms
below.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from harness.applications import hooks
from harness.deploy.launch import start_server
from harness.deploy.spec import ServerSpec
from harness.host import signals
from harness.host.affinity import confined, place_database
from harness.host.processes import Supervisor
from harness.measure import calibration
from harness.measure.collect import assemble
from harness.measure.job import Job
from harness.measure.target import load_of
from harness.measure.window import watch
from harness.model.events import Emit, MeasurementProgress
from harness.model.measurement import Measurement

__all__ = ["Job", "Measured", "ServerSpec", "measure"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """What one side of a measurement found out."""

    facts: Measurement
    log_tail: str
    """Of the server."""


def measure(job: Job, emit: Emit) -> list[Measured]:
    """Measure one cell, or two at the same time; returns what each side found out.

    Everything that it starts has ended when it returns or raises.
    """
    null_rps = calibration.ceiling(job, emit)
    started_at = datetime.now(UTC).isoformat(timespec="milliseconds")
    place_database(job.postgres(), job.placement.database_cpus)
    with confined(job.placement.generator_cpus), Supervisor() as supervisor:
        emit(MeasurementProgress(phase="boot"))
        _before(job, supervisor)
        servers = [start_server(side, supervisor, name=f"server-{number}") for number, side in enumerate(job.sides, 1)]
        if job.idle is not None:
            start_server(job.idle, supervisor, name="idle")
        generator = job.generator.start(load_of(job, servers), supervisor, job.placement.generator_cpus)
        windows = watch(job, servers, generator, emit)
        summaries = generator.wait_for_summaries()
        signals.defer()  # from here on there is something to lose; the runner delivers once it is stored
        emit(MeasurementProgress(phase="stop"))
        for server in servers:
            server.child.ask()
        endings = [server.stop() for server in servers]
        reached = sum(summary.requests / summary.window_seconds for summary in summaries)
        null_rps = calibration.confirmed(job, null_rps, reached, emit)
        return [
            Measured(
                facts=assemble(job, side, started_at, generator, server, window, summary, ending, null_rps),
                log_tail=server.child.log_tail(),
            )
            for side, server, window, summary, ending in zip(
                job.sides, servers, windows, summaries, endings, strict=True
            )
        ]


def _before(job: Job, supervisor: Supervisor) -> None:
    """Run what the user wants run before each measurement, once where both sides want the same."""
    wanted = [hook for side in job.sides if (hook := side.subject.before_visit()) is not None]
    for place, hook in enumerate(wanted):
        if hook not in wanted[:place]:
            hooks.run(hook, supervisor)
