"""From what was asked for, as text, to a cell: every name known, every pair possible, every number in bounds. Pure."""

from __future__ import annotations

import dataclasses
import itertools
import random
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import servers
from handlers import catalogue
from handlers.styles import STYLES
from handlers.workload import Workload
from harness.errors import ImpossibleError, UsageError
from harness.model.cell import (
    DEFAULT_POOL_SIZE,
    DEFAULT_THREADS,
    Application,
    Cell,
    OwnApplication,
    Timing,
)
from harness.model.comparison import Metric
from harness.model.plan import DEFAULT_USERS, Axes, Plan
from harness.subjects.mounted import Mounted
from harness.subjects.own import Own
from harness.subjects.subject import Subject
from servers.adapter import Adapter, Interface

FRAMEWORK, STYLE, WORKLOAD = "fastapi", "async", "sleep"
"""What is measured where nothing is asked for."""
NOOP = "noop"
"""The workload without any work."""
MAXIMUM_USERS = 100_000
MINIMUM_WINDOW_SECONDS = 1.0
MAXIMUM_SECONDS = 24 * 3600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What a command line asks for, unchecked."""

    server: str
    framework: str = FRAMEWORK
    style: str = STYLE
    workload: str = WORKLOAD
    params: tuple[str, ...] = ()
    workers: int = 1
    threads: int = DEFAULT_THREADS
    pool_size: int | None = None
    vus: int | None = None
    rate: float | None = None
    app: str | None = None
    """The user's application in its written form, still to be looked at."""
    own: Own | None = None
    """The user's application, in place of framework, style, workload and parameters."""
    interface: Interface | None = None
    """Of the user's application."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """A cell together with what its names stand for."""

    cell: Cell
    adapter: Adapter
    subject: Subject
    options: Mapping[str, str] = field(default_factory=dict)
    """Every option of the server that applies, given or default."""


def choose(request: Request) -> Choice:
    """The cell that is asked for; UsageError names what cannot be, and what can."""
    if request.own is not None:
        assert request.interface is not None
        refuse_pool_size(request.own.name, request.pool_size)
        if request.own.script is not None and request.rate is not None:
            raise UsageError(
                f"--rate {request.rate:g}: {request.own.script.name} sends at its own pace",
                cure="give --vus N, or requests that the harness sends: --path, --requests",
            )
        return _chosen(request, request.own, request.own.application, request.interface, request.own.name, None)
    framework = catalogue.FRAMEWORKS[known("framework", request.framework, catalogue.FRAMEWORKS)]
    style = known("style", request.style, STYLES)
    workload = catalogue.workload(known("workload", request.workload, catalogue.workload_names()))
    params = parse_params(workload, request.params)
    refusal = catalogue.refusal(framework.name, style, workload, params)
    if refusal:
        raise ImpossibleError(f"{framework.name}/{style}/{workload.name} cannot exist: {refusal}", cure=ALTERNATIVES)
    application = Application(framework=framework.name, style=style, workload=workload.name, params=params)
    subject = Mounted(application=application, workload=workload)
    pool_size = choose_pool_size(workload, request.pool_size)
    return _chosen(request, subject, application, framework.interface, framework.name, pool_size)


def _chosen(
    request: Request,
    subject: Subject,
    application: Application | OwnApplication,
    interface: Interface,
    what: str,
    pool_size: int | None,
) -> Choice:
    """What is served together with the server and the load."""
    name, given = split_server(request.server)
    adapter = servers.adapter(known("server", name, servers.names()))
    if interface not in adapter.interfaces:
        raise ImpossibleError(
            f"{name} cannot serve {what}: it has no {interface} interface",
            cure="choose another server: " + ", ".join(servers.names()),
        )
    if adapter.maximum_workers is not None and request.workers > adapter.maximum_workers:
        raise ImpossibleError(
            f"--workers {request.workers}: {name} runs {adapter.maximum_workers} at most",
            cure=f"use --workers {adapter.maximum_workers}, or another server: " + ", ".join(servers.names()),
        )
    options = choose_options(adapter, interface, given)
    vus, rate = choose_load(request.vus, request.rate)
    cell = Cell(
        server=name,
        options={key: value for key, value in options.items() if value != adapter.options[key].default},
        interface=interface,
        application=application,
        workers=bounded("--workers", request.workers, 1, 1024),
        threads=bounded("--threads", request.threads, 1, 10_000),
        pool_size=pool_size,
        vus=vus,
        rate=rate,
    )
    return Choice(cell=cell, adapter=adapter, subject=subject, options=options)


ALTERNATIVES = "see what there is with: harness list styles, harness list workloads"


def split_server(text: str) -> tuple[str, dict[str, str]]:
    """`NAME:key=value,key=value` as name and options."""
    name, _, rest = text.partition(":")
    options: dict[str, str] = {}
    for part in filter(None, rest.split(",")):
        key, equals, value = part.partition("=")
        if not equals or not key:
            raise UsageError(f"--server {text}: {part} is not key=value", cure="write it as NAME:key=value,key=value")
        options[key.strip()] = value.strip()
    return name, options


def known(kind: str, name: str, names: Iterable[str]) -> str:
    """`name`, if it is one of `names`."""
    names = tuple(names)
    if name not in names:
        raise UsageError(f"unknown {kind} {name!r}", cure=f"known: {', '.join(names)}")
    return name


def refuse_several(**named: str | None) -> None:
    """Where one cell is asked for, an option has one value. Options by their names."""
    for option, value in named.items():
        if value is not None and "," in value.partition(":")[0]:
            raise UsageError(
                f"--{option} {value}: one at a time", cure=f"measure several with: harness matrix --{option} {value}"
            )


def choose_options(adapter: Adapter, interface: Interface, given: Mapping[str, str]) -> dict[str, str]:
    """Every option that applies under the interface, those given checked and the rest at their defaults."""
    usable = {key: option for key, option in adapter.options.items() if option.interface in (None, interface)}
    for key, value in given.items():
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
    return {key: given.get(key, option.default) for key, option in usable.items()}


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


def choose_load(vus: int | None, rate: float | None) -> tuple[int | None, float | None]:
    """Closed or open load: one of them, 100 users when neither is given."""
    if vus is not None and rate is not None:
        raise UsageError(
            "--vus and --rate together: a load is closed or open",
            cure="give --vus N for N users that wait for their answers, or --rate N for N requests per second",
        )
    if rate is not None:
        if not 0 < rate <= MAXIMUM_USERS:
            raise UsageError(f"--rate {rate:g}: out of bounds", cure=f"give a rate above 0, {MAXIMUM_USERS} at most")
        return None, rate
    return bounded("--vus", DEFAULT_USERS if vus is None else vus, 1, MAXIMUM_USERS), None


def choose_pool_size(workload: Workload, size: int | None) -> int | None:
    """Connections per worker and pool; None where the workload uses no database."""
    if not workload.connections:
        refuse_pool_size(workload.name, size)
        return None
    return DEFAULT_POOL_SIZE if size is None else bounded("--pool-size", size, 1, 10_000)


def refuse_pool_size(what: str, size: int | None) -> None:
    """Only our workloads have pools that can be set."""
    if size is not None:
        raise UsageError(f"--pool-size {size}: {what} uses no database of ours", cure="leave --pool-size away")


def bounded(option: str, value: int, lowest: int, highest: int) -> int:
    """`value`, if it lies in bounds."""
    if not lowest <= value <= highest:
        raise UsageError(f"{option} {value}: out of bounds", cure=f"give a whole number from {lowest} to {highest}")
    return value


def timing(warmup: str, duration: str) -> Timing:
    """Warm-up and window from texts such as `3s`, `500ms`, `2m`."""
    warmup_seconds, window_seconds = seconds("--warmup", warmup), seconds("--duration", duration)
    if window_seconds < MINIMUM_WINDOW_SECONDS:
        raise UsageError(
            f"--duration {duration}: too short to measure anything",
            cure=f"give {MINIMUM_WINDOW_SECONDS:g}s at least; 10s or more tell something",
        )
    return Timing(warmup_seconds=warmup_seconds, window_seconds=window_seconds)


UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "": 1.0}


def seconds(option: str, text: str) -> float:
    """A duration as seconds; a bare number counts seconds."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|)", text.strip())
    if match is None:
        raise UsageError(f"{option} {text}: not a duration", cure="write it as 500ms, 10s or 2m")
    value = float(match[1]) * UNITS[match[2]]
    if value > MAXIMUM_SECONDS:
        raise UsageError(f"{option} {text}: longer than a day", cure="give a shorter one")
    return value


@dataclass(frozen=True, kw_only=True, slots=True)
class Planned:
    """A cell of a matrix."""

    choice: Choice
    python: str | None
    """Interpreter that runs the server; None: the harness' own."""

    @property
    def name(self) -> str:
        """Its cell's written form, after the interpreter where one is named."""
        return f"{self.python}:{self.choice.cell.id}" if self.python else self.choice.cell.id


@dataclass(frozen=True, kw_only=True, slots=True)
class Expansion:
    """The cells of a plan, and what it asks for that cannot exist, with the reason."""

    cells: list[Planned]
    impossible: list[tuple[str, str]]


def expand(plan: Plan, own: Callable[[str | None], tuple[Own, Interface]] | None = None) -> Expansion:
    """Every combination of the axes, each cell once. UsageError where a name is unknown or nothing is left. `own`: the
    user's application for an interpreter, where it is one that is measured."""
    cells: dict[str, Planned] = {}
    impossible: dict[str, str] = {}
    for axes in plan.cells:
        for python, request in requests(axes):
            if own is not None:
                application, interface = own(python)
                request = dataclasses.replace(request, own=application, interface=interface)
            try:
                planned = Planned(choice=choose(request), python=python)
            except ImpossibleError as error:
                impossible.setdefault(written(request), error.what)
            else:
                cells.setdefault(planned.name, planned)
    if not cells:
        what, why = next(iter(impossible.items()))
        raise UsageError(f"nothing of the plan can exist; {what}: {why}", cure=ALTERNATIVES)
    return Expansion(cells=list(cells.values()), impossible=list(impossible.items()))


def requests(axes: Axes) -> Iterable[tuple[str | None, Request]]:
    """Interpreter and request of each combination."""
    loads: list[tuple[int | None, float | None]] = [
        *((vus, None) for vus in axes.vus or ([] if axes.rate else [DEFAULT_USERS])),
        *((None, rate) for rate in axes.rate or []),
    ]
    pythons: list[str | None] = [*axes.python] if axes.python else [None]
    pools: list[int | None] = [*axes.pool_size] if axes.pool_size else [None]
    for python, workload, framework, style, server, workers, threads, pool, load in itertools.product(
        pythons,
        axes.workload,
        axes.framework,
        axes.style,
        axes.server,
        axes.workers,
        axes.threads,
        pools,
        loads,
    ):
        name, params = split_workload(workload)
        uses_database = name in catalogue.workload_names() and catalogue.workload(name).connections
        yield (
            python,
            Request(
                server=server,
                framework=framework,
                style=style,
                workload=name,
                params=params,
                workers=workers,
                threads=threads,
                pool_size=pool if uses_database else None,
                vus=load[0],
                rate=load[1],
            ),
        )


def written(request: Request) -> str:
    """A request in a cell's written form, although there can be no such cell."""
    if request.own is not None:
        load = f"c{request.vus}" if request.vus is not None else f"r{request.rate:g}"
        return "/".join((request.server, *request.own.application.written, f"w{request.workers}", load))
    workload = f"{request.workload}?{'&'.join(request.params)}" if request.params else request.workload
    load = f"c{request.vus}" if request.vus is not None else f"r{request.rate:g}"
    return "/".join((request.server, request.framework, request.style, workload, f"w{request.workers}", load))


def split_workload(text: str) -> tuple[str, tuple[str, ...]]:
    """`NAME?param=value&param=value` as name and `param=value` texts."""
    name, _, query = text.partition("?")
    return name, tuple(filter(None, query.split("&")))


def order(cells: int, blocks: int, seed: int) -> list[list[int]]:
    """Block → places of cells in the order of their visits.

    Seeded random order, reversed in the next block, so that a drift of the machine weighs on no cell. The place `cells`
    stands for the second visit of the A/A cell.
    """
    chance = random.Random(seed)
    found: list[list[int]] = []
    for block in range(blocks):
        if block % 2:
            found.append(found[-1][::-1])
        else:
            found.append(chance.sample(range(cells + 1), cells + 1))
    return found


def duets(expansion: Expansion, baseline: str) -> list[tuple[Planned, Planned]]:
    """Pairs of the baseline server's cells with those of other servers that are equal in all else. UsageError if there
    is none. Cells under open load have none: a duet needs users that wait."""
    bases = {_rest(each): each for each in expansion.cells if _server(each) == baseline}
    found = [
        (bases[_rest(each)], each)
        for each in expansion.cells
        if _server(each) != baseline and _rest(each) in bases and each.choice.cell.vus is not None
    ]
    if not found:
        raise UsageError(
            f"--duet-baseline {baseline}: no cell of the plan can be compared with one of {baseline}",
            cure=f"servers of the plan: {', '.join(dict.fromkeys(map(_server, expansion.cells)))}",
        )
    return found


def _server(planned: Planned) -> str:
    return planned.choice.cell.served_by


def _rest(planned: Planned) -> str:
    """Everything but the server."""
    return f"{planned.python}:{planned.choice.cell.id.partition('/')[2]}"


def repeated(expansion: Expansion) -> int:
    """Place of the A/A cell: the first one that no wait of its own can hold at a ceiling, of those that do something if
    there are any, since without that a server may be faster than the load generator."""

    def unsuited(place: int) -> tuple[bool, bool]:
        choice = expansion.cells[place].choice
        application = choice.cell.application
        idle = isinstance(application, Application) and application.workload == NOOP
        return choice.subject.known_seconds > 0, idle

    return min(range(len(expansion.cells)), key=unsuited)


METRICS: dict[str, Metric] = {
    "throughput": "throughput_rps",
    "p50": "p50_ms",
    "p99": "p99_ms",
    "cpu": "cpu_us_per_request",
}


def parse_cell(text: str, shared: Request) -> Request:
    """A cell in its written form, `SERVER:key=value/fastapi/async/sleep?ms=100/w2/t40/p10/c100`; parts that are left
    out are as in `shared`, and all but the server may come in any order."""
    server, *parts = text.split("/")
    changes: dict[str, Any] = {"server": server}
    letters = {"w": "workers", "t": "threads", "p": "pool_size", "c": "vus"}
    for part in parts:
        number = re.fullmatch(r"([wtpc])(\d+)", part)
        if number:
            changes[letters[number[1]]] = int(number[2])
        elif APPLICATION.fullmatch(part):
            changes["app"] = part
        elif part in catalogue.FRAMEWORKS:
            changes["framework"] = part
        elif part in STYLES:
            changes["style"] = part
        elif part.partition("?")[0] in catalogue.workload_names():
            changes["workload"], changes["params"] = split_workload(part)
        else:
            raise UsageError(
                f"{text}: {part!r} is no framework, style, workload, application or number",
                cure="write it as SERVER:key=value/FRAMEWORK/STYLE/WORKLOAD?param=value/w2/t40/p10/c100, or as "
                "SERVER/MODULE:OBJECT/w2",
            )
    return dataclasses.replace(shared, **changes)


APPLICATION = re.compile(r"[\w.]+:[\w.]+(@[^/@]+)?")
"""A user's application in a cell's written form: `module:object`, and its folder after an `@`."""


def share(option: str, text: str) -> float:
    """A part of a whole, such as `5%` or `0.05`."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(%?)", text.strip())
    value = float(match[1]) * (0.01 if match[2] else 1) if match else 1.0
    if match is None or not 0 < value < 1:
        raise UsageError(f"{option} {text}: not a share between 0 and 100%", cure="write it as 5%")
    return value


def split_list(texts: Sequence[str]) -> list[str]:
    """Options that may be repeated or separated by commas, as a list."""
    return [part.strip() for text in texts for part in text.split(",") if part.strip()]


def split_servers(texts: Sequence[str]) -> list[str]:
    """The same for servers, whose own options are separated by commas too: `uvicorn:loop=asyncio,http=h11,granian`."""
    found: list[str] = []
    for part in split_list(texts):
        if found and ":" in found[-1] and "=" in part and ":" not in part:
            found[-1] += f",{part}"
        else:
            found.append(part)
    return found


def split_numbers(option: str, texts: Sequence[str]) -> list[int]:
    """The same for whole numbers."""
    try:
        return [int(part) for part in split_list(texts)]
    except ValueError:
        raise UsageError(f"{option} {','.join(texts)}: not whole numbers", cure="write it as 1,2,4") from None
