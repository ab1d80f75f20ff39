"""What a server is started from, as an experiment makes it of a cell."""

from __future__ import annotations

from typing import Any

from harness.config.cells import CellSpec, resolve_cell
from harness.deploy.spec import ServerSpec
from harness.experiments import preflight
from harness.experiments.session import ExecutionOptions
from harness.model.load import Timing


def server_spec(server: str, **spec: Any) -> ServerSpec:
    """A server on all cores, with everything that it needs prepared; `spec`: fields of CellSpec."""
    cells = [resolve_cell(CellSpec(server=server, **spec))]
    options = ExecutionOptions(pin="none")
    checked = preflight.check(cells, options, Timing(warmup_seconds=1.0, window_seconds=1.0))
    (prepared,) = preflight.prepare(checked, cells, options)
    return prepared
