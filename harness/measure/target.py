"""Where the users of a load send what."""

from __future__ import annotations

from harness.deploy.launch import Deployment
from harness.deploy.spec import ServerSpec
from harness.host.ports import HOST
from harness.load.generator import Load, LoadTarget
from harness.measure.job import Job

REQUEST_SECONDS = 60.0
"""A request under load that takes longer, besides what it waits by itself, counts as timed out."""


def load_of(job: Job, server: Deployment) -> Load:
    """What the generator is to send."""
    return Load(
        target=load_target(job.spec, server),
        users=job.users,
        rate=job.rate,
        warmup_seconds=job.timing.warmup_seconds,
        window_seconds=job.timing.window_seconds,
        due_ms=job.due_ms,
        judging=None if job.offered is None else job.offered.judging,
    )


def load_target(service: ServerSpec, server: Deployment) -> LoadTarget:
    """What the users of a server request."""
    return LoadTarget(
        base=f"http://{HOST}:{server.target.port}",
        mix=service.subject.request_mix(service.database, server.bodies),
        timeout_seconds=REQUEST_SECONDS + service.subject.known_seconds,
    )
