"""Inspects an application by importing it in its own environment."""

from __future__ import annotations

import os
import subprocess

from pydantic import TypeAdapter

from harness import injected
from harness.applications.served import ProcessContext
from harness.environments import interpreters
from harness.errors import TargetError, UsageError
from harness.host.processes import Supervisor
from harness.model import Value
from harness.model.plan import ApplicationPlan
from harness.model.variant import Interface

PROBE_SECONDS = 60.0
"""The longest time that importing may take."""


class InspectedApplication(Value):
    """An application as its environment sees it."""

    interface: Interface | None
    """None where its signature tells none."""
    framework: str | None
    """Distribution of its class with the version, such as `fastapi 0.121.0`."""
    routes: list[str]
    """Paths that a GET can be sent to as they are."""
    kind: str
    """Name of its class, with the module."""


class _Failure(Value):
    error: str
    traceback: str


_RESULT: TypeAdapter[InspectedApplication | _Failure] = TypeAdapter(InspectedApplication | _Failure)


def inspect_application(plan: ApplicationPlan, interpreter: str, context: ProcessContext) -> InspectedApplication:
    """Import the application in the environment of an interpreter and look at it. TargetError where that fails,
    UsageError where no server can call it."""
    with Supervisor() as supervisor:
        result = supervisor.folder / "probe.json"
        child = supervisor.start(
            (interpreter, str(injected.PROBE), plan.app, "factory" if plan.factory else "plain", str(result)),
            env={
                **interpreters.clean(),
                **context.environment,
                "PYTHONPATH": os.pathsep.join(
                    filter(None, (str(context.import_folder), context.environment.get("PYTHONPATH", "")))
                ),
            },
            cwd=context.folder,
            log=supervisor.folder / "probe.log",
        )
        try:
            child.process.wait(timeout=PROBE_SECONDS)
        except subprocess.TimeoutExpired:
            raise TargetError(
                f"importing {plan.app} did not end within {PROBE_SECONDS:g} s",
                cure="start servers and loops only under if __name__ == '__main__'",
                detail=child.log_tail(),
            ) from None
        if not result.exists():
            raise TargetError(
                f"importing {plan.app} ended its interpreter with exit code {child.returncode()}",
                cure="see what it printed below",
                detail=child.log_tail(),
            )
        inspected = _RESULT.validate_json(result.read_bytes())
    if isinstance(inspected, _Failure):
        raise TargetError(
            f"{plan.app} cannot be imported: {inspected.error}",
            cure=f"modules are looked for in {context.import_folder} and in the environment of {interpreter}, and it "
            f"runs in {context.folder}; see --app-dir, --cwd, --python and --factory",
            detail=inspected.traceback,
        )
    if plan.interface is None and inspected.interface is None:
        raise UsageError(
            f"{plan.app} is a {inspected.kind}, which looks neither like ASGI nor like WSGI",
            cure="name the application itself, add --factory if it is made by a function, or say --interface asgi|wsgi",
        )
    return inspected
