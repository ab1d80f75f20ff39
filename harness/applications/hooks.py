"""Shell commands of the user's around measurements: before everything, before each measurement, and at the end."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

from harness.applications.prepared import PreparedApplication
from harness.applications.served import Hook
from harness.environments import interpreters
from harness.errors import TargetError
from harness.host.processes import Supervisor

HOOK_SECONDS = 600.0
"""The longest time that a command may take."""
SHELL = "/bin/sh"


@contextmanager
def around(applications: Iterable[PreparedApplication]) -> Iterator[None]:
    """Run the commands of all applications before and after the block, the latter however it ends; each command once,
    those at the end in reverse order."""
    everyone = list(applications)
    with ExitStack() as stack:
        for hook in distinct(each.teardown for each in everyone):
            stack.callback(run_alone, hook)
        for hook in distinct(each.setup for each in everyone):
            run_alone(hook)
        yield


def distinct(hooks: Iterable[Hook | None]) -> list[Hook]:
    """Each command once, in the order of first appearance."""
    unique: list[Hook] = []
    for hook in hooks:
        if hook is not None and hook not in unique:
            unique.append(hook)
    return unique


def run_alone(hook: Hook) -> None:
    """Run a command under a supervisor of its own."""
    with Supervisor() as supervisor:
        run(hook, supervisor)


def run(hook: Hook, supervisor: Supervisor) -> None:
    """Run a command to its end; TargetError with its output if it fails."""
    log = supervisor.folder / f"hook-{time.monotonic_ns()}.log"
    child = supervisor.start(
        (SHELL, "-c", hook.command),
        env={**interpreters.clean(), **hook.context.environment},
        cwd=hook.context.folder,
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
            cure=f"run it by hand in {hook.context.folder}; what it printed last is below",
            detail=child.log_tail(),
        )
