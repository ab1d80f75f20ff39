"""Placement, environments, limits, clocks."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from harness.environments import interpreters
from harness.errors import LackError, UsageError
from harness.host import facts as host
from harness.host import limits, placement, procfs
from harness.model.environment import Environment


@pytest.mark.parametrize(
    ("cores", "wanted", "server", "generator"),
    [(2, 1, 1, 1), (2, 4, 1, 1), (4, 1, 2, 2), (4, 4, 3, 1), (8, 4, 4, 4), (8, 16, 6, 2), (16, 2, 8, 8)],
)
def test_cores_are_split(cores: int, wanted: int, server: int, generator: int) -> None:
    placed = placement.place("auto", wanted, uses_embedded_database=True, cpus=list(range(cores)))
    assert placed.pin == "split"
    assert placed.server_cpus == list(range(server))
    assert placed.generator_cpus == list(range(server, server + generator))
    assert placed.database_cpus == placed.server_cpus
    assert (placed.note is not None) == (wanted > server)


@pytest.mark.parametrize(("pin", "cores"), [("none", 8), ("auto", 1), ("none", 1)])
def test_cores_are_shared(pin: str, cores: int) -> None:
    placed = placement.place(pin, 1, uses_embedded_database=True, cpus=list(range(cores)))
    assert (placed.pin, placed.server_cpus, placed.database_cpus) == ("none", None, None)
    assert (placed.note is not None) == (pin != "none")


def test_a_split_needs_two_cores() -> None:
    with pytest.raises(LackError, match="two cores"):
        placement.place("split", 1, uses_embedded_database=False, cpus=[0])


def test_an_environment_is_inspected() -> None:
    found = interpreters.inspect(sys.executable)
    assert found.python == ".".join(map(str, sys.version_info[:3]))
    assert found.executable == sys.executable
    assert found.packages["pydantic"]


def test_a_relative_path_of_an_interpreter_is_taken() -> None:
    assert interpreters.inspect(os.path.relpath(sys.executable)).executable == sys.executable


@pytest.mark.parametrize("python", ["/nowhere/python", "/bin/true", "/bin/cat"])
def test_what_is_no_interpreter_is_refused(python: str) -> None:
    with pytest.raises(UsageError, match=python):
        interpreters.inspect(python)


def test_what_is_missing_is_named_with_how_to_install_it() -> None:
    environment = Environment(python="3.11.7", implementation="CPython", executable="/x/python", packages={"a-b": "1"})
    interpreters.require(environment, ["A_b"], "x")
    with pytest.raises(LackError, match="granian needs granian and uvloop, which are not installed") as caught:
        interpreters.require(environment, ["granian", "uvloop", "a.b"], "granian")
    assert caught.value.cure == "install with: /x/python -m pip install granian uvloop"
    assert caught.value.exit_code == 5


def test_what_changes_a_server_is_kept_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PYTHONDONTWRITEBYTECODE", "K6_VUS", "WEB_CONCURRENCY", "UVICORN_WORKERS", "DATABASE_URL", "OTHER"):
        monkeypatch.setenv(name, "1")
    kept = interpreters.clean(("UVICORN_",))
    assert kept["OTHER"] == "1"
    assert kept["PATH"]
    assert not {"PYTHONDONTWRITEBYTECODE", "K6_VUS", "WEB_CONCURRENCY", "UVICORN_WORKERS", "DATABASE_URL"} & set(kept)


def test_too_many_users_are_refused_with_the_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "raise_descriptor_limit", lambda: 1000)
    limits.check_capacity(800)
    with pytest.raises(LackError, match="801 users need 1001 open files, the hard limit here is 1000"):
        limits.check_capacity(801)


def test_ports_and_memory_limit_users_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "raise_descriptor_limit", lambda: 10**9)
    with pytest.raises(LackError, match="local ports"):
        limits.check_capacity(70_000)
    monkeypatch.setattr(limits, "ephemeral_ports", lambda: 10**9)
    monkeypatch.setattr(limits, "available_bytes", lambda: 10**9)
    with pytest.raises(LackError, match="GB of memory"):
        limits.check_capacity(70_000)


def test_the_cpu_clock_counts_ended_threads() -> None:
    import threading

    meter = procfs.CpuMeter([os.getpid()])
    before = time.process_time()
    for _ in range(3):
        thread = threading.Thread(target=lambda: sum(range(2_000_000)))
        thread.start()
        thread.join()
    assert meter.read([os.getpid()]) == pytest.approx(time.process_time() - before, abs=0.02)
    assert procfs.cpu_seconds(2**22 + 1) is None


def test_children_that_have_ended_count_for_the_family() -> None:
    before = procfs.family_cpu_seconds(os.getpid())
    spent = os.times().children_user
    subprocess.run([sys.executable, "-c", "sum(range(20_000_000))"], check=True)
    used = os.times().children_user - spent
    assert used > 0.05
    assert procfs.family_cpu_seconds(os.getpid()) - before >= used


@pytest.mark.parametrize(
    ("arguments", "kept"),
    [
        (["run", "--server", "granian"], "harness run --server granian"),
        (["run", "--database-url", "postgresql://me:sekret@h/d", "-w", "2"], "harness run --database-url URL -w 2"),
        (["run", "--database-url=host=h password=sekret"], "harness run --database-url=URL"),
        (["matrix", "--title=http://me:sekret@h/"], "harness matrix --title=http://h/"),
    ],
)
def test_the_command_is_kept_without_secrets(monkeypatch: pytest.MonkeyPatch, arguments: list[str], kept: str) -> None:
    monkeypatch.setattr(sys, "argv", ["/x/bin/harness", *arguments])
    assert host.command() == kept
    monkeypatch.setattr(sys, "argv", ["/x/bin/pytest"])
    assert host.command() is None
