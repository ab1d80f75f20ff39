"""Values that are drawn for requests: from lists, columns of CSV files, lists of addresses and access logs."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from harness.errors import UsageError
from harness.model.requests import Addresses, CsvColumn, Drawn, UniqueValue, ValueSource

INTEGER = re.compile(r"-?(0|[1-9]\d*)")
NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?")
LOGGED = re.compile(r'"(?P<method>[A-Z]+) (?P<address>\S+) HTTP/[\d.]+" (?P<status>\d{3})\b')
"""A request in a line of an access log, in the common or combined format."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DrawnValues:
    """Values by name, and how they are drawn."""

    rows: Mapping[str, Sequence[Drawn]]
    per_user: frozenset[str] = frozenset()
    """Names of those of which each user keeps one."""
    unique: frozenset[str] = frozenset()
    """Names of those that are a new UUID each time."""

    @property
    def names(self) -> frozenset[str]:
        """All that there is a value for."""
        return self.unique.union(self.rows)


def read_values(sources: Mapping[str, ValueSource], base: Path) -> DrawnValues:
    """The values of a plan, whose paths are from `base`. UsageError where a file does not have them."""
    return DrawnValues(
        rows={
            name: _rows(name, source, base) for name, source in sources.items() if not isinstance(source, UniqueValue)
        },
        per_user=frozenset(
            name for name, source in sources.items() if isinstance(source, CsvColumn) and source.per == "user"
        ),
        unique=frozenset(name for name, source in sources.items() if isinstance(source, UniqueValue)),
    )


def locate(base: Path, path: str) -> Path:
    """The file or folder of a plan's path, which counts from `base`; stored plans have `~` for the home folder."""
    return base / Path(path).expanduser()


def _rows(name: str, source: Sequence[Drawn] | CsvColumn | Addresses, base: Path) -> Sequence[Drawn]:
    match source:
        case CsvColumn():
            return _column(name, source, base)
        case Addresses():
            return read_addresses(locate(base, source.addresses))
        case _:
            return source


def _column(name: str, source: CsvColumn, base: Path) -> list[Drawn]:
    path = locate(base, source.csv)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
            names = reader.fieldnames or ()
    except OSError as error:
        raise UsageError(f"values {name}: cannot read {path}: {error.strerror}", cure="mend the path") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"values {name}: {path} is no CSV in UTF-8: {error}", cure="save it as one") from error
    if not rows or source.column not in names:
        columns = ", ".join(names) if rows else "no row"
        raise UsageError(f"values {name}: {path} has no column {source.column!r}", cure=f"it has {columns}")
    return column_values([row[source.column] or "" for row in rows])


def column_values(column: Sequence[str]) -> list[Drawn]:
    """The values of a column, which are of one kind: numbers where every text is one and is written as numbers are, so
    that they stay numbers in JSON; else texts, as a column of postal codes such as 02139 is."""
    if not all(map(NUMBER.fullmatch, column)):
        return list(column)
    return [int(text) if INTEGER.fullmatch(text) else float(text) for text in column]


def read_addresses(path: Path) -> list[str]:
    """Paths with queries, in the order of a file's lines: addresses or paths, one a line, or an access log.

    Of a log, GETs that were answered with a status from 200 to 299 are taken: nothing else can be sent again as it was.
    UsageError where a line is neither.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"cannot read {path}: {error}", cure="give a text file of addresses, or an access log"
        ) from error
    found = []
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        logged = LOGGED.search(text)
        if logged is None:
            found.append(_address(text.removeprefix("GET "), f"{path}, line {number}"))
        elif logged["method"] == "GET" and logged["status"].startswith("2"):
            found.append(_address(logged["address"], f"{path}, line {number}"))
    if not found:
        raise UsageError(
            f"{path} holds no request that can be sent again",
            cure="of an access log, GETs with a status from 200 to 299 are taken; write all others as requests in TOML",
        )
    return found


def _address(text: str, where: str) -> str:
    """Path and query of an address; of a whole one without scheme, host and port."""
    parts = urlsplit(text)
    path = parts.path or "/"
    if any(map(str.isspace, text)) or not path.startswith("/"):
        raise UsageError(
            f"{where} is no address: {text[:100]!r}", cure="write a path such as /items?limit=20, or a whole address"
        )
    return f"{path}?{parts.query}" if parts.query else path
