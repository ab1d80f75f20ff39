"""Requests of a user's application, read from options and files."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from harness.errors import UsageError
from harness.model import validation
from harness.model.application import SCRIPT
from harness.model.plan import ApplicationPlan
from harness.model.requests import AppRequest, CsvColumn, Drawn, Requests

INTEGER = re.compile(r"-?(0|[1-9]\d*)")
NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?")
COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
DEFAULT = re.compile(r"\bexport\s+default\b|\bexport\s*\{[^}]*\bas\s+default\b|\bexports\.default\b")
FUNCTION = re.compile(r"\bexport\s+(?:async\s+)?function\s+(\w+)")


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestSource:
    """Kinds of requests with the values that are drawn for them, or a k6 script."""

    requests: Sequence[AppRequest] = ()
    values: Mapping[str, Sequence[Drawn]]
    script: Path | None = None

    @property
    def lines(self) -> list[str]:
        """Descriptions of the kinds of requests, without headers and bodies."""
        if self.script is not None:
            return [f"{SCRIPT}{self.script.name}"]
        several = len(self.requests) > 1
        return [f"{each.method} {each.path}" + (f" ×{each.weight:g}" if several else "") for each in self.requests]

    @property
    def digest(self) -> str:
        """Digest of everything that is sent and expected: equal digests, equal requests."""
        content = [
            [each.model_dump(mode="json", by_alias=True) for each in self.requests],
            {name: list(each) for name, each in self.values.items()},
            None if self.script is None else self.script.read_text(encoding="utf-8"),
        ]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def request_source(plan: ApplicationPlan, base: Path, routes: Sequence[str]) -> RequestSource:
    """The requests of a plan, whose paths are from `base`. UsageError where it names none, or several sources of them.

    `routes`: paths of the application, for the message.
    """
    sources = [name for name in ("path", "requests", "k6_script") if getattr(plan, name)]
    if len(sources) > 1:
        options = " and ".join(f"--{name.replace('_', '-')}" for name in sources)
        raise UsageError(f"{options} together: one of them says what is sent", cure="give one of them")
    if not sources:
        hint = f"; it has {', '.join(routes[:5])}" if routes else ""
        raise UsageError(
            f"nothing says what to request of {plan.app}", cure=f"give --path, --requests or --k6-script{hint}"
        )
    if plan.k6_script:
        script = locate(base, plan.k6_script).resolve()
        if not script.is_file():
            raise UsageError(f"--k6-script {plan.k6_script}: no such file", cure="give the path of a k6 script")
        check_script(script)
        return RequestSource(values={}, script=script)
    if plan.path:
        return RequestSource(requests=[AppRequest(path=path) for path in plan.path], values=_values(plan.values, base))
    if isinstance(plan.requests, str):
        file = locate(base, plan.requests)
        document = read_requests(file)
        values = _values({**plan.values, **document.values}, file.parent)
        return RequestSource(requests=document.requests, values=values)
    assert plan.requests is not None
    return RequestSource(requests=plan.requests, values=_values(plan.values, base))


def check_script(script: Path) -> None:
    """Refuse a k6 script whose load the harness cannot run: it calls the default function again and again."""
    text = COMMENT.sub("", script.read_text(encoding="utf-8"))
    if DEFAULT.search(text):
        return
    functions = ", ".join(FUNCTION.findall(text))
    raise UsageError(
        f"--k6-script {script.name} exports no default function" + (f"; it has {functions}" if functions else ""),
        cure="scenarios with functions of their own are not run: export a default function that does what a user does",
    )


def locate(base: Path, path: str) -> Path:
    """The file or folder of a plan's path, which counts from `base`; stored plans have `~` for the home folder."""
    return base / Path(path).expanduser()


def read_requests(path: Path) -> Requests:
    """Requests of a TOML file; UsageError names what is wrong with it."""
    try:
        return Requests.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", cure="give the path of a TOML file") from error
    except ValidationError as error:
        raise UsageError(f"{path}: {validation.first_error(error)}", cure="see docs/applications.md") from error
    except ValueError as error:
        raise UsageError(f"{path} is no TOML: {error}", cure="mend it there") from error


def _values(sources: Mapping[str, Sequence[Drawn] | CsvColumn], base: Path) -> dict[str, Sequence[Drawn]]:
    return {
        name: _column(name, source, base) if isinstance(source, CsvColumn) else source
        for name, source in sources.items()
    }


def _column(name: str, source: CsvColumn, base: Path) -> list[Drawn]:
    path = locate(base, source.csv)
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise UsageError(f"values {name}: cannot read {path}: {error.strerror}", cure="mend the path") from error
    if not rows or source.column not in rows[0]:
        columns = ", ".join(rows[0]) if rows else "no row"
        raise UsageError(f"values {name}: {path} has no column {source.column!r}", cure=f"it has {columns}")
    return column_values([row[source.column] or "" for row in rows])


def column_values(column: Sequence[str]) -> list[Drawn]:
    """The values of a column, which are of one kind: numbers where every text is one and is written as numbers are, so
    that they stay numbers in JSON; else texts, as a column of postal codes such as 02139 is."""
    if not all(map(NUMBER.fullmatch, column)):
        return list(column)
    return [int(text) if INTEGER.fullmatch(text) else float(text) for text in column]
