"""The generator's own ceiling: its throughput against a server that does nothing, measured anew when the machine has
become another one: after an hour, or where a CPU second has become faster or slower."""

from __future__ import annotations

import hashlib
import json
import math
import os
import socket
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from harness import resources
from harness.environments import interpreters
from harness.errors import HarnessError, LackError
from harness.host import facts as host
from harness.host import paths as home
from harness.host import placement, procfs, signals, speed
from harness.host.affinity import confined
from harness.host.ports import free_port
from harness.host.processes import Child, Supervisor
from harness.load import null_server
from harness.load.generator import Load, LoadTarget
from harness.measure.job import Job
from harness.model.events import Emit, MeasurementProgress
from harness.model.load import RequestMix, RequestTemplate

NEEDED_RPS = 2000.0
"""Cells that their own waits keep below this are far from any generator's ceiling."""
WARMUP_SECONDS, WINDOW_SECONDS = 1.0, 3.0
START_SECONDS = 15.0
QUIET_SHARE = 0.05
TRIALS = 3
NEAR, CONFIRMATIONS = 0.7, 5
"""Share of the ceiling from which on it is measured again beside a measurement, and after how many times no more."""
FRESH_SECONDS, SAME_SPEED = 3600.0, 0.15
"""How old a ceiling may be, and by how much, as a share, the speed of a CPU second may have changed since."""
PROBES = 5
FILE = "null-ceilings.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Calibration:
    """What the generator reached."""

    rps: float
    quiet: bool
    """Whether nobody took CPU time, at least once. Else the generator reaches more at a quieter time: it is tried again
    the next times, TRIALS in all, and the most counts."""
    times: int
    at: float
    """When it was last measured, in seconds of the Unix epoch."""
    speed: float
    """Of a CPU second at that time, in million steps of `harness.host.speed`."""

    def fresh(self, now: float, speed_now: float) -> bool:
        """Whether the machine is still the one that was measured."""
        changed = abs(math.log(speed_now / self.speed)) if self.speed > 0 else math.inf
        return now - self.at < FRESH_SECONDS and changed < math.log(1 + SAME_SPEED)


def ceiling(job: Job, emit: Emit) -> float | None:
    """Requests per second, from the store or measured now; None where no cell like this can come near it."""
    known = job.spec.subject.known_seconds
    most = job.rate if job.rate is not None else job.users / known if known else None
    if most is not None and most < NEEDED_RPS:
        return None
    stored = _fresh(key(job))
    if stored is not None and (stored.quiet or stored.times >= TRIALS):
        return stored.rps
    return _calibrate_now(job, emit)


def confirmed(job: Job, known: float | None, reached_rps: float, emit: Emit) -> float | None:
    """The ceiling to judge `reached_rps` by. The speed of a shared machine wanders: where the known one is so close
    that it speaks against the measurement, it is measured once more beside it, and the most counts."""
    if known is None or reached_rps <= NEAR * known:
        return known
    stored = _fresh(key(job))
    if signals.pending() or (stored is not None and stored.times >= CONFIRMATIONS):
        return known
    with signals.interruptible():
        try:
            return _calibrate_now(job, emit)
        except (HarnessError, OSError):
            pass  # the measurement is made, and must not be lost for that
    return known


def _fresh(name: str) -> Calibration | None:
    """What is stored under a name, if the machine is still the same."""
    stored = read().get(name)
    return stored if stored is not None and stored.fresh(time.time(), _speed()) else None


def _speed() -> float:
    return sum(speed.probe() for _ in range(PROBES)) / PROBES


def _calibrate_now(job: Job, emit: Emit) -> float:
    name = key(job)
    stored = _fresh(name)
    emit(MeasurementProgress(phase="calibration"))
    cpus = job.placement.cores
    before, began = procfs.cpu_times(cpus).stolen, time.monotonic()
    rps = round(calibrate(job), 1)
    stolen = (procfs.cpu_times(cpus).stolen - before) / (time.monotonic() - began) / len(cpus)
    quiet = stolen <= QUIET_SHARE
    if stored is not None:
        rps, quiet = max(rps, stored.rps), quiet or stored.quiet
    times = 1 + (stored.times if stored else 0)
    ceiling = Calibration(rps=rps, quiet=quiet, times=times, at=round(time.time(), 1), speed=round(_speed(), 4))
    _write(read() | {name: ceiling})
    return ceiling.rps


def key(job: Job) -> str:
    """What the generator's ceiling depends on. A new script or version is measured anew."""
    generator = job.generator
    texts = b"".join((resources.folder("k6") / name).read_bytes() for name in generator.scripts)
    script = hashlib.sha256(texts).hexdigest()[:12]
    cpus = [len(each) if each else 0 for each in (job.placement.generator_cpus, job.placement.server_cpus)]
    facts = host.facts()
    limit = "" if facts["cpu_quota"] is None else f", quota {facts['cpu_quota']:g}"
    processor = f"{facts['cpu_model']}, Linux {facts['kernel']}{limit}"
    return (
        f"{generator.name} {generator.version} {script}, {job.users} users, "
        f"cores {cpus[0]}/{cpus[1]} of {os.cpu_count()} {processor}"
    )


def calibrate(job: Job) -> float:
    """Load the null server, placed as the job's server, with the job's generator and users."""
    port = free_port()
    cpus = job.placement.server_cpus
    with confined(job.placement.generator_cpus), Supervisor() as supervisor:
        for number in range(max(1, int(placement.allotted(cpus)))):
            child = supervisor.start(
                (sys.executable, "-P", null_server.__file__, str(port)),  # -P: modules beside it stay off its path
                env=interpreters.clean(),
                cwd=supervisor.folder,
                log=supervisor.folder / f"null-{number}.log",
                cpus=cpus,
            )
            _await(port, child)
        load = Load(
            target=LoadTarget(
                base=f"http://{null_server.HOST}:{port}",
                mix=RequestMix(templates=(RequestTemplate(name="null", path=("/",), expected=null_server.BODY),)),
                timeout_seconds=30.0,
            ),
            users=job.users,
            rate=None,
            warmup_seconds=WARMUP_SECONDS,
            window_seconds=WINDOW_SECONDS,
        )
        generator = job.generator.start(load, supervisor, job.placement.generator_cpus)
        generator.begin_window()  # of k6 it is over when its run is; another one is told that the warm-up is over
        summary = generator.wait_for_summary(after_seconds=WARMUP_SECONDS + WINDOW_SECONDS)
    if not summary.requests:
        raise LackError(
            "the null server, which the generator is calibrated with, answered nothing",
            cure="try again; if it stays so, please report it",
            detail=generator.child.log_tail(),
        )
    return summary.requests / summary.window_seconds


def read() -> dict[str, Calibration]:
    """What was calibrated on this machine, by its key."""
    try:
        stored = json.loads(_path().read_text(encoding="utf-8"))
        return {name: Calibration(**values) for name, values in stored.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _write(ceilings: dict[str, Calibration]) -> None:
    home.own()
    new = _path().with_suffix(".new")
    new.write_text(
        json.dumps({name: asdict(each) for name, each in ceilings.items()}, indent=1) + "\n", encoding="utf-8"
    )
    new.rename(_path())


def _path() -> Path:
    return home.home() / FILE


def _await(port: int, child: Child) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection((null_server.HOST, port), timeout=1).close()
            return
        except OSError:
            if child.returncode() is not None or time.monotonic() > deadline:
                raise LackError(
                    "the null server, which the generator is calibrated with, does not start",
                    cure="see its log below",
                    detail=child.log_tail(),
                ) from None
            time.sleep(0.02)
