"""What machines, containers and disks do to a measurement: kinds of faults for `faults.py`, which is the one to run.

Each is left out where this machine does not let it be done; the table says why.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from striking import QUICK, Ended, Kind, Scene

from harness import api

RUN = ("run", "--workload", "sleep", "--param", "ms=10", *QUICK)
SELECT = ("run", "--workload", "select", *QUICK)
COMPARE = ("compare", "uvicorn", "granian", "--workload", "select", "--max-time", "8s", "--vus", "4")
DONE = (0, 3)
"""Exit codes of a measurement that was made: the machine may be busy."""
SEEN_CODE = 99
"""In place of an exit code: what should have been seen was not."""
LONGEST_SECONDS = 5.0
CGROUPS = Path("/sys/fs/cgroup")
CLOCK = """
import time
nanoseconds, seconds = time.clock_gettime_ns, time.time

def shift():
    try:
        with open("SHIFT") as file:
            return int(file.read())
    except OSError:
        return 0

time.clock_gettime_ns = lambda clock: nanoseconds(clock) + (clock == time.CLOCK_REALTIME) * shift() * 10**9
time.time = lambda: seconds() + shift()
"""
"""In the command's own Python: setting the machine's clock would set that of everybody."""


def _lacks(*programs: str, root: bool = True) -> Callable[[], str | None]:
    def lacks() -> str | None:
        if root and os.geteuid() != 0:
            return "takes root"
        missing = [each for each in programs if shutil.which(each) is None]
        return f"there is no {missing[0]}" if missing else None

    return lacks


def _must(ended: Ended, seen: bool, what: str) -> Ended:
    """The same ending, if what should be seen was."""
    return ended if seen else Ended(code=SEEN_CODE, out=ended.out, err=f"{ended.err}\nnot seen: {what}")


def _stored(scene: Scene) -> list[Path]:
    return [path for path in scene.results.glob("*/run.json") if not path.parent.name.startswith(".")]


def _finish(scene: Scene, argv: Sequence[str]) -> Ended:
    return scene.finish(scene.start(argv=argv))


# Postgres


def _data(scene: Scene) -> Path:
    return Path(scene.environment["HARNESS_DATA"])


def postgres_is_killed(*command: str) -> Callable[[Scene], Ended]:
    """SIGKILL to the server, or to one of its processes, at any moment of a command that uses it."""

    def strike(scene: Scene) -> Ended:
        subprocess.run(
            [sys.executable, "-m", "harness", "db", "start"], env=scene.environment, check=True, capture_output=True
        )
        process = scene.start(*command)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(scene.chance.uniform(0.05, LONGEST_SECONDS))
        note = _data(scene) / "postgres18" / "postmaster.pid"
        with contextlib.suppress(OSError, IndexError, ValueError):
            postmaster = int(note.read_text(encoding="utf-8").splitlines()[0])
            children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text(encoding="ascii").split()
            os.kill(scene.chance.choice([postmaster, *map(int, children)]), signal.SIGKILL)
        return scene.finish(process)

    return strike


def postgres_of_another_container(scene: Scene) -> Ended:
    """The data are those of a living server that cannot be seen: no file of it may be touched."""
    command = [sys.executable, "-m", "harness", "db"]
    subprocess.run([*command, "start"], env=scene.environment, check=True, capture_output=True)
    note = _data(scene) / "postgres18" / "postmaster.pid"
    before = note.read_text(encoding="utf-8")
    ended = _finish(scene, ["unshare", "--pid", "--fork", "--mount-proc", *scene.argv(*SELECT)])
    return _must(ended, note.read_text(encoding="utf-8") == before, "the note of the living server")


# Disks


@contextlib.contextmanager
def _tmpfs(folder: Path, options: str) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def results_are_full(scene: Scene) -> Ended:
    """A disk that is full at any place of what is stored: the measurement is kept elsewhere, and it says where."""
    with _tmpfs(scene.results, f"size={scene.chance.randrange(1, 12) * 4}k"):
        ended = scene.finish(scene.start(*RUN))
    if ended.code in DONE or "the measurement is kept in " not in ended.err:
        return ended  # there was room, or nothing was measured yet
    kept = Path(ended.err.partition("the measurement is kept in ")[2].split()[0])
    return _must(ended, bool(json.loads(kept.read_text(encoding="utf-8"))["requests"]), str(kept))


def results_are_read_only(scene: Scene) -> Ended:
    """Found out before anything is started."""
    with _tmpfs(scene.results, "ro"):
        return scene.finish(scene.start(*RUN))


def postgres_has_a_small_disk(scene: Scene) -> Ended:
    """Room for the program and for some of the data."""
    folder = Path(tempfile.mkdtemp(prefix="hf-", dir="/var/tmp"))
    environment = {"HARNESS_DATA": str(folder / "data")}
    try:
        with _tmpfs(folder, f"mode=755,size={scene.chance.randrange(40, 300)}m"):
            ended = scene.finish(scene.start(*SELECT, **environment))
            stop = [sys.executable, "-m", "harness", "db", "stop"]
            subprocess.run(stop, env={**scene.environment, **environment}, check=False, capture_output=True)
    finally:
        folder.rmdir()
    return ended


def files_are_limited(scene: Scene) -> Ended:
    """No file may grow beyond some size, as under a quota."""
    return _finish(scene, ["prlimit", f"--fsize={scene.chance.randrange(1, 200) * 1000}", *scene.argv(*RUN)])


# Locks


def lock_is_held(scene: Scene) -> Ended:
    """Somebody else measures for a while."""
    with open(scene.temporary / "harness-measuring.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = scene.start(*RUN)
        time.sleep(scene.chance.uniform(1.0, 3.0))
    ended = scene.finish(process)
    return _must(ended, "waiting for it to finish" in ended.err, "that it waits")


def lock_is_a_pipe(scene: Scene) -> Ended:
    """Something else has the lock's name."""
    os.mkfifo(scene.temporary / "harness-measuring.lock")
    return scene.finish(scene.start(*RUN))


def two_containers(scene: Scene) -> Ended:
    """Two harnesses that do not see each other store into one folder; one of them is killed now and then."""
    elsewhere = scene.temporary / "other"
    elsewhere.mkdir()
    own = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", *scene.argv(*RUN)]
    first, second = scene.start(argv=own), scene.start(argv=own, TMPDIR=str(elsewhere))
    killed = scene.chance.random() < 0.3
    if killed:
        time.sleep(scene.chance.uniform(0.2, 2.0))
        second.kill()
    others, ended = scene.finish(second), scene.finish(first)
    if ended.code not in DONE or (others.code not in DONE and not killed):
        return Ended(code=SEEN_CODE, out="", err=f"{ended.err}\n{others.err}")
    return _must(ended, len(_stored(scene)) >= 2 - killed, "both results")


# Containers


def capabilities_are_dropped(scene: Scene) -> Ended:
    """Root as it is in a container, with Postgres."""
    words = " ".join(f"'{word}'" for word in scene.argv(*SELECT))
    return _finish(scene, ["capsh", "--drop=cap_sys_ptrace,cap_sys_nice", "--", "-c", f"exec {words}"])


def _grouped(controller: str, settings: Mapping[str, str]) -> Callable[[Scene, Sequence[str]], Ended]:
    """Run a command of the harness in a control group of its own, of whichever version there is."""

    def run(scene: Scene, command: Sequence[str]) -> Ended:
        v1 = CGROUPS / controller
        group = (v1 if v1.is_dir() else CGROUPS) / f"harness-faults-{os.getpid()}"
        group.mkdir()
        try:
            for name, value in settings.items():
                if (group / name).exists():
                    (group / name).write_text(value)
            entering = ["sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh", *scene.argv(*command)]
            return _finish(scene, entering)
        finally:
            deadline = time.monotonic() + 10
            while group.exists() and time.monotonic() < deadline:
                with contextlib.suppress(OSError):
                    group.rmdir()
                time.sleep(0.1)

    return run


def _no_groups(controller: str, *names: str) -> Callable[[], str | None]:
    def lacks() -> str | None:
        folder = CGROUPS / controller if (CGROUPS / controller).is_dir() else CGROUPS
        probe = folder / f"harness-faults-probe-{os.getpid()}"
        try:
            probe.mkdir()
        except OSError as error:
            return f"no control group can be made: {error.strerror}"
        try:
            return None if any((probe / name).exists() for name in names) else f"groups have no {controller} here"
        finally:
            probe.rmdir()

    return lacks


def quota_is_used_up(scene: Scene) -> Ended:
    """Half of a core or less for server and generator together: measured, and invalid."""
    share = scene.chance.randrange(20, 50) * 1000
    settings = {"cpu.max": f"{share} 100000", "cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": str(share)}
    ended = _grouped("cpu", settings)(scene, ("run", "--workload", "cpu", *QUICK))
    reasons = [
        reason.gate for path in _stored(scene) for visit in api.read_run(path.parent).visits for reason in visit.reasons
    ]
    return _must(ended, "quota" in reasons, f"the gate quota: {reasons}")


def memory_is_used_up(scene: Scene) -> Ended:
    """A group in which something is killed for want of memory."""
    size = str(scene.chance.randrange(100, 400) << 20)
    return _grouped("memory", {"memory.max": size, "memory.limit_in_bytes": size})(scene, RUN)


# Clocks


def clock_is_set(scene: Scene) -> Ended:
    """The system's clock, as far as the command sees it, is set by some seconds in the middle of a measurement."""
    shift, inside = scene.folder / "shift", scene.folder / "inside"
    inside.mkdir()
    (inside / "sitecustomize.py").write_text(CLOCK.replace("SHIFT", str(shift)))
    command = ("run", "--workload", "sleep", "--param", "ms=10", *QUICK, "--duration", "4s")
    process = scene.start(*command, PYTHONPATH=str(inside))
    scene.wait_for("k6/cell.js")
    time.sleep(scene.chance.uniform(1.0, 3.0))
    new = scene.folder / "new"
    new.write_text(scene.chance.choice(["3", "-2"]))
    new.rename(shift)
    ended = scene.finish(process)
    return _must(ended, "clock was set" in ended.out + ended.err, "that the clock was set")


KINDS = [
    Kind(name="Postgres killed, harness run", strike=postgres_is_killed(*SELECT), codes=(*DONE, 5), times=10),
    Kind(name="Postgres killed, harness compare", strike=postgres_is_killed(*COMPARE), codes=(*DONE, 5, 6), times=4),
    Kind(
        name="Postgres of another container",
        strike=postgres_of_another_container,
        codes=(5,),
        times=2,
        lacks=_lacks("unshare"),
    ),
    Kind(name="disk of results full", strike=results_are_full, codes=(*DONE, 5), times=8, lacks=_lacks("mount")),
    Kind(name="results read-only", strike=results_are_read_only, codes=(5,), times=2, lacks=_lacks("mount")),
    Kind(
        name="disk of Postgres small",
        strike=postgres_has_a_small_disk,
        codes=(*DONE, 5),
        times=4,
        lacks=_lacks("mount"),
    ),
    Kind(
        name="files limited in size",
        strike=files_are_limited,
        codes=(*DONE, 4, 5),
        times=6,
        lacks=_lacks("prlimit", root=False),
    ),
    Kind(name="lock held by another", strike=lock_is_held, codes=DONE, times=3, survives=True),
    Kind(name="lock is a pipe", strike=lock_is_a_pipe, codes=(5,), times=1),
    Kind(name="two containers, one folder", strike=two_containers, codes=DONE, times=6, lacks=_lacks("unshare")),
    Kind(
        name="capabilities dropped, with Postgres",
        strike=capabilities_are_dropped,
        codes=DONE,
        times=3,
        lacks=_lacks("capsh"),
        survives=True,
    ),
    Kind(
        name="CPU quota used up",
        strike=quota_is_used_up,
        codes=(3,),
        times=4,
        lacks=_no_groups("cpu", "cpu.max", "cpu.cfs_quota_us"),
        survives=True,
    ),
    Kind(
        name="memory of a group used up",
        strike=memory_is_used_up,
        codes=(*DONE, 4, 5, -signal.SIGKILL),
        times=4,
        lacks=_no_groups("memory", "memory.max", "memory.limit_in_bytes"),
    ),
    Kind(
        name="clock set",
        strike=clock_is_set,
        codes=(3,),
        times=3,
        survives=True,
    ),
]
