"""Expands a plan into its cells: every combination of its axes, and what of it cannot exist. Pure."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from harness.applications.prepared import PreparedApplication
from harness.config import commands, registry
from harness.config.cells import ALTERNATIVES, CellSpec, ResolvedCell, label_of, resolve_cell
from harness.config.parsing import split_workload
from harness.errors import ImpossibleError, UsageError
from harness.handlers import catalogue
from harness.model.application import BundledApplication
from harness.model.axes import axis, refuse_unknown_server
from harness.model.counting import counted
from harness.model.plan import DEFAULT_USERS, Axes, Plan

LEAST_SERVED = 1000.0
"""Requests per second that every server serves on a core where handlers only wait."""
NOOP = "noop"
"""Name of the workload without any work."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Expansion:
    """The cells of a plan, and what it asks for that cannot exist, with the reason."""

    cells: list[ResolvedCell]
    groups: list[str | None]
    """Of each cell, as the plan names it."""
    impossible: list[tuple[str, str]]


def expand(plan: Plan, prepare: Callable[[str | None], PreparedApplication] | None = None) -> Expansion:
    """Every combination of the axes, each cell once. UsageError where a name is unknown or nothing is left.

    `prepare`: makes the user's application ready in an interpreter, where it is one that is measured.
    """
    commands.offer(plan.servers, "the plan")
    specs = [(spec, axes.group) for axes in plan.cells for spec in combinations(axes)]
    several = len({spec.python for spec, _ in specs}) > 1
    cells: dict[str, ResolvedCell] = {}
    groups: dict[str, str | None] = {}
    impossible: dict[str, str] = {}
    for spec, group in specs:
        if several:
            spec = dataclasses.replace(spec, environment=spec.python or "")
        if prepare is not None:
            spec = dataclasses.replace(spec, application=prepare(spec.python))
        try:
            resolved = resolve_cell(spec)
        except ImpossibleError as error:
            impossible.setdefault(label_of(spec), error.what)
        else:
            cells.setdefault(resolved.label, resolved)
            groups.setdefault(resolved.label, group)
    if not cells:
        what, why = next(iter(impossible.items()))
        raise UsageError(f"nothing of the plan can exist; {what}: {why}", cure=ALTERNATIVES)
    if plan.against is not None:  # its cells come first, and so are what sets share
        refuse_unknown_server(plan.against, [each.cell for each in cells.values()])
        cells = dict(sorted(cells.items(), key=lambda each: axis("server").option(each[1].cell) != plan.against))
    return Expansion(
        cells=list(cells.values()), groups=[groups[label] for label in cells], impossible=list(impossible.items())
    )


def combinations(axes: Axes) -> Iterator[CellSpec]:
    """Every combination of the options of the axes."""
    loads: list[tuple[int | None, float | None]] = [
        *((users, None) for users in axes.vus or ([] if axes.rate else [DEFAULT_USERS])),
        *((None, rate) for rate in axes.rate or []),
    ]
    pythons: list[str | None] = [*axes.python] if axes.python else [None]
    pools: list[int | None] = [*axes.pool_size] if axes.pool_size else [None]
    for python, workload, framework, style, server, workers, threads, pool, (users, rate) in itertools.product(
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
        uses_database = name in catalogue.workload_names() and registry.workload(name).connections
        yield CellSpec(
            server=server,
            framework=framework,
            style=style,
            workload=name,
            params=params,
            workers=workers,
            threads=threads,
            pool_size=pool if uses_database else None,
            users=users,
            rate=rate,
            python=python,
        )


def load_limited(cells: Sequence[ResolvedCell]) -> str | None:
    """What a reader should know before anything is measured: of so many cells the load alone sets the throughput, since
    users wait so long that any server serves them. None where that is known of none."""
    limits = [limit for each in cells if (limit := _load_limit(each)) is not None]
    if not limits:
        return None
    users, seconds = limits[0]
    own = all(each.application is not None for each in cells)
    less = "a request" if own else "a workload"
    example = "" if own else " (--workload cpu)"
    which = "every cell is" if len(limits) == len(cells) else f"{len(limits)} of {len(cells)} cells are"
    return (
        f"{which} limited by the load: {counted(users, 'user')} ÷ {seconds:g} s = {users / seconds:,.0f} requests/s, "
        f"whichever server it is; to rank servers raise --vus, or take {less} that waits less{example}"
    )


def _load_limit(resolved: ResolvedCell) -> tuple[int, float] | None:
    """Users of a cell and the seconds that each of them waits, where neither threads, event loops nor the server can
    be what is short."""
    variant, users = resolved.cell.variant, resolved.cell.load.users
    waits = resolved.subject.waits(variant.interface)
    if users is None or not waits.total_seconds:
        return None
    served = LEAST_SERVED
    if waits.occupied_seconds:
        slots = variant.workers * (1 if waits.slot == "event loop" else variant.threads)
        served = min(served, slots / waits.occupied_seconds)
    return (users, waits.total_seconds) if users / waits.total_seconds <= served else None


def repeated(expansion: Expansion) -> int:
    """Place of the cell that is there twice: the first one that no wait of its own can hold at a ceiling, of those that
    do something if there are any, since without that a server may be faster than the load generator."""

    def unsuited(place: int) -> tuple[bool, bool]:
        resolved = expansion.cells[place]
        application = resolved.cell.variant.application
        idle = isinstance(application, BundledApplication) and application.workload == NOOP
        return resolved.subject.known_seconds > 0, idle

    return min(range(len(expansion.cells)), key=unsuited)
