"""Reads plans and applications from TOML files and from the configuration of a project."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from harness.errors import UsageError
from harness.model import validation
from harness.model.plan import ApplicationPlan, Plan, ServerPlan

SERVERS = TypeAdapter(dict[str, ServerPlan])
PROJECT: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "harness.toml": lambda document: document,
    "pyproject.toml": lambda document: _table(_table(document, "tool", "pyproject.toml"), "harness", "pyproject.toml"),
}
"""Files that may configure the harness → the part of the document that does. The first that exists counts."""


def load(path: Path) -> Plan:
    """The plan of a TOML file; of a `pyproject.toml` or `harness.toml` its matrix."""
    document = read(path)
    if path.name in PROJECT:
        table = PROJECT[path.name](document)
        document = _table(table, "matrix", path.name)
        if not document:
            raise UsageError(f"{path} has no matrix", cure="write a plan there; see docs/matrix.md")
        if "application" in table:
            document = {**document, "application": table["application"]}
    return parse(document, str(path))


def read(path: Path) -> dict[str, Any]:
    """The document of a TOML file; UsageError where it cannot be read."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"cannot read {path}: {error.strerror}", cure="give the path of a plan, a TOML file"
        ) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is no TOML: {error}", cure="mend it there") from error


def _table(document: Mapping[str, Any], name: str, file: str) -> dict[str, Any]:
    """A table of a document; empty where there is none."""
    table = document.get(name, {})
    if not isinstance(table, dict):
        raise UsageError(f"{file}: {name} is no table", cure=f"write it as [{name}]; see docs/applications.md")
    return table


def project_table() -> tuple[Path, dict[str, Any]] | None:
    """File and tables of the configuration in the current folder; None without one. It is in `harness.toml`, else in
    `[tool.harness]` of its `pyproject.toml`."""
    for name, part in PROJECT.items():
        path = Path(name)
        if path.is_file() and (tables := part(read(path))):
            unknown = tables.keys() - {"application", "matrix", "servers"}
            if unknown:
                raise UsageError(
                    f"{name}: unknown table {sorted(unknown)[0]!r}",
                    cure="known: application, matrix, servers; see docs",
                )
            return path, tables
    return None


def project() -> Plan | None:
    """The plan of the project in the current folder, if there is one."""
    table = project_table()
    return load(table[0]) if table is not None and "matrix" in table[1] else None


def application() -> ApplicationPlan | None:
    """The application of the project in the current folder, if it names one."""
    table = project_table()
    if table is None or "application" not in table[1]:
        return None
    return parse_application(table[1]["application"], str(table[0]))


def servers() -> dict[str, ServerPlan]:
    """Servers without an adapter that the project in the current folder describes, by name."""
    table = project_table()
    if table is None:
        return {}
    try:
        return SERVERS.validate_python(table[1].get("servers", {}))
    except ValidationError as error:
        raise UsageError(f"{table[0]}: servers.{validation.first_error(error)}", cure="see docs/servers.md") from error


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
