"""What is requested of a user's application: read from options and files."""

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
from harness.model.plan import ApplicationPlan
from harness.model.requests import AppRequest, CsvColumn, Drawn, Requests


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestSource:
    """What is requested: kinds of requests with the values that are drawn for them, or a k6 script."""

    requests: Sequence[AppRequest] = ()
    values: Mapping[str, Sequence[Drawn]]
    script: Path | None = None

    @property
    def lines(self) -> list[str]:
        """What is requested, a line each, without headers and bodies."""
        if self.script is not None:
            return [f"k6 script {self.script.name}"]
        several = len(self.requests) > 1
        return [f"{each.method} {each.path}" + (f" ×{each.weight:g}" if several else "") for each in self.requests]

    @property
    def digest(self) -> str:
        """Of everything that is sent and expected: equal digests, equal requests."""
        sent = [
            [each.model_dump(mode="json", by_alias=True) for each in self.requests],
            {name: list(each) for name, each in self.values.items()},
            None if self.script is None else self.script.read_text(encoding="utf-8"),
        ]
        return hashlib.sha256(json.dumps(sent, sort_keys=True).encode()).hexdigest()[:16]


def request_source(plan: ApplicationPlan, base: Path, routes: Sequence[str]) -> RequestSource:
    """What a plan says is requested; its paths are from `base`. UsageError where it says nothing, or several things.

    `routes`: paths that the application is known to have, for the message.
    """
    given = [name for name in ("path", "requests", "k6_script") if getattr(plan, name)]
    if len(given) > 1:
        options = " and ".join(f"--{name.replace('_', '-')}" for name in given)
        raise UsageError(f"{options} together: one of them says what is sent", cure="give one of them")
    if not given:
        hint = f"; it has {', '.join(routes[:5])}" if routes else ""
        raise UsageError(
            f"nothing says what to request of {plan.app}", cure=f"give --path, --requests or --k6-script{hint}"
        )
    if plan.k6_script:
        script = located(base, plan.k6_script).resolve()
        if not script.is_file():
            raise UsageError(f"--k6-script {plan.k6_script}: no such file", cure="give the path of a k6 script")
        return RequestSource(values={}, script=script)
    if plan.path:
        return RequestSource(requests=[AppRequest(path=path) for path in plan.path], values=_values(plan.values, base))
    if isinstance(plan.requests, str):
        file = located(base, plan.requests)
        read = read_requests(file)
        return RequestSource(requests=read.requests, values=_values({**plan.values, **read.values}, file.parent))
    assert plan.requests is not None
    return RequestSource(requests=plan.requests, values=_values(plan.values, base))


def located(base: Path, path: str) -> Path:
    """Where a path of a plan is, which counts from `base`; in stored plans the home folder is written as `~`."""
    return base / Path(path).expanduser()


def read_requests(path: Path) -> Requests:
    """Requests of a TOML file."""
    try:
        return Requests.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", cure="give the path of a TOML file") from error
    except ValidationError as error:
        raise UsageError(f"{path}: {validation.first_error(error)}", cure="see docs/applications.md") from error
    except ValueError as error:
        raise UsageError(f"{path} is no TOML: {error}", cure="mend it there") from error


def _values(given: Mapping[str, Sequence[Drawn] | CsvColumn], base: Path) -> dict[str, Sequence[Drawn]]:
    return {
        name: _column(name, values, base) if isinstance(values, CsvColumn) else values for name, values in given.items()
    }


def _column(name: str, source: CsvColumn, base: Path) -> list[Drawn]:
    path = located(base, source.csv)
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise UsageError(f"values {name}: cannot read {path}: {error.strerror}", cure="mend the path") from error
    if not rows or source.column not in rows[0]:
        known = ", ".join(rows[0]) if rows else "no row"
        raise UsageError(f"values {name}: {path} has no column {source.column!r}", cure=f"it has {known}")
    return [_number(row[source.column] or "") for row in rows]


def _number(text: str) -> Drawn:
    """A number where the text is one and is written as numbers are, so that it stays one in JSON."""
    return int(text) if re.fullmatch(r"-?(0|[1-9]\d*)", text) else text
