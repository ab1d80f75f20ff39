"""Makes a plan of the options of `harness matrix`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from harness.config import commands, files, presets, registry
from harness.config.application import ApplicationOptions, application_plan, merge_options
from harness.config.parsing import split_list, split_numbers, split_rates, split_servers, split_workload
from harness.errors import UsageError
from harness.model.plan import DEFAULT_WORKLOAD, OURS, ApplicationPlan, Plan

Texts = Sequence[str] | None


@dataclass(frozen=True, kw_only=True, slots=True)
class MatrixOptions:
    """Options of the axes, each repeated or separated by commas."""

    server: Texts = None
    server_command: Texts = None
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
        """Options that are set, as they are written."""
        return [f"--{field.name.replace('_', '-')}" for field in fields(self) if getattr(self, field.name)]


def matrix_plan(
    options: MatrixOptions,
    overrides: Mapping[str, int | str | bool | None],
    file: Path | None,
    preset: str | None,
    app: ApplicationOptions | None = None,
) -> Plan:
    """The plan of a file, a preset, the axes or the project, with the overrides that are not None in place, and with
    the user's application unless a preset or an axis asks for a bundled one."""
    app = app or ApplicationOptions()
    plan = _select_plan(options, file, preset, app)
    changes = {name: value for name, value in overrides.items() if value is not None}
    document = plan.model_dump(exclude_unset=True, by_alias=True) | changes
    offered = files.servers() | commands.offer_all(options.server_command) | plan.servers
    described = commands.used(offered, [server for axes in plan.cells for server in axes.server])
    if described:
        document["servers"] = {name: each.model_dump(exclude_unset=True) for name, each in described.items()}
    application = _select_application(plan, app, preset)
    if application is not None:
        document["application"] = application.model_dump(mode="json", exclude_unset=True, by_alias=True)
    return files.parse(document, "the command line" if changes else "the plan")


def _select_plan(options: MatrixOptions, file: Path | None, preset: str | None, app: ApplicationOptions) -> Plan:
    named = options.named()
    if file is not None and preset is not None:
        raise UsageError(f"{file} and --preset {preset} together", cure="give one of them")
    if named and (file is not None or preset is not None):
        source = f"the plan {file}" if file is not None else f"--preset {preset}"
        raise UsageError(f"{named[0]} and {source} together: its axes are its own", cure="give one of them")
    if file is not None:
        return files.load(file)
    if preset is not None:
        return presets.preset(preset)
    if named or app.app:
        return files.parse({"cells": [axes_document(options)]}, "the command line")
    plan = files.project()
    if plan is None:
        raise UsageError(
            "nothing says what to measure",
            cure="try --preset quick, or give axes: --server uvicorn,granian --style async,sync",
        )
    return plan


def _select_application(plan: Plan, app: ApplicationOptions, preset: str | None) -> ApplicationPlan | None:
    """The plan's application with the options over it; else that of the options or the project, unless a bundled one is
    asked for."""
    if plan.application is not None:
        return merge_options(app, plan.application)
    axes = [f"--{name.replace('_', '-')}" for cells in plan.cells for name in OURS if name in cells.model_fields_set]
    return application_plan(app, ["--preset"] if preset else axes)


def refuse_with_resume(
    options: MatrixOptions, overrides: Mapping[str, int | str | bool | None], preset: str | None
) -> None:
    """UsageError where a run that is resumed, which has its plan, is given axes, overrides or a preset."""
    named = [
        *options.named(),
        *(f"--{name.replace('_', '-')}" for name, value in overrides.items() if value is not None),
    ]
    named += ["--preset"] if preset else []
    if named:
        raise UsageError(
            f"--resume and {named[0]} together: the run has its plan already", cure="give --resume FOLDER alone"
        )


def axes_document(options: MatrixOptions) -> dict[str, object]:
    """One product of axes, as an entry of a plan has it."""
    axes: dict[str, object] = {}
    if options.server or options.server_command:
        own = [commands.parse(text)[0] for text in options.server_command or ()]
        named = split_servers(options.server or ())
        axes["server"] = [*named, *(name for name in own if name not in named)]
    for name in ("framework", "style", "python"):
        texts = getattr(options, name)
        if texts:
            axes[name] = split_list(texts)
    for name in ("workers", "threads", "pool_size", "vus"):
        texts = getattr(options, name)
        if texts:
            axes[name] = split_numbers(f"--{name.replace('_', '-')}", texts)
    if options.rate:
        axes["rate"] = split_rates("--rate", options.rate)
    if options.workload or options.param:
        axes["workload"] = workloads(split_list(options.workload or [DEFAULT_WORKLOAD]), options.param or ())
    return axes


def workloads(texts: Sequence[str], params: Sequence[str]) -> list[str]:
    """Workloads in their written form, each with those of the common parameters that it has."""
    labels = []
    used = set()
    for text in texts:
        name, own = split_workload(text)
        workload = registry.workload(name)
        names = {parameter.name for parameter in workload.parameters}
        common = [param for param in params if param.partition("=")[0] in names]
        used.update(common)
        joined = "&".join((*own, *common))
        labels.append(f"{name}?{joined}" if joined else name)
    for param in params:
        if param not in used:
            raise UsageError(f"--param {param}: no workload of the matrix has it", cure="see: harness list workloads")
    return labels
