"""The guard: a small process of its own session that ends what the harness started when the harness is gone.

The harness keeps the only writing end of the guard's standard input. Children cannot inherit it past their exec, so
end of file means that the harness is gone and that every child has reached its exec. Lines on the way: `session N T`
(a server's or generator's session, and when its leader began), `folder HEX` (private, to be removed; in hexadecimal
digits, since a name may hold anything), `done` (all is well, leave).

Without it, workers of uvicorn, granian, gunicorn's uvicorn worker and hypercorn live on after a `kill -9` of the
harness or of their master (measured: still there five seconds later).

Run as a script with `python -I -S`, so it is standard library only.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Mapping

TOKEN = "HARNESS_MEASUREMENT"


Sessions = Mapping[int, int]
"""Session → when its leader began: its number may be another's later, once nobody is left in it."""


def members(sessions: Sessions, token: str | None = None) -> list[int]:
    """Living processes of these sessions, and those whose environment names the measurement `token`."""
    mark = f"{TOKEN}={token}".encode() if token else None
    ours = {number for number, start in sessions.items() if (began(number) or start) == start}
    pids = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            fields = _stat(name)
            if fields[0] in (b"Z", b"X"):
                continue
            if int(fields[3]) in ours or (mark is not None and _carries(name, mark)):
                pids.append(int(name))
        except (OSError, IndexError):
            continue
    return pids


def _stat(pid: str) -> list[bytes]:
    with open(f"/proc/{pid}/stat", "rb") as file:
        # pid (comm) state ppid pgrp session …; comm may hold anything, parentheses too.
        return file.read().rpartition(b")")[2].split()


def began(pid: int) -> int:
    """When a process began, in ticks since the system's start; 0 where there is none."""
    try:
        return int(_stat(str(pid))[19])
    except (OSError, IndexError):
        return 0


def _carries(pid: str, mark: bytes) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return mark in file.read().split(b"\0")
    except OSError:
        return False


def end(sessions: Sessions, token: str | None, *, deadline_seconds: float = 3.0) -> None:
    """Kill every member until none is left; looks twice more, for what was being forked meanwhile."""
    deadline = time.monotonic() + deadline_seconds
    quiet = 0
    while quiet < 3 and time.monotonic() < deadline:
        living = [pid for pid in members(sessions, token) if pid != os.getpid()]
        for pid in living:
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass
        quiet = 0 if living else quiet + 1
        time.sleep(0.02)


def main(token: str) -> None:
    """Wait for the harness to finish or to vanish."""
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, signal.SIG_IGN)
    sessions: dict[int, int] = {}
    folders: list[str] = []
    for line in sys.stdin:
        word, _, rest = line.rstrip("\n").partition(" ")
        if word == "session":
            number, _, start = rest.partition(" ")
            sessions[int(number)] = int(start)
        elif word == "folder":
            folders.append(os.fsdecode(bytes.fromhex(rest)))
        elif word == "done":
            return
    end(sessions, token)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1])
