"""Settings of the embedded Postgres, from what the machine has. Pure, but for `machine`."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from harness.host import cgroups, placement

MB, GB = 1 << 20, 1 << 30
SHARED_MEMORY = Path("/dev/shm")
SHARED_MEMORY_NEEDED = GB
"""Below this, as in a container, parallel queries use another kind of shared memory."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """Capacity of the machine, from which the settings follow."""

    memory_bytes: int
    cores: int
    disk_free_bytes: int
    shared_memory_bytes: int


def machine(folder: Path) -> Machine:
    """This machine, or the container in it, with `folder` as the place of the data."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Machine(
        memory_bytes=min(memory, cgroups.memory_limit() or memory),
        cores=len(placement.usable()),
        disk_free_bytes=shutil.disk_usage(folder).free,
        shared_memory_bytes=shutil.disk_usage(SHARED_MEMORY).total if SHARED_MEMORY.is_dir() else 0,
    )


def settings(on: Machine) -> dict[str, str]:
    """Settings for a shop that is filled fast and then only read.

    A quarter of the memory for buffers, up to what the whole shop takes at full size; no write-ahead log beyond what a
    crash needs, because nothing replicates from here; rarely a checkpoint; pages cost alike wherever they are.
    """
    parallel = str(max(2, min(on.cores, 8)))
    # initdb has tried which kind of shared memory works, but not whether there is enough of it.
    little = on.shared_memory_bytes < SHARED_MEMORY_NEEDED
    return {
        "listen_addresses": "''",
        "max_connections": "400",
        "shared_buffers": _memory(on.memory_bytes // 4, 128 * MB, 4 * GB),
        "effective_cache_size": _memory(on.memory_bytes // 2, 256 * MB, 64 * GB),
        "maintenance_work_mem": _memory(on.memory_bytes // 16, 64 * MB, GB),
        "wal_level": "minimal",
        "max_wal_senders": "0",
        "max_wal_size": "4GB" if on.disk_free_bytes > 20 * GB else "1GB",
        "checkpoint_timeout": "'30min'",
        "random_page_cost": "1.1",
        "max_parallel_workers": parallel,
        "max_parallel_maintenance_workers": parallel,
        "jit": "off",
    } | ({"dynamic_shared_memory_type": "sysv"} if little else {})


def _memory(size: int, least: int, most: int) -> str:
    return f"'{max(least, min(size, most)) // MB}MB'"
