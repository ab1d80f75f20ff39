"""Warm-up and window: clocks and counters read at common instants, about a second apart."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass

from harness.deploy.launch import Deployment
from harness.deploy.workers import Counters
from harness.host import interruptions, procfs, speed
from harness.host.interruptions import Marks
from harness.load.generator import LoadSession
from harness.measure.evidence import lag
from harness.measure.job import Job
from harness.model.events import Emit, MeasurementProgress
from harness.model.measurement import Interruptions, Slice

SLICE_SECONDS = 1.0
SAMPLE_SECONDS = 0.1


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """Readings of the window."""

    slices: list[Slice]
    requests_by_worker: list[int]
    connections_by_worker: list[int] | None
    server_cpu_cores: float
    cpu_cores_by_worker: list[float]
    generator_cpu_cores: float
    database_cpu_cores: float | None
    processes: int
    workers_lost: int
    stolen_cores: float
    foreign_cores: float
    speeds: list[float]
    """Of a CPU second, once a slice."""
    interruptions: Interruptions
    first: list[Counters]
    """The workers' counters when it began,"""
    last: list[Counters]
    """and when it ended."""
    in_flight: list[list[int]]
    """Worker → requests inside the application, sampled."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """Everything that is read at one instant; CPU in seconds since the window began."""

    at: float
    counters: list[Counters]
    cpu: float
    """Of the server."""
    cpu_by_worker: list[float]
    rss_bytes: int
    processes: int
    generator_cpu: float
    database_cpu: float
    stolen: float
    others_cpu: float
    """Of processes that are neither of the server nor of the generator nor of the database nor ours."""

    @property
    def finished(self) -> int:
        """Requests that all workers have finished so far."""
        return sum(each.finished for each in self.counters)


class Meters:
    """Reads server, generator, database and machine together."""

    def __init__(self, job: Job, server: Deployment, generator: LoadSession) -> None:
        self._server, self._generator = server, generator
        self._cpu = procfs.CpuMeter(server.child.members())
        self._worker_cpu = [procfs.CpuMeter([worker.pid]) for worker in server.workers]
        self._generator_cpu = procfs.CpuMeter([generator.child.pid])
        self._postmaster = job.postmaster
        self._database_cpu = self._database()
        self._cpus = job.placement.cores
        self._machine = procfs.cpu_times(self._cpus)
        self._own_cpu = time.process_time()

    def read(self) -> Reading:
        """All of them now. Processes are listed first, since that takes milliseconds."""
        pids, workers = self._server.child.members(), self._server.workers
        at = time.monotonic()
        counters = [worker.read() for worker in workers]
        cpu = self._cpu.read(pids)
        cpu_by_worker = [meter.read([worker.pid]) for meter, worker in zip(self._worker_cpu, workers, strict=True)]
        rss_bytes = sum(map(procfs.rss_bytes, pids))
        generator_cpu = self._generator_cpu.read([self._generator.child.pid])
        database_cpu = self._database() - self._database_cpu
        machine = procfs.cpu_times(self._cpus)
        ours = cpu + generator_cpu + database_cpu + time.process_time() - self._own_cpu
        return Reading(
            at=at,
            counters=counters,
            cpu=cpu,
            cpu_by_worker=cpu_by_worker,
            rss_bytes=rss_bytes,
            processes=len(pids),
            generator_cpu=generator_cpu,
            database_cpu=database_cpu,
            stolen=machine.stolen - self._machine.stolen,
            others_cpu=machine.busy - self._machine.busy - ours,
        )

    def _database(self) -> float:
        return 0.0 if self._postmaster is None else procfs.family_cpu_seconds(self._postmaster)


def watch(job: Job, server: Deployment, generator: LoadSession, emit: Emit, before: Marks) -> Window:
    """Follow the load from the generator's start to the end of the window. `before`: marks from before that start."""
    # Time the generator tells as the system's clock, we wait by the monotonic one.
    started = generator.wait_for_start() - time.time() + time.monotonic()
    start = started + job.timing.warmup_seconds
    _warm_up(job, server, start, emit)
    connected = _connections(server)
    if generator.begin_window():
        start = time.monotonic()
    meters = Meters(job, server, generator)
    readings = [meters.read()]
    end = start + job.timing.window_seconds
    in_flight: list[list[int]] = [[] for _ in server.workers]
    speeds: list[float] = []
    while (left := end - readings[-1].at) > 0 or len(readings) == 1:
        # A last slice of less than half a second is joined to the one before it. If the machine stalled through the
        # whole window there is still one slice, of what came after.
        whole = left >= 1.5 * SLICE_SECONDS or left <= 0
        until = readings[-1].at + SLICE_SECONDS if whole else end
        while time.monotonic() < until:
            _sleep_until(min(until, time.monotonic() + SAMPLE_SECONDS))
            for samples, worker in zip(in_flight, server.workers, strict=True):
                samples.append(worker.in_flight())
        readings.append(meters.read())
        speeds.append(speed.probe())
        if not sum(connected or []):
            connected = _connections(server)  # a generator that begins the window with new connections
        _report(readings, job.timing.window_seconds, emit)
    connected = max(connected, _connections(server), key=lambda each: sum(each or []))
    happened = interruptions.between(before, interruptions.mark())
    return _window(job, server, readings, connected, in_flight, speeds, happened)


def _report(readings: list[Reading], window_seconds: float, emit: Emit) -> None:
    before, after = readings[-2:]
    served = after.finished - before.finished
    fraction = min(1.0, (after.at - readings[0].at) / window_seconds)
    emit(MeasurementProgress(phase="window", fraction=fraction, rps=served / (after.at - before.at)))


def _warm_up(job: Job, server: Deployment, until: float, emit: Emit) -> None:
    before, served = time.monotonic(), 0
    emit(MeasurementProgress(phase="warm-up", fraction=0.0))
    while (left := until - time.monotonic()) > 0:
        time.sleep(min(left, SLICE_SECONDS))
        now, total = time.monotonic(), sum(worker.finished() for worker in server.workers)
        fraction = 1 - max(0.0, until - now) / job.timing.warmup_seconds
        emit(MeasurementProgress(phase="warm-up", fraction=fraction, rps=(total - served) / (now - before)))
        before, served = now, total


def _sleep_until(moment: float) -> None:
    while (left := moment - time.monotonic()) > 0:
        time.sleep(left)


def _slice(before: Reading, after: Reading, start: float) -> Slice:
    late = lag(before.counters, after.counters)
    return Slice(
        t=round(after.at - start, 4),
        seconds=round(after.at - before.at, 4),
        requests=after.finished - before.finished,
        cpu_seconds=round(after.cpu - before.cpu, 6),
        lag_ms=None if late is None else late.p99,
        rss_bytes=after.rss_bytes,
    )


def _window(
    job: Job,
    server: Deployment,
    readings: list[Reading],
    connected: list[int] | None,
    in_flight: list[list[int]],
    speeds: list[float],
    happened: Interruptions,
) -> Window:
    first, last = readings[0], readings[-1]
    seconds = last.at - first.at
    return Window(
        slices=[_slice(old, new, first.at) for old, new in itertools.pairwise(readings)],
        requests_by_worker=[
            new.finished - old.finished for old, new in zip(first.counters, last.counters, strict=True)
        ],
        connections_by_worker=connected,
        server_cpu_cores=last.cpu / seconds,
        cpu_cores_by_worker=[
            (new - old) / seconds for old, new in zip(first.cpu_by_worker, last.cpu_by_worker, strict=True)
        ],
        generator_cpu_cores=last.generator_cpu / seconds,
        database_cpu_cores=None if job.postmaster is None else last.database_cpu / seconds,
        processes=last.processes,
        workers_lost=server.workers_lost(),
        stolen_cores=(last.stolen - first.stolen) / seconds,
        foreign_cores=max(0.0, last.others_cpu - first.others_cpu) / seconds,
        speeds=speeds,
        interruptions=happened,
        first=first.counters,
        last=last.counters,
        in_flight=in_flight,
    )


def _connections(server: Deployment) -> list[int] | None:
    """Connections of each worker. Taken before and after the window, since it costs milliseconds; the fuller
    counts: before it a few users may not have begun, after it the generator may have left."""
    return procfs.connections([worker.pid for worker in server.workers], server.target.port)
