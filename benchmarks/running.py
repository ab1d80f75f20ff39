"""Shared by the benchmarks: one cell measured as `harness run` does it, and where rows go."""

from __future__ import annotations

import argparse
import json
import logging
import math
import platform
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from harness import api

Row = Mapping[str, object]
"""What a benchmark found out, as it is stored."""
REFERENCE = Path(__file__).resolve().parent.parent / "results" / "reference" / "benchmarks"
"""Where what they found out is committed."""


def run(
    cell: api.CellLike, timing: api.Timing = api.TIMING, *, pin: str = "auto", generator: str = "k6"
) -> api.MeasurementRecord:
    """Measure one cell, again while others disturb the machine; nothing is kept of it but the record.

    `pin`: how cores are given (auto, split or none). `generator`: k6 or wrk.
    """
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    with tempfile.TemporaryDirectory() as folder:
        return api.run(cell, timing, api.ExecutionOptions(out=Path(folder), pin=pin, generator=generator)).record


def messages(record: api.MeasurementRecord) -> list[str]:
    """Why a measurement is not valid."""
    return [reason.message for reason in record.reasons]


def ratio(pairs: list[tuple[float, float]]) -> dict[str, float | None]:
    """After ÷ before, with its 95 % interval over pairs."""
    interval = api.interval([math.log(after / before) for before, after in pairs])
    return {name: None if value is None else round(value, 4) for name, value in interval.model_dump().items()}


def write(path: Path | None, rows: Sequence[Row]) -> None:
    """Store the rows where it was asked for."""
    if path is not None:
        path.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def document(question: str, arguments: argparse.Namespace, rows: Sequence[Row], **summary: object) -> Row:
    """What a benchmark found out, with what it depends on."""
    options = {
        name: value.name if isinstance(value, Path) else value  # no path of one machine
        for name, value in vars(arguments).items()
        if not callable(value) and name != "out"
    }
    return {
        "question": question,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "host": api.host_facts(),
        "harness": api.version,
        "python": platform.python_version(),
        "options": options,
        "summary": summary,
        "rows": list(rows),
    }


def write_document(path: Path | None, found: Row) -> None:
    """Store it where it was asked for, whole at every moment."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_text(json.dumps(found, indent=1, ensure_ascii=False, default=str) + "\n", encoding="utf-8")
        part.replace(path)
