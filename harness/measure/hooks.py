"""Shell commands of the user's around measurements: before everything, before each measurement, and at the end."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from harness.errors import TargetError
from harness.subjects.subject import Hook
from harness.system import interpreters
from harness.system.processes import Supervisor

HOOK_SECONDS = 600.0
"""How long a command may take."""
SHELL = "/bin/sh"


class Framed(Protocol):
    """What has commands before everything and at the end."""

    @property
    def setup(self) -> Hook | None:
        """Before everything."""

    @property
    def teardown(self) -> Hook | None:
        """At the end."""


@contextmanager
def around(framed: Framed | None) -> Iterator[None]:
    """Run the commands before and after the block, the latter however it ends."""
    try:
        if framed is not None and framed.setup is not None:
            alone(framed.setup)
        yield
    finally:
        if framed is not None and framed.teardown is not None:
            alone(framed.teardown)


def alone(hook: Hook) -> None:
    """Run a command under a supervisor of its own."""
    with Supervisor() as supervisor:
        run(hook, supervisor)


def run(hook: Hook, supervisor: Supervisor) -> None:
    """Run a command to its end; TargetError with its output if it fails."""
    log = supervisor.folder / f"hook-{time.monotonic_ns()}.log"
    child = supervisor.start(
        (SHELL, "-c", hook.command),
        env={**interpreters.clean(), **hook.environment},
        cwd=hook.folder,
        log=log,
    )
    try:
        code = child.process.wait(timeout=HOOK_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        raise TargetError(
            f"{hook.option} {hook.command!r} did not end within {HOOK_SECONDS:g} s",
            cure="give a command that ends by itself",
            detail=child.log_tail(),
        ) from None
    if code != 0:
        raise TargetError(
            f"{hook.option} {hook.command!r} ended with exit code {code}",
            cure=f"run it by hand in {hook.folder}; what it printed last is below",
            detail=child.log_tail(),
        )
