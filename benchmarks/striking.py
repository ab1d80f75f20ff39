"""Shared by the campaign of faults: a scene for each fault, and what is looked at after it.

A kind of fault is one function that runs a command of the harness, does something to it, and returns how it ended.
Everything else is the same for all kinds and is done here: whether something is left running, whether everything that
is stored can be read back, whether a traceback was shown, and whether the exit code is one that the kind may have.
"""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from endings import GIVEN_SECONDS, living, read_back, survivors

WAIT_SECONDS = 120.0
"""How long a command may take in all."""
QUICK = ("--vus", "5", "--warmup", "500ms", "--duration", "1s", "--attempts", "1")


class Wrong(Exception):
    """Something that should not have been; the message says what."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Where one fault happens: folders of its own, and chance."""

    folder: Path
    """Empty; everything that is made for the fault goes below it."""
    temporary: Path
    """TMPDIR of the command: whatever the harness starts carries its path, by which it is found."""
    results: Path
    chance: random.Random
    environment: Mapping[str, str]

    def argv(self, *arguments: str) -> list[str]:
        """A command of the harness that stores below `results`."""
        return [sys.executable, "-m", "harness", *arguments, "--out", str(self.results)]

    def start(self, *arguments: str, argv: Sequence[str] | None = None, **environment: str) -> subprocess.Popen[str]:
        """Start a command of the harness, or another one by `argv`."""
        return subprocess.Popen(
            self.argv(*arguments) if argv is None else argv,
            cwd=self.folder,
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
            preexec_fn=_heard,
        )

    def finish(self, process: subprocess.Popen[str], seconds: float = WAIT_SECONDS) -> Ended:
        """Wait for it; Wrong where it does not end."""
        try:
            out, err = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            raise Wrong(f"it did not end within {seconds:g} s; it said: {err[-1000:]}") from None
        return Ended(code=process.returncode, out=out, err=err)

    def processes(self, word: str) -> list[int]:
        """Living processes of the command whose arguments hold a word, such as `k6`, but for the command itself."""
        return [pid for pid, line in living(str(self.temporary)) if word in line and "-m harness" not in line]

    def wait_for(self, word: str, seconds: float = 30.0) -> list[int]:
        """The same, once there is one; an empty list where there is none in time."""
        deadline = time.monotonic() + seconds
        while not (found := self.processes(word)) and time.monotonic() < deadline:
            time.sleep(0.02)
        return found


def _heard() -> None:
    """Signals are what they are for a command in a terminal."""
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of fault."""

    name: str
    """In a few words, as the table has it."""
    strike: Callable[[Scene], Ended]
    """Runs a command and does it; returns how the command ended."""
    codes: Collection[int]
    """Exit codes that it may end with; of a process that a signal killed its number, negative."""
    times: int = 5
    lacks: Callable[[], str | None] = lambda: None
    """Why it cannot be done on this machine; None where it can."""
    survives: bool = False
    """The command must store a measurement in spite of it."""


@dataclass(kw_only=True)
class Struck:
    """What a kind of fault showed."""

    name: str
    times: int = 0
    skipped: str | None = None
    codes: dict[str, int] = field(default_factory=dict)
    """Exit code → how often."""
    said: dict[str, int] = field(default_factory=dict)
    """First line of the error, without figures → how often."""
    stored: int = 0
    """Runs that were stored and read back."""
    wrong: list[str] = field(default_factory=list)
    """Everything that should not have been."""


def campaign(kinds: Sequence[Kind], seed: int, share: float = 1.0) -> list[Struck]:
    """Every kind as often as it says, times `share`, once at least."""
    results: list[Struck] = []
    try:
        _strike_all(kinds, seed, share, results)
    finally:  # the database of the campaign, which outlives a command by design
        environment = {**os.environ, "HARNESS_DATA": str(data_folder())}
        subprocess.run(
            [sys.executable, "-m", "harness", "db", "stop"], env=environment, capture_output=True, check=False
        )
    return results


def _strike_all(kinds: Sequence[Kind], seed: int, share: float, results: list[Struck]) -> None:
    for kind in kinds:
        struck = Struck(name=kind.name, skipped=kind.lacks())
        results.append(struck)
        for turn in range(0 if struck.skipped else max(1, round(kind.times * share))):
            _strike(kind, struck, random.Random(f"{seed}/{kind.name}/{turn}"))
            mark = f"  WRONG: {struck.wrong[-1]}" if struck.wrong else ""
            print(f"{kind.name} {turn + 1}: {struck.codes}{mark}", file=sys.stderr, flush=True)


def _strike(kind: Kind, struck: Struck, chance: random.Random) -> None:
    """One fault, and everything that is looked at after it."""
    with tempfile.TemporaryDirectory(prefix="hf-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        temporary = folder / "tmp"
        temporary.mkdir()
        scene = Scene(
            folder=folder,
            temporary=temporary,
            results=folder / "results",
            chance=chance,
            environment={**os.environ, "TMPDIR": str(temporary), "HARNESS_DATA": str(data_folder())},
        )
        struck.times += 1
        try:
            ended = kind.strike(scene)
        except Wrong as error:
            struck.wrong.append(str(error))
            return
        count(struck.codes, str(ended.code))
        first = next((line for line in ended.err.splitlines() if line.startswith(("error", "interrupted"))), "")
        said = re.sub(r"(?:/[^\s/:,]+)+/", "", first)  # names without their folders, which are of one machine
        count(struck.said, re.sub(r"\d", "#", said)[:160])
        if ended.code not in kind.codes:
            struck.wrong.append(f"exit code {ended.code}; it said: {ended.err[-600:]}")
        if "Traceback" in ended.err:
            struck.wrong.append(f"a traceback: {ended.err[-600:]}")
        began = time.monotonic()
        while (left := survivors(str(temporary))) and time.monotonic() - began < GIVEN_SECONDS:
            time.sleep(0.05)
        struck.wrong += [f"still running: {line}" for line in left]
        struck.wrong += [f"left behind: {path.name}" for path in temporary.glob("harness-*/")]
        stored, unreadable = read_back(scene.results)
        struck.stored += stored
        struck.wrong += unreadable
        if kind.survives and not stored:
            struck.wrong.append(f"nothing was stored; it said: {ended.err[-600:]}")


def count(table: dict[str, int], key: str) -> None:
    """Count one more of a key."""
    if key:
        table[key] = table.get(key, 0) + 1


def data_folder() -> Path:
    """Where the commands keep calibrations, so that only the first of them makes these."""
    return Path(os.environ.get("HARNESS_DATA") or Path(tempfile.gettempdir(), f"harness-faults-{os.getuid()}"))


def told(results: Sequence[Struck]) -> str:
    """The table as text."""
    lines = [f"{'fault':<44} {'times':>5} {'stored':>6} {'wrong':>5}  exit codes"]
    for each in results:
        codes = ", ".join(f"{code} × {times}" for code, times in sorted(each.codes.items()))
        lines.append(f"{each.name:<44} {each.times:>5} {each.stored:>6} {len(each.wrong):>5}  {each.skipped or codes}")
        lines += [f"    {text}" for text in each.wrong]
    wrong = sum(len(each.wrong) for each in results)
    return "\n".join([*lines, f"{sum(each.times for each in results)} faults, {wrong} things wrong"])
