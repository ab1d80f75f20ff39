"""A large run, made of the reference run's one visit with other figures: for what cannot be measured in an hour."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from pathlib import Path

from harness import api

REFERENCE = Path(__file__).resolve().parent.parent / "results" / "reference"


def reference_visit() -> tuple[api.SingleRecord, api.MeasurementRecord]:
    """The run of one cell that is committed, and its last visit."""
    stored = api.read_run(REFERENCE / "first-run")
    visit = stored.visits[-1]
    assert isinstance(stored.record, api.SingleRecord)
    assert isinstance(visit, api.MeasurementRecord)
    return stored.record, visit


def two_hundred_cells() -> list[api.Cell]:
    """More than any preset has."""
    _, visit = reference_visit()
    variant = visit.cell.variant
    return [
        api.Cell(
            variant=variant.model_copy(
                update={
                    "server": server,
                    "workers": workers,
                    "application": variant.application.model_copy(
                        update={"style": style, "workload": "noop", "params": {}}
                    ),
                }
            ),
            load=api.ClosedLoad(users=users),
        )
        for server in ("uvicorn", "granian", "gunicorn", "hypercorn", "waitress")
        for style in ("async", "sync")
        for workers in (1, 2, 4, 8)
        for users in (8, 16, 32, 64, 128)
    ]


def generate(
    folder: Path, cells: Sequence[api.Cell], restarts: int, *, noise: float, rps: Callable[[api.Cell], float]
) -> int:
    """Store a matrix of these cells, all up at once; returns how many measurements it has.

    `rps`: a cell's true throughput in requests per second, from which restarts deviate by `noise` (as a fraction).
    """
    record, visit = reference_visit()
    chance = random.Random(1)
    (folder / "measurements").mkdir(parents=True)
    number = 0
    for restart in range(1, restarts + 1):
        for place in range(len(cells) + 1):
            number += 1
            cell = cells[place % len(cells)]
            another = visit.model_copy(
                update={
                    "cell": cell,
                    "place": api.Place(restart=restart, member=place + 1, repeat=place == len(cells)),
                    "requests": round(visit.window_seconds * rps(cell) * math.exp(chance.gauss(0, noise))),
                    "waits": None,
                }
            )
            path = folder / "measurements" / f"{number:04}.json"
            path.write_text(api.as_text(api.document(another)), encoding="utf-8")
    matrix = api.MatrixRecord(
        **{name: getattr(record, name) for name in type(record).model_fields if name not in ("kind", "cells")},
        cells=list(cells),
        plan=api.Plan(cells=[api.Axes()]),
        impossible=[],
        sets=[],
        finished=True,
        repeated=cells[0].label,
        database=None,
        requests=None,
    )
    (folder / "run.json").write_text(api.as_text(api.document(matrix)), encoding="utf-8")
    return number
