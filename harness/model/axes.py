"""The registry of axes: in what cells can differ, and so what a comparison can be along. Each is described once.

A cell's written form, contrasts and their strata, rows and columns of tables, filters of the page, charts and exports
follow from the entries. An axis is added by one entry (and by what holds its value, a field of `Variant` say).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from harness.errors import UsageError
from harness.model.application import Application, BundledApplication

if TYPE_CHECKING:
    from harness.model.variant import Cell

AxisName = str
"""Name of an axis in AXES, such as `workers`."""
DEFAULT_THREADS = 40
"""Threads per worker for sync code where the command line names none."""
DEFAULT_POOL_SIZE = 10
"""Database connections per worker where the command line names none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Axis:
    """One way in which cells can differ."""

    name: AxisName
    label: str
    """What it is called where people read, in the singular: `worker count`."""
    option: Callable[[Cell], str]
    """A cell's option, such that different options have different texts; empty where the cell has no place on it."""
    written: Callable[[Cell], str] | None = None
    """Its part of a cell's written form, empty where it is left out; None: the option."""
    letter: str = ""
    """By which the written form names a number along it, such as the `w` of `w2`."""
    columns: Mapping[str, Callable[[Cell], str | int | float | None]] = field(default_factory=dict)
    """Column of exports → value. At least one."""
    types: Mapping[str, type[int] | type[float]] = field(default_factory=dict)
    """Of columns that are numbers; the others are texts."""
    shown: Literal["always", "varying"] = "varying"
    """Whether tables name its options always, or only where they differ."""
    side: Literal["row", "column"] = "row"
    """Whether tables have its options as rows or as columns."""

    def part(self, cell: Cell) -> str:
        """Its part of the cell's written form."""
        return (self.written or self.option)(cell)


def _bundled(value: Callable[[BundledApplication], str]) -> Callable[[Cell], str]:
    """Of a workload that comes with the harness; nothing of an application of the user's."""

    def option(cell: Cell) -> str:
        application: Application = cell.variant.application
        return value(application) if isinstance(application, BundledApplication) else ""

    return option


_framework, _style = _bundled(lambda served: served.framework), _bundled(lambda served: served.style)


def _threads(cell: Cell) -> str:
    return "" if cell.variant.threads == DEFAULT_THREADS else f"t{cell.variant.threads}"


def _pool(cell: Cell) -> str:
    return "" if cell.variant.pool_size in (None, DEFAULT_POOL_SIZE) else f"p{cell.variant.pool_size}"


AXES: list[Axis] = [
    Axis(
        name="environment",
        label="environment",
        option=lambda cell: cell.variant.environment,
        columns={"environment": lambda cell: cell.variant.environment},
    ),
    Axis(
        name="server",
        label="server",
        option=lambda cell: cell.variant.server_label,
        columns={"server": lambda cell: cell.variant.server, "options": lambda cell: cell.variant.options_label},
        shown="always",
    ),
    Axis(
        name="framework",
        label="framework",
        option=_framework,
        columns={"framework": lambda cell: _framework(cell) or None},
        side="column",
    ),
    Axis(
        name="style",
        label="handler style",
        option=_style,
        columns={"style": lambda cell: _style(cell) or None},
        shown="always",
        side="column",
    ),
    Axis(
        name="workers",
        label="worker count",
        option=lambda cell: f"w{cell.variant.workers}",
        letter="w",
        columns={"workers": lambda cell: cell.variant.workers},
        types={"workers": int},
        shown="always",
        side="column",
    ),
    Axis(
        name="threads",
        label="thread count",
        option=lambda cell: f"t{cell.variant.threads}",
        written=_threads,
        letter="t",
        columns={"threads": lambda cell: cell.variant.threads},
        types={"threads": int},
    ),
    Axis(
        name="pool_size",
        label="pool size",
        option=lambda cell: "no pool" if cell.variant.pool_size is None else f"p{cell.variant.pool_size}",
        written=_pool,
        letter="p",
        columns={"pool_size": lambda cell: cell.variant.pool_size},
        types={"pool_size": int},
    ),
    Axis(
        name="load",
        label="load",
        option=lambda cell: cell.load.label,
        columns={"users": lambda cell: cell.load.users, "rate": lambda cell: cell.load.rate},
        types={"users": int, "rate": float},
    ),
]
"""In the order of a cell's written form, in which what is served stands where framework and style do."""


def axis(name: AxisName) -> Axis:
    """The axis of this name. KeyError where there is none."""
    for each in AXES:
        if each.name == name:
            return each
    raise KeyError(name)


def options(cell: Cell) -> dict[AxisName, str]:
    """Axis → the cell's option along it."""
    return {each.name: each.option(cell) for each in AXES}


def refuse_unknown_server(against: str, cells: Sequence[Cell]) -> None:
    """UsageError where no cell has the server with which all others are to be compared, or where all have it."""
    servers = list(dict.fromkeys(axis("server").option(each) for each in cells))
    if against not in servers:
        raise UsageError(f"--against {against}: no configuration has it", cure=f"choose one of: {', '.join(servers)}")
    if len(servers) == 1:
        raise UsageError(f"--against {against}: there is no other server", cure="name more of them with --server")
