"""Which configuration is tried next: the search against laws that know the answer. Restarts are simulated."""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pytest

from harness.analysis import search
from harness.analysis.search import Again, Begin, Bounds
from harness.analysis.trials import Trial
from harness.model.evaluation import Diagnosis, Resource
from harness.model.recommendation import Configuration

SERVERS = ("uvicorn", "granian", "gunicorn", "hypercorn")
RESTART_SECONDS = 12.0


@dataclass(frozen=True)
class Served:
    """What a law says of a configuration under so many users."""

    rps: float
    bound_by: Resource | None = "cpu"
    busy: float = 1.0
    threads: float = 0.0


Law = Callable[[Configuration, int], Served]


@dataclass
class World:
    """Simulates restarts of what the search asks for."""

    law: Law
    noise: float = 0.01
    seconds: float = 600.0
    seed: int = 1
    passed: float = 0.0

    def search(self, servers: tuple[str, ...] = SERVERS, cores: int = 1, users: int | None = 16) -> list[Trial]:
        """Every stage that is begun, as it ends."""
        chance = random.Random(self.seed)
        bounds = Bounds(servers=servers, cores=cores, margin=0.03, users=users)
        trials: list[Trial] = []
        number = 0
        while True:
            move = search.next_move(trials, bounds, self.seconds - self.passed, RESTART_SECONDS)
            match move:
                case None:
                    return trials
                case Begin():
                    trials.append(self._begun(move))
                case Again():
                    up = [each for each in trials[-1].up if each not in move.leave]
                    trials[-1] = dataclasses.replace(trials[-1], up=up)
            number += 1
            trials[-1] = self._restarted(trials[-1], number, chance)

    def _begun(self, move: Begin) -> Trial:
        nothing: Mapping[Configuration, float] = dict.fromkeys(move.members, 0.0)
        return Trial(
            name=move.name,
            load=f"r{move.rate:g}" if move.rate else f"c{move.users}",
            members=move.members,
            up=list(move.members),
            logs={each: {} for each in move.members},
            restarts=0,
            seconds=0.0,
            budget=move.seconds,
            diagnoses=dict.fromkeys(move.members),
            busy=nothing,
            threads_used=nothing,
            failed={},
            unknown={},
        )

    def _restarted(self, trial: Trial, number: int, chance: random.Random) -> Trial:
        self.passed += RESTART_SECONDS
        users = int(trial.load[1:]) if trial.load.startswith("c") else 16
        served = {each: self.law(each, users) for each in trial.members}
        shared = chance.gauss(0.0, 0.2)
        logs = {each: dict(of) for each, of in trial.logs.items()}
        for each in trial.up:
            logs[each][number] = math.log(served[each].rps) + shared + chance.gauss(0.0, self.noise)
        return dataclasses.replace(
            trial,
            logs=logs,
            restarts=trial.restarts + 1,
            seconds=trial.seconds + RESTART_SECONDS,
            diagnoses={each: Diagnosis(bound_by=of.bound_by, message="") for each, of in served.items()},
            busy={each: of.busy for each, of in served.items()},
            threads_used={each: of.threads for each, of in served.items()},
        )


def chosen(trials: list[Trial]) -> Configuration:
    return search.winner(search.deciding(trials), 0.03)


def names(trials: list[Trial]) -> list[str]:
    return [trial.name for trial in trials]


@pytest.mark.parametrize("slowed", SERVERS)
@pytest.mark.parametrize("noise", [0.01, 0.03])
def test_a_server_that_is_slowed_by_a_fifth_is_found(slowed: str, noise: float) -> None:
    right = 0
    for seed in range(10):
        world = World(lambda each, _: Served(800.0 if each.server == slowed else 1000.0), noise=noise, seed=seed)
        trials = world.search()
        servers = search.servers_stage(trials)
        rest = [each.server for each in search.rivals(servers, servers.known[0], 0.03)]
        right += chosen(trials).server != slowed and slowed not in rest
        assert world.passed <= 600
    assert right >= 9


@pytest.mark.parametrize("best", [1, 2, 4, 8, 16])
def test_the_worker_count_that_a_law_knows_is_found(best: int) -> None:
    """Each worker blocks for a time of its own, and more than `best` of them find nothing to do."""
    right = 0
    for seed in range(10):
        world = World(lambda each, _: Served(50.0 * min(each.workers, best), "event loop", 0.1), seed=seed)
        right += chosen(world.search(("uvicorn",))).workers == best
    assert right >= 9


@pytest.mark.parametrize("cores", [1, 4])
def test_of_work_that_takes_the_processor_as_many_workers_as_cores(cores: int) -> None:
    world = World(lambda each, _: Served(500.0 * min(each.workers, cores)))
    assert chosen(world.search(cores=cores)).workers == cores


@pytest.mark.parametrize("best", [80, 160])
def test_the_thread_count_that_a_law_knows_is_found(best: int) -> None:
    def law(each: Configuration, users: int) -> Served:
        threads = each.threads * each.workers
        short = threads < best
        return Served(
            10.0 * min(threads, best), "threads" if short else "users", 0.1, threads=float(min(threads, best))
        )

    trials = World(law).search(("uvicorn",), users=256)
    answer = chosen(trials)
    assert answer.threads * answer.workers == best
    assert names(trials)[1] == "threads"


def test_threads_that_do_not_matter_stay_as_they_are() -> None:
    trials = World(lambda *_: Served(1000.0, "gil", 0.9, threads=12.0)).search(("uvicorn",))
    assert "threads" in names(trials)
    assert chosen(trials).threads == 40


def test_threads_that_nothing_uses_are_not_tried() -> None:
    assert "threads" not in names(World(lambda *_: Served(1000.0)).search())


def test_where_nothing_matters_all_are_as_good() -> None:
    right = 0
    for seed in range(10):
        trials = World(lambda *_: Served(1000.0), seed=seed).search()
        servers = search.servers_stage(trials)
        rest = [servers.standing(servers.known[0], each, 0.03)[0] for each in servers.known[1:]]
        right += rest == ["equal"] * 3 and chosen(trials).workers == 1
    assert right >= 9


def test_users_are_raised_while_nothing_is_short_and_they_are_served() -> None:
    def law(each: Configuration, users: int) -> Served:
        served = min(10.0 * users, 600.0)
        return Served(served, "users" if served < 600 else "cpu", served / 600)

    trials = World(law).search(users=None)
    assert [(trial.name, trial.load) for trial in trials[:2]] == [("servers", "c16"), ("servers", "c64")]
    assert trials[0].restarts == 1
    assert "c256" not in [trial.load for trial in trials]
    asked = World(law).search(users=16)
    assert {trial.load for trial in asked if trial.name != "latency"} == {"c16"}


def test_users_are_not_raised_where_they_were_not_served() -> None:
    trials = World(lambda *_: Served(100.0, None, 0.1)).search(users=None)
    assert [trial.load for trial in trials if trial.name == "servers"] == ["c16", "c64"]


def test_what_is_clearly_worse_leaves_after_three_restarts() -> None:
    trials = World(lambda each, _: Served(500.0 if each.server == "hypercorn" else 1000.0)).search()
    of = {each.server: len(logs) for each, logs in trials[0].logs.items()}
    assert of["hypercorn"] == 3
    assert all(count >= 6 for server, count in of.items() if server != "hypercorn")


def test_servers_that_are_as_good_meet_again_with_the_workers_that_were_found() -> None:
    """With one worker they are alike; with four it is granian that profits."""

    def law(each: Configuration, _: int) -> Served:
        gain = min(each.workers, 4)
        return Served(100.0 * (gain if each.server == "granian" else gain**0.7), "event loop", 0.2)

    trials = World(law).search(("uvicorn", "granian"))
    assert "finalists" in names(trials)
    assert chosen(trials) == Configuration(server="granian", workers=4, threads=40)


def test_a_stage_of_a_restart_or_two_decides_nothing() -> None:
    """The time is over when the workers have just begun."""
    world = World(lambda each, _: Served(100.0 * each.workers, "event loop", 0.1))
    trials = world.search(("uvicorn",))
    workers = next(trial for trial in trials if trial.name == "workers")
    begun = dataclasses.replace(
        workers, logs={each: dict(list(logs.items())[:2]) for each, logs in workers.logs.items()}
    )
    assert search.winner(search.deciding([trials[0], begun]), 0.03).workers == 1
    assert search.winner(search.deciding([trials[0], workers]), 0.03).workers > 1


def test_configurations_that_do_not_fit_are_not_tried() -> None:
    bounds = Bounds(servers=["uvicorn"], cores=1, margin=0.03, users=16, fits=lambda each: each.workers < 4)
    world = World(lambda each, _: Served(100.0 * each.workers, "event loop", 0.1))
    stage = world._begun(
        Begin(name="servers", members=[Configuration(server="uvicorn", workers=1, threads=40)], users=16, seconds=300.0)
    )
    for number in range(3):
        stage = world._restarted(stage, number, random.Random(number))
    move = search.next_move([stage], bounds, 500.0, RESTART_SECONDS)
    assert isinstance(move, Begin)
    assert [each.workers for each in move.members] == [1, 2]


def test_latency_is_told_at_a_share_of_what_was_served() -> None:
    trials = World(lambda *_: Served(1000.0), noise=0.0).search(("uvicorn",))
    assert names(trials)[-1] == "latency"
    assert float(trials[-1].load[1:]) == pytest.approx(0.7 * trials[-2].rate(chosen(trials)), rel=0.1)


@pytest.mark.parametrize("seconds", [60.0, 120.0, 240.0])
def test_the_time_is_kept(seconds: float) -> None:
    world = World(lambda *_: Served(1000.0), noise=0.2, seconds=seconds)
    assert world.search()
    assert world.passed <= seconds
