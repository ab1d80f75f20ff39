"""Workers for servers that start none of their own: forks them, each serves, and ends them when it is told to end.

Copied beside the entry; standard library only. Each worker imports the application itself, and is interrupted as by
Ctrl-C, which servers in C hear while they wait.
"""

import os
import signal
import sys
from collections.abc import Callable


def run(serve: Callable[[], object], workers: int) -> None:
    """Let so many workers serve until they are told to end, or one of them ends by itself, which ends the others."""
    pids: set[int] = set()
    ending = False

    def end(*_: object) -> None:
        nonlocal ending
        for pid in () if ending else tuple(pids):  # once: a second interruption would disturb those that are ending
            os.kill(pid, signal.SIGINT)
        ending = True

    signal.signal(signal.SIGTERM, end)
    while len(pids) < workers:
        pid = os.fork()
        if not pid:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            try:
                serve()
            except KeyboardInterrupt:
                pass
            sys.exit()
        pids.add(pid)
    code = 0
    while pids:
        pid, status = os.wait()
        pids.discard(pid)
        code = code or os.waitstatus_to_exitcode(status)
        end()
    sys.exit(code)
