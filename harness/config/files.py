"""Plans of matrices: from a TOML file, from a project's `pyproject.toml`, or from those that come with the harness."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness.errors import UsageError
from harness.model import validation
from harness.model.plan import ApplicationPlan, Plan

PROJECT: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "harness.toml": lambda document: document,
    "pyproject.toml": lambda document: document.get("tool", {}).get("harness", {}),
}
"""Files in which a project configures the harness → the part that does. The first that there is counts."""


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
        raise UsageError(f"{source}: {validation.first_error(error)}", cure="see docs/applications.md") from error


def parse(document: Mapping[str, Any], source: str) -> Plan:
    """A plan from a document; UsageError names what is wrong with it."""
    try:
        return Plan.model_validate(document, strict=True)
    except ValidationError as error:
        raise UsageError(
            f"{source}: {validation.first_error(error)}",
            cure="see docs/matrix.md, or let an editor check it with harness/data/plan.schema.json",
        ) from error
