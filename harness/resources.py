"""Where the files that are not Python are. In the checkout, `servers`, `handlers` and what is in `assets` are links."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def folder(name: str) -> Path:
    """The folder `k6` or `sql`."""
    return (PACKAGE / "assets" / name).resolve()


def handlers_alone() -> dict[str, Path]:
    """Path below a folder → file or folder to link there, so that `harness.handlers` can be imported from that folder,
    and nothing else of the harness."""
    return {"harness/__init__.py": PACKAGE / "__init__.py", "harness/handlers": (PACKAGE / "handlers").resolve()}


def path(*names: str) -> Path:
    """A file of the package's own data."""
    return PACKAGE.joinpath("data", *names)


def files(name: str, suffix: str) -> list[Path]:
    """The files with a suffix in a folder of the package's own data."""
    return sorted(each for each in path(name).iterdir() if each.suffix == suffix)


def text(name: str) -> str:
    """A text file of the package's own data."""
    return path(name).read_text(encoding="utf-8")
