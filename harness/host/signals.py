"""Ctrl-C, SIGTERM and SIGHUP: one way to end, put off while a finished measurement is being stored."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Ended(BaseException):
    """The command was told to end. No KeyboardInterrupt, which the command line's library would answer itself."""


Answer = Callable[[int, FrameType | None], None]


class _State:
    inside = False
    deferring = False
    pending = False
    repeated = 0


_state = _State()


def install() -> None:
    """Let each of these signals raise Ended, once: what follows is cleaning up, in which further ones are counted."""
    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup ignores SIGHUP, and means it
            signal.signal(number, _end)
    sys.unraisablehook = _deliver_again


def _end(number: int, frame: FrameType | None) -> None:
    if _state.deferring:
        _state.pending = True
        return
    _answer(_end, _again)
    raise Ended


def _again(number: int, frame: FrameType | None) -> None:
    _state.repeated += 1


def _answer(before: Answer, after: Answer) -> None:
    """Answer what was answered in one way in another. Never by ignoring it, which programs that are started inherit."""
    for number in ENDING:
        if signal.getsignal(number) is before:
            signal.signal(number, after)


def _deliver_again(lost: sys.UnraisableHookArgs) -> None:
    """An interruption that came where no exception can leave, such as in a finaliser, comes again a moment later."""
    if lost.exc_type is not Ended:
        sys.__unraisablehook__(lost)
        return
    number = next((each for each in ENDING if signal.getsignal(each) is _again), None)
    _answer(_again, _end)
    if number is not None:
        threading.Timer(0.05, os.kill, (os.getpid(), number)).start()


def repeated() -> int:
    """How often the command was told to end while it was cleaning up already."""
    return _state.repeated


@contextmanager
def section() -> Iterator[None]:
    """A block in which there may be something to lose: after `defer` an interruption is put off to the block's end."""
    _state.inside = True
    try:
        yield
    finally:
        _state.inside = _state.deferring = False
        interrupted, _state.pending = _state.pending, False
    if interrupted:
        _end(signal.SIGINT, None)


def defer() -> None:
    """Put interruptions off until the end of the enclosing `section`; without effect outside of one."""
    _state.deferring = _state.inside


def pending() -> bool:
    """Whether an interruption was put off."""
    return _state.pending


@contextmanager
def whole() -> Iterator[None]:
    """A short block that an interruption must not cut in two, such as starting a process and remembering it: it is
    delivered at the block's end, or with those that are put off anyway."""
    before, _state.deferring = _state.deferring, True
    try:
        yield
    finally:
        _state.deferring = before
        if _state.pending and not before:
            _state.pending = False
            _end(signal.SIGINT, None)


@contextmanager
def interruptible() -> Iterator[None]:
    """Let an interruption end a block at once, although interruptions are put off; it is delivered with the others.

    Outside of a `section` nobody would deliver it: there it goes on at once.
    """
    _state.deferring = False
    try:
        yield
    except Ended:
        if not _state.inside:
            raise
        _state.pending = True
    finally:
        _state.deferring = _state.inside
