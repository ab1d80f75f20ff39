"""Cores of the server and of the generator."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence

from harness.errors import LackError
from harness.host import cgroups, topology
from harness.model.counting import counted
from harness.model.placement import Placement

PINS = ("auto", "split", "none")


def place(
    pin: str, workers: int, *, uses_embedded_database: bool, cores: Sequence[Sequence[int]] | None = None
) -> Placement:
    """Split the available cores between server and generator, or share them all.

    `auto` splits wherever there are two hardware threads. The server gets a physical core per worker as far as a
    quarter of the cores is left for the generator, and at least half of them; a generator never gets the other hardware
    thread of a server's core while there is another core. Where a control group may use fewer cores than there are, so
    many of them are split and the others left alone: then the quota is never used up. `cores`: the hardware threads of
    each physical core; those of this process where it is None. LackError where `split` is asked for and there is one
    hardware thread only.
    """
    everything = topology.physical_cores(os.sched_getaffinity(0)) if cores is None else [list(core) for core in cores]
    quota = cgroups.cpu_quota() if cores is None else None
    available = everything if quota is None else topology.spread(everything, int(quota))
    cpus = sorted(itertools.chain(*available))
    if pin == "split" and len(cpus) < 2:
        raise LackError(f"--pin split needs two cores, and there is {_so_many(quota)}", cure="leave --pin away")
    if pin == "none" or len(cpus) < 2:
        alone = f"{_so_many(quota)} only: server and generator share it" if pin != "none" else None
        whole = sorted(itertools.chain(*everything))
        return Placement(pin="none", server_cpus=None, generator_cpus=None, database_cpus=None, cores=whole, note=alone)
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
        note="; ".join([*_of_quota(quota, cpus, everything), *_notes(workers, for_server, siblings=siblings)]) or None,
    )


def usable() -> list[int]:
    """Cores that this process may use: at most as many as the quota of its control group allows."""
    cores, quota = topology.physical_cores(os.sched_getaffinity(0)), cgroups.cpu_quota()
    return sorted(itertools.chain(*(cores if quota is None else topology.spread(cores, int(quota)))))


def allotted(cpus: Sequence[int] | None) -> float:
    """Cores that a side of a placement can use at the same time; None: all that there are."""
    if cpus:
        return float(len(cpus))
    whole, quota = len(os.sched_getaffinity(0)), cgroups.cpu_quota()
    return float(whole) if quota is None else min(float(whole), quota)


def _so_many(quota: float | None) -> str:
    return "one core" if quota is None or quota >= 1 else f"a quota of {quota:g} of a core"


def _of_quota(quota: float | None, cpus: Sequence[int], everything: Sequence[Sequence[int]]) -> list[str]:
    whole = sum(map(len, everything))
    if quota is None or len(cpus) == whole:
        return []
    return [f"the CPU quota of {quota:g} cores allows for {len(cpus)} of {whole}: the others are left alone"]


def scope(placement: Placement) -> list[str]:
    """Questions that a machine with such a placement cannot answer, each with the reason."""
    if placement.server_cpus is None:
        return ["how fast a server is by itself: it shares its cores with the load generator"]
    if len(placement.server_cpus) == 1:
        return ["how CPU-bound work scales with workers: all of them share 1 core"]
    return []


def introduction(placement: Placement) -> str:
    """What a machine with such a placement can answer and what it cannot, in two sentences."""
    cores = len(placement.cores)
    if placement.server_cpus is None:
        shared = f"{counted(cores, 'core')}, shared by server and load generator"
    else:
        given = [len(placement.server_cpus), len(placement.generator_cpus or ())]
        shared = f"{counted(cores, 'core')}, {given[0]} for the server and {given[1]} for the load generator"
    own = len(placement.server_cpus or ())
    most = f", and worker counts up to {own}" if own > 1 else ""
    cannot = "; ".join(scope(placement))
    return f"{shared}: it can compare servers, handler styles and threads{most}" + (
        f". It cannot answer {cannot}" if cannot else ""
    )


def _notes(workers: int, cores: int, *, siblings: bool) -> list[str]:
    """Effects that this placement hides or adds."""
    notes = []
    if siblings:
        notes.append(
            "server and generator have hardware threads of the same physical core: each takes speed from the other"
        )
    if workers > cores:
        notes.append(f"{workers} workers share {counted(cores, 'core')}: scaling of CPU-bound work cannot show here")
    return notes
