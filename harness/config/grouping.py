"""Which cells are up at once: groups of what is compared, cut into sets that share a reference. Pure."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.config.cells import ResolvedCell, database_connections
from harness.measure import schedule
from harness.model.axes import AXES
from harness.model.plan import CellSet

MOST_MEMBERS = 10
"""Of a set: with more of them a round takes so long that the machine no longer stands still in it."""
SERVER_BYTES, WORKER_BYTES = 60_000_000, 60_000_000
"""Memory of a server with none, and of each worker, with some room."""
MEMORY_SHARE = 0.6
"""Of what is free, that the servers of a set may take."""
ALIKE = 4.0
"""Slots that are longer than others by this factor belong to another set."""
LEAST_SLOT = 0.1
"""Seconds from which on slots differ in length."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Room:
    """What the machine has for servers that are up at once."""

    connections: int = 380
    """Of Postgres; as many as the embedded one has, where none is up yet."""
    memory_bytes: int | None = None
    """None: enough."""


def sets(
    cells: Sequence[ResolvedCell], twice: int | None, room: Room, named: Sequence[str | None] = ()
) -> list[CellSet]:
    """The sets of all groups. `twice`: the cell that is there twice, in its set. `named`: the group of each cell that
    has one of its own."""
    found: list[CellSet] = []
    for group in groups(cells, named):
        found += _cut(cells, group, twice if twice in group else None, room)
    return found


def groups(cells: Sequence[ResolvedCell], named: Sequence[str | None] = ()) -> list[list[int]]:
    """Places of cells whose group has a name, and of the others with the same work under the same load."""
    found: dict[tuple[str, ...], list[int]] = {}
    for place, (resolved, name) in enumerate(zip(cells, named or [None] * len(cells), strict=True)):
        work = resolved.cell.variant.application.work_label, resolved.cell.load.label
        found.setdefault(work if name is None else (name,), []).append(place)
    return list(found.values())


def _cut(cells: Sequence[ResolvedCell], group: Sequence[int], twice: int | None, room: Room) -> Iterator[CellSet]:
    whole = [*group, *([] if twice is None else [twice])]
    if fits([cells[place] for place in whole], room) and len({_length_class(cells[place]) for place in group}) == 1:
        yield CellSet(members=whole, reference=None)
        return
    reference = twice if twice is not None else min(group, key=lambda place: (_length_class(cells[place]), place))
    doubled = [] if twice is None else [twice]
    members: list[int] = [reference, *doubled]
    for block in _blocks(cells, [place for place in group if place != reference], reference, room):
        alike = len(members) == 1 + len(doubled) or _length_class(cells[members[-1]]) == _length_class(cells[block[0]])
        if not alike or not fits([cells[each] for each in (*members, *block)], room):
            yield CellSet(members=members, reference=reference)
            members, doubled = [reference], []
        members += block
    yield CellSet(members=members, reference=reference)


def _blocks(
    cells: Sequence[ResolvedCell], others: Sequence[int], reference: int, room: Room
) -> Iterator[tuple[int, ...]]:
    """Cells that differ in their server only stay together where a set has room for all of them beside its reference,
    so that servers are never compared by way of another cell; alike ones stand beside each other."""
    in_order = sorted(others, key=lambda place: (_stratum(cells[place]), place))
    for _, places in itertools.groupby(in_order, key=lambda place: _stratum(cells[place])):
        block = tuple(places)
        if fits([cells[place] for place in (reference, *block)], room):
            yield block
        else:
            yield from ((place,) for place in block)


def _stratum(resolved: ResolvedCell) -> tuple[object, ...]:
    """What cells have in common that differ in their server only."""
    return (_length_class(resolved), *(axis.option(resolved.cell) for axis in AXES if axis.name != "server"))


def fits(cells: Sequence[ResolvedCell], room: Room) -> bool:
    """Whether servers can be up at once; a pair always can, or its own check says why not."""
    if len(cells) <= 2:
        return True
    memory = sum(SERVER_BYTES + each.cell.variant.workers * WORKER_BYTES for each in cells)
    connections = sum(database_connections(each)[0] for each in cells)
    return (
        len(cells) <= MOST_MEMBERS
        and connections <= room.connections
        and (room.memory_bytes is None or memory <= MEMORY_SHARE * room.memory_bytes)
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Computing:
    """How fast the machine computes, and on how many cores."""

    call_seconds: float
    """Of a call of the recursion that our workloads compute with."""
    cores: int
    """Of the server."""


def slot_seconds(resolved: ResolvedCell, computing: Computing | None = None) -> float:
    """How long a cell's slots are at least, by its response time; 0 where nothing is known of that."""
    response = response_seconds(resolved, computing)
    if not response:
        return 0.0
    return schedule.slot_length(response, known_wait_seconds=resolved.subject.known_seconds).seconds


def response_seconds(resolved: ResolvedCell, computing: Computing | None = None) -> float:
    """How long its load makes a request take at least, by what its workload says of its waits, and of what it computes
    where `computing` tells how long that takes; 0 where it says nothing."""
    load, variant = resolved.cell.load, resolved.cell.variant
    waits = resolved.subject.waits(variant.interface)
    total, occupied = waits.total_seconds or 0.0, waits.occupied_seconds or 0.0
    computed = 0.0 if computing is None else resolved.subject.fibonacci_calls * computing.call_seconds
    if not total and not computed:
        return 0.0
    response = total + computed
    if load.users is not None and occupied:
        slots = variant.workers * (1 if waits.slot == "event loop" else variant.threads)
        response = max(response, load.users * occupied / slots)
    if load.users is not None and computing is not None:
        response = max(response, load.users * computed / min(variant.workers, computing.cores))
    return response


def _length_class(resolved: ResolvedCell) -> int:
    """Cells of one class have slots of about the same length."""
    return math.floor(math.log(max(LEAST_SLOT, slot_seconds(resolved)) / LEAST_SLOT, ALIKE) + 1e-9)
