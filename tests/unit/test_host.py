"""Placement, environments, limits, clocks."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from harness.environments import interpreters
from harness.errors import LackError, UsageError
from harness.host import cgroups, interruptions, limits, lock, logs, placement, procfs, topology
from harness.host import facts as host
from harness.host.cgroups import Throttling
from harness.host.interruptions import Marks
from harness.model.environment import Environment
from harness.model.placement import Placement


def single(count: int) -> list[list[int]]:
    """Physical cores with one hardware thread each."""
    return [[cpu] for cpu in range(count)]


@pytest.mark.parametrize(
    ("cores", "wanted", "server", "generator"),
    [(2, 1, 1, 1), (2, 4, 1, 1), (4, 1, 2, 2), (4, 4, 3, 1), (8, 4, 4, 4), (8, 16, 6, 2), (16, 2, 8, 8)],
)
def test_cores_are_split(cores: int, wanted: int, server: int, generator: int) -> None:
    placed = placement.place("auto", wanted, uses_embedded_database=True, cores=single(cores))
    assert placed.pin == "split"
    assert placed.server_cpus == list(range(server))
    assert placed.generator_cpus == list(range(server, server + generator))
    assert placed.database_cpus == placed.server_cpus
    assert (placed.note is not None) == (wanted > server)


@pytest.mark.parametrize(("pin", "cores"), [("none", 8), ("auto", 1), ("none", 1)])
def test_cores_are_shared(pin: str, cores: int) -> None:
    placed = placement.place(pin, 1, uses_embedded_database=True, cores=single(cores))
    assert (placed.pin, placed.server_cpus, placed.database_cpus) == ("none", None, None)
    assert (placed.note is not None) == (pin != "none")


def test_a_split_needs_two_cores() -> None:
    with pytest.raises(LackError, match="two cores"):
        placement.place("split", 1, uses_embedded_database=False, cores=[[0]])


def fake_cpus(folder: Path, siblings: Mapping[int, str]) -> Path:
    """What the kernel tells of hardware threads, as a tree of files."""
    for cpu, text in siblings.items():
        topology_folder = folder / f"cpu{cpu}" / "topology"
        topology_folder.mkdir(parents=True)
        (topology_folder / "thread_siblings_list").write_text(f"{text}\n")
    return folder


FAR_SIBLINGS = {cpu: f"{cpu % 4},{cpu % 4 + 4}" for cpu in range(8)}
"""As on many x86 machines: (0, 4), (1, 5), (2, 6), (3, 7)."""


@pytest.mark.parametrize(
    ("cpus", "siblings", "cores"),
    [
        (range(8), FAR_SIBLINGS, [[0, 4], [1, 5], [2, 6], [3, 7]]),
        (range(4), {0: "0-1", 1: "0-1", 2: "2-3", 3: "2-3"}, [[0, 1], [2, 3]]),
        ([4, 1, 0], FAR_SIBLINGS, [[0, 4], [1]]),  # a container has some of them
        (range(2), {0: "0", 1: "1"}, [[0], [1]]),
        (range(2), {}, [[0], [1]]),  # the kernel does not tell
        (range(2), {0: "none", 1: ""}, [[0], [1]]),
    ],
)
def test_hardware_threads_are_grouped_by_their_core(
    tmp_path: Path, cpus: Sequence[int], siblings: dict[int, str], cores: list[list[int]]
) -> None:
    assert topology.physical_cores(cpus, fake_cpus(tmp_path, siblings)) == cores


@pytest.mark.parametrize(("text", "cpus"), [("0", [0]), ("0-2,8", [0, 1, 2, 8]), ("0,4\n", [0, 4]), ("", [])])
def test_lists_of_cpus_are_read(text: str, cpus: list[int]) -> None:
    assert topology.parse_list(text) == cpus


@pytest.mark.parametrize(("workers", "server_cores"), [(1, {0, 1}), (3, {0, 1, 2}), (8, {0, 1, 2})])
def test_server_and_generator_share_no_physical_core(tmp_path: Path, workers: int, server_cores: set[int]) -> None:
    cores = topology.physical_cores(range(8), fake_cpus(tmp_path, FAR_SIBLINGS))
    placed = placement.place("auto", workers, uses_embedded_database=False, cores=cores)
    assert placed.server_cpus is not None
    assert placed.generator_cpus is not None
    assert sorted(placed.server_cpus + placed.generator_cpus) == placed.cores == list(range(8))
    assert {cpu % 4 for cpu in placed.server_cpus} == server_cores
    assert {cpu % 4 for cpu in placed.generator_cpus} == {0, 1, 2, 3} - server_cores
    assert "hardware threads" not in (placed.note or "")


@pytest.mark.parametrize("pin", ["auto", "split"])
def test_threads_of_an_only_core_are_split_and_a_note_says_what_that_costs(pin: str) -> None:
    placed = placement.place(pin, 1, uses_embedded_database=True, cores=[[0, 4]])
    assert (placed.pin, placed.server_cpus, placed.generator_cpus, placed.database_cpus) == ("split", [0], [4], [0])
    assert placed.note == (
        "server and generator have hardware threads of the same physical core: each takes speed from the other"
    )


def test_the_cores_of_a_placement_are_those_it_was_made_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5})
    made = [placement.place(pin, 1, uses_embedded_database=False) for pin in ("auto", "none")]
    assert [each.cores for each in made] == [[3, 5], [3, 5]]
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})  # read back on another machine
    assert [Placement.model_validate_json(each.model_dump_json()).cores for each in made] == [[3, 5], [3, 5]]


@pytest.mark.parametrize(
    ("cores", "count", "kept"),
    [
        ([[0, 4], [1, 5]], 2, [[0], [1]]),  # never two threads of a core while there is another one
        ([[0, 4], [1, 5]], 3, [[0, 4], [1]]),
        ([[0], [1]], 9, [[0], [1]]),
        ([[0], [1]], 0, [[0]]),
    ],
)
def test_as_many_threads_as_a_quota_allows_are_spread_over_cores(
    cores: list[list[int]], count: int, kept: list[list[int]]
) -> None:
    assert topology.spread(cores, count) == kept


@pytest.mark.parametrize(
    ("quota", "server", "generator", "note"),
    [
        (2.0, [0], [1], "the CPU quota of 2 cores allows for 2 of 4: the others are left alone"),
        (2.5, [0], [1], "the CPU quota of 2.5 cores allows for 2 of 4: the others are left alone"),
        (8.0, [0, 1], [2, 3], None),
        (1.5, None, None, "one core only: server and generator share it"),
        (0.5, None, None, "a quota of 0.5 of a core only: server and generator share it"),
    ],
)
def test_a_quota_is_the_number_of_cores(
    monkeypatch: pytest.MonkeyPatch, quota: float, server: list[int] | None, generator: list[int] | None, note: str
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3})
    monkeypatch.setattr(topology, "physical_cores", lambda cpus: [[cpu] for cpu in sorted(cpus)])
    monkeypatch.setattr(cgroups, "cpu_quota", lambda: quota)
    placed = placement.place("auto", 1, uses_embedded_database=False)
    assert (placed.server_cpus, placed.generator_cpus, placed.note) == (server, generator, note)
    assert placement.allotted(placed.generator_cpus) == (len(generator) if generator else quota)
    assert len(placement.usable()) == max(1, min(4, int(quota)))
    assert host.facts()["cpu_quota"] == quota


def test_cores_that_the_system_does_not_tell_of_are_no_idle_ones() -> None:
    cpus = sorted(os.sched_getaffinity(0))
    assert procfs.cpu_times(cpus).busy > 0
    with pytest.raises(LackError, match=rf"tells of {len(cpus)} of the {len(cpus) + 1} cores in use"):
        procfs.cpu_times([*cpus, 9999])


SECOND = 10**9


@pytest.mark.parametrize(
    ("after", "step", "slept"),
    [
        (Marks(110 * SECOND, 10 * SECOND, 10 * SECOND, None), 0.0, 0.0),
        (Marks(113 * SECOND, 10 * SECOND, 10 * SECOND, None), 3.0, 0.0),
        (Marks(108 * SECOND, 10 * SECOND, 10 * SECOND, None), -2.0, 0.0),
        (Marks(170 * SECOND, 10 * SECOND, 70 * SECOND, None), 0.0, 60.0),  # asleep, and the clock right afterwards
    ],
)
def test_steps_of_the_clock_are_told_from_sleep(after: Marks, step: float, slept: float) -> None:
    found = interruptions.between(Marks(100 * SECOND, 0, 0, None), after)
    assert (found.clock_step_s, found.suspended_s) == (step, slept)
    assert (found.throttled_periods, found.throttled_s) == (None, None)


def test_a_quota_that_was_used_up_meanwhile_is_counted() -> None:
    before, after = Marks(0, 0, 0, Throttling(3, 1.0)), Marks(0, 0, 0, Throttling(5, 1.25))
    found = interruptions.between(before, after)
    assert (found.throttled_periods, found.throttled_s) == (2, 0.25)


def test_clocks_that_nobody_sets_agree() -> None:
    before = interruptions.mark()
    found = interruptions.between(before, interruptions.mark())
    assert abs(found.clock_step_s) < 0.01
    assert abs(found.suspended_s) < 0.01


def test_the_lock_can_be_read_by_every_user_whatever_the_umask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = os.umask(0o077)
    try:
        with lock.machine():
            pass
    finally:
        os.umask(before)
    assert (tmp_path / "harness-measuring.lock").stat().st_mode & 0o777 == 0o644


def test_a_pipe_in_the_place_of_the_lock_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    os.mkfifo(tmp_path / "harness-measuring.lock")
    with pytest.raises(LackError, match="it is no file"), lock.machine():
        pass


@pytest.mark.parametrize(("text", "lines"), [("", ""), ("a\nb\nc\n", "b\nc"), ("x" * 100 + "\nlast", "last")])
def test_the_tail_of_a_log_is_read_from_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, lines: str
) -> None:
    monkeypatch.setattr(logs, "TAIL_BYTES", 6)
    (tmp_path / "log").write_text(text)
    assert logs.tail(tmp_path / "log", 2).splitlines()[-len(lines.splitlines()) :] == lines.splitlines()
    assert logs.tail(tmp_path / "nothing", 2) == ""


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


def test_each_wait_of_a_thread_is_a_switch() -> None:
    waiting = "import time\nfor _ in range(50): time.sleep(0.001)\nprint(flush=True)\ninput()"
    with subprocess.Popen([sys.executable, "-c", waiting], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert procfs.context_switches(child.pid) >= 50
        child.communicate(b"\n")
    assert procfs.context_switches(2**22 + 1) == 0


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


@pytest.mark.parametrize(
    ("pin", "cores", "said", "cannot"),
    [
        ("auto", [[0], [1]], "2 cores, 1 for the server and 1 for the load generator", "scales with workers"),
        ("auto", [[0], [1], [2], [3]], "4 cores, 2 for the server and 2 for the load generator", None),
        ("none", [[0], [1]], "2 cores, shared by server and load generator", "by itself"),
        ("auto", [[0]], "1 core, shared by server and load generator", "by itself"),
    ],
)
def test_a_machine_says_what_it_can_answer(pin: str, cores: list[list[int]], said: str, cannot: str | None) -> None:
    placed = placement.place(pin, 1, uses_embedded_database=False, cores=cores)
    text = placement.introduction(placed)
    assert text.startswith(f"{said}: it can compare servers")
    assert ("It cannot answer" in text) == (cannot is not None) == bool(placement.scope(placed))
    assert cannot is None or cannot in text
    assert ("worker counts up to 2" in text) == (len(cores) == 4)


def test_connections_that_another_process_holds_are_not_known_of_workers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        assert procfs.connections([os.getpid()], port) == [0]
        with socket.create_connection(("127.0.0.1", port)):
            assert procfs.connections([os.getpid()], port) == [0]  # it waits to be accepted: nobody has it yet
            accepted, _ = listening.accept()
            with accepted:
                assert procfs.connections([os.getpid()], port) == [1]
                assert procfs.connections([os.getppid()], port) is None
