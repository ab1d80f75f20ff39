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
    return PACKAGE.parent / "handlers"
