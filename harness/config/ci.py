"""Writes the workflow that compares a pull request with its base."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

from harness import resources
from harness.applications.detect import detect_applications
from harness.config import files
from harness.errors import UsageError
from harness.model.quantities import parse_fraction

FILES = {"github": Path(".github/workflows/performance.yml"), "gitlab": Path(".gitlab/performance.yml")}
"""Where each service looks, or may be told to look, for a workflow."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Workflow:
    """What a workflow measures, and when it fails."""

    app: str
    """`MODULE:OBJECT`."""
    factory: bool
    paths: Sequence[str]
    server: str
    fail_above: str
    """Such as `3%`."""
    strict: bool
    """Fail where it is inconclusive too."""


def workflow(app: str | None, paths: Sequence[str], server: str, fail_above: str, *, strict: bool) -> Workflow:
    """The workflow of the options, else of the project. UsageError where no application is found."""
    parse_fraction("--fail-above", fail_above)
    project = files.application()
    factory = bool(project and project.factory)
    if app is None and project is not None:
        app = project.app
    if app is None:
        found = sorted(detect_applications(Path()))
        if not found:
            raise UsageError("no application was found in this folder", cure="name it: --app MODULE:OBJECT")
        app, factory = found[0].target, found[0].factory
    paths = paths or (list(project.path) if project is not None and project.path else ["/"])
    return Workflow(app=app, factory=factory, paths=paths, server=server, fail_above=fail_above, strict=strict)


def text(service: str, wanted: Workflow) -> str:
    """The file's text for `github` or `gitlab`."""
    options = ["--app", wanted.app, *(["--factory"] if wanted.factory else []), "--fail-above", wanted.fail_above]
    return Template(resources.text(f"ci-{service}.yml")).substitute(
        server=shlex.quote(wanted.server),
        options=shlex.join([*options, *(["--strict"] if wanted.strict else [])]),
        paths=shlex.join(wanted.paths),
    )


def write(service: str, wanted: Workflow, to: Path | None) -> Path:
    """Write it; UsageError where the file is there already."""
    path = to or FILES[service]
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text(service, wanted))
    except FileExistsError as error:
        raise UsageError(f"{path} exists already", cure="remove it, or name another file with --to") from error
    return path
