"""A Postgres that ends in the middle: what was measured through it does not count, whatever it looks like."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import pytest

from harness.database import connection
from harness.deploy.spec import ServerSpec
from harness.errors import LackError, TargetError
from harness.experiments.databases import DatabaseWatch
from harness.model.database import Connections, Database
from tests.fakes import Laboratory
from tests.specs import server_spec


def database(life: str = "1", kind: str = "embedded", checksum: str = "a") -> Database:
    return Database(
        url="postgresql://h/d",
        kind=kind,  # type: ignore[arg-type]
        version="18.4",
        server="h",
        connections=Connections(allowed=400, reserved=3, used=0),
        settings={},
        rows={},
        checksums={"users": checksum},
        scale=0.01,
        seed=1,
        postmaster=None,
        life=life,
    )


class World:
    """A Postgres with lives, and measurements that end some of them."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.life, self.prepared = 1, list[str | None]()
        self.fresh = database
        self.seen: list[str | None] = []
        patch.setattr(connection, "alive", lambda each: each.life == str(self.life))
        patch.setattr(connection, "prepare", self.prepare)

    def prepare(self, url: str | None) -> Database:
        self.prepared.append(url)
        return self.fresh(str(self.life))

    def measure(self, deadly: int = 0, error: Exception | None = None) -> Callable[[Sequence[ServerSpec]], str]:
        """A measurement in the first `deadly` of which Postgres ends; then each raises the error, if there is one."""
        calls = [0]

        def measure(specs: Sequence[ServerSpec]) -> str:
            self.seen = [None if each.database is None else each.database.life for each in specs]
            calls[0] += 1
            self.life += calls[0] <= deadly
            if error is not None and calls[0] <= max(1, deadly):
                raise error
            return f"measurement {calls[0]}"

        return measure


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, laboratory: Laboratory) -> World:
    return World(monkeypatch)


def spec(of: Database | None) -> ServerSpec:
    return dataclasses.replace(server_spec("uvicorn"), database=of)


def test_while_it_lives_everything_counts(world: World) -> None:
    specs = [spec(database()), spec(None)]
    watch = DatabaseWatch(specs)
    assert watch.measured(specs, world.measure()) == "measurement 1"
    assert (world.prepared, world.seen) == ([], ["1", None])
    with pytest.raises(TargetError, match="its own fault"):
        watch.measured(specs, world.measure(error=TargetError("its own fault", cure="")))


@pytest.mark.parametrize("error", [None, TargetError("it answers with 500", cure="")])
def test_what_was_measured_while_it_ended_is_measured_anew(world: World, error: Exception | None) -> None:
    specs = [spec(database())]
    watch = DatabaseWatch(specs)
    assert watch.measured(specs, world.measure(deadly=2, error=error)) == "measurement 3"
    assert (world.prepared, world.seen) == ([None, None], ["3"])
    assert watch.measured(specs, world.measure()) == "measurement 1"  # with specs that know of the first life only
    assert (world.prepared, world.seen) == ([None, None], ["3"])


def test_one_that_ends_every_time_ends_the_experiment(world: World) -> None:
    specs = [spec(database())]
    with pytest.raises(LackError, match="ended 3 times in a row"):
        DatabaseWatch(specs).measured(specs, world.measure(deadly=9))


def test_one_that_ended_between_measurements_is_started_before_the_next(world: World) -> None:
    specs = [spec(database(kind="external"))]
    world.life = 2
    world.fresh = lambda life: database(life, kind="external")
    assert DatabaseWatch(specs).measured(specs, world.measure()) == "measurement 1"
    assert (world.prepared, world.seen) == (["postgresql://h/d"], ["2"])


def test_another_shop_is_no_way_to_go_on(world: World) -> None:
    specs = [spec(database())]
    world.life = 2
    world.fresh = lambda life: database(life, checksum="b")
    with pytest.raises(LackError, match="the shop in Postgres is another one"):
        DatabaseWatch(specs).measured(specs, world.measure())
