"""Measures the reference results anew, each into its folder below `results/reference/`.

    .venv/bin/python benchmarks/reference.py [--list] [--into FOLDER] [NAME ...]

Those that are named, or else all that are missing. A result takes its place when it is whole; a matrix or a search
for a capacity that was interrupted is gone on with the next time. Nothing else may run.
"""

from __future__ import annotations

import argparse
import gzip
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "results" / "reference"
SERVERS = ("uvicorn", "granian", "gunicorn", "hypercorn")
WHOLE = (0, 3)
"""Exit codes of what came to its end: valid, or not."""


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
    after: tuple[str, ...] = ()
    """Another one to run at the end, which undoes the former."""


REFERENCES = (
    Reference(
        name="first-run",
        question="What does one cell say?",
        command=("run", "--server", "granian", "--style", "async", "--workers", "4"),
    ),
    Reference(
        name="matrices/article",
        question="Which claims of the published study hold here?",
        command=("matrix", "--preset", "article"),
        before=("db", "seed", "--scale", "article", "--force"),
        after=("db", "seed", "--force"),
    ),
    Reference(
        name="matrices/workers",
        question="What do more workers give where handlers block?",
        command=(
            *("matrix", "--server", "uvicorn", "--style", "blocking,sync", "--workload", "sleep?ms=20"),
            *("--threads", "4", "--workers", "1,2,4", "--vus", "32", "--max-time", "8m"),
        ),
    ),
    Reference(
        name="matrices/users",
        question="What do more users give, awaiting and in threads?",
        command=(
            *("matrix", "--server", "uvicorn", "--style", "async,sync", "--workload", "sleep?ms=20"),
            *("--vus", "4,16,64,256", "--max-time", "6m"),
        ),
    ),
    Reference(
        name="matrices/servers",
        question="What do server, style and workers each do?",
        command=("matrix", "--preset", "servers"),
    ),
    Reference(
        name="matrices/noop",
        question="What do the servers reach where the handler does nothing?",
        command=(
            *("matrix", "--server", ",".join(SERVERS), "--framework", "fastapi,flask", "--style", "async,sync"),
            *("--workload", "noop", "--generator", "wrk", "--max-time", "10m"),
        ),
    ),
    Reference(
        name="matrices/ten-noop",
        question="What do thirteen servers cost where the handler does nothing?",
        command=("matrix", "--preset", "ten-noop", "--generator", "wrk"),
    ),
    Reference(
        name="matrices/ten-select",
        question="What do thirteen servers cost with one query?",
        command=("matrix", "--preset", "ten-select"),
    ),
    Reference(
        name="matrices/loops",
        question="What does the event loop do?",
        command=("matrix", "--preset", "loops", "--generator", "wrk"),
    ),
    Reference(
        name="matrices/claims",
        question="Which claims of authors of servers hold here?",
        command=("matrix", "--preset", "claims", "--generator", "wrk"),
    ),
    Reference(
        name="recommend",
        question="What is advised for an application?",
        command=(
            *("recommend", "shop.main:app", "--app-dir", "docs/examples", "--path", "/items?limit=20"),
            *("--server", ",".join(SERVERS)),
        ),
    ),
    *(
        Reference(
            name=f"capacity/{workload}",
            question=f"How many requests per second do servers hold under an objective: {workload}?",
            command=(
                *("capacity", "--server", ",".join(SERVERS), "--workload", workload),
                *("--objective", "p99<50ms", "--max-time", "16m"),
            ),
        )
        for workload in ("select", "simulation")
    ),
    Reference(
        name="overload",
        question="What does a server do beyond its capacity, and how does it recover?",
        command=("overload", "--server", "granian", "--workload", "cpu?n=20"),
    ),
)


def measure(reference: Reference, into: Path) -> None:
    """Run the command, going on with a matrix that was interrupted, and move the run to its place once it is whole."""
    final = into / reference.name
    begun = final.parent / f".{final.name}"
    program = [sys.executable, "-m", "harness"]
    if reference.before:
        subprocess.run([*program, *reference.before], check=True)
    kind = reference.command[0]
    interrupted = sorted(begun.glob("*/run.json")) if kind in ("matrix", "capacity") else []
    if interrupted:
        of = ["matrix"] if kind == "matrix" else reference.command
        command = [*of, "--resume", str(interrupted[0].parent)]
    else:
        shutil.rmtree(begun, ignore_errors=True)
        command = [*reference.command, "--out", str(begun)]
    try:
        code = ended([*program, *command])
    finally:
        if reference.after:
            subprocess.run([*program, *reference.after], check=True)
    if code not in WHOLE:
        raise SystemExit(f"{reference.name}: ended with {code}; what was measured is in {begun}")
    (made,) = begun.glob("*/run.json")
    shutil.rmtree(final, ignore_errors=True)
    made.parent.rename(final)
    shutil.rmtree(begun)
    shrink(final)


def ended(command: Sequence[str]) -> int:
    """Carry out a command, and end it, too, where this one is ended; returns its exit code."""
    with subprocess.Popen(command) as process:
        try:
            return process.wait()
        except BaseException:
            process.terminate()
            raise


def shrink(run: Path) -> None:
    """Leave out the logs of a stored run, and compress what stands in it for each start of each server."""
    for log in run.rglob("*.log"):
        log.unlink()
    if (run / "measurements" / "0003.json").exists():
        for path in run.glob("measurements/*.json"):
            path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0))
            path.unlink()


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="which, or the first letters of their names")
    parser.add_argument("--list", action="store_true", help="show what there is")
    parser.add_argument("--into", type=Path, default=REFERENCE)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    for name in arguments.names:
        if not any(reference.name.startswith(name) for reference in REFERENCES):
            parser.error(f"there is no {name}; see --list")
    for reference in REFERENCES:
        named = any(reference.name.startswith(name) for name in arguments.names)
        if arguments.list:
            print(f"{reference.name}\n  {reference.question}\n  harness {' '.join(reference.command)}")
        elif named or (not arguments.names and not (arguments.into / reference.name).exists()):
            print(f"== {reference.name}", flush=True)
            measure(reference, arguments.into)


if __name__ == "__main__":
    main()
