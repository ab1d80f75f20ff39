"""Which cells are up at once: groups, sets that share a reference, and what fits."""

from __future__ import annotations

import itertools

import pytest

from harness.config import expand, grouping, presets
from harness.config.cells import ResolvedCell
from harness.config.grouping import MOST_MEMBERS, Computing, Room, groups, sets, slot_seconds
from harness.experiments.matrix import sets_of
from harness.model.plan import Axes, CellSet, Plan

SERVERS = ["uvicorn", "granian", "gunicorn", "hypercorn"]


def cells(*axes: Axes) -> list[ResolvedCell]:
    return expand.expand(Plan(cells=list(axes))).cells


def members(found: list[CellSet]) -> list[int]:
    """Everything that is in any set, references counted once."""
    return sorted({place for each in found for place in each.members})


def test_a_group_has_the_same_work_under_the_same_load() -> None:
    found = cells(Axes(server=["uvicorn", "granian"], workload=["noop", "cpu"], vus=[8, 16]))
    assert [len(each) for each in groups(found)] == [2, 2, 2, 2]
    for group in groups(found):
        assert len({(found[place].cell.variant.application.work_label, found[place].cell.load) for place in group}) == 1


def test_cells_of_a_named_group_are_up_at_once_whatever_they_serve() -> None:
    plan = Plan(
        cells=[
            Axes(workload=["cpu?n=15"], workers=[1, 2], group="n"),
            Axes(workload=["cpu?n=16"]),
            Axes(workload=["cpu?n=17"], style=["sync"], group="n", vus=[4]),
        ]
    )
    expansion = expand.expand(plan)
    assert expansion.groups == ["n", "n", None, "n"]
    found, _ = sets_of(expansion, plan.model_copy(update={"aa": False}), Room())
    assert [each.members for each in found] == [[0, 1, 3], [2]]


def test_a_small_group_is_one_set_without_a_reference() -> None:
    found = cells(Axes(server=SERVERS, workload=["cpu"]))
    (only,) = sets(found, 1, Room())
    assert (only.members, only.reference) == ([0, 1, 2, 3, 1], None)
    (only,) = sets(found, None, Room())
    assert only.members == [0, 1, 2, 3]


def test_a_large_group_is_cut_into_sets_that_share_a_reference() -> None:
    found = cells(Axes(server=SERVERS, style=["async", "sync", "wrapped"], workers=[1, 2], workload=["cpu"]))
    cut = sets(found, 0, Room())
    assert len(cut) == 3
    assert all(len(each.members) <= MOST_MEMBERS for each in cut)
    assert {each.reference for each in cut} == {0}
    assert all(each.members[0] == 0 for each in cut)
    assert members(cut) == list(range(24))
    assert [each.members.count(0) for each in cut] == [2, 1, 1], "it is there twice in one set only"
    others = [place for each in cut for place in each.members if place != 0]
    assert len(others) == len(set(others)) == 23


def test_servers_of_equal_cells_are_up_at_once() -> None:
    found = cells(Axes(server=SERVERS, style=["async", "sync"], workers=[1, 2], workload=["cpu"]))
    cut = sets(found, None, Room())
    in_order = sorted(range(len(found)), key=lambda place: alike(found[place]))
    for _, places in itertools.groupby(in_order, key=lambda place: alike(found[place])):
        equal = set(places)
        assert any(equal <= set(each.members) for each in cut)


def test_servers_of_equal_cells_are_up_at_once_in_a_preset() -> None:
    """What people ask first is never answered by way of another cell."""
    found = expand.expand(presets.preset("servers")).cells
    cut = sets(found, 0, Room())
    assert len(cut) == 12
    strata: dict[str, set[int]] = {}
    for place, each in enumerate(found):
        _, _, rest = each.label.partition("/")
        strata.setdefault(rest, set()).add(place)
    assert {len(each) for each in strata.values()} == {4}
    assert all(any(equal <= set(each.members) for each in cut) for equal in strata.values())


def test_more_servers_than_a_set_has_room_for_are_split(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouping, "MOST_MEMBERS", 3)
    found = cells(Axes(server=SERVERS, workload=["cpu"], workers=[1, 2]))
    assert [each.members for each in sets(found, 0, Room())] == [[0, 0, 2], [0, 4, 6], [0, 1, 3], [0, 5, 7]]


def alike(resolved: ResolvedCell) -> tuple[str, int]:
    return resolved.cell.variant.application.style, resolved.cell.variant.workers  # type: ignore[union-attr]


def test_connections_and_memory_bound_a_set() -> None:
    found = cells(Axes(server=SERVERS, style=["async"], workers=[1, 2], workload=["select"]))
    assert len(sets(found, None, Room())) == 1
    for room in (Room(connections=60), Room(memory_bytes=1_000_000_000)):
        cut = sets(found, None, room)
        assert len(cut) > 1
        assert members(cut) == list(range(8))
        assert all(grouping.fits([found[place] for place in each.members], room) for each in cut)


def test_a_pair_is_a_set_however_little_room_there_is() -> None:
    found = cells(Axes(server=SERVERS, workload=["select"]))
    cut = sets(found, None, Room(connections=1))
    assert [len(each.members) for each in cut] == [2, 2, 2]


def test_what_takes_far_longer_has_sets_of_its_own() -> None:
    found = cells(Axes(server=["uvicorn", "granian"], style=["async", "blocking"], workload=["sleep"], vus=[64]))
    long = {place for place, each in enumerate(found) if slot_seconds(each) > 10}
    assert {found[place].cell.variant.application.style for place in long} == {"blocking"}  # type: ignore[union-attr]
    cut = sets(found, None, Room())
    assert len(cut) == 2
    for each in cut:
        others = {place for place in each.members if place != each.reference}
        assert others <= long or not others & long
    assert cut[0].reference not in long


@pytest.mark.parametrize(
    ("axes", "seconds"),
    [
        (Axes(workload=["cpu"]), 0.0),
        (Axes(workload=["sleep?ms=100"], vus=[16]), 2.3),  # twenty waits, and three of settling
        (Axes(workload=["sleep?ms=100"], style=["blocking"], vus=[16]), 13 * 1.6),
        (Axes(workload=["sleep?ms=100"], style=["sync"], threads=[4], vus=[16]), 13 * 0.4),
        (Axes(workload=["sleep?ms=100"], style=["sync"], threads=[4], workers=[2], vus=[16]), 2.0 + 3 * 0.2),
    ],
)
def test_the_length_of_slots_follows_from_what_is_waited_for(axes: Axes, seconds: float) -> None:
    (found,) = cells(axes)
    assert slot_seconds(found) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("axes", "seconds"),
    [
        (Axes(workload=["cpu?n=20"], vus=[16]), 13 * 16 * 0.021891),
        (Axes(workload=["cpu?n=20"], vus=[16], workers=[2]), 13 * 8 * 0.021891),
        (Axes(workload=["cpu?n=20"], vus=[16], workers=[4]), 13 * 8 * 0.021891),
        (Axes(workload=["simulation?fib=20"], vus=[8], style=["sync"]), 13 * 8 * 0.021891),
        (Axes(workload=["noop"]), 0.0),
        (Axes(workload=["sleep?ms=100"], style=["sync"], threads=[4], workers=[2], vus=[16]), 2.0 + 3 * 0.2),
    ],
)
def test_the_length_of_slots_follows_from_what_is_computed_too_where_the_machine_is_known(
    axes: Axes, seconds: float
) -> None:
    (found,) = cells(axes)
    assert slot_seconds(found, Computing(call_seconds=1e-6, cores=2)) == pytest.approx(seconds)


@pytest.mark.parametrize("name", presets.names())
def test_presets_are_cut_so_that_everything_is_connected(name: str) -> None:
    found = expand.expand(presets.preset(name))
    cut = sets(found.cells, expand.repeated(found), Room())
    assert members(cut) == list(range(len(found.cells)))
    for group in groups(found.cells, found.groups):
        of_group = [each for each in cut if set(each.members) <= set(group)]
        assert len(of_group) == 1 or len({each.reference for each in of_group}) == 1
        assert all(each.reference in each.members for each in of_group if each.reference is not None)


def test_two_hundred_cells_are_cut_in_no_time() -> None:
    found = cells(Axes(server=SERVERS, style=["async", "sync"], workers=list(range(1, 26)), workload=["cpu"]))
    assert len(found) == 200
    cut = sets(found, 0, Room())
    assert members(cut) == list(range(200))
