"""Interruptions: at once where nothing can be lost, else when what was found is stored."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from harness.host import signals


@pytest.fixture(autouse=True)
def answered() -> Iterator[None]:
    """Signals are answered as on the command line, inside the test only."""
    before = {number: signal.getsignal(number) for number in signals.ENDING}
    for number in signals.ENDING:
        signal.signal(number, signal.SIG_DFL)
    signals.install()
    yield
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
