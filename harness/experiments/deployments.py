"""Servers that are up, and that a script loads as often as it needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from harness.deploy.launch import start_server
from harness.deploy.spec import ServerSpec
from harness.host import interruptions
from harness.host.affinity import confined
from harness.host.processes import Supervisor
from harness.load.generator import Generator, LoadSummary
from harness.measure.job import Job
from harness.measure.target import load_of
from harness.measure.window import Window, watch
from harness.model.events import ignore
from harness.model.load import Timing


class Deployments:
    """Servers that are up at once, to be loaded as often as needed."""

    def __init__(self, specs: Sequence[ServerSpec], supervisor: Supervisor) -> None:
        self.specs, self.supervisor = tuple(specs), supervisor
        self.servers = [start_server(spec, supervisor, name=f"server-{n}") for n, spec in enumerate(specs, 1)]

    def load(self, timing: Timing, generator: Generator, place: int = 0) -> tuple[Window, LoadSummary]:
        """Load the server at a place (from 0) through warm-up and window.

        Returns what its meters read in the window, and what the generator saw of it.
        """
        job = Job(spec=self.specs[place], timing=timing, generator=generator)
        server = self.servers[place]
        before = interruptions.mark()
        session = generator.start(load_of(job, server), self.supervisor, job.placement.generator_cpus)
        return watch(job, server, session, ignore, before), session.wait_for_summary()


@contextmanager
def deployed(*specs: ServerSpec) -> Iterator[Deployments]:
    """Servers that are up, every worker ready and the answer verified, while the block lasts.

    This process is kept off their cores meanwhile. TargetError where a server does not come up.
    """
    with confined(specs[0].placement.generator_cpus), Supervisor() as supervisor:
        yield Deployments(specs, supervisor)
