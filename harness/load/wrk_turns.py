"""wrk loading several servers in turn: one process for each, of which all but one are stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence

from harness import resources
from harness.environments import interpreters
from harness.errors import LackError
from harness.host import procfs
from harness.host.processes import Child, Supervisor
from harness.load.turns import Lane, TurnReport
from harness.load.wrk import Wrk, plain_path

HOURS = "24h"
START_SECONDS = 0.3
"""What a process is given to open its connections before it is stopped."""
END_SECONDS = 15.0
IDLE_READINGS, IDLE_SECONDS = 4, 0.001
"""Readings in a row, so far apart, at which a server must have nothing under way to have answered everything."""


class WrkTurns:
    """A process of wrk for each lane, continued for its turns and stopped by signals."""

    def __init__(
        self,
        wrk: Wrk,
        lanes: Sequence[Lane],
        supervisor: Supervisor,
        cpus: Sequence[int] | None,
        in_flight: Callable[[int], int],
    ) -> None:
        """`in_flight`: lane → requests that its workers have not finished; wrk itself does not tell."""
        self._in_flight = in_flight
        self._children: list[Child] = []
        self._summaries = [supervisor.folder / f"wrk-{place}.json" for place in range(len(lanes))]
        self.argv: tuple[str, ...] = ()
        for lane, summary in zip(lanes, self._summaries, strict=True):
            target = lane.target
            self.argv = (
                *(wrk.path, "--connections", str(lane.users), "--threads", "1", "--duration", HOURS),
                *("--timeout", f"{round(target.timeout_seconds)}s"),
                *("--script", str(resources.folder("k6") / wrk.scripts[0]), target.base + plain_path(target)),
            )
            child = supervisor.start(
                self.argv,
                env={**interpreters.clean(), "HARNESS_SUMMARY": str(summary)},
                cwd=supervisor.folder,
                log=summary.with_suffix(".log"),
                cpus=cpus,
            )
            self._children.append(child)
            time.sleep(START_SECONDS)
            self._signal(len(self._children) - 1, signal.SIGSTOP)

    def begin(self, lane: int, seconds: float, spread: float = 0.0) -> float:
        """Continue a lane's process, all users of which begin at once."""
        now = time.monotonic()
        self._signal(lane, signal.SIGCONT)
        return now

    def wait(self, until: float) -> None:
        """Let time pass."""
        while (left := until - time.monotonic()) > 0:
            time.sleep(left)

    def drained(self, lane: int, seconds: float) -> bool:
        """Stop the lane's process, and wait until its server has finished what was sent."""
        self._signal(lane, signal.SIGSTOP)
        deadline = time.monotonic() + seconds
        idle = 0
        while idle < IDLE_READINGS:  # what the server has not read yet is in no counter
            if time.monotonic() > deadline:
                return False
            idle = 0 if self._in_flight(lane) else idle + 1
            time.sleep(IDLE_SECONDS)
        return True

    def report(self, lane: int) -> TurnReport:
        """Nothing: wrk tells at its end."""
        return TurnReport(answers=None)

    def cpu_seconds(self) -> float:
        """CPU time of all processes so far."""
        return sum(procfs.cpu_seconds(child.pid) or 0.0 for child in self._children)

    def end(self) -> None:
        """Interrupt all processes, upon which each writes its summary."""
        for place, child in enumerate(self._children):
            self._signal(place, signal.SIGCONT)
            deadline = time.monotonic() + END_SECONDS
            while child.returncode() is None and time.monotonic() < deadline:
                # Again and again: one that reaches another thread than its first does not wake that from its sleep.
                os.kill(child.pid, signal.SIGINT)
                try:
                    child.process.wait(0.1)
                except subprocess.TimeoutExpired:
                    continue
            if child.returncode() is None:
                child.kill()

    def total(self, lane: int) -> int | None:
        """Requests that were answered in all turns; None where it does not tell."""
        try:
            return int(json.loads(self._summaries[lane].read_text(encoding="utf-8"))["requests"])
        except (OSError, ValueError, KeyError):
            return None

    def _signal(self, lane: int, number: int) -> None:
        child = self._children[lane]
        if child.returncode() is not None:
            raise LackError(
                "wrk ended in the middle of the load",
                cure="see its messages below, or measure with k6",
                detail=child.log_tail(),
            )
        os.kill(child.pid, number)
