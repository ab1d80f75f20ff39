"""Facts about this machine, stored with each run."""

from __future__ import annotations

import os
import platform
import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.errors import LackError
from harness.host import cgroups

DATABASE_URL, VARIABLE = "--database-url", "--env"


def require_linux() -> None:
    """LackError on other systems, where the clocks and counters that everything rests on are not to be had."""
    if platform.system() != "Linux":
        raise LackError(
            f"harness measures on Linux only, this is {platform.system()}",
            cure="run it in a Linux virtual machine, or in a container with two cores or more",
        )


def facts() -> dict[str, object]:
    """Processor, cores, memory, kernel and what else numbers depend on. No name or address of the machine."""
    return {
        "system": platform.system(),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "cpu_model": _cpu_model(),
        "cpus_available": len(os.sched_getaffinity(0)),
        "cpus_total": os.cpu_count(),
        "cpu_quota": cgroups.cpu_quota(),
        "memory_bytes": _kilobytes("MemTotal"),
        "memory_limit_bytes": cgroups.memory_limit(),
        "distribution": platform.freedesktop_os_release().get("PRETTY_NAME") if _has_os_release() else None,
        "hypervisor": "hypervisor" in (_field("/proc/cpuinfo", "flags") or "").split(),
        "cpu_governor": _text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "somaxconn": _text("/proc/sys/net/core/somaxconn"),
        "load_average": list(os.getloadavg()),
    }


def command() -> str | None:
    """The command line of this process, if it is the harness' own. Without the database's URL, which has a password,
    and without the values of variables."""
    name = Path(sys.argv[0])
    own = name.name == "harness" or name.parts[-2:] == ("harness", "__main__.py")
    return shlex.join(["harness", *without_secrets(sys.argv[1:])]) if own else None


def without_secrets(arguments: Sequence[str]) -> Iterator[str]:
    """Words of a command line, without the database's URL, values of variables and passwords."""
    before = ""
    for argument in arguments:
        option, equals, _ = argument.partition("=")
        if before == DATABASE_URL:
            yield "URL"
        elif before == VARIABLE:
            yield f"{option}=…" if equals else option
        elif option == DATABASE_URL and equals:
            yield f"{option}=URL"
        elif option == VARIABLE and equals:
            yield f"{option}={argument.split('=')[1]}=…"
        else:
            yield re.sub(r"://[^/\s]*@", "://", argument)
        before = argument


def _cpu_model() -> str | None:
    """The processor's name; on Arm, where the system tells none, the numbers of its maker and part."""
    name = _field("/proc/cpuinfo", "model name")
    numbers = [_field("/proc/cpuinfo", f"CPU {part}") for part in ("implementer", "part", "variant", "revision")]
    return name or (f"Arm {'/'.join(map(str, numbers))}" if numbers[0] else None)


def _has_os_release() -> bool:
    return Path("/etc/os-release").exists() or Path("/usr/lib/os-release").exists()


def _text(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return None


def _field(path: str, name: str) -> str | None:
    for line in (_text(path) or "").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return None


def _kilobytes(name: str) -> int | None:
    value = _field("/proc/meminfo", name)
    return int(value.split()[0]) * 1024 if value else None
