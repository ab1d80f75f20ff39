"""Records as files, and back: what is written is what is read."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from harness.errors import UsageError
from harness.model.record import SCHEMA, FailureRecord, MeasurementRecord, RunRecord, StoredRun, VisitRecord
from harness.model.rotation import Restart, Rotation

Document = dict[str, Any]
"""A record as JSON has it."""
RUN, MEASUREMENTS, ROTATION, RESTARTS = "run.json", "measurements", "rotation.json", "restarts"
"""Names of files and folders of a run."""
NUMBERED = re.compile(r"\d+\.json(\.gz)?")
"""Names of documents that come one after another; those of restarts are compressed."""
HEAD = ("schema", "kind", "protocol", "path", "started_at", "place", "cell", "verdict", "reasons", "notes")
"""What comes first in a document, as far as it is there."""

_RUN: TypeAdapter[Any] = TypeAdapter(RunRecord)
_VISIT: TypeAdapter[MeasurementRecord | FailureRecord] = TypeAdapter(VisitRecord)


def document(record: BaseModel) -> Document:
    """A record as it is stored and printed."""
    document = record.model_dump(mode="json", by_alias=True)
    return {name: document.pop(name) for name in HEAD if name in document} | document


def as_text(document: Mapping[str, Any], indent: int | None = 1) -> str:
    """A document as the text of a file: a line per value, or one line where `indent` is None."""
    separators = (",", ":") if indent is None else None
    return json.dumps(document, ensure_ascii=False, indent=indent, separators=separators) + "\n"


def parse_run(text: bytes) -> BaseModel:
    """The record of a run from its file. ValidationError where it is none."""
    record: BaseModel = _RUN.validate_json(text)
    return record


def parse_visit(text: bytes) -> MeasurementRecord | FailureRecord:
    """The record of a visit from its file. ValidationError where it is none."""
    return _VISIT.validate_json(text)


def read_run(folder: Path) -> StoredRun:
    """A stored run, whole or interrupted. UsageError where the folder holds none that can be read."""
    try:
        run = json.loads((folder / RUN).read_text(encoding="utf-8"))
        check_schema(run["schema"], folder)
        return StoredRun(
            folder=str(folder),
            record=_RUN.validate_python(run),
            # One at a time: as documents they take several times the memory.
            visits=[parse_visit(read_bytes(path)) for path in visit_files(folder)],
            rotation=_read_rotation(folder),
            restarts=[Restart.model_validate_json(read_bytes(path)) for path in numbered(folder / RESTARTS)],
        )
    except OSError as error:
        raise UsageError(
            f"{folder} holds no run: {error.strerror or error}", cure="give the folder of one, below results/"
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(
            f"{folder} cannot be read: {'.'.join(map(str, first['loc']))}: {first['msg']}",
            cure="give the folder of a run, below results/",
        ) from error
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError(
            f"{folder} cannot be read: {error}", cure="give the folder of a run, below results/"
        ) from error


def visit_files(folder: Path) -> list[Path]:
    """The files of a run's visits, in the order in which they were made."""
    return numbered(folder / MEASUREMENTS)


def numbered(folder: Path) -> list[Path]:
    """The numbered documents of a folder, in order; none where there is no such folder."""
    files = [path for path in folder.glob("*.json*") if NUMBERED.fullmatch(path.name) and path.is_file()]
    return sorted(files, key=number)


def number(path: Path) -> int:
    """Of a numbered document, compressed or not."""
    return int(path.name.partition(".")[0])


def read_bytes(path: Path) -> bytes:
    """What a document's file holds, which is compressed where its name ends with `.gz`. OSError where it cannot be
    read."""
    try:
        return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (EOFError, zlib.error) as error:
        raise gzip.BadGzipFile(f"{path} is cut short or damaged") from error


def _read_rotation(folder: Path) -> Rotation | None:
    path = folder / ROTATION
    return Rotation.model_validate_json(path.read_bytes()) if path.exists() else None


def check_schema(schema: int, folder: Path) -> None:
    """Refuse what another version has written."""
    if schema > SCHEMA:
        raise UsageError(
            f"{folder} was written by a newer harness (schema {schema}; this one reads {SCHEMA})",
            cure="update the harness",
        )
    if schema < SCHEMA:
        raise UsageError(
            f"{folder} was written by an older harness (schema {schema}; this one reads {SCHEMA})",
            cure="measure anew, or read it with the version that its run.json names",
        )
