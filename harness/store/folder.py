"""The folder of one run, there as a whole or not at all."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from pydantic import BaseModel, ValidationError

from harness.errors import LackError
from harness.model.record import AnyRunRecord, FailureRecord, MeasurementRecord
from harness.model.rotation import Restart, Rotation
from harness.store import codec, holding
from harness.store.codec import MEASUREMENTS, RESTARTS, ROTATION, RUN, Document, as_text, document
from harness.store.redaction import clean, clean_text

Record = TypeVar("Record", bound=BaseModel)
UNPUBLISHED = re.compile(r"\.\d{8}T\d{6}Z-.+\.new")


class RunFolder:
    """The folder of one run: `run.json` (request, host, packages) and `measurements/NNNN.json`.

    It is built under a hidden name beside its place and renamed once it holds a measurement. Leaving the block before
    that removes it; what a killed harness left is removed by the next one. It is held until the block is left.
    """

    def __init__(self, hidden: Path, final: Path, handle: int | None = None) -> None:
        self.path = hidden
        self.final = final
        self._handle = handle
        self._count = 0

    @classmethod
    def reopen(cls, folder: Path) -> Self:
        """A run's folder, to add measurements to it. UsageError where another version of the harness began it: records
        of two schemas in one folder could not be read."""
        codec.check_schema(json.loads((folder / RUN).read_text(encoding="utf-8"))["schema"], folder)
        store = cls(folder, folder)
        store._count = max((codec.number(path) for path in codec.visit_files(folder)), default=0)
        return store

    @classmethod
    def create(cls, results: Path, name: str, started: datetime) -> Self:
        """A new folder below `results`, which must be writable: that is found out before anything is measured."""
        base = f"{started:%Y%m%dT%H%M%SZ}-{name}"
        try:
            results.mkdir(parents=True, exist_ok=True)
            _sweep(results)
            for final in _candidates(results, base):
                hidden = results / f".{final.name}.new"
                if final.exists() or (handle := holding.make(hidden)) is None:
                    continue
                (hidden / MEASUREMENTS).mkdir()
                if not final.exists():  # published under this very name since it was looked for
                    return cls(hidden, final, handle)
                os.close(handle)
                shutil.rmtree(hidden, ignore_errors=True)
        except OSError as error:
            raise _unwritable(results, error) from error
        raise LackError(f"{results} holds too many runs of one second", cure="choose another folder with --out")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.path != self.final:
            shutil.rmtree(self.path, ignore_errors=True)
        if self._handle is not None:
            os.close(self._handle)

    def write_run(self, record: AnyRunRecord) -> None:
        """Store what was asked for and on which host, before the first measurement."""
        _write(self.path / RUN, clean(document(record)), codec.parse_run)

    def write_visit(self, record: MeasurementRecord | FailureRecord) -> None:
        """Store one visit the moment it ends."""
        self._count += 1
        _write(self.path / MEASUREMENTS / f"{self._count:04}.json", clean(document(record)), codec.parse_visit)

    def write_restart(self, restart: Restart) -> None:
        """Store a restart of a rotation the moment it ends."""
        folder = self.path / RESTARTS
        folder.mkdir(exist_ok=True)
        path = folder / f"{restart.number:04}.json.gz"
        _write(path, clean(document(restart)), Restart.model_validate_json, indent=None)

    def write_rotation(self, rotation: Rotation) -> None:
        """Store what a rotation says."""
        _write(self.path / ROTATION, clean(document(rotation)), Rotation.model_validate_json)

    def write_log(self, text: str) -> None:
        """Keep the server's log beside the last visit."""
        _write_text(self.path / MEASUREMENTS / f"{self._count:04}.log", clean_text(text))

    def cleaned(self, record: Record) -> Record:
        """A record as it is stored."""
        return type(record).model_validate(clean(document(record)))

    def publish(self) -> Path:
        """Give the folder its name, if it has not got it yet; returns it."""
        if self.path == self.final:
            return self.final
        try:
            os.rename(self.path, self.final)
            holding.sync(self.final.parent)
        except OSError as error:
            raise _unwritable(self.final, error) from error
        self.path = self.final
        return self.final


def _candidates(results: Path, base: str) -> list[Path]:
    return [results / base, *(results / f"{base}-{number}" for number in range(2, 1000))]


def _sweep(results: Path) -> None:
    """Remove what harnesses left that were killed before their first measurement."""
    for path in results.iterdir():
        if UNPUBLISHED.fullmatch(path.name):
            holding.remove_left(path)


def _write(path: Path, document: Document, parse: Callable[[bytes], BaseModel], indent: int | None = 1) -> None:
    """Store a document that `parse` reads back; LackError where it does not, before anything stands under `path`."""

    def check(written: bytes) -> None:
        try:
            same = as_text(codec.document(parse(written)), indent).encode() == written
        except ValidationError as error:
            raise _unreadable(path, str(error)) from error
        if not same:
            raise _unreadable(path, "it is another record when it is read back")

    _write_text(path, as_text(document, indent), check)


def _write_text(path: Path, text: str, check: Callable[[bytes], None] = lambda written: None) -> None:
    """Temporary file, fsync, look at what was written, rename: what stands under `path` is always whole."""
    new = path.with_name(path.name + ".new")
    try:
        data = text.encode()
        with open(new, "wb") as file:
            file.write(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
            file.flush()
            os.fsync(file.fileno())
        written = new.read_bytes()
        check(gzip.decompress(written) if path.suffix == ".gz" else written)
        os.replace(new, path)
        holding.sync(path.parent)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> LackError:
    return LackError(
        f"cannot write {path}: {error.strerror or error}",
        cure="make room or mend permissions there, or choose another folder with --out",
    )


def _unreadable(path: Path, why: str) -> LackError:
    return LackError(
        f"{path} cannot be stored so that it can be read back",
        cure="this is a fault of the harness: report it with what is below",
        detail=why,
    )


def rescue(document: Document) -> Path | None:
    """Keep a measurement in the system's temporary folder; None where that cannot be written either."""
    path = None
    try:
        handle, name = tempfile.mkstemp(prefix="harness-measurement-", suffix=".json")
        path = Path(name)
        with open(handle, "w", encoding="utf-8") as file:
            file.write(as_text(document))
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        if path is not None:  # what is half written would pass for a measurement
            with contextlib.suppress(OSError):
                path.unlink()
        return None
    return path
