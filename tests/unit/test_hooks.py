"""Commands of the user's around a run: how long what they start lives, how they are ended, and who is killed."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.applications import hooks
from harness.applications.prepared import PreparedApplication
from harness.applications.served import Hook, ProcessContext
from harness.errors import TargetError
from harness.host import guard, polling, signals
from harness.host.processes import Supervisor
from tests import fakes
from tests.conftest import processes_mentioning


@pytest.fixture(autouse=True)
def heard() -> Iterator[None]:
    """Signals are answered as on the command line, inside the test only."""
    before, unraisable = {number: signal.getsignal(number) for number in signals.ENDING}, sys.unraisablehook
    for number in signals.ENDING:
        signal.signal(number, signal.SIG_DFL)
    signals.install()
    yield
    sys.unraisablehook = unraisable
    for number, handler in before.items():
        signal.signal(number, handler)


def application(folder: Path, setup: str | None = None, teardown: str | None = None) -> PreparedApplication:
    """With commands that run in a folder that exists."""
    context = ProcessContext(environment={"PATH": os.environ["PATH"]}, folder=folder)

    def hook(option: str, command: str | None) -> Hook | None:
        return None if command is None else Hook(option=option, command=command, context=context)

    bare = fakes.application()
    return PreparedApplication(
        served=bare.served,
        interface=bare.interface,
        python=None,
        packages=bare.packages,
        setup=hook("--setup", setup),
        teardown=hook("--teardown", teardown),
    )


def test_what_setup_starts_lives_until_teardown_has_ended(tmp_path: Path) -> None:
    setup = "sleep 301 & setsid sleep 302 & echo begun"
    teardown = "ps -e -o args= | grep '^sleep 30[12]$' >seen || true"
    before = processes_mentioning("sleep 30")
    with hooks.around([application(tmp_path, setup, teardown)]):
        assert polling.until(lambda: len(processes_mentioning("sleep 30")) == len(before) + 2, 5)
    assert set((tmp_path / "seen").read_text().split("\n")) >= {"sleep 301", "sleep 302"}
    assert processes_mentioning("sleep 30") == before


def test_the_reason_of_a_failing_setup_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    broken = application(tmp_path, "echo the disk is gone; exit 7", "exit 3")
    with pytest.raises(TargetError, match=r"--setup .* ended with exit code 7") as caught, hooks.around([broken]):
        raise AssertionError("the block must not begin")
    assert caught.value.detail == "the disk is gone"
    assert "--teardown 'exit 3' ended with exit code 3" in caplog.text


def test_programs_have_the_signals_of_a_shell_after_an_interruption_too(tmp_path: Path) -> None:
    """What is ignored would be inherited: `timeout 10 docker compose down` would never time out."""
    teardown = "grep SigIgn /proc/self/status >mask"
    with pytest.raises(signals.Ended), hooks.around([application(tmp_path, None, teardown)]):
        signal.raise_signal(signal.SIGINT)
    ignored = int((tmp_path / "mask").read_text().split()[1], 16)
    assert not any(ignored & 1 << number - 1 for number in signals.ENDING)


def test_a_second_interruption_ends_a_command(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def again() -> None:
        polling.until((tmp_path / "begun").exists, 10)
        os.kill(os.getpid(), signal.SIGINT)

    impatient = threading.Thread(target=again)
    teardowns = [application(tmp_path, None, "touch begun; sleep 500"), application(tmp_path, None, "touch last")]
    impatient.start()
    with pytest.raises(signals.Ended), hooks.around(reversed(teardowns)):
        signal.raise_signal(signal.SIGINT)
    impatient.join()
    assert "'touch begun; sleep 500' was ended by a second interruption" in caplog.text
    assert (tmp_path / "last").exists()


def test_a_time_limit_names_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "HOOK_SECONDS", 0.2)
    slow = application(tmp_path, "sleep 500")
    with pytest.raises(TargetError, match=r"--setup 'sleep 500' did not end within 0\.2 s"), hooks.around([slow]):
        raise AssertionError("the block must not begin")


def test_an_interruption_in_a_finaliser_is_delivered_again() -> None:
    class Careless:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGTERM)

    def work() -> None:
        careless = Careless()
        del careless  # Python swallows what is raised in there
        time.sleep(10)

    with pytest.raises(signals.Ended):
        work()


def test_a_session_s_number_that_another_has_by_now_is_nobody_to_kill(tmp_path: Path) -> None:
    foreign = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        began = guard.began(foreign.pid)
        assert guard.members({foreign.pid: began}) == [foreign.pid]
        assert guard.members({foreign.pid: began - 1}) == []
        guard.end({foreign.pid: began - 1}, None)
        assert foreign.poll() is None
    finally:
        foreign.kill()
        foreign.wait()


def test_what_lives_on_in_a_session_without_its_leader_is_still_a_member(tmp_path: Path) -> None:
    with Supervisor() as supervisor:
        child = supervisor.start(
            ("/bin/sh", "-c", "sleep 303 & exit 0"), env=dict(os.environ), cwd=tmp_path, log=tmp_path / "log"
        )
        child.process.wait(timeout=10)
        assert len(child.members()) == 1
    assert child.members() == []


@pytest.mark.parametrize("name", ["two\nlines", "a space", "käse", "\udcff", "x\\n"])
def test_the_guard_removes_the_folder_that_was_meant(tmp_path: Path, name: str) -> None:
    private, victim = tmp_path / name, tmp_path / "two"
    for folder in (private, victim):
        folder.mkdir()
    left = subprocess.Popen(["sleep", "60"], start_new_session=True)
    lines = f"folder {os.fsencode(private).hex()}\nsession {left.pid} {guard.began(left.pid)}\n"
    subprocess.run(
        [sys.executable, "-I", "-S", guard.__file__, "token"], input=lines, text=True, check=True, timeout=20
    )
    assert not private.exists()
    assert victim.exists()
    assert left.wait(timeout=10) == -signal.SIGKILL


def test_a_process_that_nobody_can_end_is_left_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("harness.host.processes.REAP_SECONDS", 0.1)
    with Supervisor() as supervisor, caplog.at_level(logging.WARNING):
        child = supervisor.start(("sleep", "60"), env=dict(os.environ), cwd=tmp_path, log=tmp_path / "log")
        child.reap()
        assert f"process {child.pid} cannot be ended" in caplog.text
