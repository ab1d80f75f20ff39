"""Which cores the server and the generator get."""

from __future__ import annotations

import os

from harness.errors import LackError
from harness.model.measurement import Placement

PINS = ("auto", "split", "none")


def place(pin: str, workers: int, *, uses_embedded_database: bool, cpus: list[int] | None = None) -> Placement:
    """Split the available cores between server and generator, or share them all.

    `auto` splits wherever there are two cores. The server gets a core per worker as far as a quarter of the cores is
    left for the generator, and at least half of them.
    """
    available = cpus if cpus is not None else sorted(os.sched_getaffinity(0))
    if pin == "split" and len(available) < 2:
        raise LackError("--pin split needs two cores, and there is one", cure="leave --pin away")
    if pin == "none" or len(available) < 2:
        alone = "one core only: server and generator share it" if pin != "none" else None
        return Placement(pin="none", server_cpus=None, generator_cpus=None, database_cpus=None, note=alone)
    for_generator = max(1, len(available) // 4)
    for_server = min(max(workers, len(available) // 2), len(available) - for_generator)
    server, generator = available[:for_server], available[for_server:]
    note = None
    if workers > for_server:
        note = (
            f"{workers} workers share {for_server} {'core' if for_server == 1 else 'cores'}: "
            "scaling of CPU-bound work cannot show here"
        )
    return Placement(
        pin="split",
        server_cpus=server,
        generator_cpus=generator,
        database_cpus=server if uses_embedded_database else None,
        note=note,
    )
