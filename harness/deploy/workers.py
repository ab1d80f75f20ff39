"""What the entry tells about each worker: facts files as the sign of readiness, counters to read at any instant."""

from __future__ import annotations

import json
import mmap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.injected.harness_layout import (
    FINISHED,
    LAG_FIRST,
    NODELAY,
    OFF,
    ON,
    PARSER,
    RETURNED,
    SLOTS,
    STARTED,
    WAIT_FIRST,
)

NODELAY_STATES = {OFF: False, ON: True}


@dataclass(frozen=True, slots=True)
class Counters:
    """One worker's counters at one instant."""

    values: Sequence[int]

    @property
    def started(self) -> int:
        """Requests that reached the application."""
        return self.values[STARTED]

    @property
    def finished(self) -> int:
        """Requests whose answer has left it, to its last byte."""
        return self.values[FINISHED]

    @property
    def unreturned(self) -> int:
        """Calls of the application that go on although their answer has left it."""
        return max(0, self.values[FINISHED] - self.values[RETURNED])

    @property
    def nodelay(self) -> bool | None:
        """TCP_NODELAY on the connection of its first request; None: not known."""
        return NODELAY_STATES.get(self.values[NODELAY])

    @property
    def parser(self) -> int:
        """Which of the adapter's parsers was imported at its first request, counted from 1; 0: none."""
        return self.values[PARSER]

    @property
    def lags(self) -> Sequence[int]:
        """The histogram of its event loop's lag."""
        return self.values[LAG_FIRST:WAIT_FIRST]


class Worker:
    """One worker that is up."""

    def __init__(self, facts: dict[str, Any], counters: Path) -> None:
        self.pid = int(facts["pid"])
        self.facts = facts
        with open(counters, "rb") as file:
            self._memory = memoryview(mmap.mmap(file.fileno(), 8 * SLOTS, prot=mmap.PROT_READ)).cast("Q")

    def read(self) -> Counters:
        """Its counters now."""
        return Counters(self._memory.tolist())

    def finished(self) -> int:
        """Requests whose answer has left the application so far."""
        return self._memory[FINISHED]

    def in_flight(self) -> int:
        """Requests inside the application now."""
        return max(0, self._memory[STARTED] - self._memory[FINISHED])


def read_workers(folder: Path) -> list[Worker]:
    """Every worker that has told its facts, oldest process first; workers that died since are among them."""
    workers = []
    for path in folder.glob("*.json"):
        facts = json.loads(path.read_text(encoding="utf-8"))
        workers.append(Worker(facts, path.with_suffix(".counters")))
    return sorted(workers, key=lambda worker: worker.pid)
