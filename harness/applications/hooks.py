"""Shell commands of the user's around measurements: before everything, before each measurement, and at the end."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

from harness.applications.prepared import PreparedApplication
from harness.applications.served import Hook
from harness.environments import interpreters
from harness.errors import HarnessError, TargetError
from harness.host import polling, signals
from harness.host.processes import Supervisor

HOOK_SECONDS = 600.0
"""The longest time that a command may take."""
SHELL = "/bin/sh"

log = logging.getLogger(__name__)


@contextmanager
def around(applications: Iterable[PreparedApplication]) -> Iterator[None]:
    """Run the commands of all applications before and after the block, the latter however it ends; each command once,
    those at the end in reverse order. What the commands start lives until the last of them has ended.

    A command at the end that fails is told, and changes nothing of what came before it.
    """
    everyone = list(applications)
    first, last = distinct(each.setup for each in everyone), distinct(each.teardown for each in everyone)
    if not first and not last:
        yield
        return
    with Supervisor() as supervisor, ExitStack() as stack:
        for hook in last:
            stack.callback(_run_at_end, hook, supervisor)
        for hook in first:
            run(hook, supervisor)
        yield


def _run_at_end(hook: Hook, supervisor: Supervisor) -> None:
    try:
        run(hook, supervisor)
    except HarnessError as error:
        log.warning("\n".join(filter(None, (f"{error.what}\n  {error.cure}", error.detail))))


def distinct(hooks: Iterable[Hook | None]) -> list[Hook]:
    """Each command once, in the order of first appearance."""
    unique: list[Hook] = []
    for hook in hooks:
        if hook is not None and hook not in unique:
            unique.append(hook)
    return unique


def run(hook: Hook, supervisor: Supervisor) -> None:
    """Run a command to its end; TargetError with its output if it fails."""
    output = supervisor.folder / f"hook-{time.monotonic_ns()}.log"
    interruptions = signals.repeated()
    child = supervisor.start(
        (SHELL, "-c", hook.command),
        env={**interpreters.clean(), **hook.context.environment},
        cwd=hook.context.folder,
        log=output,
    )
    polling.until(
        lambda: child.returncode() is not None or signals.repeated() > interruptions, HOOK_SECONDS, interval=0.02
    )
    code = child.returncode()
    if code is None:
        child.kill()
        asked = signals.repeated() > interruptions
        why = "was ended by a second interruption" if asked else f"did not end within {HOOK_SECONDS:g} s"
        raise TargetError(
            f"{hook.option} {hook.command!r} {why}",
            cure=f"look at what it left in {hook.context.folder}" if asked else "give a command that ends by itself",
            detail=child.log_tail(),
        )
    if code != 0:
        tail = child.log_tail()
        raise TargetError(
            f"{hook.option} {hook.command!r} ended with exit code {code}",
            cure=f"run it by hand in {hook.context.folder}" + ("; what it printed last is below" if tail else ""),
            detail=tail,
        )
