"""Plans of matrices: from a TOML file, from a project's `pyproject.toml`, or from those that come with the harness."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness.errors import UsageError
from harness.model.application import APP, PATH, ApplicationPlan
from harness.model.plan import Axes, Plan

PROJECT: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "harness.toml": lambda document: document,
    "pyproject.toml": lambda document: document.get("tool", {}).get("harness", {}),
}
"""Files in which a project configures the harness → the part that does. The first that there is counts."""

PRESETS = {
    "quick": Plan(
        title="quick",
        # A little computation, because two cores leave k6 one, which is too little for some servers' noop.
        cells=[Axes(server=["uvicorn", "granian", "gunicorn", "hypercorn"], workload=["cpu?n=16"], vus=[32])],
        blocks=6,
        warmup="1s",
        duration="2s",
    ),
    "servers": Plan(
        title="servers",
        cells=[
            Axes(
                server=["uvicorn", "granian", "gunicorn", "hypercorn"],
                framework=[framework],
                style=styles,
                workload=["noop", "sleep", "select", "simulation?fib=20"],
                workers=[1, 2],
                vus=[64],
            )
            for framework, styles in (("fastapi", ["async", "sync"]), ("flask", ["sync"]))
        ],
        # Blocks tell more than long windows: what varies is the machine, from minute to minute.
        warmup="2s",
        duration="5s",
    ),
    # The cells of the published study. Its 10,000 users would wait for longer than k6's timeout where 80 threads serve
    # 80 requests per second; 1,000 tell the same, and 100 where an event loop serves 2 per second.
    "article": Plan(
        title="article",
        cells=[
            Axes(style=["async"], workload=["sleep?ms=1000"], workers=[1, 2], vus=[1000]),
            Axes(style=["sync", "wrapped"], workload=["sleep?ms=1000"], workers=[2], vus=[1000]),
            Axes(style=["sync", "async"], workload=["mixed?ms=500"], workers=[2], vus=[100]),
            Axes(style=["async", "sync"], workload=["select?user_id=1"], workers=[1], vus=[64]),
            Axes(
                style=["async", "sync"],
                workload=[f"simulation?fib={fib}" for fib in (15, 20, 25, 30)],
                workers=[1, 2],
                vus=[32],
            ),
            Axes(
                style=["async"],
                workload=[f"simulation?fib={fib}&cpu=thread" for fib in (15, 20, 25, 30)],
                workers=[1],
                vus=[32],
            ),
        ],
    ),
}
SAID = {
    "quick": "the floor of each server, with one worker, in under three minutes. It cannot tell differences below some "
    "5 %, tails, workers, styles or anything that waits: for that there are the others, and plans of your own",
    "article": "the cells of the published study (docs/decisions.md), judged claim by claim; seed the database with "
    "--scale article before. Users are fewer than its 10,000, which would only measure k6's timeout",
    "servers": "all servers with async and sync handlers and Flask, four workloads, one worker and two",
}


def preset(name: str) -> Plan:
    """A plan that comes with the harness."""
    if name not in PRESETS:
        raise UsageError(f"unknown preset {name!r}", cure=f"known: {', '.join(PRESETS)}")
    return PRESETS[name]


def load(path: Path) -> Plan:
    """The plan of a TOML file; of a `pyproject.toml` or `harness.toml` its matrix."""
    document = read(path)
    if path.name in PROJECT:
        table = PROJECT[path.name](document)
        document = table.get("matrix", {})
        if not document:
            raise UsageError(f"{path} has no matrix", cure="write a plan there; see docs/matrix.md")
        if "application" in table:
            document = {**document, "application": table["application"]}
    return parse(document, str(path))


def read(path: Path) -> dict[str, Any]:
    """A TOML file."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"cannot read {path}: {error.strerror}", cure="give the path of a plan, a TOML file"
        ) from error
    except ValueError as error:
        raise UsageError(f"{path} is no TOML: {error}", cure="mend it there") from error


def table() -> tuple[Path, dict[str, Any]] | None:
    """What the project in the current folder says about the harness, and where: in `harness.toml`, else in
    `[tool.harness]` of its `pyproject.toml`."""
    for name, part in PROJECT.items():
        path = Path(name)
        if path.is_file() and (found := part(read(path))):
            unknown = found.keys() - {"application", "matrix"}
            if unknown:
                raise UsageError(
                    f"{name}: unknown table {sorted(unknown)[0]!r}", cure="known: application, matrix; see docs"
                )
            return path, found
    return None


def project() -> Plan | None:
    """The plan of the project in the current folder, if there is one."""
    found = table()
    return load(found[0]) if found is not None and "matrix" in found[1] else None


def application() -> ApplicationPlan | None:
    """The application of the project in the current folder, if it names one."""
    found = table()
    if found is None or "application" not in found[1]:
        return None
    return parse_application(found[1]["application"], str(found[0]))


def parse_application(document: Mapping[str, Any], source: str) -> ApplicationPlan:
    """An application from a document; UsageError names what is wrong with it."""
    try:
        return ApplicationPlan.model_validate(document)
    except ValidationError as error:
        raise UsageError(f"{source}: {first(error)}", cure="see docs/applications.md") from error


def parse(document: Mapping[str, Any], source: str) -> Plan:
    """A plan from a document; UsageError names what is wrong with it."""
    try:
        return Plan.model_validate(document, strict=True)
    except ValidationError as error:
        raise UsageError(
            f"{source}: {first(error)}",
            cure="see docs/matrix.md, or let an editor check it with harness/plan.schema.json",
        ) from error


ALTERNATIVE = re.compile(r"\[|^constrained-str$|^str$|^CsvColumn$")
"""Parts of an error's place that name one of several types and no part of the document."""


WRITTEN = {APP: "write it as MODULE:OBJECT, such as shop.main:app", PATH: "begin it with /"}
"""Patterns, and what to write."""


def first(error: ValidationError) -> str:
    """The first thing that is wrong, where, and with which value."""
    details = max(error.errors(), key=lambda each: len(each["loc"]))  # of alternatives, the one that fits best
    where = ".".join(str(part) for part in details["loc"] if not ALTERNATIVE.search(str(part)))
    said = WRITTEN.get(details.get("ctx", {}).get("pattern", ""), details["msg"].removeprefix("Value error, "))
    said = said[:1].lower() + said[1:]
    if not where:
        return said
    shown = f" (it is {details['input']!r})" if isinstance(details["input"], str | int | float) else ""
    return f"{where}: {said}{shown}"
