"""Readings of processes from outside: CPU clocks, memory, cores, connections. Linux only."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from typing import NamedTuple

from harness.errors import LackError

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float | None:
    """CPU time of a process so far, threads that have ended included; None if it is gone.

    Its own clock has nanoseconds and costs 2 µs to read, where /proc/PID/stat ticks in 10 ms and summing
    /proc/PID/task/*/schedstat loses ended threads (measured: 0.29 s instead of 0.93 s).
    """
    try:
        return time.clock_gettime((~pid << 3) | 2)  # CPUCLOCK_SCHED of another process, see clock_getcpuclockid(3)
    except OSError:
        return None


def rss_bytes(pid: int) -> int:
    """Resident memory of a process; 0 if it is gone."""
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            return int(file.read().split()[1]) * PAGE_BYTES
    except (OSError, IndexError):
        return 0


def context_switches(pid: int) -> int:
    """How often the threads that a process has now were switched so far, for any reason; 0 if it is gone."""
    count = 0
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/status", "rb") as file:
                count += sum(int(line.split()[1]) for line in file if b"ctxt_switches:" in line)
    except (OSError, IndexError, ValueError):
        return count
    return count


def alive(pid: int) -> bool:
    """Whether the process runs and is no zombie."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except (OSError, IndexError):
        return False


def age_seconds(pid: int) -> float | None:
    """How long a process has existed; None if it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            ticks = int(file.read().rpartition(b")")[2].split()[19])
    except (OSError, IndexError, ValueError):
        return None
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / TICKS_PER_SECOND


def children(pid: int) -> list[int]:
    """Direct children of a process, of all its threads."""
    pids: list[int] = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", "rb") as file:
                pids.extend(int(word) for word in file.read().split())
    except OSError:
        pass
    return pids


class CpuTimes(NamedTuple):
    """Seconds since boot, of some cores together."""

    busy: float
    """Spent in processes. Interrupts are left out: they are not in the processes' own clocks everywhere."""
    stolen: float
    """Taken by other guests of this machine's host."""


def cpu_times(cpus: Iterable[int]) -> CpuTimes:
    """Busy and stolen seconds of `cpus` together, since boot. LackError where the system does not tell of them all."""
    names = {f"cpu{cpu}".encode() for cpu in cpus}
    busy = stolen = found = 0
    with open("/proc/stat", "rb") as file:
        for line in file:
            name, *fields = line.split()
            if name in names:
                found += 1
                user, nice, system, _idle, _iowait, _irq, _softirq, steal, *_ = map(int, fields)
                busy += user + nice + system
                stolen += steal
    if found < len(names):
        raise LackError(
            f"/proc/stat tells of {found} of the {len(names)} cores in use: what others take could not be seen",
            cure="run harness where /proc/stat is the kernel's own; lxcfs numbers a container's cores anew",
        )
    return CpuTimes(busy=busy / TICKS_PER_SECOND, stolen=stolen / TICKS_PER_SECOND)


def family_cpu_seconds(pid: int) -> float:
    """CPU time of a process and its children so far, those that have ended and were waited for included.

    Postgres starts a process per connection: where connections are short, most of its time was spent by the ended.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return 0.0
    ended = (int(fields[13]) + int(fields[14])) / TICKS_PER_SECOND  # cutime, cstime
    return ended + sum(cpu_seconds(each) or 0.0 for each in (pid, *children(pid)))


class CpuMeter:
    """CPU time of a changing set of processes since the meter was made; what a vanished one used stays counted."""

    def __init__(self, pids: Iterable[int]) -> None:
        self._first = {pid: seconds for pid in pids if (seconds := cpu_seconds(pid)) is not None}
        self._last = dict(self._first)

    def read(self, pids: Iterable[int]) -> float:
        """CPU seconds since the start; processes that are new count from their birth."""
        for pid in pids:
            if (seconds := cpu_seconds(pid)) is not None:
                self._last[pid] = seconds
        return sum(seconds - self._first.get(pid, 0.0) for pid, seconds in self._last.items())


def connections(pids: Iterable[int], port: int) -> list[int] | None:
    """Established connections to `port` on loopback that each process holds; None where the kernel hides them, or where
    another process holds them all, such as a router in front."""
    try:
        inodes = _established(port)
        counts = [sum(inode in inodes for inode in _sockets(pid)) for pid in pids]
    except OSError:
        return None
    return counts if any(counts) or not inodes - {"0"} else None


def _established(port: int) -> set[str]:
    inodes: set[str] = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            with open(table) as file:
                rows = file.readlines()[1:]
        except FileNotFoundError:
            continue
        for row in rows:
            fields = row.split()
            if fields[3] == "01" and int(fields[1].rpartition(":")[2], 16) == port:
                inodes.add(fields[9])
    return inodes


def _sockets(pid: int) -> Iterable[str]:
    folder = f"/proc/{pid}/fd"
    for name in os.listdir(folder):
        try:
            link = os.readlink(f"{folder}/{name}")
        except OSError:
            continue
        if link.startswith("socket:["):
            yield link[8:-1]
