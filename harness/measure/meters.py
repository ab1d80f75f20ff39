"""Readings of servers that are up: cheap ones (counters and clocks of known processes), and a census now and then."""

from __future__ import annotations

import time
from dataclasses import dataclass

from harness.deploy.launch import Deployment
from harness.host import procfs


@dataclass(frozen=True, slots=True)
class Reading:
    """One deployment at one instant."""

    at: float
    """Of the monotonic clock."""
    finished: int
    """Requests that its workers have finished so far."""
    cpu: float
    """CPU seconds that its processes have used since the meter was made."""


class DeploymentMeter:
    """Reads a deployment within microseconds; `census` finds out which processes it has."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._pids = deployment.child.members()
        self._cpu = procfs.CpuMeter(self._pids)
        self.rss_peak_bytes = 0
        self.census()

    @property
    def processes(self) -> int:
        """Processes at the last census."""
        return len(self._pids)

    def read(self) -> Reading:
        """Counters and clocks now."""
        finished = sum(worker.finished() for worker in self._deployment.workers)
        return Reading(at=time.monotonic(), finished=finished, cpu=self._cpu.read(self._pids))

    def in_flight(self) -> int:
        """Requests inside the application now."""
        return sum(worker.in_flight() for worker in self._deployment.workers)

    def census(self) -> None:
        """List the processes and their memory; takes milliseconds."""
        self._pids = self._deployment.child.members()
        self.rss_peak_bytes = max(self.rss_peak_bytes, sum(map(procfs.rss_bytes, self._pids)))

    def switches(self) -> int:
        """Context switches of all threads of its processes so far; takes milliseconds."""
        return sum(map(procfs.context_switches, self._pids))

    def requests_by_worker(self) -> list[int]:
        """Requests that each worker has finished so far."""
        return [worker.finished() for worker in self._deployment.workers]

    def started(self) -> int:
        """Requests that have reached the workers so far."""
        return sum(worker.read().started for worker in self._deployment.workers)
