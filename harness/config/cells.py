"""Resolves cells: of texts into adapters, workloads and options, every name known, every number in bounds. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness import servers
from harness.applications.bundled import ServedWorkload
from harness.applications.prepared import PreparedApplication
from harness.applications.served import ServedApplication
from harness.config import registry
from harness.config.parsing import require_choice, split_server, split_workload
from harness.environments import interpreters
from harness.errors import ImpossibleError, UsageError
from harness.handlers import catalogue
from harness.handlers.styles import STYLES
from harness.handlers.workload import Workload
from harness.model import labels
from harness.model.application import BundledApplication, UserApplication
from harness.model.axes import DEFAULT_POOL_SIZE, DEFAULT_THREADS
from harness.model.load import ClosedLoad, OpenLoad
from harness.model.plan import DEFAULT_USERS, DEFAULT_WORKLOAD
from harness.model.quantities import parse_int
from harness.model.variant import Cell, Variant
from harness.servers.adapter import Adapter, Interface
from harness.servers.command import CommandServer

FRAMEWORK, STYLE, WORKLOAD = "fastapi", "async", DEFAULT_WORKLOAD
"""Names of the application that is measured by default."""
MAXIMUM_USERS = 100_000
ARRIVALS = ("poisson", "even")
ALTERNATIVES = "see what there is with: harness list styles, harness list workloads"


@dataclass(frozen=True, kw_only=True, slots=True)
class CellSpec:
    """A cell as options or a plan describe it, unchecked."""

    server: str
    """Its name with its options, such as `uvicorn:loop=asyncio`."""
    framework: str = FRAMEWORK
    style: str = STYLE
    workload: str = WORKLOAD
    params: tuple[str, ...] = ()
    """`name=value`"""
    workers: int = 1
    threads: int = DEFAULT_THREADS
    pool_size: int | None = None
    users: int | None = None
    rate: float | None = None
    arrivals: str = "poisson"
    """Of an open load: poisson, or even."""
    app: str | None = None
    """The user's application in its written form, still to be prepared."""
    application: PreparedApplication | None = None
    """The user's application, in place of framework, style, workload and parameters."""
    python: str | None = None
    """Interpreter that runs the server; None: that of the application, else the harness' own."""
    environment: str = ""
    """Name of the interpreter's environment in the experiment, where it has several."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ResolvedCell:
    """A cell together with what its names stand for."""

    cell: Cell
    adapter: Adapter
    subject: ServedApplication
    options: Mapping[str, str] = field(default_factory=dict)
    """Every option of the server that applies, with its value or default."""
    python: str | None = None
    """Interpreter that runs the server; None: the harness' own."""
    application: PreparedApplication | None = None
    """The user's application, if it is one: with the commands around it."""

    @property
    def label(self) -> str:
        """The cell's written form."""
        return self.cell.label


def resolve_cell(spec: CellSpec) -> ResolvedCell:
    """The cell that `spec` describes. UsageError names what cannot be, and what can; ImpossibleError where every name
    is known, but they cannot go together."""
    application = spec.application
    if application is not None:
        served = application.served
        refuse_pool_size(served.name, spec.pool_size)
        if served.script is not None and spec.rate is not None:
            raise UsageError(
                f"--rate {spec.rate:g}: {served.script.name} sends at its own pace",
                cure="give --vus N, or requests that the harness sends: --path, --requests",
            )
        return _resolved(spec, served, served.application, application.interface, served.name, None)
    framework = catalogue.FRAMEWORKS[require_choice("framework", spec.framework, catalogue.FRAMEWORKS)]
    style = require_choice("style", spec.style, STYLES)
    workload = registry.workload(spec.workload)
    params = parse_params(workload, spec.params)
    refusal = catalogue.refusal(framework.name, style, workload, params)
    if refusal:
        raise ImpossibleError(f"{framework.name}/{style}/{workload.name} cannot exist: {refusal}", cure=ALTERNATIVES)
    bundled = BundledApplication(framework=framework.name, style=style, workload=workload.name, params=params)
    subject = ServedWorkload(application=bundled, workload=workload)
    pool_size = choose_pool_size(workload, spec.pool_size)
    return _resolved(spec, subject, bundled, framework.interface, framework.name, pool_size)


def _resolved(
    spec: CellSpec,
    subject: ServedApplication,
    application: BundledApplication | UserApplication,
    interface: Interface,
    what: str,
    pool_size: int | None,
) -> ResolvedCell:
    """Join what is served with the server and the load."""
    name, values = split_server(spec.server)
    adapter = registry.adapter(name)
    if interface not in adapter.interfaces:
        raise ImpossibleError(
            f"{name} cannot serve {what}: it has no {interface} interface",
            cure="choose another server: " + ", ".join(servers.names()),
        )
    if adapter.maximum_workers is not None and spec.workers > adapter.maximum_workers:
        raise ImpossibleError(
            f"--workers {spec.workers}: {name} runs {adapter.maximum_workers} at most",
            cure="put {workers} into its command"
            if isinstance(adapter, CommandServer)
            else f"use --workers {adapter.maximum_workers}, or another server: " + ", ".join(servers.names()),
        )
    options = choose_options(adapter, interface, values)
    if spec.application is not None:
        options = options_as_installed(adapter, interface, values, spec.application.packages)
    load = choose_load(spec.users, spec.rate, spec.arrivals)
    variant = Variant(
        environment=spec.environment,
        server=name,
        options={key: value for key, value in options.items() if value != adapter.options[key].default},
        interface=interface,
        application=application,
        workers=parse_int("--workers", spec.workers, 1, 1024),
        threads=parse_int("--threads", spec.threads, 1, 10_000),
        pool_size=pool_size,
    )
    return ResolvedCell(
        cell=Cell(variant=variant, load=load),
        adapter=adapter,
        subject=subject,
        options=options,
        python=spec.application.python if spec.application is not None else spec.python,
        application=spec.application,
    )


def choose_options(adapter: Adapter, interface: Interface, values: Mapping[str, str]) -> dict[str, str]:
    """Every option that applies under the interface: `values`, checked, and defaults for the rest."""
    usable = {key: option for key, option in adapter.options.items() if option.interface in (None, interface)}
    for key, value in values.items():
        if key not in usable:
            listed = ", ".join(f"{name}={'|'.join(option.choices)}" for name, option in usable.items())
            cure = f"known under {interface}: {listed}" if listed else f"it has none under {interface}"
            if key in adapter.options:
                only = adapter.options[key].interface
                raise ImpossibleError(f"{adapter.name} takes the option {key!r} under {only} only", cure=cure)
            raise UsageError(f"{adapter.name} has no option {key!r}", cure=cure)
        if value not in usable[key].choices:
            raise UsageError(
                f"{adapter.name}:{key}={value}: no such value", cure=f"known: {', '.join(usable[key].choices)}"
            )
    return {key: values.get(key, option.default) for key, option in usable.items()}


def options_as_installed(
    adapter: Adapter, interface: Interface, values: Mapping[str, str], installed: Container[str]
) -> dict[str, str]:
    """The same, of an environment that is measured as it is: where it lacks what a default needs, such as uvloop, the
    first other choice that it has."""

    def lacking(key: str, choice: str) -> int:
        return len(interpreters.missing(installed, adapter.requires(interface, {**options, key: choice})))

    options = choose_options(adapter, interface, values)
    for key in options.keys() - values.keys():
        option = adapter.options[key]
        if option.as_installed:
            options[key] = min(option.choices, key=lambda choice: lacking(key, choice))
    return options


def parse_params(workload: Workload, texts: Iterable[str]) -> dict[str, int | str | None]:
    """`name=value` texts as the workload's parameters."""
    named: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"--param {text}: not name=value", cure="write it as --param ms=100")
        named[name.strip()] = value.strip()
    try:
        return workload.parse(named)
    except ValueError as error:
        raise UsageError(f"--param {error}", cure=f"see: harness list workloads ({workload.name})") from None


def choose_load(vus: int | None, rate: float | None, arrivals: str = "poisson") -> ClosedLoad | OpenLoad:
    """The load of so many users or requests per second; DEFAULT_USERS where neither is set."""
    require_choice("arrivals", arrivals, ARRIVALS)
    if arrivals != "poisson" and rate is None:
        raise UsageError(
            f"--arrivals {arrivals} without --rate: users who wait for their answers arrive when they have them",
            cure="give --rate N, or leave --arrivals away",
        )
    if vus is not None and rate is not None:
        raise UsageError(
            "--vus and --rate together: a load is closed or open",
            cure="give --vus N for N users that wait for their answers, or --rate N for N requests per second",
        )
    if rate is not None:
        if not 0 < rate <= MAXIMUM_USERS:
            raise UsageError(f"--rate {rate:g}: out of bounds", cure=f"give a rate above 0, {MAXIMUM_USERS} at most")
        return OpenLoad(rate=rate, arrivals=arrivals)  # type: ignore[arg-type]
    return ClosedLoad(users=parse_int("--vus", DEFAULT_USERS if vus is None else vus, 1, MAXIMUM_USERS))


def choose_pool_size(workload: Workload, size: int | None) -> int | None:
    """Connections per worker and pool; None where the workload uses no database."""
    if not workload.connections:
        refuse_pool_size(workload.name, size)
        return None
    return DEFAULT_POOL_SIZE if size is None else parse_int("--pool-size", size, 1, 10_000)


def refuse_pool_size(what: str, size: int | None) -> None:
    """UsageError where a pool size is set for an application that has none of our pools."""
    if size is not None:
        raise UsageError(f"--pool-size {size}: {what} uses no database of ours", cure="leave --pool-size away")


def parse_cell(text: str, shared: CellSpec) -> CellSpec:
    """A cell in its written form; parts that are left out are as in `shared`."""
    label = labels.parse_cell_label(
        text,
        labels.Names(
            servers=servers.names(),
            frameworks=catalogue.FRAMEWORKS,
            styles=STYLES,
            workloads=catalogue.workload_names(),
        ),
    )
    changes: dict[str, Any] = {"server": label.server, **label.numbers}
    for name in ("framework", "style"):
        if getattr(label, name) is not None:
            changes[name] = getattr(label, name)
    if label.workload is not None:
        changes["workload"], changes["params"] = split_workload(label.workload)
    if label.application is not None:
        changes["app"] = label.application
    if label.users is not None or label.rate is not None:
        changes |= {"users": label.users, "rate": label.rate, "arrivals": label.arrivals}
    if label.environment is not None:
        changes["python"] = label.environment
    return dataclasses.replace(shared, **changes)


def label_of(spec: CellSpec) -> str:
    """The written form of a cell that cannot be resolved, for messages."""
    if spec.application is not None:
        parts = [spec.application.served.application.work_label]
    else:
        parts = [spec.framework, spec.style, "?".join(filter(None, (spec.workload, "&".join(spec.params))))]
    load = (
        labels.users_label(spec.users) if spec.users is not None else labels.rate_label(spec.rate or 0.0, spec.arrivals)
    )
    head = f"{spec.environment}:{spec.server}" if spec.environment else spec.server
    return "/".join((head, *parts, f"w{spec.workers}", load))


def database_connections(resolved: ResolvedCell) -> tuple[int, str]:
    """How many connections to the shop's database a cell may open, as a number and in words."""
    variant, each = resolved.cell.variant, resolved.subject.connections
    if not each:
        return 0, "no"
    if resolved.subject.pooled:
        assert variant.pool_size is not None
        return variant.workers * variant.pool_size, f"{variant.workers} workers × {variant.pool_size} pooled"
    return (
        variant.workers * variant.threads * each,
        f"{variant.workers} workers × {variant.threads} threads × {each}",
    )
