"""Plans of matrices: from a TOML file, from a project's `pyproject.toml`, or from those that come with the harness."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness.errors import UsageError
from harness.model.plan import Axes, Plan

PROJECT = "pyproject.toml"

PRESETS = {
    "quick": Plan(
        title="quick",
        # A little computation, because two cores leave k6 one, which is too little for some servers' noop.
        cells=[Axes(server=["uvicorn", "granian", "gunicorn", "hypercorn"], workload=["cpu?n=15"], vus=[32])],
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
    """The plan of a TOML file; of a `pyproject.toml` its `[tool.harness.matrix]`."""
    try:
        document: Mapping[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"cannot read {path}: {error.strerror}", cure="give the path of a plan, a TOML file"
        ) from error
    except ValueError as error:
        raise UsageError(f"{path} is no TOML: {error}", cure="mend it there") from error
    if path.name == PROJECT:
        document = document.get("tool", {}).get("harness", {}).get("matrix", {})
        if not document:
            raise UsageError(f"{path} has no [tool.harness.matrix]", cure="write a plan there; see docs/matrix.md")
    return parse(document, str(path))


def project() -> Plan | None:
    """The plan of the `pyproject.toml` in the current folder, if there is one."""
    try:
        text = Path(PROJECT).read_text(encoding="utf-8")
    except OSError:
        return None
    return load(Path(PROJECT)) if "[tool.harness.matrix]" in text or "[[tool.harness.matrix" in text else None


def parse(document: Mapping[str, Any], source: str) -> Plan:
    """A plan from a document; UsageError names what is wrong with it."""
    try:
        return Plan.model_validate(document, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(
            f"{source}: {where}: {first['msg'].lower()}" + (f" (it is {first['input']!r})" if where else ""),
            cure="see docs/matrix.md, or let an editor check it with harness/plan.schema.json",
        ) from error
