"""Does anything survive? Ends `harness run` at random moments and looks for what is left.

    .venv/bin/python benchmarks/endings.py [--times 100] [--seed 1]

SIGINT, SIGTERM and SIGKILL in turn, over all servers, at moments from before the server starts until after the
measurement. After each: no process of it may live five seconds later, and no result may be half-written; at the end a
run must work. About six minutes for a hundred. Exit code 1 if anything was left. `rotation.py endings` does the same to
`harness compare`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness import api

SERVERS = ("uvicorn", "granian", "gunicorn", "gunicorn:worker=uvicorn", "hypercorn")
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
LONGEST_SECONDS = 4.5
GIVEN_SECONDS = 5.0
"""How long everything may take to end."""
SHORT = ("--warmup", "500ms", "--duration", "1s")


@dataclass
class Endings:
    """What ending a command many times showed."""

    times: int = 0
    left: list[dict[str, Any]] = field(default_factory=list)
    """Endings after which there was something left: processes, folders or a traceback."""
    codes: Counter[str] = field(default_factory=Counter)
    """Signal and exit code → how often."""
    longest_seconds: float = 0.0
    """Until everything had ended."""
    whole_runs: int = 0
    """Stored runs that were read back."""
    unreadable: list[str] = field(default_factory=list)
    """What is wrong with stored runs that were not."""
    hidden: list[str] = field(default_factory=list)
    """Unfinished folders that were still there after the next run."""
    works: bool = False
    """Whether the command works afterwards."""

    @property
    def fine(self) -> bool:
        """Whether nothing was left, and the command works."""
        return self.works and not (self.left or self.unreadable or self.hidden)


def living(mark: str) -> list[tuple[int, str]]:
    """Living processes whose environment, arguments or folder mention `mark`, with their command lines."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state = (folder / "stat").read_bytes().rpartition(b")")[2].split()[0]
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
            everything = command + (folder / "environ").read_bytes() + os.readlink(folder / "cwd").encode()
        except OSError:
            continue
        if state != b"Z" and mark.encode() in everything:
            found.append((int(folder.name), command.decode(errors="replace")))
    return found


def survivors(mark: str) -> list[str]:
    """The command lines of these."""
    return [command for _, command in living(mark)]


def end_many(
    times: int,
    seed: int,
    longest_seconds: float,
    command: Callable[[int], Sequence[str]],
    works: Callable[[subprocess.CompletedProcess[str]], bool],
) -> Endings:
    """End a command of the harness at moments up to `longest_seconds`, and look for what is left.

    `command`: its arguments by the number of the turn. `works`: whether the last one, which is not ended, did its work.
    """
    chance, found = random.Random(seed), Endings()
    with tempfile.TemporaryDirectory(prefix="harness-endings-") as name:
        temporary, results = Path(name, "tmp"), Path(name, "results")
        temporary.mkdir()
        environment = os.environ | {"TMPDIR": str(temporary)}
        base = [sys.executable, "-m", "harness"]
        for turn in range(times):
            number, argv = SIGNALS[turn % len(SIGNALS)], [*base, *command(turn), "--out", str(results)]
            process = subprocess.Popen(argv, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            moment = chance.uniform(0.05, longest_seconds)
            try:
                process.wait(moment)
            except subprocess.TimeoutExpired:
                process.send_signal(number)
            ended = time.monotonic()
            try:
                _, printed = process.communicate(timeout=30)
            except subprocess.TimeoutExpired:
                found.left.append({"turn": turn, "moment": round(moment, 2), "remains": ["it did not end"], "log": ""})
                print(f"{turn}: {number.name} after {moment:.2f} s did not end it", file=sys.stderr, flush=True)
                process.kill()
                _, printed = process.communicate()
            while survivors(str(temporary)) and time.monotonic() - ended < GIVEN_SECONDS:
                time.sleep(0.05)
            found.times += 1
            found.longest_seconds = max(found.longest_seconds, time.monotonic() - ended)
            found.codes[f"{number.name} {process.returncode}"] += 1
            remains = [*survivors(str(temporary)), *(path.name for path in temporary.glob("harness-*/"))]
            if remains or b"Traceback" in printed:
                log = printed.decode(errors="replace")[-1500:]
                found.left.append({"turn": turn, "moment": round(moment, 2), "remains": remains, "log": log})
                print(f"{turn}: {number.name} after {moment:.2f} s left {remains}\n{log}", file=sys.stderr, flush=True)
        found.whole_runs, found.unreadable = read_back(results)
        last = subprocess.run(
            [*base, *command(0), "--out", str(results), "--json"],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        found.works = works(last)
        if not found.works:
            print(last.stderr, file=sys.stderr)
        found.hidden = [path.name for path in results.iterdir() if path.name.startswith(".")]
    return found


def read_back(results: Path) -> tuple[int, list[str]]:
    """How many stored runs can be read, as a run and file by file, and what is wrong with the others."""
    whole, unreadable = 0, []
    for path in sorted(results.iterdir() if results.exists() else ()):
        if path.name.startswith("."):
            continue
        try:
            for file in path.rglob("*.json"):
                json.loads(file.read_text(encoding="utf-8"))
            api.read_run(path)
        except (ValueError, api.HarnessError) as error:
            unreadable.append(f"{path.name}: {error}")
        else:
            whole += 1
    return whole, unreadable


def told(found: Endings) -> str:
    """The same in words."""
    return (
        f"{found.times} endings: {len(found.left)} left something; {found.whole_runs} stored runs are whole, "
        f"{len(found.unreadable)} are not\nlongest until everything had ended: {found.longest_seconds:.2f} s; "
        f"unfinished folders after the next run: {len(found.hidden)}\nsignal and exit code: "
        + ", ".join(f"{key} × {count}" for key, count in sorted(found.codes.items()))
        + f"\nthe next run {'works' if found.works else 'does not work'}"
    )


def main() -> None:
    """End many runs, and say what was left."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()

    def command(turn: int) -> list[str]:
        server, workers = SERVERS[turn % len(SERVERS)], str(1 + turn % 2)
        work = ("--vus", "10", "--workload", "sleep", "--param", "ms=10")
        return ["run", *work, "--server", server, "--workers", workers, *SHORT]

    def works(done: subprocess.CompletedProcess[str]) -> bool:
        return done.returncode == 0 and json.loads(done.stdout)["verdict"] == "valid"

    found = end_many(arguments.times, arguments.seed, LONGEST_SECONDS, command, works)
    print(told(found))
    sys.exit(0 if found.fine else 1)


if __name__ == "__main__":
    main()
