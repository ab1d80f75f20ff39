"""Interpreters and the distributions that they have installed, read in a subprocess of each."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Container, Iterable

from packaging.utils import canonicalize_name

from harness.errors import LackError, UsageError
from harness.model.environment import Environment

log = logging.getLogger(__name__)

MINIMUM = (3, 11)
PROBE = """
import json, platform, re, sys
from importlib.metadata import distributions
packages = {}
for distribution in distributions():
    name = distribution.metadata["Name"]
    if name:  # a broken installation may have none; of two of one name, the first is imported
        packages.setdefault(re.sub(r"[-_.]+", "-", name).lower(), distribution.version)
print(json.dumps({
    "python": platform.python_version(), "implementation": platform.python_implementation(),
    "executable": sys.executable, "packages": packages,
}))
"""


def inspect(python: str | None) -> Environment:
    """The environment of an interpreter, named by path or by a command on PATH; None is the harness' own. UsageError
    where it is none, or too old."""
    executable = sys.executable if python is None else shutil.which(os.path.expanduser(python))
    if executable is None:
        raise UsageError(
            f"--python {python}: no such interpreter", cure="give the path of a python, such as .venv/bin/python"
        )
    # Absolute, since the interpreter starts elsewhere; not resolved, since a virtual environment's is a link.
    executable = os.path.abspath(executable)
    try:
        # Not -I: the server will not run isolated either. cwd: no module of this folder gets in the way.
        process = subprocess.run(
            [executable, "-c", PROBE], capture_output=True, text=True, timeout=60, env=clean(), cwd="/"
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError(f"--python {executable}: {error}", cure="check that it is a Python interpreter") from error
    try:
        environment = Environment.model_validate_json(process.stdout)
    except ValueError as error:
        raise UsageError(
            f"--python {executable}: it does not answer as a Python interpreter does",
            cure="check that it is a Python interpreter",
            detail=(process.stderr or process.stdout)[-2000:],
        ) from error
    if tuple(map(int, environment.python.split(".")[:2])) < MINIMUM:
        raise UsageError(
            f"--python {executable} is Python {environment.python}",
            cure=f"use Python {'.'.join(map(str, MINIMUM))} or newer",
        )
    log.debug("%s is Python %s with %d distributions", executable, environment.python, len(environment.packages))
    return environment


def missing(installed: Container[str], distributions: Iterable[str]) -> list[str]:
    """Which of these distributions are not among the installed ones, which are canonical names."""
    return sorted({name for name in distributions if canonicalize_name(name) not in installed})


def require(environment: Environment, distributions: Iterable[str], what: str) -> None:
    """LackError, with the command that installs it, unless the environment has all of these."""
    if lacking := missing(environment.packages, distributions):
        names = " and ".join(filter(None, (", ".join(lacking[:-1]), lacking[-1])))
        raise LackError(
            f"{what} needs {names}, which {'is' if len(lacking) == 1 else 'are'} not installed for "
            f"{environment.executable}",
            cure=f"install with: {environment.executable} -m pip install {' '.join(lacking)}",
        )


def clean(prefixes: Iterable[str] = ()) -> dict[str, str]:
    """This process' environment without what would change how Python, a server or k6 behaves.

    PYTHONDONTWRITEBYTECODE among it doubles start-up times (FastAPI's import: 0.74 s instead of 0.30 s).
    """
    prefixes = ("PYTHON", "K6_", "HARNESS_", *prefixes)
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(prefixes) and name not in ("WEB_CONCURRENCY", "PORT", "DATABASE_URL")
    }
