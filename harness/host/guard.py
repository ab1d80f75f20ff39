"""The guard: a small process of its own session that ends what the harness started when the harness is gone.

The harness keeps the only writing end of the guard's standard input. Children cannot inherit it past their exec, so
end of file means that the harness is gone and that every child has reached its exec. Lines on the way: `session N`
(a server's or generator's session), `folder PATH` (private, to be removed), `done` (all is well, leave).

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
from collections.abc import Collection

TOKEN = "HARNESS_MEASUREMENT"


def members(sessions: Collection[int], token: str | None = None) -> list[int]:
    """Living processes of these sessions, and those whose environment names the measurement `token`."""
    mark = f"{TOKEN}={token}".encode() if token else None
    pids = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                # pid (comm) state ppid pgrp session …; comm may hold anything, parentheses too.
                fields = file.read().rpartition(b")")[2].split()
            if fields[0] in (b"Z", b"X"):
                continue
            if int(fields[3]) in sessions or (mark is not None and _carries(name, mark)):
                pids.append(int(name))
        except (OSError, IndexError):
            continue
    return pids


def _carries(pid: str, mark: bytes) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return mark in file.read().split(b"\0")
    except OSError:
        return False


def end(sessions: Collection[int], token: str | None, *, deadline_seconds: float = 3.0) -> None:
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
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sessions: set[int] = set()
    folders: list[str] = []
    for line in sys.stdin:
        word, _, rest = line.rstrip("\n").partition(" ")
        if word == "session":
            sessions.add(int(rest))
        elif word == "folder":
            folders.append(rest)
        elif word == "done":
            return
    end(sessions, token)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1])
