"""What the entry tells about each worker: facts files as the sign of readiness, counters to read at any instant."""

from __future__ import annotations

import json
import mmap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SLOTS = 8
STARTED, FINISHED, NODELAY, PARSER = range(4)  # as in harness/entry/harness_entry.py; a test keeps the two alike
NODELAY_VALUES = (None, False, True, None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Count:
    """One worker's counters at one instant."""

    started: int
    finished: int
    nodelay: bool | None
    """TCP_NODELAY on the connection of its first request."""
    parser: int
    """Which of the adapter's parsers was imported at its first request, counted from 1; 0: none."""


class Worker:
    """One worker that is up."""

    def __init__(self, facts: dict[str, Any], counters: Path) -> None:
        self.pid = int(facts["pid"])
        self.facts = facts
        with open(counters, "rb") as file:
            self._memory = memoryview(mmap.mmap(file.fileno(), 8 * SLOTS, prot=mmap.PROT_READ)).cast("Q")

    def read(self) -> Count:
        """Its counters now."""
        return Count(
            started=self._memory[STARTED],
            finished=self._memory[FINISHED],
            nodelay=NODELAY_VALUES[self._memory[NODELAY]],
            parser=self._memory[PARSER],
        )


def told(folder: Path) -> list[Worker]:
    """Every worker that has told its facts, oldest process first; workers that died since are among them."""
    found = []
    for path in folder.glob("*.json"):
        facts = json.loads(path.read_text(encoding="utf-8"))
        found.append(Worker(facts, path.with_suffix(".counters")))
    return sorted(found, key=lambda worker: worker.pid)
