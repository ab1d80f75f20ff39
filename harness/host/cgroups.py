"""Limits of the control group that this process is in, and how often it was stopped by them: of a container, a service,
a CI job. Groups are nested, each with limits of its own; cgroup v1 and v2, also side by side."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PROCESS = Path("/proc/self")
NO_LIMIT = 1 << 60
"""Bytes from which on a limit of cgroup v1 is none: there it is a huge number."""


class Throttling(NamedTuple):
    """How often and for how long groups stood still because their CPU quota was used up, since they were made."""

    periods: int
    seconds: float
    """Of all cores together."""


def cpu_quota(process: Path = PROCESS) -> float | None:
    """Cores that the process' groups may use on average, the tightest of them; None without a limit."""
    quotas = []
    for group in _groups("cpu", process):
        limit, _, period = _text(group / "cpu.max").partition(" ")
        if not period:
            limit, period = _text(group / "cpu.cfs_quota_us"), _text(group / "cpu.cfs_period_us")
        cores, of = _number(limit), _number(period)
        if cores is not None and of and cores > 0:
            quotas.append(cores / of)
    return min(quotas, default=None)


def throttling(process: Path = PROCESS) -> Throttling | None:
    """Of all groups of the process together; None where the system does not tell."""
    periods, seconds, known = 0, 0.0, False
    for group in _groups("cpu", process):
        stat = dict(line.split(maxsplit=1) for line in _text(group / "cpu.stat").splitlines() if " " in line)
        if "nr_throttled" in stat:
            known = True
            periods += _number(stat["nr_throttled"]) or 0
            microseconds, nanoseconds = _number(stat.get("throttled_usec", "")), _number(stat.get("throttled_time", ""))
            seconds += (microseconds or 0) / 1e6 + (nanoseconds or 0) / 1e9
    return Throttling(periods, seconds) if known else None


def memory_limit(process: Path = PROCESS) -> int | None:
    """Bytes that the process' groups may use, the tightest of them; None without a limit."""
    return min((limit for limit, _ in _memory(process)), default=None)


def memory_left(process: Path = PROCESS) -> int | None:
    """Bytes that can be had before a group reaches its limit, files in its cache given up; None without a limit."""
    return min((max(0, limit - used) for limit, used in _memory(process)), default=None)


def _memory(process: Path) -> Iterator[tuple[int, int]]:
    """Limit and use, without what could be given up, of each group that has a limit."""
    for group in _groups("memory", process):
        for limit_file, use_file in (
            ("memory.max", "memory.current"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes"),
        ):
            limit = _number(_text(group / limit_file))
            if limit is not None and limit < NO_LIMIT:
                stat = dict(line.split(maxsplit=1) for line in _text(group / "memory.stat").splitlines() if " " in line)
                cached = _number(stat.get("total_inactive_file", stat.get("inactive_file", "")))
                yield limit, (_number(_text(group / use_file)) or 0) - (cached or 0)


def _groups(controller: str, process: Path) -> Iterator[Path]:
    """Folders of the process' group and of those around it, as far as they can be seen from here."""
    own: str | None = None
    version = "cgroup2"
    for line in _text(process / "cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            own, version = path, "cgroup"
            break
        if not controllers:
            own = path
    if own is None:
        return
    for line in _text(process / "mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        root, mount = (_unescaped(field) for field in before.split(" ")[3:5])
        if kind == version and (kind == "cgroup2" or controller in options.split(" ")[-1].split(",")):
            yield from _within(Path(mount), root, own)
            return


def _within(mount: Path, root: str, own: str) -> Iterator[Path]:
    """From the own group up to the one that is mounted. A container often sees its own group mounted as the root, under
    the name that the host has for it, or one that cannot be followed from here."""
    below = Path(own)
    if below.is_relative_to(root):
        below = below.relative_to(root)
    group = mount / str(below).lstrip("/")
    if ".." in below.parts or not group.is_dir():
        group = mount
    while True:
        yield group
        if group == mount:
            return
        group = group.parent


def _unescaped(field: str) -> str:
    """A path of mountinfo, in which blanks stand as octal numbers."""
    return field.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _number(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None
