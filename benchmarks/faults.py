"""What becomes of a measurement when something breaks? Faults of many kinds at random moments.

    .venv/bin/python benchmarks/faults.py [--quick] [--only WORD] [--seed 1] [--out FILE]

Kills of the harness, its servers, workers, load generator and hooks; readers that are gone; memory that ends; and what
machines do (`faults_machine.py`). After each: nothing of it may run, everything that is stored must be readable, no
traceback, and an exit code that means what happened. A hundred faults, some 15 minutes; exit code 1 if anything was
wrong. `--quick`: one of each kind.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from running import REFERENCE, document, write_document
from striking import QUICK, Ended, Kind, Scene, campaign, told

LONGEST_SECONDS = 4.5
"""Until the latest moment of a fault."""
INTERRUPTED = (0, 3, 4, 130)
"""Exit codes of a command that was told to end, at the latest moment after it was done."""


def ends_harness(number: signal.Signals, *command: str) -> Callable[[Scene], Ended]:
    """A signal to the harness itself."""

    def strike(scene: Scene) -> Ended:
        process = scene.start(*command)
        _wait(process, scene.chance.uniform(0.05, LONGEST_SECONDS))
        process.send_signal(number)
        return scene.finish(process)

    return strike


def ends_other(number: signal.Signals, word: str, *command: str) -> Callable[[Scene], Ended]:
    """A signal to one of the processes whose arguments hold a word, at a random moment of its life."""

    def strike(scene: Scene) -> Ended:
        process = scene.start(*command)
        scene.wait_for(word)
        _wait(process, scene.chance.uniform(0.0, 2.0))
        found = scene.processes(word)
        if found:
            _kill(scene.chance.choice(found), number)
        return scene.finish(process)

    return strike


def _wait(process: subprocess.Popen[str], seconds: float) -> None:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        pass


def _kill(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


RUN = ("run", "--param", "ms=10", "--workers", "2", *QUICK)
KINDS = [
    Kind(name=f"harness run: {number.name}", strike=ends_harness(number, *RUN), codes=codes, times=7)
    for number, codes in (
        (signal.SIGINT, INTERRUPTED),
        (signal.SIGTERM, INTERRUPTED),
        (signal.SIGKILL, (*INTERRUPTED, -signal.SIGKILL)),
    )
]


def main() -> None:
    """Strike, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default="", metavar="WORD")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=REFERENCE / "faults.json")
    arguments = parser.parse_args()
    began = time.monotonic()
    kinds = [kind for kind in KINDS if arguments.only in kind.name]
    results = campaign(kinds, arguments.seed, 0.0 if arguments.quick else 1.0)
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
