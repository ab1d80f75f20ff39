"""What becomes of a measurement when something breaks? Faults of many kinds at random moments.

    .venv/bin/python benchmarks/faults.py [--quick] [--share 1.0] [--only PATTERN] [--seed 1] [--out FILE]

Kills of the harness, its servers, workers, load generator, guard and hooks; readers and terminals that are gone; memory
and descriptors that end; and what machines do (`faults_machine.py`). After each: nothing of it may run, everything that
is stored must be readable, no traceback, and an exit code that means what happened; a matrix must go on as if nothing
had been. Some 200 faults, half an hour; exit code 1 if anything was wrong. `--quick`: one of each kind.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import pty
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from faults_machine import KINDS as OF_MACHINES
from running import REFERENCE, document, write_document
from striking import QUICK, WAIT_SECONDS, Ended, Kind, Scene, Wrong, campaign, told

from harness import api

LONGEST_SECONDS = 4.5
"""Until the latest moment of a fault."""
DONE = (0, 3)
"""Exit codes of a measurement that was made: the machine may be busy."""
FAILED = (*DONE, 4)
"""The same where the server may have failed."""
SERVERS = ("uvicorn", "granian", "gunicorn", "gunicorn:worker=uvicorn", "hypercorn")
RUN = ("run", "--workload", "sleep", "--param", "ms=10", "--workers", "2", *QUICK)
COMPARE = ("compare", "uvicorn", "granian", "--max-time", "8s", "--vus", "4")
MATRIX = ("matrix", "--server", "uvicorn,granian", "--workload", "noop", "--vus", "4", "--max-time", "5s")
APPLICATION = """
async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})
    else:
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
"""
OWN = ("run", "--app", "plain:app", "--path", "/", *QUICK)


def ends_harness(number: signal.Signals, *command: str) -> Callable[[Scene], Ended]:
    """A signal to the harness itself."""

    def strike(scene: Scene) -> Ended:
        process = scene.start(*command, *_server(scene, command))
        _wait(process, scene.chance.uniform(0.05, LONGEST_SECONDS))
        process.send_signal(number)
        return scene.finish(process)

    return strike


def ends_other(number: signal.Signals, word: str, *command: str) -> Callable[[Scene], Ended]:
    """A signal to one of the processes whose arguments hold a word, at a random moment of its life."""

    def strike(scene: Scene) -> Ended:
        process = scene.start(*command)
        scene.wait_for(word)
        _wait(process, scene.chance.uniform(0.0, 2.5))
        _kill(scene, word, number)
        return scene.finish(process)

    return strike


def freezes(word: str, *command: str) -> Callable[[Scene], Ended]:
    """One of these processes stands still for a while."""

    def strike(scene: Scene) -> Ended:
        process = scene.start(*command)
        scene.wait_for(word)
        _wait(process, scene.chance.uniform(0.0, 2.0))
        pid = _kill(scene, word, signal.SIGSTOP)
        _wait(process, scene.chance.uniform(0.1, 1.0))
        if pid is not None:
            _signal(pid, signal.SIGCONT)
        return scene.finish(process)

    return strike


def lacks_memory(word: str, *command: str) -> Callable[[Scene], Ended]:
    """One of these processes gets no more memory than it has, from a random moment on."""

    def strike(scene: Scene) -> Ended:
        process = scene.start(*command)
        scene.wait_for(word)
        _wait(process, scene.chance.uniform(0.0, 1.5))
        for pid in scene.processes(word)[:1]:
            try:
                has = int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[0]) * resource.getpagesize()
                more = scene.chance.randrange(32) << 20
                resource.prlimit(pid, resource.RLIMIT_AS, (has + more, has + more))
            except (OSError, IndexError):
                pass  # it has ended
        return scene.finish(process)

    return strike


def limited(limit: str) -> Callable[[Scene], Ended]:
    """The shell that starts the harness allows little."""

    def strike(scene: Scene) -> Ended:
        program = " ".join(scene.argv(*RUN))
        return scene.finish(scene.start(argv=["/bin/bash", "-c", f"{limit}; exec {program}"]))

    return strike


def reader_leaves(redirect: str) -> Callable[[Scene], Ended]:
    """Whoever reads what is printed stops after a while."""

    def strike(scene: Scene) -> Ended:
        program = " ".join(scene.argv(*RUN, "--json"))
        seconds = scene.chance.uniform(0.0, LONGEST_SECONDS)
        script = f"{program} {redirect} (timeout {seconds:.2f} cat >/dev/null); exit ${{PIPESTATUS[0]}}"
        return scene.finish(scene.start(argv=["/bin/bash", "-c", script]))

    return strike


def terminal_is_lost(scene: Scene) -> Ended:
    """The terminal that shows the progress goes away; nobody sends a signal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        scene.argv(*RUN),
        cwd=scene.folder,
        env=scene.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
        start_new_session=True,
    )
    os.close(theirs)
    _wait(process, scene.chance.uniform(0.1, 3.0))
    os.close(ours)
    try:
        out, _ = process.communicate(timeout=WAIT_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        raise Wrong("it did not end") from None
    return Ended(code=process.returncode, out=out, err="")


def hook_is_ended(number: signal.Signals, option: str) -> Callable[[Scene], Ended]:
    """A command of the user's is killed from outside."""

    def strike(scene: Scene) -> Ended:
        (scene.folder / "plain.py").write_text(APPLICATION, encoding="utf-8")
        process = scene.start(*OWN, option, "sleep 309")
        scene.wait_for("sleep 309")
        _wait(process, scene.chance.uniform(0.0, 0.5))
        _kill(scene, "sleep 309", number)
        return scene.finish(process)

    return strike


def interrupted_twice(scene: Scene) -> Ended:
    """Ctrl-C, and again while the command at the end hangs."""
    (scene.folder / "plain.py").write_text(APPLICATION, encoding="utf-8")
    process = scene.start(*OWN, "--setup", "sleep 308 &", "--teardown", "sleep 309")
    _wait(process, scene.chance.uniform(1.5, 3.5))
    process.send_signal(signal.SIGINT)
    scene.wait_for("sleep 309")
    process.send_signal(signal.SIGINT)
    return scene.finish(process)


def goes_on(number: signal.Signals) -> Callable[[Scene], Ended]:
    """A matrix is ended, and gone on with: what was stored stays as it was, and it comes to its end."""

    def strike(scene: Scene) -> Ended:
        process = scene.start(*MATRIX)
        deadline = time.monotonic() + WAIT_SECONDS
        while not list(scene.results.glob("*-matrix/restarts/*.json.gz")):
            if process.poll() is not None or time.monotonic() > deadline:
                return scene.finish(process)
            time.sleep(0.1)
        _wait(process, scene.chance.uniform(0.0, 20.0))
        process.send_signal(number)
        ended = scene.finish(process)
        (folder,) = (path for path in scene.results.iterdir() if not path.name.startswith("."))
        before = api.read_run(folder)
        again = scene.finish(scene.start("matrix", "--resume", str(folder)), 2 * WAIT_SECONDS)
        after = api.read_run(folder)
        kept = len(before.restarts)
        if again.code not in DONE or after.restarts[:kept] != before.restarts:
            raise Wrong(f"after {kept} restarts it did not go on: exit code {again.code}, {again.err[-600:]}")
        if not isinstance(after.record, api.MatrixRecord) or not after.record.finished:
            raise Wrong("it did not come to its end")
        return ended

    return strike


def _server(scene: Scene, command: tuple[str, ...]) -> tuple[str, ...]:
    return ("--server", scene.chance.choice(SERVERS)) if command[0] == "run" else ()


def _wait(process: subprocess.Popen[str], seconds: float) -> None:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        pass


def _kill(scene: Scene, word: str, number: signal.Signals) -> int | None:
    found = scene.processes(word)
    if not found:
        return None
    pid = scene.chance.choice(found)
    _signal(pid, number)
    return pid


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


INT, TERM, HUP, KILL = signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL
GUNICORN = (*RUN, "--server", "gunicorn")
KINDS = [
    *(
        Kind(name=f"run: {number.name} to the harness", strike=ends_harness(number, *RUN), codes=codes, times=times)
        for number, codes, times in (
            (INT, (*DONE, 130), 8),
            (TERM, (*DONE, 130), 8),
            (HUP, (*DONE, 130), 4),
            (KILL, (*DONE, -KILL), 12),
        )
    ),
    *(
        Kind(name=f"compare: {number.name} to the harness", strike=ends_harness(number, *COMPARE), codes=codes, times=4)
        for number, codes in ((INT, (*DONE, 130)), (KILL, (*DONE, -KILL)))
    ),
    *(
        Kind(name=f"matrix: {number.name}, and on", strike=goes_on(number), codes=codes, times=4, survives=True)
        for number, codes in ((INT, (*DONE, 130)), (KILL, (*DONE, -KILL)))
    ),
    *(
        Kind(name=f"server: {number.name}", strike=ends_other(number, "gunicorn", *GUNICORN), codes=FAILED, times=5)
        for number in (INT, TERM, KILL)
    ),
    Kind(name="server stands still", strike=freezes("gunicorn", *GUNICORN), codes=FAILED, times=4, survives=True),
    *(
        Kind(name=f"k6: {number.name}", strike=ends_other(number, "k6 run", *RUN), codes=(*DONE, 4, 5), times=5)
        for number in (INT, TERM, KILL)
    ),
    Kind(name="k6 stands still", strike=freezes("k6 run", *RUN), codes=(*DONE, 4, 5), times=4),
    Kind(name="k6: no more memory", strike=lacks_memory("k6 run", *RUN), codes=(*DONE, 4, 5), times=6),
    Kind(name="server: no more memory", strike=lacks_memory("gunicorn", *GUNICORN), codes=FAILED, times=5),
    Kind(
        name="guard: SIGKILL",
        strike=ends_other(KILL, "guard.py", *RUN),
        codes=(*DONE, 5),
        times=4,
    ),
    Kind(name="few files may be open", strike=limited("ulimit -n 150"), codes=(5,), times=1),
    Kind(name="little memory for all", strike=limited("ulimit -v 600000"), codes=(*DONE, 4, 5), times=3),
    Kind(name="standard error: reader gone", strike=reader_leaves("2>&1 >/dev/null |"), codes=DONE, survives=True),
    Kind(name="both streams: reader gone", strike=reader_leaves("2>&1 |"), codes=(*DONE, 141), survives=True),
    Kind(name="terminal lost", strike=terminal_is_lost, codes=DONE, survives=True),
    Kind(name="--setup: SIGKILL", strike=hook_is_ended(KILL, "--setup"), codes=(4,), times=3),
    Kind(name="--setup: SIGTERM", strike=hook_is_ended(TERM, "--setup"), codes=(4,), times=3),
    Kind(name="--before-visit: SIGKILL", strike=hook_is_ended(KILL, "--before-visit"), codes=(4,), times=3),
    Kind(name="--teardown: SIGKILL", strike=hook_is_ended(KILL, "--teardown"), codes=DONE, times=4, survives=True),
    Kind(name="Ctrl-C twice, --teardown hangs", strike=interrupted_twice, codes=(*DONE, 130), times=4),
    *OF_MACHINES,
]


def main() -> None:
    """Strike, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default="", metavar="PATTERN")
    parser.add_argument("--share", type=float, default=1.0, help="of the faults of each kind; one at least")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=REFERENCE / "faults.json")
    arguments = parser.parse_args()
    began = time.monotonic()
    kinds = [kind for kind in KINDS if re.search(arguments.only, kind.name)]
    results = campaign(kinds, arguments.seed, 0.0 if arguments.quick else arguments.share)
    print(told(results))
    rows = [dataclasses.asdict(each) for each in results]
    wrong = sum(len(each.wrong) for each in results)
    faults = sum(each.times for each in results)
    if not (arguments.quick or arguments.only):
        minutes = round((time.monotonic() - began) / 60, 1)
        question = "What becomes of a measurement when something breaks?"
        write_document(arguments.out, document(question, arguments, rows, faults=faults, wrong=wrong, minutes=minutes))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
