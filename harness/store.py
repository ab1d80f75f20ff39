"""Results on disk: one folder per run, there as a whole or not at all."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from pydantic import ConfigDict, Field, ValidationError, create_model
from pydantic_core import from_json

from harness.errors import LackError, UsageError
from harness.model.cell import Cell, Environment
from harness.model.counting import counted
from harness.model.duet import Duet
from harness.model.measurement import PROTOCOL, SCHEMA, Facts, Failures, Judgement, Place, Reason

Document = dict[str, Any]

UNPUBLISHED = re.compile(r"\.(?P<name>.+)\.(?P<pid>\d+)\.new")


class RunFolder:
    """The folder of one run: `run.json` (request, host, packages) and `measurements/NNNN.json`.

    It is built under a hidden name beside its place and renamed once it holds a measurement. Leaving the block before
    that removes it; what a killed harness left is removed by the next one.
    """

    def __init__(self, hidden: Path, final: Path, secrets: Set[str] = frozenset()) -> None:
        self.path = hidden
        self.final = final
        self._secrets = secrets
        self._count = 0

    @classmethod
    def reopen(cls, folder: Path, secrets: Set[str] = frozenset()) -> Self:
        """A run's folder, to add measurements to it."""
        found = cls(folder, folder, secrets)
        numbers = [int(path.stem) for path in (folder / "measurements").glob("*.json") if path.stem.isdigit()]
        found._count = max(numbers, default=0)
        return found

    @classmethod
    def create(cls, results: Path, name: str, started: datetime, secrets: Set[str] = frozenset()) -> Self:
        """A new folder below `results`, which must be writable: that is found out before anything is measured. Nothing
        that is written there holds one of the secrets."""
        base = f"{started:%Y%m%dT%H%M%SZ}-{name}"
        try:
            results.mkdir(parents=True, exist_ok=True)
            _sweep(results)
            final = next(path for path in _candidates(results, base) if not path.exists())
            hidden = results / f".{final.name}.{os.getpid()}.new"
            (hidden / "measurements").mkdir(parents=True)
        except OSError as error:
            raise _unwritable(results, error) from error
        return cls(hidden, final, secrets)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.path != self.final:
            shutil.rmtree(self.path, ignore_errors=True)

    def write_run(self, document: Mapping[str, Any]) -> None:
        """Store what was asked for and on which host, before the first measurement."""
        _write(self.path / "run.json", as_text({"schema": SCHEMA, **self.clean(without_home(document))}))

    def write_measurement(self, document: Document) -> None:
        """Store one measurement the moment it ends."""
        self._count += 1
        _write(self.path / "measurements" / f"{self._count:04}.json", as_text(self.clean(document)))

    def write_answer(self, document: Mapping[str, Any]) -> None:
        """Store what a duet says."""
        _write(self.path / "duet.json", as_text({"schema": SCHEMA, **self.clean(without_home(document))}))

    def write_log(self, text: str) -> None:
        """Keep the server's log beside the last measurement."""
        _write(self.path / "measurements" / f"{self._count:04}.log", self.clean(text))

    def clean(self, value: Any) -> Any:
        """The same value without the run's secrets."""
        return without_secrets(value, self._secrets) if self._secrets else value

    def publish(self) -> Path:
        """Give the folder its name, if it has not got it yet; returns it."""
        if self.path == self.final:
            return self.final
        try:
            os.rename(self.path, self.final)
        except OSError as error:
            raise _unwritable(self.final, error) from error
        self.path = self.final
        return self.final


def _candidates(results: Path, base: str) -> list[Path]:
    return [results / base, *(results / f"{base}-{number}" for number in range(2, 1000))]


def _sweep(results: Path) -> None:
    """Remove what harnesses left that were killed before their first measurement."""
    for path in results.iterdir():
        match = UNPUBLISHED.fullmatch(path.name)
        if match and not Path(f"/proc/{match['pid']}").exists():
            shutil.rmtree(path, ignore_errors=True)


def _write(path: Path, text: str) -> None:
    """Temporary file, fsync, rename: what stands under `path` is always whole."""
    new = path.with_name(path.name + ".new")
    try:
        with open(new, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, path)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> LackError:
    return LackError(
        f"cannot write {path}: {error.strerror or error}",
        cure="make room or mend permissions there, or choose another folder with --out",
    )


def rescue(document: Document) -> Path | None:
    """Keep a measurement in the system's temporary folder; None where that cannot be written either."""
    try:
        handle, name = tempfile.mkstemp(prefix="harness-measurement-", suffix=".json")
        with open(handle, "w", encoding="utf-8") as file:
            file.write(as_text(document))
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        return None
    return Path(name)


def as_text(document: Mapping[str, Any]) -> str:
    """The stored form of a document."""
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def without_home(value: Any, home: str | None = None) -> Any:
    """The same value with the user's home folder written as `~` in every text: results are made to be shared."""
    home = os.path.expanduser("~") if home is None else home
    if isinstance(value, str):
        return re.sub(rf"(?<![\w.~/-]){re.escape(home)}/", "~/", value) if len(home) > 1 else value
    if isinstance(value, Mapping):
        return {key: without_home(item, home) for key, item in value.items()}
    if isinstance(value, list):
        return [without_home(item, home) for item in value]
    return value


HIDDEN = "***"
"""What stands in the place of a secret."""


def without_secrets(value: Any, secrets: Set[str]) -> Any:
    """The same value with every secret in its texts hidden."""
    if isinstance(value, str):
        for secret in sorted(secrets, key=len, reverse=True):  # one may hold another
            value = value.replace(secret, HIDDEN)
        return value
    if isinstance(value, Mapping):
        return {key: without_secrets(item, secrets) for key, item in value.items()}
    if isinstance(value, list):
        return [without_secrets(item, secrets) for item in value]
    return value


def as_document(facts: Facts, judgement: Judgement, path: Path, place: Place | None = None) -> Document:
    """One measurement with its judgement in the stored and printed format; see docs/results.md."""
    data = facts.model_dump(mode="json")
    del data["environment"], data["cell"]
    failures = data.pop("failures")
    head = {
        "schema": SCHEMA,
        "protocol": PROTOCOL,
        "started_at": data.pop("started_at"),
        **as_place(place),
        "cell": _as_cell(facts.cell, facts.environment),
        "placement": data.pop("placement"),
        "verdict": judgement.verdict,
        "reasons": [reason.model_dump(mode="json") for reason in judgement.reasons],
        "notes": judgement.notes,
        "warmup_seconds": data.pop("warmup_seconds"),
        "window_seconds": data.pop("window_seconds"),
        "requests": data.pop("requests"),
        "failures": facts.failures.total,
        "failures_by_kind": failures,
        "throughput_rps": round(facts.throughput_rps, 3),
    }
    tail = judgement.model_dump(mode="json", include={"ceiling", "ceiling_fraction", "diagnosis"})
    document = head | data | tail
    return {**without_home(document), "path": str(path)}


def _as_cell(cell: Cell, environment: Environment) -> Document:
    """With its interpreter, of which the packages are stored once per run."""
    return {
        "id": cell.id,
        "environment": environment.model_dump(mode="json", include={"python", "implementation", "executable"}),
        **cell.model_dump(mode="json"),
    }


def as_place(place: Place | None) -> Document:
    """The part of a document that says where in a matrix it was measured."""
    if place is None:
        return {"block": None, "position": None}
    return place.model_dump(mode="json")


def as_failure(cell: Cell, environment: Environment, started_at: str, what: str, log: str, place: Place) -> Document:
    """A visit whose server did not come up, or not with the right answer: it has a reason, and nothing was measured."""
    document = {
        "schema": SCHEMA,
        "protocol": PROTOCOL,
        "started_at": started_at,
        **as_place(place),
        "cell": _as_cell(cell, environment),
        "verdict": "failed",
        "reasons": [Reason(gate="start", message=what, value=None, limit=None).model_dump(mode="json")],
        "log": log,
    }
    return {**without_home(document)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Visit:
    """One stored measurement, or why there is none."""

    number: int
    started_at: str
    python: str
    """Executable of the interpreter that ran the server."""
    cell: Cell
    place: Place | None
    """None outside of a matrix."""
    facts: Facts | None
    failure: Reason | None
    protocol: int


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredRun:
    """A run as it was read back."""

    folder: Path
    document: Document
    """What `run.json` holds."""
    visits: list[Visit]
    """In the order in which they were made."""


def read_run(folder: Path) -> StoredRun:
    """A stored run, whole or interrupted."""
    try:
        document = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        _check_schema(document["schema"], folder)
        reader = _Reader(document)
        # One at a time: as documents they take several times the memory.
        visits = [reader.visit(path) for path in sorted(_measurements(folder), key=_number)]
    except OSError as error:
        raise UsageError(
            f"{folder} holds no run: {error.strerror or error}", cure="give the folder of one, below results/"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{folder} cannot be read: {error}", cure="give the folder of a run, below results/"
        ) from error
    return StoredRun(folder=folder, document=document, visits=visits)


def read_answer(folder: Path) -> Duet | None:
    """What a duet says; None for other runs."""
    path = folder / "duet.json"
    if not path.exists():
        return None
    document = json.loads(path.read_text(encoding="utf-8"))
    _check_schema(document.pop("schema"), folder)
    return Duet.model_validate(document)


@dataclass(frozen=True, kw_only=True, slots=True)
class Listed:
    """A stored run, as far as a list tells."""

    folder: Path
    started_at: str
    kind: Literal["run", "matrix", "duet"]
    what: str
    """The cell, both cells of a duet, or how many cells a matrix has."""
    measurements: int


def runs(results: Path) -> list[Listed]:
    """The runs below a folder, oldest first; what is no run is passed over."""
    found = []
    for path in results.glob("*/run.json"):
        if path.parent.name.startswith("."):
            continue
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            found.append(_listed(path.parent, document))
        except (OSError, ValueError, KeyError):
            continue
    return sorted(found, key=lambda each: each.started_at)


def _listed(folder: Path, document: Document) -> Listed:
    kind: Literal["run", "matrix", "duet"] = "run"
    what = document["cells"][0]
    if "plan" in document:
        kind, what = (
            "matrix",
            f"{counted(len(document['cells']), 'cell')} in {counted(len(document['order']), 'block')}",
        )
        title = document["plan"].get("title")
        what = f"{title}: {what}" if title else what
    elif "duet" in document:
        kind, what = "duet", " and ".join(document["duet"])
    return Listed(
        folder=folder,
        started_at=document["started_at"],
        kind=kind,
        what=what,
        measurements=len(_measurements(folder)),
    )


DUETS = "duets"
"""Folder below a matrix' own for its duets."""


def read_duets(folder: Path) -> list[Duet]:
    """What the duets of a matrix say."""
    found = (read_answer(path) for path in sorted((folder / DUETS).glob("*")) if not path.name.startswith("."))
    return [each for each in found if each is not None]


def _measurements(folder: Path) -> list[Path]:
    return [path for path in (folder / "measurements").iterdir() if path.suffix == ".json" and path.stem.isdigit()]


def _number(path: Path) -> int:
    return int(path.stem)


def _check_schema(schema: int, folder: Path) -> None:
    if schema > SCHEMA:
        raise UsageError(
            f"{folder} was written by a newer harness (schema {schema}; this one reads up to {SCHEMA})",
            cure="update the harness",
        )


_MEASURED: dict[str, Any] = {
    "schema_": (int, Field(alias="schema")),
    "protocol": (int, ...),
    "cell": (dict[str, Any], ...),
    "failures_by_kind": (Failures, ...),
    "block": (int | None, ...),
    "position": (int | None, ...),
    "attempt": (int, 1),
    "repeat": (bool, False),
    **{
        name: (field.annotation, field)
        for name, field in Facts.model_fields.items()
        if name not in ("cell", "environment", "failures")
    },
}
_Measured = create_model("_Measured", __config__=ConfigDict(extra="ignore", frozen=True), **_MEASURED)
"""A stored measurement as `as_document` writes it, as far as it is read."""


class _Reader:
    """The inverse of `as_document` and `as_failure`. Cells and environments recur, and are made once."""

    def __init__(self, run: Document) -> None:
        self._packages = {each["executable"]: each["packages"] for each in environments(run)}
        self._cells: dict[str, Cell] = {}
        self._environments: dict[str, Environment] = {}

    def visit(self, path: Path) -> Visit:
        """One measurement; versions of packages are in the run's document."""
        text = path.read_bytes()
        try:
            found: Any = _Measured.model_validate_json(text)  # in one pass: a long run has ten thousand of them
        except ValidationError:
            document = from_json(text)
            _check_schema(document["schema"], path)
            if "requests" in document:
                raise
            return self._failure(_number(path), document)
        _check_schema(found.schema_, path)
        cell, environment = self._cell(found.cell), self._environment(found.cell["environment"])
        known = {name: getattr(found, name) for name in Facts.model_fields if name in _Measured.model_fields}
        facts = Facts.model_construct(
            **(known | {"cell": cell, "environment": environment, "failures": found.failures_by_kind})
        )
        return Visit(
            number=_number(path),
            started_at=found.started_at,
            python=environment.executable,
            cell=cell,
            place=_place(found.block, found.position, found.attempt, repeat=found.repeat),
            facts=facts,
            failure=None,
            protocol=found.protocol,
        )

    def _failure(self, number: int, document: Document) -> Visit:
        return Visit(
            number=number,
            started_at=document["started_at"],
            python=document["cell"]["environment"]["executable"],
            cell=self._cell(document["cell"]),
            place=Place(**{name: document[name] for name in Place.model_fields}),
            facts=None,
            failure=Reason.model_validate(document["reasons"][0]),
            protocol=document["protocol"],
        )

    def _cell(self, document: Document) -> Cell:
        known = {name: value for name, value in document.items() if name not in ("id", "environment")}
        key = str(known)
        if key not in self._cells:
            self._cells[key] = Cell.model_validate(known)
        return self._cells[key]

    def _environment(self, document: Document) -> Environment:
        executable = document["executable"]
        if executable not in self._environments:
            packages = self._packages[executable]
            self._environments[executable] = Environment.model_validate({**document, "packages": packages})
        return self._environments[executable]


def _place(block: int | None, position: int, attempt: int, *, repeat: bool) -> Place | None:
    """None outside of a matrix."""
    return None if block is None else Place(block=block, position=position, attempt=attempt, repeat=repeat)


def environments(run: Document) -> list[Document]:
    """The environments of a run's document."""
    return [run["environment"]] if "environment" in run else list(run["environments"])
