"""Processes that the harness starts: each in a session of its own, on chosen cores, watched over by the guard."""

from __future__ import annotations

import logging
import os
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Literal, Self

from harness.errors import LackError
from harness.host import facts, guard, polling, signals
from harness.host.logs import tail

LOGGER = logging.getLogger(__name__)
REAP_SECONDS = 5.0
"""How long a killed process may take to be gone."""


class Child:
    """One started program and its descendants, which share its session."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path | None) -> None:
        self.process = process
        self.pid = process.pid
        self.session = {process.pid: guard.began(process.pid)}
        self.log = log
        self._terminated = False

    def terminate(self) -> None:
        """Send SIGTERM to the first process, once: a second one some servers take for haste."""
        if not self._terminated and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self._terminated = True

    def members(self) -> list[int]:
        """Living processes of the session."""
        return guard.members(self.session)

    def returncode(self) -> int | None:
        """Exit code of the first process; None while it runs."""
        return self.process.poll()

    def log_tail(self, lines: int = 20) -> str:
        """The last lines that it printed."""
        return "" if self.log is None else tail(self.log, lines)

    def stop(self, deadline_seconds: float = 5.0) -> Literal["orderly", "killed"]:
        """Ask the first process to end, wait for the whole session, then kill what is left of it."""
        deadline = time.monotonic() + deadline_seconds
        self.terminate()
        try:
            self.process.wait(timeout=max(0.0, deadline - time.monotonic()))
            polling.until(lambda: not self.members(), deadline - time.monotonic(), interval=0.02)
        except subprocess.TimeoutExpired:
            pass
        left = self.members()
        if left:
            self.kill()
        return "killed" if left else "orderly"

    def kill(self) -> None:
        """End the whole session at once."""
        guard.end(self.session, None)
        self.reap()

    def reap(self) -> None:
        """Wait for the first process, which has been killed; one that nobody can end is left, and told."""
        try:
            self.process.wait(timeout=REAP_SECONDS)
        except subprocess.TimeoutExpired:
            LOGGER.warning(f"process {self.pid} cannot be ended: it belongs to another user, or waits for the system")


class Supervisor:
    """Starts programs; leaving the block stops them all and removes the private folder, whatever happens."""

    def __init__(self) -> None:
        self.token = secrets.token_hex(16)
        self._children: list[Child] = []

    def __enter__(self) -> Self:
        begun = False
        try:
            # An interruption between two of its steps would leave the folder or the guard behind. It is put off, not
            # blocked: another thread of this process takes what the main thread blocks.
            with signals.whole():
                self._begin()
                begun = True
        except BaseException as error:
            if begun:
                self.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def _begin(self) -> None:
        facts.require_linux()
        try:
            self.folder = Path(tempfile.mkdtemp(prefix="harness-"))
        except OSError as error:
            raise LackError(
                f"cannot make a private folder in {tempfile.gettempdir()}: {error.strerror}",
                cure="free room there, or point TMPDIR to another folder",
            ) from error
        read, write = os.pipe2(os.O_CLOEXEC)
        self._guard = subprocess.Popen(
            [sys.executable, "-I", "-S", guard.__file__, self.token],
            stdin=read,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )
        os.close(read)
        self._pipe: IO[str] = os.fdopen(write, "w", buffering=1)
        print("folder", os.fsencode(self.folder).hex(), file=self._pipe)

    def start(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path,
        log: Path,
        cpus: Sequence[int] | None = None,
    ) -> Child:
        """Start a program in its own session. Its output goes to `log`; its cores are set before its exec."""
        with signals.whole():  # a process that nobody remembers would write into a folder that is being removed
            child = self._launched(argv, env, cwd, log, cpus)
            self._children.append(child)
        LOGGER.debug("started process %d: %s", child.pid, shlex.join(argv))
        try:
            print("session", child.pid, child.session[child.pid], file=self._pipe)
        except BrokenPipeError:
            raise LackError(
                "the guard process has ended: nothing would end the server if the harness vanished",
                cure="try again; something on this machine ends processes",
            ) from None
        return child

    def _launched(
        self, argv: Sequence[str], env: Mapping[str, str], cwd: Path, log: Path, cpus: Sequence[int] | None
    ) -> Child:
        own = os.sched_getaffinity(0)
        with open(log, "wb") as output:
            try:
                # A child inherits the cores of the thread that starts it; set afterwards they would reach one
                # thread of it only.
                if cpus is not None:
                    os.sched_setaffinity(0, cpus)
                process = subprocess.Popen(
                    list(argv),
                    env={**env, guard.TOKEN: self.token},
                    cwd=cwd,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                raise LackError(
                    f"cannot start {argv[0]}: {error.strerror}", cure="check that it exists and may be executed"
                ) from error
            finally:
                os.sched_setaffinity(0, own)
        return Child(process, log)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        sessions = {number: began for child in self._children for number, began in child.session.items()}
        if guard.members(sessions, self.token):
            guard.end(sessions, self.token)
        for child in self._children:
            child.reap()
        shutil.rmtree(self.folder, ignore_errors=True)
        try:
            print("done", file=self._pipe)
            self._pipe.close()
        except BrokenPipeError:
            pass
        self._guard.wait()
