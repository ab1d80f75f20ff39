"""The server of a cell in the foreground, to look at by hand."""

from __future__ import annotations

import logging
from typing import NoReturn

from harness.applications import hooks
from harness.config.cells import ResolvedCell
from harness.deploy import launch
from harness.deploy.spec import ServerSpec
from harness.errors import TargetError
from harness.experiments import preflight
from harness.experiments.session import ExecutionOptions
from harness.host import limits, placement, ports, signals
from harness.host.processes import Supervisor

CONNECTIONS = 10_000
"""Connections that the server is made ready for."""

log = logging.getLogger(__name__)


def serve(resolved: ResolvedCell, options: ExecutionOptions, port: int) -> NoReturn:
    """Run the server of a cell on a port of loopback until it is interrupted. TargetError where it ends by itself."""
    environments = preflight.check_environments([resolved], options)
    ports.check_port(port)
    limits.raise_descriptor_limit()
    (database,) = preflight.prepare_databases([resolved], options)
    spec = ServerSpec(
        cell=resolved.cell,
        adapter=resolved.adapter,
        subject=resolved.subject,
        options=resolved.options,
        environment=environments[resolved.cell.variant.environment],
        placement=placement.place("none", resolved.cell.variant.workers, uses_embedded_database=database is not None),
        users=CONNECTIONS,
        database=database,
        boot_deadline_seconds=options.boot_seconds,
    )
    name = resolved.cell.variant.server
    applications = [] if resolved.application is None else [resolved.application]
    with hooks.around(applications), Supervisor() as supervisor:
        server = launch.start_server(spec, supervisor, port=port)
        probes = resolved.subject.probes()
        url = f"http://{ports.HOST}:{port}{probes[0].path if probes else '/'}"
        log.info(f"{name} answers at {url} (Ctrl-C ends it)")
        try:
            code = server.child.process.wait()
        except signals.Ended:
            server.child.stop()
            raise
        raise TargetError(
            f"{name} ended by itself with exit code {code}",
            cure="see its log below",
            detail=server.child.log_tail(),
        )
