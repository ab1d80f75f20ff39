"""Ctrl-C, SIGTERM and SIGHUP: one way to end, put off while a finished measurement is being stored."""

from __future__ import annotations

import signal
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Ended(BaseException):
    """The command was told to end. No KeyboardInterrupt, which the command line's library would answer itself."""


class _State:
    deferring = False
    pending = False


_state = _State()


def install() -> None:
    """From now on each of them raises Ended, once: what follows is cleaning up, which is bounded."""
    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup ignores SIGHUP, and means it
            signal.signal(number, _end)


def _end(number: int, frame: FrameType | None) -> None:
    if _state.deferring:
        _state.pending = True
        return
    for each in ENDING:
        signal.signal(each, signal.SIG_IGN)
    raise Ended


def defer() -> None:
    """Note an interruption instead of raising it, until `deliver`."""
    _state.deferring = True


def deliver() -> None:
    """Raise what was put off."""
    _state.deferring = False
    if _state.pending:
        _state.pending = False
        _end(signal.SIGINT, None)
