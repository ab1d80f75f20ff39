"""Limits of the machine for a load: descriptors, ports, memory. Raised where allowed, refused with numbers where
not."""

from __future__ import annotations

import resource

from harness.errors import LackError
from harness.host import cgroups

SPARE_DESCRIPTORS = 200
GENERATOR_BYTES_PER_USER = 250_000
"""Memory of k6 1.1 per virtual user with our script, 190 kB measured with 10,000 users, with some room."""


def raise_descriptor_limit() -> int:
    """Lift this process' soft limit of open files, which children inherit, to the hard one; returns it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def check_capacity(users: int) -> None:
    """Refuse, with the numbers, a load that this machine cannot hold."""
    descriptors = raise_descriptor_limit()
    if descriptors != resource.RLIM_INFINITY and users + SPARE_DESCRIPTORS > descriptors:
        raise LackError(
            f"{users} users need {users + SPARE_DESCRIPTORS} open files, the hard limit here is {descriptors}",
            cure=f"use fewer users, or raise it: ulimit -Hn {users + SPARE_DESCRIPTORS} (as root)",
        )
    ports = ephemeral_ports()
    if users > ports * 0.9:
        raise LackError(
            f"{users} users need as many local ports, the system hands out {ports}",
            cure="use fewer users, or widen net.ipv4.ip_local_port_range",
        )
    needed, free = users * GENERATOR_BYTES_PER_USER, available_bytes()
    if free is not None and needed > free:
        raise LackError(
            f"{users} users need about {needed / 1e9:.1f} GB of memory for the generator, {free / 1e9:.1f} GB are free",
            cure="use fewer users, or free memory",
        )


def ephemeral_ports() -> int:
    """Local ports that the system hands out."""
    with open("/proc/sys/net/ipv4/ip_local_port_range") as file:
        low, high = map(int, file.read().split())
    return high - low + 1


def available_bytes() -> int | None:
    """Memory that can be had without swapping, and without reaching the limit of a control group."""
    left = [cgroups.memory_left()]
    with open("/proc/meminfo") as file:
        left += [int(line.split()[1]) * 1024 for line in file if line.startswith("MemAvailable:")]
    return min((each for each in left if each is not None), default=None)
