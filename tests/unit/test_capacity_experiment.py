"""Searches for capacities, of servers that are a queue in this process."""

from __future__ import annotations

import json
import math
import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.analysis import probes
from harness.cli.main import _guarded, app
from harness.config.cells import CellSpec, ResolvedCell, resolve_cell
from harness.errors import TargetError, UsageError
from harness.experiments import capacity as experiment
from harness.experiments.capacity import CapacityOptions, CapacityResult
from harness.experiments.session import ExecutionOptions
from harness.host import signals
from harness.measure import Job, Measured
from harness.model.capacity import parse_objective
from harness.model.events import Emit, ProbeFinished
from harness.model.load import ClosedLoad
from harness.model.measurement import Arrivals, Collector, Failures, MachineFacts, Measurement, Waits, WorkerStats
from harness.report import capacity as text
from harness.report import render
from harness.stats.crowding import LEVELS
from harness.store import codec, index
from tests.fakes import Laboratory

P99 = parse_objective("p99<50ms")
START_SECONDS = 3.0
SHOULD_BE = 288.1 / 204.8
"""Capacity of a queue of 3 ms ÷ that of one of 4 ms, by simulation."""
QUIET = WorkerStats(loop_lag_ms=None, threads=None, pool=None, in_flight_mean=1.0, cpu_cores_by_worker=[0.5])


class Queues:
    """Servers with loops of constant service, first come, first served; the measurements of them."""

    def __init__(self, template: Measurement, laboratory: Laboratory) -> None:
        self._template, self._laboratory = template, laboratory
        self.services = {"uvicorn": 0.004, "granian": 0.003}
        """Seconds of a request."""
        self.disturbed: Callable[[int], bool] = lambda number: False
        self.late_ms: float | None = None
        """By how much the generator is late with one request in a hundred."""
        self.number = 0
        self.collector: Collector | None = None
        """What every probe tells of its garbage collector."""
        self.ended: int | None = None
        """The measurement in which the user interrupts."""

    def measure(self, job: Job, emit: Emit) -> Measured:
        """In place of `harness.measure.measure`."""
        self.number += 1
        if self.number == self.ended:
            raise signals.Ended(2)
        self._laboratory.clock.now += START_SECONDS + job.timing.warmup_seconds + job.timing.window_seconds
        service = self.services[job.spec.cell.variant.server] * math.exp(random.Random(self.number).gauss(0, 0.01))
        template = self._template
        changes: dict[str, object] = {
            "cell": job.spec.cell,
            "placement": job.placement,
            "requests": round(job.timing.window_seconds / service),
            "window_seconds": job.timing.window_seconds,
            "warmup_seconds": job.timing.warmup_seconds,
            "failures_by_kind": Failures(timeout=0, connection=0, status=0),
            "waits": None,
            "evidence": self.collector and QUIET.model_copy(update={"collector": self.collector}),
            "generator": template.generator.model_copy(
                update={"users": job.users, "users_accounted": float(job.users), "answers": None}
            ),
            "machine": MachineFacts(cpus=4, stolen_cores=2.0 if self.disturbed(self.number) else 0.0),
        }
        if job.offered is not None:
            changes["arrivals"] = self._arrivals(job, service)
            if self.late_ms is not None:
                update = {"users": job.users, "answers": None, "lateness_ms_p99": self.late_ms}
                changes["generator"] = template.generator.model_copy(update=update)
                changes["latency_ms"] = template.latency_ms.model_copy(update={"p50": 1.0})
        return Measured(facts=template.model_copy(update=changes), log_tail="")

    def _arrivals(self, job: Job, service: float) -> Arrivals:
        assert job.offered is not None
        judging, free = job.offered.judging, 0.0
        due, late = [0] * judging.slices, [[0] * judging.slices for _ in judging.limits_ms]
        for moment in job.offered.due_ms:
            free = max(free, moment / 1000) + service
            piece = math.floor((moment / 1000 - job.timing.warmup_seconds) / judging.slice_seconds)
            if 0 <= piece < judging.slices:
                due[piece] += 1
                for limit, counts in zip(judging.limits_ms, late, strict=True):
                    counts[piece] += (free - moment / 1000) * 1000 > limit
        return Arrivals(
            slice_seconds=judging.slice_seconds,
            limits_ms=list(judging.limits_ms),
            due=due,
            right=due,
            late=late,
            p50_ms=[1.0] * judging.slices,
            crowded=list(job.offered.crowded),
        )


@pytest.fixture
def queues(facts: Measurement, laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch) -> Queues:
    found = Queues(facts, laboratory)
    monkeypatch.setattr(experiment, "measure", found.measure)
    monkeypatch.setattr("harness.host.limits.check_capacity", lambda users: None)
    return found


def cell(server: str = "uvicorn", workload: str = "noop", **more: object) -> ResolvedCell:
    return resolve_cell(CellSpec(server=server, workload=workload, **more))  # type: ignore[arg-type]


def searched(
    laboratory: Laboratory, folder: Path, *servers: str, rules: CapacityOptions | None = None
) -> CapacityResult:
    return experiment.run(
        [cell(server) for server in servers or ("uvicorn",)],
        rules or CapacityOptions(objectives=(P99,)),
        ExecutionOptions(out=folder),
        laboratory.events.append,
    )


@pytest.mark.parametrize(("occupied", "servers"), [(0.04, 10), (None, 1), (0.0001, 1)])
def test_how_many_requests_a_cell_works_on_at_once_follows_from_its_closed_load(
    occupied: float | None, servers: int, queues: Queues, laboratory: Laboratory, tmp_path: Path
) -> None:
    """One that serves 250 requests per second, each of which occupies a thread for so long."""
    rules = CapacityOptions(objectives=(P99, parse_objective("errors<1%")), most_seconds=60)
    stored = codec.read_run(searched(laboratory, tmp_path, rules=rules).folder)
    visits = probes.of_cell(stored.visits, 0)
    closed = visits[0].model_copy(update={"waits": Waits(total_seconds=None, occupied_seconds=occupied, slot="thread")})
    rps, at_once = probes.queue([closed, *visits[1:]])
    assert rps == probes.closed_rps(visits) == pytest.approx(250, rel=0.05)
    assert at_once == servers
    arrivals = visits[-1].arrivals
    assert arrivals is not None
    by_level, failures = arrivals.crowded
    assert len(by_level) == len(LEVELS)
    assert failures == [[1.0] * len(arrivals.due)], "crowds make nothing fail"


def test_a_search_holds_the_capacity_and_is_stored(queues: Queues, laboratory: Laboratory, tmp_path: Path) -> None:
    """One loop of 4 ms serves 250 requests per second, and holds a p99 of 50 ms to about 0.82 of that."""
    result = searched(laboratory, tmp_path)
    (found,) = result.capacity.cells
    assert found.bounds.low is not None
    assert found.bounds.high is not None
    assert found.bounds.low < 0.83 * 250 < 1.05 * found.bounds.high
    assert found.reached
    assert found.binding == "p99<50ms"
    assert found.at is not None
    assert found.at.outcome == "pass"
    assert found.at.rate == pytest.approx(found.bounds.low, rel=0.25)
    assert found.closed_rps == pytest.approx(250, rel=0.05)
    stored = codec.read_run(result.folder)
    again = probes.capacity_of(stored)
    assert again.cells == result.capacity.cells
    assert len(stored.visits) == 1 + len(found.points)
    assert stored.visits[0].cell.load == ClosedLoad(users=experiment.CLOSED_USERS)
    (entry,) = index.runs(tmp_path)
    assert (entry.kind, entry.measurements) == ("capacity", len(stored.visits))


def test_progress_shows_the_bounds_narrowing(queues: Queues, laboratory: Laboratory, tmp_path: Path) -> None:
    searched(laboratory, tmp_path)
    told = [event for event in laboratory.events if isinstance(event, ProbeFinished)]
    assert told[0].low is None
    widths = [event.high / event.low for event in told if event.low and event.high]
    assert widths[-1] == min(widths) <= 1.1
    assert [event.number for event in told] == list(range(2, 2 + len(told)))
    assert 0 < told[0].fraction < told[-1].fraction <= 1


@pytest.mark.slow
def test_ratios_of_capacities_hold(queues: Queues, laboratory: Laboratory, tmp_path: Path) -> None:
    held = []
    for seed in range(1, 33):
        rules = CapacityOptions(objectives=(P99,), seed=seed)
        result = searched(laboratory, tmp_path, "uvicorn", "granian", rules=rules)
        (ratio,) = result.capacity.ratios
        assert ratio.ratio.low is not None
        assert ratio.ratio.high is not None
        assert 1.1 < ratio.ratio.low < ratio.ratio.high < 1.7
        held.append(ratio.ratio.low < SHOULD_BE < ratio.ratio.high)
    assert sum(held) >= 30, "of 32 intervals at 95 %"


def test_several_cells_are_searched_in_turn_and_compared(
    queues: Queues, laboratory: Laboratory, tmp_path: Path
) -> None:
    result = searched(laboratory, tmp_path, "uvicorn", "granian", rules=CapacityOptions(objectives=(P99,), seed=32))
    (ratio,) = result.capacity.ratios
    assert ratio.ratio.low is not None
    assert ratio.ratio.high is not None
    assert 1.1 < ratio.ratio.low < SHOULD_BE < ratio.ratio.high < 1.7
    order = [visit.place.member for visit in codec.read_run(result.folder).visits if visit.place]
    assert sorted(order[:2]) == [1, 2]
    assert sorted(order[2:4]) == [1, 2]
    assert sorted(order[4:6]) == [1, 2]
    told = text.text(result.capacity, result.folder)
    assert told.startswith("fastapi/async/noop/w1: how many requests per second, arriving by chance, with p99<50ms\n\n")
    assert "\ngranian holds most: " in told
    assert re.search(r"\nuvicorn holds 0\.[67]\d× \[0\.\d\d, 0\.\d\d\] as much\.", told)
    assert max(map(len, told.splitlines())) <= 100
    grid = text.figures(result.capacity)
    place = grid.head.index(("likely", "req/s"))
    first, second = (float(row[place]) for row in grid.rows)
    assert second / first == pytest.approx(ratio.ratio.estimate, rel=0.01), "ratios are of figures that are shown"


def test_one_server_under_two_names_is_not_told_apart(queues: Queues, laboratory: Laboratory, tmp_path: Path) -> None:
    result = searched(laboratory, tmp_path, "uvicorn", "uvicorn")
    assert [each.cell for each in result.capacity.cells] == [
        "uvicorn/fastapi/async/noop/w1 (1)",
        "uvicorn/fastapi/async/noop/w1 (2)",
    ]
    (ratio,) = result.capacity.ratios
    assert ratio.ratio.low is not None
    assert ratio.ratio.high is not None
    assert ratio.ratio.low < 1 < ratio.ratio.high
    first, second = text.answers(result.capacity)
    assert " holds most for sure: " in first
    assert second.startswith("Inconclusive against it: ")


def test_a_disturbed_probe_bounds_nothing_and_is_made_again(
    queues: Queues, laboratory: Laboratory, tmp_path: Path
) -> None:
    queues.disturbed = lambda number: number == 3
    result = searched(laboratory, tmp_path)
    (found,) = result.capacity.cells
    assert found.points[1].outcome == "invalid"
    assert "others took" in found.points[1].why
    assert found.points[2].rate == pytest.approx(found.points[1].rate, rel=0.1)
    assert "waited" in laboratory.history
    assert found.reached
    assert any("bound nothing" in note for note in result.capacity.notes)


@pytest.mark.parametrize(("late_ms", "valid"), [(4.9, True), (5.1, False)])
def test_a_generator_that_is_late_by_a_tenth_of_the_limit_spoils_a_probe(
    queues: Queues, laboratory: Laboratory, tmp_path: Path, late_ms: float, valid: bool
) -> None:
    """It is rare that a request that is sent late was about to miss the limit of 50 ms by itself."""
    queues.late_ms = late_ms
    (found,) = searched(laboratory, tmp_path).capacity.cells
    assert {each.outcome == "invalid" for each in found.points} == {not valid}
    assert all("late or later" in each.why for each in found.points) != valid


def test_what_is_disturbed_all_the_time_is_given_up_and_said_to_be_unknown(
    queues: Queues, laboratory: Laboratory, tmp_path: Path
) -> None:
    queues.disturbed = lambda number: True
    result = searched(laboratory, tmp_path)
    (found,) = result.capacity.cells
    assert len(found.points) == experiment.MOST_INVALID
    assert (found.bounds.low, found.bounds.high) == (None, None)
    assert text.exit_code(result.capacity) == 3
    assert "nothing bounds its capacity" in text.text(result.capacity, None)


@pytest.mark.parametrize(
    ("collector", "told"),
    [
        (Collector(pauses=2, mean_ms=80.0, longest_ms=91.0), True),
        (Collector(pauses=2, mean_ms=8.0, longest_ms=10.0), False),  # nothing is late for that
        (Collector(pauses=0, mean_ms=0.0, longest_ms=0.0), False),
        (None, False),
    ],
)
def test_a_garbage_collector_that_makes_requests_late_is_told(
    collector: Collector | None, told: bool, queues: Queues, laboratory: Laboratory, tmp_path: Path
) -> None:
    queues.collector = collector
    found = searched(laboratory, tmp_path).capacity
    notes = [each for each in found.notes if "garbage collector" in each]
    assert bool(notes) == told
    if told:
        assert "stops a worker for 80 ms at a time" in notes[0]
        assert "miss p99<50ms: call gc.freeze()" in notes[0]
        assert found.cells[0].points[0].collector == collector


def test_a_side_without_a_bound_says_what_was_seen_there(
    queues: Queues, laboratory: Laboratory, tmp_path: Path
) -> None:
    capacity = searched(laboratory, tmp_path).capacity
    (found,) = capacity.cells
    for side, outcome, begins in (("high", "fail", "did not hold."), ("low", "pass", "did hold.")):
        bounds = found.bounds.model_copy(update={side: None})
        one = next(each for each in found.points if each.outcome == outcome)
        seen = text.sentence(found.model_copy(update={"bounds": bounds, "points": [one]}), capacity)
        assert seen.endswith(f"one start at {text.rate(one.rate)} {begins}")
        other = [each for each in found.points if each.outcome != outcome]
        nothing = text.sentence(found.model_copy(update={"bounds": bounds, "points": other}), capacity)
        assert nothing.endswith(f"no rate was found that {begins.replace('did', 'does')}")


def test_no_probe_begins_that_would_end_too_late(queues: Queues, laboratory: Laboratory, tmp_path: Path) -> None:
    began = laboratory.clock.now
    result = searched(laboratory, tmp_path, rules=CapacityOptions(objectives=(P99,), most_seconds=70.0))
    assert laboratory.clock.now - began <= 70.0
    assert not result.capacity.cells[0].reached


def test_an_interrupted_search_leaves_what_it_found(queues: Queues, laboratory: Laboratory, tmp_path: Path) -> None:
    queues.ended = 4
    with pytest.raises(signals.Ended):
        searched(laboratory, tmp_path)
    (entry,) = index.runs(tmp_path)
    assert entry.measurements == 3
    assert "req/s" in render.text(codec.read_run(entry.folder), "text")


@pytest.mark.parametrize(("ended", "said", "tables"), [(2, 2, 0), (3, 1, 2)])
def test_of_cells_that_were_not_reached_nothing_is_shown_but_that(
    queues: Queues, laboratory: Laboratory, tmp_path: Path, ended: int, said: int, tables: int
) -> None:
    queues.ended = ended + 1
    with pytest.raises(signals.Ended):
        searched(laboratory, tmp_path, "uvicorn", "granian")
    (entry,) = index.runs(tmp_path)
    answer = probes.capacity_of(codec.read_run(entry.folder))
    assert sum("was not probed" in each for each in text.answers(answer)) == said
    assert len(text.grids(answer)) == tables


def test_an_interrupted_search_is_gone_on_with(queues: Queues, laboratory: Laboratory, tmp_path: Path) -> None:
    whole = searched(laboratory, tmp_path / "whole").capacity
    queues.number, queues.ended = 0, 4
    with pytest.raises(signals.Ended):
        searched(laboratory, tmp_path / "parts")
    (entry,) = index.runs(tmp_path / "parts")
    queues.number, queues.ended = 3, None
    rules, options = CapacityOptions(objectives=(P99,)), ExecutionOptions(out=tmp_path)
    result = experiment.run([cell()], rules, options, resume=entry.folder)
    assert result.folder == entry.folder
    assert result.capacity.cells[0].points == whole.cells[0].points
    with pytest.raises(UsageError, match="searched uvicorn"):
        experiment.run([cell("granian")], rules, options, resume=entry.folder)


def test_names_of_servers_stay_whole_beside_all_columns(queues: Queues, laboratory: Laboratory, tmp_path: Path) -> None:
    queues.services["hypercorn"] = 0.005
    rules = CapacityOptions(objectives=(P99,), core_hour_price=0.04)
    told = text.text(searched(laboratory, tmp_path, "uvicorn", "hypercorn", rules=rules).capacity, None)
    assert "  memory    cost\n" in told
    assert re.search(r"\n  hypercorn +\d+ ", told)
    assert max(map(len, told.splitlines())) <= 100


def test_what_it_takes_to_serve_a_rate(queues: Queues, laboratory: Laboratory, tmp_path: Path) -> None:
    def said(rate: float) -> str:
        rules = CapacityOptions(objectives=(P99,), rate=rate, core_hour_price=0.04)
        return text.text(searched(laboratory, tmp_path, rules=rules).capacity, None).replace("\n", " ")

    enough = said(150.0)
    assert "For 150 requests per second with p99<50ms: 1 worker on 1 core of this machine" in enough
    assert "0.04 for a core and hour, of which follows the cost of a million requests" in enough.replace("  ", "")
    too_much = said(900.0)
    assert "nothing that was measured holds so much" in too_much
    assert "which was not measured" in too_much


def test_a_million_requests_cost_the_time_of_their_cores() -> None:
    assert probes.cost(2, 1000.0, 0.036) == pytest.approx(2 * 0.036 / 3600 * 1000)
    assert probes.cost(2, 1000.0, None) is None


def test_reports_of_a_search(queues: Queues, laboratory: Laboratory, tmp_path: Path) -> None:
    stored = codec.read_run(searched(laboratory, tmp_path, "uvicorn", "granian").folder)
    for form in ("text", "markdown", "html"):
        assert "holds most" in render.text(stored, form)
    document = json.loads(render.text(stored, "json"))
    assert document["kind"] == "capacity"
    assert len(document["cells"]) == 2
    charts = {chart.name: chart for chart in render.charts_of(stored)}
    assert set(charts) == {"goodput", "latency"}
    assert "log" not in json.dumps(charts["goodput"].spec)
    highs = {each["panel"]: each["high"] for each in charts["goodput"].rows}
    assert all(row["offered"] <= highs[row["panel"]] for row in charts["latency"].rows)
    assert max(row["offered"] for row in charts["goodput"].rows) > min(highs.values())
    render.show(Path(stored.folder), "csv", tmp_path / "tables")
    assert {path.name for path in (tmp_path / "tables").iterdir()} == {"cells.csv", "probes.csv"}


def test_an_objective_below_the_own_wait_is_refused(queues: Queues, laboratory: Laboratory, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="waits for 100 ms"):
        experiment.run([cell(workload="sleep")], CapacityOptions(objectives=(P99,)), ExecutionOptions(out=tmp_path))
    assert list(tmp_path.glob("*capacity*")) == []


def test_bounds_closer_than_can_be_known_are_refused(queues: Queues, laboratory: Laboratory, tmp_path: Path) -> None:
    rules = CapacityOptions(objectives=(P99,), precision=0.01)
    with pytest.raises(UsageError, match=r"--precision 1%: .* closer than 3\.1%"):
        experiment.run([cell(workload="noop")], rules, ExecutionOptions(out=tmp_path))
    assert list(tmp_path.glob("*capacity*")) == []


def test_a_server_that_serves_nothing_is_an_error(queues: Queues, laboratory: Laboratory, tmp_path: Path) -> None:
    queues.services["uvicorn"] = 100.0
    with pytest.raises(TargetError, match="served nothing"):
        searched(laboratory, tmp_path)


def test_the_command_line(
    queues: Queues,
    laboratory: Laboratory,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["capacity", "--workload", "noop", "--objective", "p99<50ms", "--out", str(tmp_path), "--json"]
    monkeypatch.setattr("sys.argv", ["harness", *arguments])
    assert _guarded(app) == 0
    assert json.loads(capsys.readouterr().out)["cells"][0]["cell"] == "uvicorn/fastapi/async/noop/w1"
    monkeypatch.setattr("sys.argv", ["harness", "capacity", "--workload", "noop", "--rate", "0"])
    assert _guarded(app) == 2
    assert "--rate 0: out of bounds" in capsys.readouterr().err


def test_finalists_of_a_recommendation_are_searched(
    queues: Queues,
    laboratory: Laboratory,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ("recommend", "--workload", "noop", "--server", "uvicorn,granian", "--vus", "16", "--max-time", "20m")
    monkeypatch.setattr(
        "sys.argv", ["harness", *arguments, "--objective", "p99<50ms", "--out", str(tmp_path), "--json"]
    )
    assert _guarded(app) == 0
    answer = json.loads(capsys.readouterr().out)
    best = answer["best"]["configuration"]
    searched = [each["cell"] for each in answer["capacity"]["cells"]]
    assert searched == [
        f"{best['server']}/fastapi/async/noop/w{best['workers']}"
    ]  # the other one is slower for certain
    assert sorted(each.name.split("-")[1] for each in tmp_path.glob("2*")) == ["capacity", "recommend"]
    for impossible in (("--objective", "p99"), ("--objective", "p99<50ms", "--workload", "sleep")):
        stored = sorted(tmp_path.iterdir())
        monkeypatch.setattr("sys.argv", ["harness", *arguments, *impossible, "--out", str(tmp_path)])
        assert _guarded(app) == 2
        assert "--objective p99" in capsys.readouterr().err
        assert sorted(tmp_path.iterdir()) == stored, "it was searched before it was refused"
