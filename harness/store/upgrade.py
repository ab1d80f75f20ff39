"""Runs that an older version has stored, as records of this one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from harness.errors import UsageError
from harness.model.record import SCHEMA, RunRecord, StoredRun, VisitRecord

Document = dict[str, Any]

_RUN: TypeAdapter[Any] = TypeAdapter(RunRecord)
_VISIT: TypeAdapter[Any] = TypeAdapter(VisitRecord)


def run(folder: Path, document: Document, visits: Sequence[Document]) -> StoredRun:
    """A run of schema 1, in which cells were flat, kinds were told by their keys, and interpreters were paths."""
    if kind(document) == "duet":
        raise UsageError(f"{folder} is a duet, which is read no more", cure="compare anew with: harness compare")
    environments = _environments(document)
    names = {each["executable"]: name for name, each in environments.items()}
    options = {each["executable"]: each.get("python_option") for each in _stored_environments(document)}
    upgraded = [_visit(each, names) for each in visits]
    cells = {_name(each["cell"], options): new["cell"] for each, new in zip(visits, upgraded, strict=True)}
    record = {
        **{name: value for name, value in document.items() if name not in ("environment", "duet", "plan")},
        "schema": SCHEMA,
        "kind": kind(document),
        "command": document.get("command"),
        "environments": environments,
        "cells": [cells[name] for name in document["cells"] if name in cells],
        "timing": {name: document[name] for name in ("warmup_seconds", "window_seconds")},
        "generator": document.get("generator") or _generator(upgraded),
    }
    if "plan" in document:
        gone = ("duet_baseline", "blocks", "warmup", "duration", "attempts")
        record["plan"] = {name: value for name, value in document["plan"].items() if name not in gone}
        record |= {"sets": [], "finished": True}
    return StoredRun(
        folder=str(folder),
        record=_RUN.validate_python(record),
        visits=[_VISIT.validate_python(each) for each in upgraded],
    )


def kind(document: Document) -> str:
    """Of a run of schema 1."""
    return "matrix" if "plan" in document else "duet" if "duet" in document else "single"


def without(document: Document, name: str) -> Document:
    """A copy that lacks a field which is no more."""
    return {key: value for key, value in document.items() if key != name}


def _name(cell: Document, options: dict[str, str | None]) -> str:
    option = options[cell["environment"]["executable"]]
    return f"{option}:{cell['id']}" if option else str(cell["id"])


def _stored_environments(document: Document) -> list[Document]:
    return [document["environment"]] if "environment" in document else list(document["environments"])


def _environments(document: Document) -> dict[str, Document]:
    environments = _stored_environments(document)
    return {
        (each.get("python_option") or "") if len(environments) > 1 else "": {
            name: each[name] for name in ("python", "implementation", "executable", "packages")
        }
        for each in environments
    }


def _visit(document: Document, names: dict[str, str]) -> Document:
    flat = dict(document["cell"])
    environment = flat.pop("environment")
    users, rate = flat.pop("vus"), flat.pop("rate")
    flat.pop("id")
    application = flat.pop("application")
    cell = {
        "variant": {
            **flat,
            "environment": names[environment["executable"]],
            "application": {"kind": "bundled" if "framework" in application else "user", **application},
        },
        "load": {"kind": "open", "rate": rate, "arrivals": "even"}
        if users is None
        else {"kind": "closed", "users": users},
    }
    place = None
    if document.get("block") is not None:
        place = {
            "restart": document["block"],
            "member": document["position"],
            "repeat": document.get("repeat", False),
        }
    measured = "requests" in document
    new = {**document, "schema": SCHEMA, "kind": "measurement" if measured else "failure", "cell": cell, "place": place}
    if measured:
        placement = document["placement"]
        cores = sorted({*(placement["server_cpus"] or ()), *(placement["generator_cpus"] or ())})
        new["placement"] = placement | {"cores": cores or list(range(document["machine"]["cores_in_use"] or 1))}
        new["notes"] = [{"message": text} for text in document["notes"]]
        new["server"] = document["server"] | {"python": environment["python"]}
        if document["database"] is not None:
            new["database"] = without(document["database"], "own_cpu_cores")
    return new


def _generator(visits: Sequence[Document]) -> str:
    generator = next((each["generator"] for each in visits if "generator" in each), None)
    return "" if generator is None else f"{generator['name']} {generator['version']}"
