"""A matrix: which set is restarted next, what is stored, what is no longer measured, and how it is gone on with.

Servers, generator, meters and clock are those of `tests/fakes.py`; restarts, slots and figures are the real ones.
"""

from __future__ import annotations

import json
import logging
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from harness.analysis import review
from harness.config.cells import CellSpec, resolve_cell
from harness.errors import LackError, UsageError
from harness.experiments import matrix, single
from harness.experiments.session import ExecutionOptions
from harness.host import signals
from harness.model.events import RestartFinished
from harness.model.load import Timing
from harness.model.plan import ApplicationPlan, Axes, Plan
from harness.model.record import FailureRecord, MatrixRecord, MeasurementRecord, StoredRun
from harness.model.requests import AppRequest
from harness.stats.simultaneous import LEAST_RESTARTS
from harness.store import codec, holding
from tests.fakes import Laboratory, files_with

SECRET = "tok-123456"
PLAN = Plan(cells=[Axes(server=["uvicorn", "granian"], workload=["cpu"])], precision="5%")
TWO_GROUPS = Plan(cells=[Axes(server=["uvicorn", "granian"], workload=["cpu", "noop"])], precision="5%")


@pytest.fixture
def options(tmp_path: Path) -> ExecutionOptions:
    return ExecutionOptions(out=tmp_path / "results")


def only_run(options: ExecutionOptions) -> Path:
    (folder,) = [path for path in options.out.iterdir() if not path.name.startswith(".")]
    return folder


def record_of(run: StoredRun) -> MatrixRecord:
    assert isinstance(run.record, MatrixRecord)
    return run.record


def sets(run: StoredRun) -> list[int]:
    """The set of each restart, in order."""
    return [restart.set for restart in run.restarts]


def failures(run: StoredRun) -> list[FailureRecord]:
    return [visit for visit in run.visits if isinstance(visit, FailureRecord)]


def interrupted(laboratory: Laboratory, options: ExecutionOptions, plan: Plan, after: int) -> Path:
    """A matrix that was told to end when so many of its restarts were stored."""
    laboratory.rotation.outcomes = ["valid"] * after + [signals.Ended()]
    with pytest.raises(signals.Ended):
        matrix.run(plan, {}, options)
    return only_run(options)


# What is measured


def test_cells_that_are_compared_are_up_at_once_and_one_is_there_twice(
    laboratory: Laboratory, options: ExecutionOptions
) -> None:
    run = codec.read_run(matrix.run(PLAN, {}, options, laboratory.events.append))
    record = record_of(run)
    names = [cell.label for cell in record.cells]
    assert record.sets[0].members == [0, 1, 0]
    assert record.repeated == names[0]
    assert laboratory.measured == [" | ".join([*names, names[0]])] * LEAST_RESTARTS
    assert [restart.cells for restart in run.restarts] == [[*names, f"{names[0]} (2)"]] * LEAST_RESTARTS
    assert record.finished
    places = [(visit.place.restart, visit.place.member, visit.place.repeat) for visit in run.visits if visit.place]
    assert places == [
        (restart, member, member == 3) for restart in range(1, LEAST_RESTARTS + 1) for member in (1, 2, 3)
    ]


def test_what_it_says_is_what_the_members_do(laboratory: Laboratory, options: ExecutionOptions) -> None:
    overview = review.review(codec.read_run(matrix.run(PLAN, {}, options)))
    (throughput,) = [each for each in overview.comparison.contrasts if each.metric == "throughput_rps"]
    (cost,) = [each for each in overview.comparison.contrasts if each.metric == "cpu_us_per_request"]
    assert throughput.ratio.estimate == pytest.approx(1.5, rel=0.02)
    assert cost.ratio.estimate == pytest.approx(1 / 1.5, rel=0.02)
    assert (throughput.verdict, cost.verdict, throughput.b.option) == ("faster", "faster", "granian")
    assert throughput.by_way_of is None
    (control,) = [each for each in overview.comparison.controls if each.metric == "throughput_rps"]
    assert control.ratio.estimate == pytest.approx(1.0, abs=0.01)
    rates = [cell.throughput.estimate for cell in overview.cells if cell.throughput is not None]
    assert rates == [pytest.approx(1000, rel=0.02), pytest.approx(1500, rel=0.02)]
    assert [cell.valid for cell in overview.cells] == [2 * LEAST_RESTARTS, LEAST_RESTARTS]
    assert [cell.requests > 0 for cell in overview.cells] == [True, True]


def test_nothing_is_there_twice_where_it_is_not_wanted(laboratory: Laboratory, options: ExecutionOptions) -> None:
    run = codec.read_run(matrix.run(PLAN.model_copy(update={"aa": False}), {}, options))
    assert record_of(run).sets[0].members == [0, 1]
    assert review.review(run).comparison.controls == []


def test_sets_are_restarted_in_turn_and_in_another_order_each_time(
    laboratory: Laboratory, options: ExecutionOptions
) -> None:
    run = codec.read_run(matrix.run(TWO_GROUPS, {}, options))
    passes = [tuple(sets(run)[place : place + 2]) for place in range(0, 2 * LEAST_RESTARTS, 2)]
    assert all(sorted(each) == [1, 2] for each in passes)
    assert len(set(passes)) == 2


def test_it_goes_on_where_it_is_not_sure_and_nowhere_else(laboratory: Laboratory, options: ExecutionOptions) -> None:
    laboratory.rotation.noise_of = {"noop": 0.2}
    run = codec.read_run(matrix.run(TWO_GROUPS.model_copy(update={"precision": "3%"}), {}, options))
    workloads = [cell.variant.application.work_label for cell in record_of(run).cells]
    noisy = next(number for number, each in enumerate(record_of(run).sets, 1) if workloads[each.members[0]] == "noop")
    counts = {number: sets(run).count(number) for number in (1, 2)}
    assert counts[noisy] > LEAST_RESTARTS
    assert counts[3 - noisy] == LEAST_RESTARTS
    contrasts = [each for each in review.review(run).comparison.contrasts if each.metric == "throughput_rps"]
    assert all(each.ratio.half_width is not None and each.ratio.half_width <= 0.03 for each in contrasts)


def test_what_is_noisier_than_the_rest_does_not_take_all_of_the_time(
    laboratory: Laboratory, options: ExecutionOptions
) -> None:
    laboratory.rotation.noise = 0.2
    laboratory.rotation.noise_of = {"noop": 0.6}
    plan = TWO_GROUPS.model_copy(update={"precision": "0.1%", "max_time": "10m"})
    run = codec.read_run(matrix.run(plan, {}, options))
    workloads = [cell.variant.application.work_label for cell in record_of(run).cells]
    noisy = next(number for number, each in enumerate(record_of(run).sets, 1) if workloads[each.members[0]] == "noop")
    counts = {number: sets(run).count(number) for number in (1, 2)}
    # Three times the noise takes nine times the restarts to be as sure; half-widths in all are least at 3 ** (2 / 3).
    assert 1.5 < counts[noisy] / counts[3 - noisy] < 4


def test_it_ends_when_the_time_is_over(laboratory: Laboratory, options: ExecutionOptions) -> None:
    laboratory.rotation.noise = 0.2
    began = laboratory.clock.now
    plan = PLAN.model_copy(update={"precision": "0.1%", "max_time": "120s"})
    run = codec.read_run(matrix.run(plan, {}, options))
    assert len(run.restarts) > LEAST_RESTARTS
    assert laboratory.clock.now - began <= 120
    assert record_of(run).finished


def test_slots_are_shorter_where_the_time_is_short(laboratory: Laboratory, options: ExecutionOptions) -> None:
    long = codec.read_run(matrix.run(PLAN, {}, options))
    short = codec.read_run(matrix.run(PLAN.model_copy(update={"max_time": "45s"}), {}, options))
    assert short.restarts[0].seconds < 0.8 * long.restarts[0].seconds
    assert len(short.restarts) == LEAST_RESTARTS


def test_what_will_not_fit_into_the_time_is_told_as_soon_as_it_is_known(
    laboratory: Laboratory, options: ExecutionOptions, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    began = laboratory.clock.now
    plan = TWO_GROUPS.model_copy(update={"max_time": "20s"})
    run = codec.read_run(matrix.run(plan, {}, options, laboratory.events.append))
    (said,) = [line for line in caplog.messages if "not all of them fit into the time" in line]
    assert "6 restarts of every set take about" in said
    assert re.search(r"--max-time [12]m\)", said)
    assert len(run.restarts) < 2 * LEAST_RESTARTS
    longest = max(restart.seconds for restart in run.restarts)
    assert laboratory.clock.now - began <= 30 + longest + 5
    left = [
        event.matrix.seconds_left for event in laboratory.events if isinstance(event, RestartFinished) and event.matrix
    ]
    assert all(0 <= each <= 30 + longest for each in left)
    assert left[-1] <= longest


# What counts


def test_a_disturbed_restart_is_stored_and_made_again(laboratory: Laboratory, options: ExecutionOptions) -> None:
    laboratory.rotation.outcomes = ["valid", "disturbed"]
    run = codec.read_run(matrix.run(PLAN, {}, options, laboratory.events.append))
    assert len(run.restarts) == LEAST_RESTARTS + 1
    void = [event.void for event in laboratory.events if isinstance(event, RestartFinished)]
    assert [each is None for each in void] == [True, False, *[True] * (LEAST_RESTARTS - 1)]
    assert laboratory.history.index("waited") == 2, "for a quieter moment, after the one that was disturbed"
    overview = review.review(run)
    assert [(cell.valid, cell.invalid) for cell in overview.cells] == [(12, 2), (6, 1)]
    assert "other guests" in overview.cells[1].reasons[0].reason


def test_others_that_disturb_for_ever_do_not_keep_it_for_ever(
    laboratory: Laboratory, options: ExecutionOptions
) -> None:
    laboratory.rotation.outcomes = ["disturbed"] * 50
    run = codec.read_run(matrix.run(PLAN, {}, options))
    assert len(run.restarts) == 5
    assert all(cell.verdict == "invalid" for cell in review.review(run).cells)


@pytest.mark.parametrize(("outcome", "says"), [("failed", "requests failed"), ("wrong", "wrong"), ("lost", "workers")])
def test_what_a_server_does_is_an_outcome_and_never_measured_away(
    laboratory: Laboratory, options: ExecutionOptions, outcome: Any, says: str
) -> None:
    laboratory.rotation.outcomes = ["valid", outcome]
    run = codec.read_run(matrix.run(PLAN, {}, options))
    assert len(run.restarts) == LEAST_RESTARTS
    overview = review.review(run)
    assert [cell.failed for cell in overview.cells] == [2, 1]
    assert says in overview.cells[0].reasons[0].reason


def test_a_server_that_does_not_come_up_is_an_outcome_and_the_others_go_on(
    laboratory: Laboratory, options: ExecutionOptions
) -> None:
    laboratory.rotation.broken = {"granian"}
    plan = Plan(cells=[Axes(server=["uvicorn", "granian", "gunicorn"], workload=["cpu"])], precision="5%")
    run = codec.read_run(matrix.run(plan, {}, options))
    (failure,) = failures(run)
    assert failure.cell.variant.server == "granian"
    assert failure.reasons[0].message.startswith("granian ended while starting; its log ends with: no")
    assert len(run.restarts) == LEAST_RESTARTS
    assert {cell for restart in run.restarts for cell in restart.cells if "granian" in cell} == set()
    overview = review.review(run)
    assert [cell.verdict for cell in overview.cells] == ["valid", "failed", "valid"]
    compared = {(each.a.option, each.b.option) for each in overview.comparison.contrasts}
    assert compared == {("uvicorn", "gunicorn")}


# Going on


def test_an_interrupted_matrix_is_gone_on_with_to_what_it_would_have_been(
    laboratory: Laboratory, options: ExecutionOptions, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "harness")
    whole = codec.read_run(matrix.run(TWO_GROUPS, {}, ExecutionOptions(out=tmp_path / "whole")))
    folder = interrupted(laboratory, options, TWO_GROUPS, after=3)
    assert f"stored: 3 restarts; go on with: harness matrix --resume {folder}" in caplog.text
    assert not record_of(codec.read_run(folder)).finished
    assert not review.review(codec.read_run(folder)).finished
    assert matrix.resume(folder, {}, options) == folder
    run = codec.read_run(folder)
    assert record_of(run).finished
    assert sets(run) == sets(whole)
    assert [restart.seed for restart in run.restarts] == [restart.seed for restart in whole.restarts]
    assert [visit.place for visit in run.visits] == [visit.place for visit in whole.visits]
    stored = len(run.restarts)
    matrix.resume(folder, {}, options)
    assert len(codec.read_run(folder).restarts) == stored


def test_a_matrix_that_the_machine_ended_is_gone_on_with_too(
    laboratory: Laboratory, options: ExecutionOptions, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "harness")
    whole = codec.read_run(matrix.run(TWO_GROUPS, {}, ExecutionOptions(out=tmp_path / "whole")))
    laboratory.rotation.outcomes = ["valid", LackError("Postgres ended 3 times in a row", cure="look at its log")]
    with pytest.raises(LackError):
        matrix.run(TWO_GROUPS, {}, options)
    (folder,) = options.out.iterdir()
    assert f"stored: 1 restart; go on with: harness matrix --resume {folder}" in caplog.text
    matrix.resume(folder, {}, options)
    assert [visit.place for visit in codec.read_run(folder).visits] == [visit.place for visit in whole.visits]


def test_a_run_that_another_harness_writes_is_not_gone_on_with(
    laboratory: Laboratory, options: ExecutionOptions
) -> None:
    folder = interrupted(laboratory, options, TWO_GROUPS, after=1)
    before = list(laboratory.history)
    with holding.held(folder), pytest.raises(UsageError, match="is being written by another harness"):
        matrix.resume(folder, {}, options)
    assert laboratory.history == before


def test_a_server_that_did_not_come_up_is_not_tried_again_later(
    laboratory: Laboratory, options: ExecutionOptions
) -> None:
    laboratory.rotation.broken = {"granian"}
    folder = interrupted(laboratory, options, PLAN, after=2)
    before = codec.read_run(folder)
    assert len(failures(before)) == 1
    matrix.resume(folder, {}, options)
    run = codec.read_run(folder)
    assert len(failures(run)) == 1
    assert [restart.number for restart in run.restarts] == list(range(2, 2 + LEAST_RESTARTS))


def test_members_of_a_restart_that_was_not_stored_do_not_count(
    laboratory: Laboratory, options: ExecutionOptions
) -> None:
    folder = interrupted(laboratory, options, PLAN, after=2)
    (folder / "restarts" / "0002.json.gz").unlink()  # as a harness leaves it that is killed between the two
    run = codec.read_run(folder)
    assert len(run.visits) == 6
    assert [cell.valid for cell in review.review(run).cells] == [2, 1]
    matrix.resume(folder, {}, options)
    run = codec.read_run(folder)
    assert [restart.number for restart in run.restarts] == list(range(1, LEAST_RESTARTS + 1))
    assert [cell.valid for cell in review.review(run).cells] == [2 * LEAST_RESTARTS, LEAST_RESTARTS]


def test_sets_stay_what_they_were(laboratory: Laboratory, options: ExecutionOptions) -> None:
    folder = interrupted(laboratory, options, TWO_GROUPS, after=1)
    document = json.loads((folder / "run.json").read_text())
    document["sets"].reverse()  # as another version of the harness might cut them
    (folder / "run.json").write_text(json.dumps(document))
    matrix.resume(folder, {}, options)
    assert [each.members for each in record_of(codec.read_run(folder)).sets] == [
        each["members"] for each in document["sets"]
    ]


def test_a_matrix_is_not_gone_on_with_under_other_conditions(laboratory: Laboratory, options: ExecutionOptions) -> None:
    folder = interrupted(laboratory, options, PLAN, after=1)
    laboratory.generator.version = "2.0.0"
    with pytest.raises(UsageError, match="the load generator has changed since it began"):
        matrix.resume(folder, {}, options)
    assert len(codec.read_run(folder).restarts) == 1


def test_only_a_matrix_is_gone_on_with(laboratory: Laboratory, options: ExecutionOptions) -> None:
    cell = resolve_cell(CellSpec(server="uvicorn"))
    folder = single.run(cell, Timing(warmup_seconds=1.0, window_seconds=3.0), options).folder
    with pytest.raises(UsageError, match="is no matrix"):
        matrix.resume(folder, {}, options)


def test_environments_below_the_home_folder_are_the_same_ones_later(
    laboratory: Laboratory, options: ExecutionOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    plan = Plan(cells=[Axes(python=[f"{tmp_path}/old/python", f"{tmp_path}/new/python"])], precision="5%")
    folder = interrupted(laboratory, options, plan, after=1)
    record = codec.read_run(folder).record
    assert [cell.variant.environment for cell in record.cells] == list(record.environments)
    assert list(record.environments) == ["~/old/python", "~/new/python"]
    matrix.resume(folder, {}, options)
    run = codec.read_run(folder)
    assert record_of(run).finished
    assert all(cell.valid for cell in review.review(run).cells)


def test_an_application_below_the_home_folder_is_found_again(
    laboratory: Laboratory, options: ExecutionOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    shop = tmp_path / "shop"
    shop.mkdir()
    (shop / "requests.toml").write_text('requests = [{ path = "/" }]\n')
    (shop / "variables").write_text("DEBUG=1\n")
    described = ApplicationPlan(
        app="shop:app", app_dir=str(shop), requests=f"{shop}/requests.toml", env_file=f"{shop}/variables"
    )
    plan = Plan(cells=[Axes(server=["uvicorn", "granian"])], precision="5%", application=described)
    folder = interrupted(laboratory, options, plan, after=1)
    assert files_with(folder, str(tmp_path)) == []
    matrix.resume(folder, {}, options)
    run = codec.read_run(folder)
    assert {visit.cell.variant.application.work_label for visit in run.visits} == {"shop:app@shop"}
    assert record_of(run).finished


# Secrets


@pytest.mark.parametrize("broken", [set(), {"granian"}])
def test_secrets_are_in_no_file_of_a_matrix(
    laboratory: Laboratory, options: ExecutionOptions, tmp_path: Path, broken: set[str]
) -> None:
    laboratory.rotation.echo, laboratory.rotation.broken = SECRET, broken
    laboratory.rotation.outcomes = ["valid", "failed", "failed"]
    described = ApplicationPlan(app="shop:app", app_dir=str(tmp_path), path=["/"], env=["API_TOKEN"])
    plan = Plan(cells=[Axes(server=["uvicorn", "granian", "hypercorn"])], precision="5%", application=described)
    folder = matrix.run(plan, {"API_TOKEN": SECRET}, options)
    assert files_with(folder / "measurements", "***")
    assert files_with(options.out, SECRET) == []
    shutil.rmtree(folder)


def test_requests_that_stand_in_a_plan_are_stored_without_contents_and_gone_on_with(
    laboratory: Laboratory, options: ExecutionOptions, tmp_path: Path
) -> None:
    login = AppRequest.model_validate(
        {"path": "/login/{n}", "method": "POST", "headers": {"X-Auth": "abc123secret"}, "json": {"word": "hunter2!"}}
    )
    described = ApplicationPlan(app="shop:app", app_dir=str(tmp_path), requests=[login], values={"n": ["drawn-word"]})
    plan = Plan(cells=[Axes(server=["uvicorn", "granian"])], precision="5%", application=described)
    folder = interrupted(laboratory, options, plan, after=1)
    for planted in ("abc123secret", "hunter2!", "drawn-word"):
        assert files_with(options.out, planted) == []
    assert files_with(folder, "/login/{n}")
    with pytest.raises(UsageError, match="are not stored"):
        matrix.resume(folder, {}, options)
    changed_since = described.model_copy(update={"values": {"n": ["another"]}})
    with pytest.raises(UsageError, match="what is requested of the application has changed"):
        matrix.resume(folder, {}, options, project=changed_since)
    matrix.resume(folder, {}, options, project=described)
    assert record_of(codec.read_run(folder)).finished
    shutil.rmtree(folder)


def test_measurements_tell_what_a_window_would(laboratory: Laboratory, options: ExecutionOptions) -> None:
    run = codec.read_run(matrix.run(PLAN, {}, options))
    measured = run.visits[1]
    assert isinstance(measured, MeasurementRecord)
    assert (measured.verdict, measured.method) == ("valid", "slots")
    assert measured.throughput_rps == pytest.approx(1500, rel=0.03)
    assert measured.server.cpu_us_per_request == pytest.approx(1e6 / 1500, rel=0.05)
    assert measured.latency_ms.p50 == pytest.approx(1.0, rel=0.02)
    assert measured.latency_ms.mean == pytest.approx(1.0)
    assert measured.requests == sum(piece.requests for piece in measured.slices)
    assert measured.window_seconds == pytest.approx(sum(piece.seconds for piece in measured.slices), abs=1e-3)
