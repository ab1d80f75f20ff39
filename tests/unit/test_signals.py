"""Interruptions: at once where nothing can be lost, else when what was found is stored."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.host import guard, signals
from harness.host.processes import Supervisor


@pytest.fixture(autouse=True)
def answered() -> Iterator[None]:
    """Signals are answered as on the command line, inside the test only."""
    before = {number: signal.getsignal(number) for number in signals.ENDING}
    unraisable = sys.unraisablehook
    for number in signals.ENDING:
        signal.signal(number, signal.SIG_DFL)
    signals.install()
    yield
    sys.unraisablehook = unraisable
    for number, handler in before.items():
        signal.signal(number, handler)


def interrupt(number: signal.Signals = signal.SIGINT, done: list[str] | None = None) -> None:
    signal.raise_signal(number)
    if done is not None:
        done.append("after the signal")


@pytest.mark.parametrize("number", signals.ENDING)
def test_each_of_the_signals_ends_at_once_and_once(number: signal.Signals) -> None:
    with pytest.raises(signals.Ended):
        interrupt(number)
    interrupt(number)  # while it is cleaned up


def test_a_signal_that_is_ignored_stays_so() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as under nohup
    signals.install()
    interrupt(signal.SIGHUP)


def test_in_a_section_one_ends_at_once_until_there_is_something_to_lose() -> None:
    done: list[str] = []

    def work() -> None:
        with signals.section():
            interrupt(done=done)

    with pytest.raises(signals.Ended):
        work()
    assert done == []


def test_what_is_to_be_lost_is_finished_first() -> None:
    done: list[str] = []

    def work() -> None:
        with signals.section():
            signals.defer()
            interrupt(done=done)
            assert signals.pending()
            done.append("stored")

    with pytest.raises(signals.Ended):
        work()
    assert done == ["after the signal", "stored"]
    assert not signals.pending()


def test_after_a_section_one_ends_at_once_again() -> None:
    with signals.section():
        signals.defer()
    with pytest.raises(signals.Ended):
        interrupt()


def test_outside_of_a_section_nothing_is_put_off() -> None:
    signals.defer()
    with pytest.raises(signals.Ended):
        interrupt()


def test_what_takes_long_can_be_ended_although_the_rest_is_finished_first() -> None:
    done: list[str] = []

    def work() -> None:
        with signals.section():
            signals.defer()
            with signals.interruptible():
                interrupt(done=done)
            done.append("stored")

    with pytest.raises(signals.Ended):
        work()
    assert done == ["stored"]


def test_outside_of_a_section_nothing_swallows_an_interruption() -> None:
    with pytest.raises(signals.Ended), signals.interruptible():
        interrupt()
    assert not signals.pending()


def test_an_error_in_a_section_is_told_in_place_of_the_interruption() -> None:
    def work() -> None:
        with signals.section():
            signals.defer()
            interrupt()
            raise ValueError("the disk is full")

    with pytest.raises(ValueError, match="the disk is full"):
        work()
    assert not signals.pending()


def test_a_process_that_is_being_started_is_remembered_before_the_interruption(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it goes on for a while, and writes into a folder that is being removed."""
    popen = subprocess.Popen

    def interrupted(argv: list[str], **options: Any) -> subprocess.Popen[bytes]:
        process = popen(argv, **options)
        if "import time" in argv[-1]:  # not the guard
            interrupt()
        return process

    monkeypatch.setattr(subprocess, "Popen", interrupted)
    supervisor = Supervisor()
    argv = (sys.executable, "-c", "import time; time.sleep(60)")
    with supervisor:
        with pytest.raises(signals.Ended):
            supervisor.start(argv, env={}, cwd=tmp_path, log=tmp_path / "log")
        remembered = [child.pid for child in supervisor._children]
    assert len(remembered) == 1
    assert guard.members(dict.fromkeys(remembered, 0), supervisor.token) == []
    assert not supervisor.folder.exists()


def test_an_interruption_while_a_folder_is_made_leaves_neither_folder_nor_guard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    make = tempfile.mkdtemp
    popen = subprocess.Popen
    guards: list[subprocess.Popen[bytes]] = []

    def interrupted(prefix: str) -> str:
        path = make(prefix=prefix)
        os.kill(os.getpid(), signal.SIGINT)  # as a terminal does: to the process, not to this thread
        time.sleep(0.05)
        return path

    def started(argv: list[str], **options: Any) -> subprocess.Popen[bytes]:
        guards.append(popen(argv, **options))
        return guards[-1]

    monkeypatch.setattr(tempfile, "mkdtemp", interrupted)
    monkeypatch.setattr(subprocess, "Popen", started)
    done = threading.Event()
    thread = threading.Thread(target=done.wait)  # takes signals that the main thread blocks
    thread.start()
    try:
        with pytest.raises(signals.Ended), Supervisor():
            raise AssertionError("the interruption was lost")
    finally:
        done.set()
        thread.join()
    assert list(tmp_path.iterdir()) == []
    assert guards[0].returncode is not None
