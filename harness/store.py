"""Results on disk: one folder per run, there as a whole or not at all."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from harness.errors import LackError
from harness.model.measurement import PROTOCOL, SCHEMA, Facts, Judgement

Document = dict[str, Any]

UNPUBLISHED = re.compile(r"\.(?P<name>.+)\.(?P<pid>\d+)\.new")


class RunFolder:
    """The folder of one run: `run.json` (request, host, packages) and `measurements/NNNN.json`.

    It is built under a hidden name beside its place and renamed once it holds a measurement. Leaving the block before
    that removes it; what a killed harness left is removed by the next one.
    """

    def __init__(self, hidden: Path, final: Path) -> None:
        self.path = hidden
        self.final = final
        self._count = 0

    @classmethod
    def create(cls, results: Path, name: str, started: datetime) -> Self:
        """A new folder below `results`, which must be writable: that is found out before anything is measured."""
        base = f"{started:%Y%m%dT%H%M%SZ}-{name}"
        try:
            results.mkdir(parents=True, exist_ok=True)
            _sweep(results)
            final = next(path for path in _candidates(results, base) if not path.exists())
            hidden = results / f".{final.name}.{os.getpid()}.new"
            (hidden / "measurements").mkdir(parents=True)
        except OSError as error:
            raise _unwritable(results, error) from error
        return cls(hidden, final)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.path != self.final:
            shutil.rmtree(self.path, ignore_errors=True)

    def write_run(self, document: Mapping[str, Any]) -> None:
        """Store what was asked for and on which host, before the first measurement."""
        _write(self.path / "run.json", as_text({"schema": SCHEMA, **without_home(document)}))

    def write_measurement(self, document: Document) -> None:
        """Store one measurement the moment it ends."""
        self._count += 1
        _write(self.path / "measurements" / f"{self._count:04}.json", as_text(document))

    def write_log(self, name: str, text: str) -> None:
        """Keep a log beside the measurements."""
        _write(self.path / name, text)

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


def as_document(facts: Facts, judgement: Judgement, path: Path) -> Document:
    """One measurement with its judgement in the stored and printed format; see docs/results.md."""
    data = facts.model_dump(mode="json")
    environment = data.pop("environment")
    failures = data.pop("failures")
    cell = data.pop("cell")
    head = {
        "schema": SCHEMA,
        "protocol": PROTOCOL,
        "started_at": data.pop("started_at"),
        "block": None,
        "position": None,
        "cell": {
            "id": facts.cell.id,
            "environment": {key: environment[key] for key in ("python", "implementation", "executable")},
            **cell,
        },
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
