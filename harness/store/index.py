"""Which runs there are."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from harness.model.counting import counted
from harness.store.codec import RESTARTS, RUN, Document, numbered, visit_files


@dataclass(frozen=True, kw_only=True, slots=True)
class RunEntry:
    """A stored run, as far as a list tells."""

    folder: Path
    started_at: str
    kind: str
    """`single`, `matrix`, `recommendation`, `rotation`, `capacity` or `overload`."""
    what: str
    """The cell, the cells of a rotation, or how many cells another run has."""
    measurements: int
    """Of a rotation its restarts."""


def runs(results: Path) -> list[RunEntry]:
    """The runs below a folder, oldest first; what is no run is passed over."""
    entries = []
    for path in results.glob(f"*/{RUN}"):
        if path.parent.name.startswith(".") or not path.is_file():  # reading a pipe would wait for ever
            continue
        try:
            entries.append(_entry(path.parent, json.loads(path.read_text(encoding="utf-8"))))
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
            continue
    return sorted(entries, key=lambda each: each.started_at)


def _entry(folder: Path, document: Document) -> RunEntry:
    kind = document["kind"]
    labels = [cell["label"] for cell in document["cells"]]
    if kind in ("matrix", "recommendation"):
        title = document["plan"].get("title") if kind == "matrix" else None
        what = counted(len(labels), "configuration")
        what = f"{title}: {what}" if title else what
    else:
        what = " and ".join(map(str, labels))
    return RunEntry(
        folder=folder,
        started_at=str(document["started_at"]),
        kind=str(kind),
        what=what,
        measurements=len(numbered(folder / RESTARTS) if kind == "rotation" else visit_files(folder)),
    )
