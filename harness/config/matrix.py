"""From the options of `harness matrix` to a plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from harness.config import files, presets, registry
from harness.config.application import ApplicationOptions, application_plan, merge_options
from harness.config.parsing import split_list, split_numbers, split_rates, split_servers, split_workload
from harness.errors import UsageError
from harness.model.plan import OURS, ApplicationPlan, Plan

Texts = Sequence[str] | None


@dataclass(frozen=True, kw_only=True, slots=True)
class MatrixOptions:
    """Options of the axes, each repeated or separated by commas, as they were given."""

    server: Texts = None
    framework: Texts = None
    style: Texts = None
    workload: Texts = None
    param: Texts = None
    workers: Texts = None
    threads: Texts = None
    pool_size: Texts = None
    vus: Texts = None
    rate: Texts = None
    python: Texts = None

    def named(self) -> list[str]:
        """Options that were given, as they are written."""
        return [f"--{field.name.replace('_', '-')}" for field in fields(self) if getattr(self, field.name)]


def matrix_plan(
    options: MatrixOptions,
    overrides: Mapping[str, int | str | None],
    file: Path | None,
    preset: str | None,
    own: ApplicationOptions | None = None,
) -> Plan:
    """The plan of a file, a preset, the project or the axes, with the overrides in place, and with the user's
    application unless a preset or an axis asks for ours."""
    own = own or ApplicationOptions()
    named = options.named()
    if file is not None and preset is not None:
        raise UsageError(f"{file} and --preset {preset} together", cure="give one of them")
    if named and (file is not None or preset is not None):
        source = f"the plan {file}" if file is not None else f"--preset {preset}"
        raise UsageError(f"{named[0]} and {source} together: its axes are its own", cure="give one of them")
    if file is not None:
        found = files.load(file)
    elif preset is not None:
        found = presets.preset(preset)
    elif named or own.app:
        found = files.parse({"cells": [from_options(options)]}, "the command line")
    else:
        projects = files.project()
        if projects is None:
            raise UsageError(
                "nothing says what to measure",
                cure="try --preset quick, or give axes: --server uvicorn,granian --style async,sync",
            )
        found = projects
    changes = {name: value for name, value in overrides.items() if value is not None}
    document = found.model_dump(exclude_unset=True, by_alias=True) | changes
    described = _application(found, own, "--preset" if preset else None)
    if described is not None:
        document["application"] = described.model_dump(mode="json", exclude_unset=True, by_alias=True)
    return files.parse(document, "the command line" if changes else "the plan")


def _application(found: Plan, own: ApplicationOptions, preset: str | None) -> ApplicationPlan | None:
    """The plan's application with the options over it; else the options' or the project's, unless ours are wanted."""
    if found.application is not None:
        return merge_options(own, found.application)
    ours = [f"--{name}" for axes in found.cells for name in OURS if name in axes.model_fields_set]
    return application_plan(own, [preset] if preset else [name.replace("_", "-") for name in ours])


def refuse_with_resume(
    options: MatrixOptions, overrides: Mapping[str, int | str | None], file: Path | None, preset: str | None
) -> None:
    """A run that is gone on with has its plan already."""
    named = [*options.named(), *(f"--{name}" for name, value in overrides.items() if value is not None)]
    named += [str(file)] if file else []
    named += ["--preset"] if preset else []
    if named:
        raise UsageError(
            f"--resume and {named[0]} together: the run has its plan already", cure="give --resume FOLDER alone"
        )


def from_options(options: MatrixOptions) -> dict[str, object]:
    """One product of axes, as a plan has it."""
    found: dict[str, object] = {}
    if options.server:
        found["server"] = split_servers(options.server)
    for name in ("framework", "style", "python"):
        texts = getattr(options, name)
        if texts:
            found[name] = split_list(texts)
    for name in ("workers", "threads", "pool_size", "vus"):
        texts = getattr(options, name)
        if texts:
            found[name] = split_numbers(f"--{name.replace('_', '-')}", texts)
    if options.rate:
        found["rate"] = split_rates("--rate", options.rate)
    if options.workload or options.param:
        found["workload"] = workloads(split_list(options.workload or ["sleep"]), options.param or ())
    return found


def workloads(texts: Sequence[str], params: Sequence[str]) -> list[str]:
    """Workloads in their written form, each with those of the common parameters that it has."""
    found = []
    used = set()
    for text in texts:
        name, own = split_workload(text)
        workload = registry.workload(name)
        known = {parameter.name for parameter in workload.parameters}
        common = [each for each in params if each.partition("=")[0] in known]
        used.update(common)
        joined = "&".join((*own, *common))
        found.append(f"{name}?{joined}" if joined else name)
    for each in params:
        if each not in used:
            raise UsageError(f"--param {each}: no workload of the matrix has it", cure="see: harness list workloads")
    return found
