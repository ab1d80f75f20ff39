"""Which cores the server and the generator get."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence

from harness.errors import LackError
from harness.host import topology
from harness.model.counting import counted
from harness.model.placement import Placement

PINS = ("auto", "split", "none")


def place(
    pin: str, workers: int, *, uses_embedded_database: bool, cores: Sequence[Sequence[int]] | None = None
) -> Placement:
    """Split the available cores between server and generator, or share them all.

    `auto` splits wherever there are two hardware threads. The server gets a physical core per worker as far as a
    quarter of the cores is left for the generator, and at least half of them; a generator never gets the other hardware
    thread of a server's core while there is another core. `cores`: the hardware threads of each physical core; those of
    this process where it is None. LackError where `split` is asked for and there is one hardware thread only.
    """
    available = topology.physical_cores(os.sched_getaffinity(0)) if cores is None else [list(core) for core in cores]
    cpus = sorted(itertools.chain(*available))
    if pin == "split" and len(cpus) < 2:
        raise LackError("--pin split needs two cores, and there is one", cure="leave --pin away")
    if pin == "none" or len(cpus) < 2:
        alone = "one core only: server and generator share it" if pin != "none" else None
        return Placement(pin="none", server_cpus=None, generator_cpus=None, database_cpus=None, cores=cpus, note=alone)
    siblings = len(available) < 2
    units = [[cpu] for cpu in cpus] if siblings else available
    for_generator = max(1, len(units) // 4)
    for_server = min(max(workers, len(units) // 2), len(units) - for_generator)
    server = sorted(itertools.chain(*units[:for_server]))
    return Placement(
        pin="split",
        server_cpus=server,
        generator_cpus=sorted(itertools.chain(*units[for_server:])),
        database_cpus=server if uses_embedded_database else None,
        cores=cpus,
        note="; ".join(_notes(workers, for_server, siblings=siblings)) or None,
    )


def _notes(workers: int, cores: int, *, siblings: bool) -> list[str]:
    """What this placement cannot show."""
    found = []
    if siblings:
        found.append(
            "server and generator have hardware threads of the same physical core: each takes speed from the other"
        )
    if workers > cores:
        found.append(f"{workers} workers share {counted(cores, 'core')}: scaling of CPU-bound work cannot show here")
    return found
