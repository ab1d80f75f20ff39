"""Load generators behind one seam: how they are found and run, and what their summaries say; and the server that does
nothing, against which their own limit is measured. May be imported by `measure` and the rooms above; it may import
`applications`, `database` and the rooms below."""

from __future__ import annotations

from harness.errors import UsageError
from harness.load import k6, wrk
from harness.load.generator import Generator

NAMES = ("k6", "wrk")


def find(name: str, k6_path: str | None = None) -> Generator:
    """A generator by its name; k6 also by its path."""
    if name == "k6":
        return k6.find(k6_path)
    if k6_path is not None:
        raise UsageError(f"--k6 and --generator {name} together", cure="give one of them")
    return wrk.find(None)
