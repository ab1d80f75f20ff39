"""One measurement: fresh server → every worker up → answer verified → warm-up → window → stopped.

May be imported by `config`, `analysis`, `store` and the rooms above; it may import `deploy`, `load` and the rooms
below.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from harness.applications import hooks
from harness.deploy.launch import start_server
from harness.deploy.spec import ServerSpec
from harness.host import interruptions, signals
from harness.host.affinity import confined, place_database
from harness.host.processes import Supervisor
from harness.measure import calibration
from harness.measure.collect import assemble
from harness.measure.job import Job, postgres_processes
from harness.measure.target import load_of
from harness.measure.window import watch
from harness.model.events import Emit, MeasurementProgress
from harness.model.measurement import Measurement

__all__ = ["Job", "Measured", "ServerSpec", "measure"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """What a measurement found out."""

    facts: Measurement
    log_tail: str
    """Of the server."""


def measure(job: Job, emit: Emit) -> Measured:
    """Measure one cell. Everything that it starts has ended when it returns or raises."""
    null_rps = calibration.ceiling(job, emit)
    started_at = datetime.now(UTC).isoformat(timespec="milliseconds")
    place_database(postgres_processes([job.spec]), job.placement.database_cpus)
    with confined(job.placement.generator_cpus), Supervisor() as supervisor:
        emit(MeasurementProgress(phase="boot"))
        hook = job.spec.subject.before_visit()
        if hook is not None:
            hooks.run(hook, supervisor)
        server = start_server(job.spec, supervisor)
        before = interruptions.mark()
        generator = job.generator.start(load_of(job, server), supervisor, job.placement.generator_cpus)
        window = watch(job, server, generator, emit, before)
        summary = generator.wait_for_summary()
        signals.defer()  # from here on there is something to lose; the runner delivers once it is stored
        emit(MeasurementProgress(phase="stop"))
        ending = server.stop()
        null_rps = calibration.confirmed(job, null_rps, summary.requests / summary.window_seconds, emit)
        return Measured(
            facts=assemble(job, started_at, generator, server, window, summary, ending, null_rps),
            log_tail=server.child.log_tail(),
        )
