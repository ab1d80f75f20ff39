"""Where the files that are not Python are: in the checkout, or below `harness/assets/` in an installed wheel."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def folder(name: str) -> Path:
    """The folder `k6` or `sql`."""
    installed = PACKAGE / "assets" / name
    return installed if installed.is_dir() else PACKAGE.parent / name


def handlers() -> Path:
    """The package `handlers`, found without importing it into the harness' own process."""
    return (PACKAGE / "handlers").resolve()


def path(*names: str) -> Path:
    """A file of the package's own data."""
    return PACKAGE.joinpath("data", *names)


def files(name: str, suffix: str) -> list[Path]:
    """The files with a suffix in a folder of the package's own data."""
    return sorted(each for each in path(name).iterdir() if each.suffix == suffix)


def text(name: str) -> str:
    """A text file of the package's own data."""
    return path(name).read_text(encoding="utf-8")
