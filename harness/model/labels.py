"""The written form of a cell: made here, and parsed here.

`ENVIRONMENT:SERVER:key=value,key=value/FRAMEWORK/STYLE/WORKLOAD?param=value/wN/tN/pN/cN`, or with
`MODULE:OBJECT@FOLDER` in place of framework, style and workload. Only the server must be there; the environment stands
first, the rest may come in any order. `w` workers, `t` threads, `p` pool size, `c` users, `r` requests per second, by
chance or, with `even` behind the number, at equal distances.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from harness.errors import UsageError
from harness.model.axes import AXES

if TYPE_CHECKING:
    from harness.model.variant import Cell

APPLICATION = re.compile(r"[\w.]+:[\w.]+(@[^@]+)?")
"""A user's application: `module:object`, and its folder behind an `@`."""
MOST_DIGITS = 20
"""Of a number; Python reads no numbers of thousands of digits."""
RATE = re.compile(r"r(?P<rate>\d+(\.\d+)?(e[+-]?\d+)?)(?P<arrivals>even)?")
"""An open load."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Names:
    """What a written form may name."""

    servers: Collection[str]
    frameworks: Collection[str]
    styles: Collection[str]
    workloads: Collection[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class CellLabel:
    """The parts of a written form; None where a part was left out."""

    environment: str | None = None
    server: str
    """With its options, such as `uvicorn:loop=asyncio`."""
    framework: str | None = None
    style: str | None = None
    workload: str | None = None
    """With its parameters, such as `sleep?ms=100`."""
    application: str | None = None
    """`module:object@folder`"""
    numbers: Mapping[str, int] = field(default_factory=dict)
    """Axis → number, such as `workers` → 2."""
    users: int | None = None
    rate: float | None = None
    arrivals: Literal["poisson", "even"] = "poisson"


def unique(labels: Sequence[str]) -> list[str]:
    """Labels of which one that stands several times is numbered: a member may be there twice."""
    return [
        label if labels.count(label) == 1 else f"{label} ({labels[: place + 1].count(label)})"
        for place, label in enumerate(labels)
    ]


def twin(label: str) -> str:
    """What the second of a cell that is there twice is called, where the first has the cell's written form."""
    return f"{label} (2)"


def options_label(options: Mapping[str, str]) -> str:
    """Options of a server: `loop=asyncio,http=h11`."""
    return ",".join(f"{key}={value}" for key, value in options.items())


def server_label(server: str, options: Mapping[str, str]) -> str:
    """A server with its options: `uvicorn:loop=asyncio`."""
    return f"{server}:{options_label(options)}" if options else server


def users_label(users: int) -> str:
    """A closed load: `c100`."""
    return f"c{users}"


def rate_label(rate: float, arrivals: str = "poisson") -> str:
    """An open load: `r200`; `r200even` where requests arrive at equal distances."""
    return f"r{rate:.12g}" + ("" if arrivals == "poisson" else arrivals)


def cell_label(cell: Cell) -> str:
    """The written form of a cell: its part of every axis, with what is served after framework and style."""
    parts = {each.name: each.part(cell) for each in AXES}
    environment, server = parts.pop("environment"), parts.pop("server")
    served = [parts.pop("framework"), parts.pop("style"), cell.variant.application.work_label]
    head = f"{environment}:{server}" if environment else server
    return "/".join(part for part in (head, *served, *parts.values()) if part)


def parse_cell_label(text: str, names: Names) -> CellLabel:
    """The parts of a written form. UsageError where a part is none of what `names` holds."""
    environment, rest = _split_environment(text, names.servers)
    letters = {each.letter: each.name for each in AXES if each.letter} | {"c": "users"}
    server, *parts = _split_parts(rest, letters)
    values: dict[str, str | int | float] = {}
    arrivals = "poisson"
    value: str | int | float
    for part in parts:
        if part[:1] in letters and part[1:].isdecimal() and len(part) < MOST_DIGITS:
            name, value = letters[part[0]], int(part[1:])
        elif match := RATE.fullmatch(part):
            name, value = "rate", float(match["rate"])
            arrivals = match["arrivals"] or "poisson"
        else:
            name, value = _kind(text, part, names), part
        if name in values:
            raise UsageError(f"{text}: {part!r} is a second {name}", cure="give one of them")
        values[name] = value
    served = [name for name in ("framework", "style", "workload") if name in values]
    if served and "application" in values:
        raise UsageError(f"{text}: {served[0]} and an application together", cure="give one of them")
    numbers = {name: values.pop(name) for name in letters.values() if name in values and name != "users"}
    return CellLabel(
        environment=environment,
        server=server,
        numbers=numbers,  # type: ignore[arg-type]
        arrivals=arrivals,  # type: ignore[arg-type]
        **values,  # type: ignore[arg-type]
    )


def _kind(text: str, part: str, names: Names) -> str:
    """Which part of a written form it is, if it is no number."""
    if APPLICATION.fullmatch(part):
        return "application"
    kinds = {"framework": names.frameworks, "style": names.styles, "workload": names.workloads}
    for kind, known in kinds.items():
        if (part.partition("?")[0] if kind == "workload" else part) in known:
            return kind
    raise UsageError(
        f"{text}: {part!r} is no framework, style, workload, application or number",
        cure="write it as SERVER:key=value/FRAMEWORK/STYLE/WORKLOAD?param=value/w2/t40/p10/c100, or as "
        "SERVER/MODULE:OBJECT/w2",
    )


def _split_parts(text: str, letters: Collection[str]) -> list[str]:
    """The parts of a written form; a folder behind an `@` holds slashes of its own, and reaches to the next number."""
    parts: list[str] = []
    for part in text.split("/"):
        number = RATE.fullmatch(part) or (part[:1] in letters and part[1:].isdecimal())
        if parts and "@" in parts[-1] and not number:
            parts[-1] += f"/{part}"
        else:
            parts.append(part)
    return parts


def _split_environment(text: str, servers: Collection[str]) -> tuple[str | None, str]:
    """What stands before the server, if anything does, and the rest."""
    known = "|".join(map(re.escape, servers))
    if re.match(rf"(?:{known})(?=[:/]|$)", text):
        return None, text
    place = re.search(rf":(?=(?:{known})(?:[:/]|$))", text)
    return (text[: place.start()], text[place.end() :]) if place else (None, text)
