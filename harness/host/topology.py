"""Hardware threads by the physical core that they belong to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

CPUS = Path("/sys/devices/system/cpu")


def physical_cores(cpus: Iterable[int], root: Path = CPUS) -> list[list[int]]:
    """`cpus` grouped by physical core, in the order of each core's lowest one.

    A CPU whose siblings the system does not tell counts as a core of its own.
    """
    available = sorted(cpus)
    groups: dict[frozenset[int], list[int]] = {}
    for cpu in available:
        groups.setdefault(_siblings(cpu, root), []).append(cpu)
    return list(groups.values())


def spread(cores: Sequence[Sequence[int]], count: int) -> list[list[int]]:
    """So many hardware threads of `cores`, at least one, grouped as they are: one of each core before a second one of
    any."""
    turns = [core[turn] for turn in range(max(map(len, cores))) for core in cores if turn < len(core)]
    chosen = set(turns[: max(1, count)])
    return [kept for core in cores if (kept := [cpu for cpu in core if cpu in chosen])]


def _siblings(cpu: int, root: Path) -> frozenset[int]:
    """The hardware threads of a CPU's core, the CPU among them."""
    try:
        text = (root / f"cpu{cpu}" / "topology" / "thread_siblings_list").read_text(encoding="ascii")
        return frozenset(parse_list(text)) | {cpu}
    except (OSError, ValueError):
        return frozenset({cpu})


def parse_list(text: str) -> list[int]:
    """CPUs as the kernel writes them: `0-2,8`. ValueError where it is not that."""
    numbers: list[int] = []
    for part in filter(None, text.strip().split(",")):
        first, _, last = part.partition("-")
        numbers.extend(range(int(first), int(last or first) + 1))
    return numbers
