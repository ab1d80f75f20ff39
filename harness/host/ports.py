"""Ports of loopback on which a server can listen."""

from __future__ import annotations

import random
import socket
from collections import deque
from pathlib import Path

from harness.errors import UsageError

HOST = "127.0.0.1"
LOWEST, HIGHEST = 16_384, 65_535
"""Within which ports of our own are chosen: few programs have theirs above the former."""
ENOUGH = 1_000
"""Ports beside those of clients, without which any will do."""
RECENT = 256
"""Ports that are not given again at once: servers that are launched together are not bound yet when the next one gets
its own, and two that share a port by SO_REUSEPORT would share their requests, too."""
ATTEMPTS = 1_000
CLIENT_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")

_given: deque[int] = deque(maxlen=RECENT)
_chance = random.SystemRandom()


def free_port() -> int:
    """A port of loopback that nobody has, that this process did not give lately, and that no client is given by the
    operating system while its server comes up."""
    ports = _candidates(*_of_clients())
    for _ in range(ATTEMPTS if ports else 0):
        port = _chance.choice(ports)
        if port not in _given and _bindable(port):
            _given.append(port)
            return port
    while True:
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            port = int(probe.getsockname()[1])
        if port not in _given:
            _given.append(port)
            return port


def check_port(port: int) -> None:
    """Refuse a port on which somebody listens: their answers would pass for the server's."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise UsageError(
                f"cannot listen on port {port} of {HOST}: {error.strerror}", cure="choose another one with --port"
            ) from error


def _candidates(first: int, last: int) -> range:
    """Ports beside those from which clients are given theirs: below them or above; none where there are too few."""
    below, above = range(LOWEST, first), range(max(LOWEST, last + 1), HIGHEST + 1)
    larger = max(below, above, key=len)
    return larger if len(larger) >= ENOUGH else range(0)


def _of_clients() -> tuple[int, int]:
    """The first and the last port that clients are given; all of them where that cannot be read."""
    try:
        first, last = CLIENT_PORTS.read_text(encoding="ascii").split()
        return int(first), int(last)
    except (OSError, ValueError):
        return 0, HIGHEST


def _bindable(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
