"""Looks at an application by importing it in its own environment."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness import injected
from harness.environments import interpreters
from harness.errors import TargetError, UsageError
from harness.host.processes import Supervisor
from harness.model.plan import ApplicationPlan

PROBE_SECONDS = 120.0


def inspect_application(
    plan: ApplicationPlan, python: str | None, environment: Mapping[str, str], folder: Path
) -> dict[str, Any]:
    """What the application is, by importing it in its environment. TargetError where that fails."""
    interpreter = interpreters.inspect(python).executable
    with Supervisor() as supervisor:
        result = supervisor.folder / "probe.json"
        child = supervisor.start(
            (interpreter, str(injected.PROBE), plan.app, "factory" if plan.factory else "plain", str(result)),
            env={
                **interpreters.clean(),
                **environment,
                "PYTHONPATH": os.pathsep.join(filter(None, (str(folder), environment.get("PYTHONPATH", "")))),
            },
            cwd=folder,
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
        found: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
    if "error" in found:
        raise TargetError(
            f"{plan.app} cannot be imported: {found['error']}",
            cure=f"modules are looked for in {folder} and in the environment of {interpreter}; see --app-dir, --python "
            "and --factory",
            detail=found["traceback"],
        )
    if plan.interface is None and found["interface"] is None:
        raise UsageError(
            f"{plan.app} is a {found['kind']}, which looks neither like ASGI nor like WSGI",
            cure="name the application itself, add --factory if it is made by a function, or say --interface asgi|wsgi",
        )
    return found
