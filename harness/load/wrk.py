"""wrk: a generator that costs a fifth of k6's CPU time per request, and knows less. For servers that k6 cannot load."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness import resources
from harness.environments import interpreters
from harness.errors import HarnessError, LackError
from harness.host import placement
from harness.host.processes import Child, Supervisor
from harness.load.generator import SUMMARY_SECONDS, Load, LoadSummary, LoadTarget
from harness.model.measurement import Failures, Latency


@dataclass(frozen=True, kw_only=True, slots=True)
class Wrk:
    """A wrk binary."""

    path: str
    version: str
    name: str = "wrk"
    scripts: tuple[str, ...] = ("wrk.lua",)
    window_method: str = "a run of its own after a run to warm up; it begins with nothing in flight"

    def refusal(self, *, rate: float | None, plain: bool, window_seconds: float) -> str | None:
        """Why it cannot produce a load: it knows one closed loop over one path, in whole seconds."""
        if rate is not None:
            return "it knows no arrival rate"
        if not plain:
            return "it sends one GET, the same all the time"
        if window_seconds % 1:
            return f"it counts whole seconds, and the window has {window_seconds:g}"
        return None

    def start(self, load: Load, supervisor: Supervisor, cpus: Sequence[int] | None) -> WrkSession:
        """Start it, warming up."""
        return WrkSession(self, load, supervisor, cpus)


def find(path: str | None) -> Wrk:
    """The wrk given by path, else the one on PATH."""
    program = shutil.which(os.path.expanduser(path) if path else "wrk")
    if program is None:
        raise LackError(
            f"{path}: no such program" if path else "wrk is not installed",
            cure="install it (Debian and Ubuntu: apt install wrk; macOS: brew install wrk), or measure with k6",
        )
    try:
        answer = subprocess.run([program, "-v"], capture_output=True, text=True, timeout=30, check=False)
        version = answer.stdout.split()[1]
    except (OSError, subprocess.TimeoutExpired, IndexError) as error:
        raise LackError(f"{program} does not answer as wrk does", cure="put the real one first on PATH") from error
    return Wrk(path=os.path.abspath(program), version=version)


class WrkSession:
    """Two runs of wrk, one after the other: one to warm up, one for the window."""

    def __init__(self, wrk: Wrk, load: Load, supervisor: Supervisor, cpus: Sequence[int] | None) -> None:
        self._load, self._supervisor, self._cpus = load, supervisor, cpus
        self._summary = supervisor.folder / "wrk-summary.json"
        self._summary.unlink(missing_ok=True)
        target = load.target
        threads = min(load.users, max(1, int(placement.allotted(cpus))))
        self._options = (
            *(wrk.path, "--connections", str(load.users), "--threads", str(threads)),
            *("--timeout", f"{round(target.timeout_seconds)}s"),
            *("--script", str(resources.folder("k6") / wrk.scripts[0]), target.base + plain_path(target)),
        )
        self._warming = load.warmup_seconds > 0
        self._began = time.time()
        self._start(max(1, round(load.warmup_seconds)) if self._warming else round(load.window_seconds))

    def _start(self, seconds: int) -> None:
        self.argv: tuple[str, ...] = (self._options[0], "--duration", f"{seconds}s", *self._options[1:])
        self.child: Child = self._supervisor.start(
            self.argv,
            env={**interpreters.clean(), "HARNESS_SUMMARY": str(self._summary)},
            cwd=self._supervisor.folder,
            log=self._supervisor.folder / "wrk.log",
            cpus=self._cpus,
        )

    def wait_for_start(self) -> float:
        """When the first run was started, in seconds of the system's clock."""
        return self._began

    def begin_window(self) -> bool:
        """Wait for the end of the warm-up's run, and start the window's."""
        if self._warming:
            self._end()
            self._summary.unlink(missing_ok=True)
            self._start(round(self._load.window_seconds))
        return self._warming

    def wait_for_summary(self, after_seconds: float = 0.0) -> LoadSummary:
        """What the window's run saw, once it has ended."""
        self._end(after_seconds)
        try:
            return read_summary(json.loads(self._summary.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError) as error:
            raise self._failed(f"wrk's summary cannot be read: {error}") from error

    def _end(self, after_seconds: float = 0.0) -> None:
        try:
            code = self.child.process.wait(timeout=SUMMARY_SECONDS + after_seconds)
        except subprocess.TimeoutExpired:
            raise self._failed(f"wrk did not end within {SUMMARY_SECONDS:g} s of its schedule") from None
        if code != 0:
            raise self._failed(f"wrk ended with exit code {code}")

    def _failed(self, what: str) -> HarnessError:
        return LackError(what, cure="see its messages below, or measure with k6", detail=self.child.log_tail())


def plain_path(target: LoadTarget) -> str:
    """The path of the one GET that wrk sends."""
    (kind,) = target.mix.templates
    return "".join(part for part in kind.path if isinstance(part, str))


def read_summary(document: Mapping[str, Any]) -> LoadSummary:
    """What our script wrote.

    wrk counts answers of any status as requests, and those beyond its timeout too. It adds samples of its own to the
    latencies, so that only their extremes are known. It stops up to 0.1 s late and says when.
    """
    succeeded = document["requests"] - document["status"] - document["timeout"]
    low, high = (document[name] / 1000 if succeeded > 0 else None for name in ("min_us", "max_us"))
    return LoadSummary(
        requests=max(0, succeeded),
        window_seconds=document["duration_us"] / 1e6,
        grid=[],
        latency=Latency(min=low, mean=None, p50=None, p90=None, p95=None, p99=None, max=high),
        failures=Failures(
            timeout=document["timeout"],
            connection=document["connect"] + document["read"] + document["write"],
            status=document["status"],
        ),
    )
