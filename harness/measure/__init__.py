"""One measurement: fresh server → every worker up → answer verified → warm-up → window → stopped."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from harness.load import k6
from harness.measure import null
from harness.measure.facts import assemble
from harness.measure.job import Job, Observer, Progress, Service
from harness.measure.launch import load_of, start_server
from harness.measure.window import watch
from harness.model.measurement import Facts
from harness.system import signals
from harness.system.affinity import confined, place_database
from harness.system.processes import Supervisor

__all__ = ["Job", "Observer", "Progress", "Service", "measure"]


def measure(job: Job, observer: Observer) -> tuple[Facts, str]:
    """Measure one cell; returns its facts and the tail of the server's log.

    Everything that it starts has ended when it returns or raises.
    """
    null_rps = null.ceiling(job, observer)
    started_at = datetime.now(UTC).isoformat(timespec="milliseconds")
    place_database(job.postgres(), job.placement.database_cpus)
    with confined(job.placement.generator_cpus), Supervisor() as supervisor:
        observer(Progress(phase="boot"))
        server = start_server(job, supervisor)
        generator = k6.Run(job.k6, load_of(job, server), supervisor, job.placement.generator_cpus)
        window = watch(job, server, generator, observer)
        summary = generator.wait_for_summary()
        signals.defer()  # from here on there is something to lose; the runner delivers once it is stored
        bodies = generator.unexpected_bodies()
        observer(Progress(phase="stop"))
        asked = time.monotonic()
        stopped = server.child.stop()
        stop_seconds = time.monotonic() - asked
        facts = assemble(
            job=job,
            started_at=started_at,
            server=server,
            window=window,
            summary=summary,
            bodies=bodies,
            generator=generator,
            stopped=stopped,
            stop_seconds=stop_seconds,
            null_rps=null_rps,
        )
        return facts, server.child.log_tail()
