"""Measures the reference results anew, each into its folder below `results/reference/`.

    .venv/bin/python benchmarks/reference.py [--list] [--into FOLDER] [NAME ...]

Without names it measures all that are missing. A matrix that was interrupted is gone on with. Nothing else may run.
"""

from __future__ import annotations

import argparse
import itertools
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "results" / "reference"
SERVERS = ("uvicorn", "granian", "gunicorn", "hypercorn")


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """A run that is committed."""

    name: str
    """Its folder below `results/reference/`."""
    question: str
    command: tuple[str, ...]
    """After `harness`."""
    before: tuple[str, ...] = ()
    """Another one to run first."""


def pair(workload: str, first: str, second: str) -> Reference:
    """A duet of two servers."""
    return Reference(
        name=f"duets/{workload}-{first}-{second}",
        question=f"{workload}: does {second} or {first} cost less CPU time per request?",
        command=("duet", first, second, "--workload", workload, "--max-time", "90s", "--no-interference"),
    )


REFERENCES = (
    *(
        pair(workload, first, second)
        for workload in ("noop", "select")
        for first, second in itertools.combinations(SERVERS, 2)
    ),
    Reference(
        name="matrices/article",
        question="Which claims of the published study hold here?",
        command=("matrix", "--preset", "article"),
        before=("db", "seed", "--scale", "article", "--force"),
    ),
    Reference(
        name="matrices/workers",
        question="What do more workers give where a handler awaits and then blocks?",
        command=(
            *("matrix", "--server", "uvicorn,granian", "--style", "async,sync", "--workload", "mixed?ms=20"),
            *("--workers", "1,2,4", "--vus", "256", "--warmup", "2s", "--duration", "5s"),
        ),
    ),
    Reference(
        name="matrices/users",
        question="What do more users give, awaiting and in threads?",
        command=(
            *("matrix", "--server", "uvicorn,granian", "--style", "async,sync", "--workload", "sleep?ms=20"),
            *("--vus", "4,16,64,256", "--warmup", "2s", "--duration", "5s"),
        ),
    ),
    Reference(
        name="matrices/servers",
        question="What do server, style and workers each do?",
        command=("matrix", "--preset", "servers"),
    ),
)


def measure(reference: Reference, into: Path) -> None:
    """Run the command and move the run's folder to its place; a matrix that was begun there is gone on with."""
    final = into / reference.name
    program = [sys.executable, "-m", "harness"]
    if reference.before:
        subprocess.run([*program, *reference.before], check=True)
    if final.exists() and reference.command[0] == "matrix":
        subprocess.run([*program, "matrix", "--resume", str(final)], check=False)
        return
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([*program, *reference.command, "--out", folder], check=False)
        (made,) = Path(folder).iterdir()
        final.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(final, ignore_errors=True)
        shutil.copytree(made, final)


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="which, or the first letters of their names")
    parser.add_argument("--list", action="store_true", help="show what there is")
    parser.add_argument("--into", type=Path, default=REFERENCE)
    chosen = parser.parse_args()
    for reference in REFERENCES:
        named = any(reference.name.startswith(name) for name in chosen.names)
        if chosen.list:
            print(f"{reference.name}\n  {reference.question}\n  harness {' '.join(reference.command)}")
        elif named or (not chosen.names and not (chosen.into / reference.name).exists()):
            print(f"== {reference.name}", flush=True)
            measure(reference, chosen.into)


if __name__ == "__main__":
    main()
