"""What this machine has and lacks, each lack with its cure."""

from __future__ import annotations

import os
import resource
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from packaging.utils import canonicalize_name

from harness import servers
from harness.analysis.interruptions import OTHERS_SHARE
from harness.config import registry
from harness.database import connection, embedded
from harness.environments import interpreters
from harness.errors import HarnessError
from harness.host import cgroups, limits, placement, procfs
from harness.host import facts as host
from harness.host.paths import home
from harness.load import k6, wrk
from harness.measure import calibration
from harness.model.doctor import Finding
from harness.model.placement import Placement

WATCH_SECONDS = 3.0
FEWEST_DESCRIPTORS = 4096
FEW_BYTES = 1_000_000_000
GOOD_CLOCKS = ("tsc", "kvm-clock", "arch_sys_counter", "hyperv_clocksource_tsc_page", "xen")
PRESSURE = Path("/proc/pressure/cpu")
CLOCK = Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")


def examine(python: str | None, database_url: str | None, k6_path: str | None) -> Iterator[Finding]:
    """One finding after the other; watching the machine takes WATCH_SECONDS."""
    host.require_linux()
    yield scope(placement.place("auto", 1, uses_embedded_database=False))
    yield cores(len(os.sched_getaffinity(0)), os.cpu_count() or 1)
    yield quota(cgroups.cpu_quota(), len(os.sched_getaffinity(0)))
    yield governor(host.facts()["cpu_governor"])
    yield others(*_watch(WATCH_SECONDS), pressure=_text(PRESSURE))
    yield clock(_text(CLOCK))
    yield descriptors(resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    yield ports(limits.ephemeral_ports())
    yield memory(limits.available_bytes(), cgroups.memory_limit())
    yield disk("disk for results", Path.cwd())
    yield _data()
    yield _generator(k6_path)
    yield _wrk()
    yield _postgres(database_url)
    yield from _servers(python)
    yield from _ceilings()


def scope(placed: Placement) -> Finding:
    """What this machine can answer, and what it cannot."""
    cannot = placement.scope(placed)
    return Finding(
        subject="this machine",
        state="warning" if cannot else "ok",
        found=placement.introduction(placed),
        cure="measure that on a machine with more cores" if cannot else None,
    )


def cores(available: int, total: int) -> Finding:
    """Server and generator need a core each."""
    detail = f"{available} of {total} may be used" if available != total else f"{total}"
    if available >= 2:
        return Finding(subject="cores", state="ok", found=detail)
    return Finding(
        subject="cores",
        state="warning",
        found=f"{detail}: server and generator share it, and the generator depresses what it measures",
        cure="use a machine with two cores or more",
    )


def quota(allowed: float | None, available: int) -> Finding:
    """A container's limit stops all processes for the rest of each period once it is used up."""
    subject = "CPU limit of the container"
    if allowed is None:
        return Finding(subject=subject, state="ok", found="none")
    state = f"{allowed:g} of {available} cores"
    if allowed >= min(available, 2):
        return Finding(subject=subject, state="ok", found=f"{state}: so many are used")
    return Finding(
        subject=subject,
        state="warning",
        found=f"{state}: everything stands still while it is used up, which makes a measurement invalid",
        cure="lift the limit, or give the container two whole cores (cpuset)",
    )


def governor(name: object) -> Finding:
    """Cores that slow down to save power measure that."""
    if name is None:
        return Finding(subject="frequency governor", state="ok", found="not shown, as in most virtual machines")
    if name == "performance":
        return Finding(subject="frequency governor", state="ok", found=str(name))
    return Finding(
        subject="frequency governor",
        state="warning",
        found=f"{name}: cores change their speed during a measurement",
        cure="cpupower frequency-set --governor performance",
    )


def others(stolen: float, foreign: float, *, pressure: str | None) -> Finding:
    """Shares of the machine's CPU time."""
    waiting = ""
    if pressure:
        average = pressure.split("avg10=")[1].split()[0]
        waiting = f"; something waited for a core {float(average):.0f}% of the last 10 s"
    detail = f"{stolen:.0%} taken by other guests of the host, {foreign:.0%} used by other processes{waiting}"
    if stolen + foreign <= OTHERS_SHARE:
        return Finding(subject="others at work", state="ok", found=detail)
    return Finding(
        subject="others at work",
        state="warning",
        found=f"{detail}: above {OTHERS_SHARE:.0%} a measurement is invalid",
        cure="stop other programs, or wait for a quieter time; on shared hosts, choose a machine of its own",
    )


def clock(name: str | None) -> Finding:
    """Servers ask for the time with each request."""
    if name is None or name in GOOD_CLOCKS:
        return Finding(subject="clock source", state="ok", found=name or "not shown")
    return Finding(
        subject="clock source",
        state="warning",
        found=f"{name}: reading it costs a system call, in all that is measured",
        cure=f"choose another one in {CLOCK}",
    )


def descriptors(hard: int) -> Finding:
    """Each user holds a connection on both sides."""
    if hard == resource.RLIM_INFINITY or hard >= FEWEST_DESCRIPTORS:
        detail = "no limit" if hard == resource.RLIM_INFINITY else f"{hard:,} at most"
        return Finding(subject="open files", state="ok", found=detail)
    return Finding(
        subject="open files",
        state="warning",
        found=f"{hard:,} at most: good for {max(0, hard - limits.SPARE_DESCRIPTORS):,} users",
        cure="raise the hard limit: ulimit -Hn 65536 (as root)",
    )


def ports(count: int) -> Finding:
    """Each user's connection needs a local port."""
    return Finding(subject="local ports", state="ok", found=f"{count:,}, good for {int(count * 0.9):,} users")


def memory(available: int | None, limit: int | None) -> Finding:
    """k6 needs a quarter of a megabyte per user; servers and Postgres come on top."""
    detail = "not shown" if available is None else f"{available / 1e9:.1f} GB free"
    if limit is not None:
        detail += f", the container may use {limit / 1e9:.1f} GB"
    if available is None or available >= FEW_BYTES:
        return Finding(subject="memory", state="ok", found=detail)
    return Finding(subject="memory", state="warning", found=detail, cure="free some: servers may start to swap")


def disk(subject: str, folder: Path) -> Finding:
    """Room where a folder is, or will be."""
    existing = next(each for each in (folder, *folder.parents) if each.exists())
    free = shutil.disk_usage(existing).free
    if free >= FEW_BYTES:
        return Finding(subject=subject, state="ok", found=f"{free / 1e9:.0f} GB free in {folder}")
    return Finding(
        subject=subject,
        state="warning",
        found=f"{free / 1e6:.0f} MB free in {folder}",
        cure="make room, or choose another folder (--out for results, HARNESS_DATA for Postgres)",
    )


def _data() -> Finding:
    subject = "disk for the embedded Postgres"
    try:
        return disk(subject, home())
    except HarnessError as error:
        return Finding(subject=subject, state="lack", found=error.what, cure=error.cure)


def _generator(path: str | None) -> Finding:
    try:
        generator = k6.find(path)
    except HarnessError as error:
        return Finding(subject="k6", state="lack", found=error.what, cure=error.cure)
    return Finding(subject="k6", state="ok", found=f"{generator.version} ({generator.path})")


def _wrk() -> Finding:
    """Not needed, so that it is no lack."""
    try:
        generator = wrk.find(None)
    except HarnessError as error:
        return Finding(subject="wrk", state="ok", found=f"{error.what}; only --generator wrk needs it ({error.cure})")
    return Finding(subject="wrk", state="ok", found=f"{generator.version} ({generator.path})")


def _postgres(url: str | None) -> Finding:
    subject = "Postgres"
    try:
        if url is None:
            running = embedded.running()
            embedded.require_installed()
            state = "running" if running else "starts when a workload needs it"
            return Finding(subject=subject, state="ok", found=f"embedded, {state} ({embedded.data_folder()})")
        with connection.server(url) as reached:
            return Finding(subject=subject, state="ok", found=f"{reached.version} at {connection.describe(url)}")
    except HarnessError as error:
        return Finding(subject=subject, state="lack", found=error.what, cure=error.cure)


def _servers(python: str | None) -> Iterator[Finding]:
    try:
        packages = interpreters.inspect(python).packages
    except HarnessError as error:
        yield Finding(subject="Python", state="lack", found=error.what, cure=error.cure)
        return
    missing: dict[str, str] = {}
    for name in servers.names():
        try:
            adapter = registry.adapter(name)
        except HarnessError as error:
            yield Finding(subject=name, state="lack", found=error.what, cure=error.cure)
            continue
        if adapter.distribution is None:
            continue
        version = packages.get(canonicalize_name(adapter.distribution))
        if version is None:
            missing[name] = adapter.distribution
            continue
        offered = adapter.options["loop"].choices if "loop" in adapter.options else ()
        there = [
            f"{loop} {packages.get(loop, '')}".strip() for loop in offered if loop == "asyncio" or loop in packages
        ]
        choice = f", loops: {', '.join(there)}" if offered else ""
        if offered and offered[0] not in packages:
            yield Finding(
                subject=name,
                state="warning",
                found=f"{version}{choice}; its default here is {offered[0]}",
                cure=f"pip install {offered[0]}",
            )
        else:
            yield Finding(subject=name, state="ok", found=f"{version}{choice}")
    if missing:
        yield Finding(
            subject="other servers",
            state="ok",
            found=f"not installed: {', '.join(missing)}; any of them with: pip install {' '.join(missing.values())}",
        )


def _ceilings() -> Iterator[Finding]:
    try:
        stored = calibration.read()
    except HarnessError:
        return  # told with the disk
    if not stored:
        yield Finding(
            subject="generator's ceiling", state="ok", found="not calibrated yet: the first fast cell does that"
        )
    for key, ceiling in stored.items():
        remarks = [] if ceiling.quiet else ["calibrated while others took CPU time"]
        if ceiling.at < time.time() - calibration.FRESH_SECONDS:
            remarks.append("old: measured anew when it is needed")
        described = "; ".join((key, *remarks))
        yield Finding(subject="generator's ceiling", state="ok", found=f"{ceiling.rps:,.0f} req/s ({described})")


def _watch(seconds: float) -> tuple[float, float]:
    """Shares of the CPU time of all usable cores that other guests and other processes took."""
    cpus = sorted(os.sched_getaffinity(0))
    before, own, began = procfs.cpu_times(cpus), time.process_time(), time.monotonic()
    time.sleep(seconds)
    after, whole = procfs.cpu_times(cpus), (time.monotonic() - began) * len(cpus)
    foreign = after.busy - before.busy - (time.process_time() - own)
    return (after.stolen - before.stolen) / whole, max(0.0, foreign) / whole


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return None
