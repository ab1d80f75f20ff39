"""Comparing by taking turns: when it stops, what it stores, what counts, who has how many users; secrets and commands.

Servers, generator, meters and clock are those of `tests/fakes.py`; restarts, slots and figures are the real ones.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.config.cells import CellSpec, ResolvedCell, resolve_cell
from harness.errors import TargetError, UsageError
from harness.experiments import rotation
from harness.experiments.rotation import RotationOptions, RotationResult
from harness.experiments.session import ExecutionOptions
from harness.host import signals
from harness.model.events import RestartFinished
from harness.model.record import RotationRecord
from harness.model.requests import Expectation
from harness.model.rotation import Rotation, RotationContrast
from harness.report import gate
from harness.report import rotation as report
from harness.stats import simultaneous
from harness.store import codec
from tests.fakes import Laboratory, application, files_with

SECRET = "tok-123456"


@pytest.fixture
def options(tmp_path: Path) -> ExecutionOptions:
    return ExecutionOptions(out=tmp_path / "results")


def rules(**parts: Any) -> RotationOptions:
    return RotationOptions(
        **{"precision": 0.05, "most_seconds": 1000.0, "users": 8, "restart_seconds": 1.0, **parts}  # type: ignore[arg-type]
    )


def chosen(server: str = "uvicorn", **parts: Any) -> ResolvedCell:
    return resolve_cell(CellSpec(server=server, workload=parts.pop("workload", "noop"), **parts))


def pair(**parts: Any) -> tuple[ResolvedCell, ResolvedCell]:
    return chosen("uvicorn", **parts), chosen("granian", **parts)


def sides(**parts: Any) -> tuple[ResolvedCell, ResolvedCell]:
    """Two versions of an application, each with commands and a secret of its own."""

    def version(name: str, secret: str) -> ResolvedCell:
        commands = {"setup": f"up {name}", "teardown": f"down {name}", "before": f"reset {name}"}
        made = application(folder=name, secrets=[secret], **(commands | parts))
        return resolve_cell(CellSpec(server="uvicorn", application=made))

    return version("base", SECRET), version("head", f"{SECRET}-of-head")


def only_run(options: ExecutionOptions) -> Path:
    (folder,) = [path for path in options.out.iterdir() if not path.name.startswith(".")]
    return folder


def stored(folder: Path) -> Rotation:
    answer = codec.read_run(folder).rotation
    assert answer is not None
    return answer


def of(rotation: Rotation, metric: str) -> RotationContrast:
    (found,) = [each for each in rotation.contrasts if each.metric == metric]
    return found


# When it stops


def test_it_stops_when_it_is_sure_but_not_before_six_restarts(
    laboratory: Laboratory, options: ExecutionOptions
) -> None:
    result = rotation.run(pair(), rules(), options)
    assert len(result.restarts) == result.rotation.restarts == simultaneous.LEAST_RESTARTS
    assert result.rotation.reached
    throughput, cost = of(result.rotation, "throughput_rps"), of(result.rotation, "cpu_us_per_request")
    assert throughput.ratio.estimate == pytest.approx(1.5, rel=0.02)
    assert cost.ratio.estimate == pytest.approx(1 / 1.5, rel=0.02)
    assert (throughput.verdict, cost.verdict) == ("faster", "faster")
    assert gate.exit_code_of_rotation(result.rotation, strict=False) == 0


def test_first_slots_are_as_long_as_the_answers_so_far_ask_for(
    laboratory: Laboratory, options: ExecutionOptions
) -> None:
    """Eight users at eight answers per second: two response times, 16 answers, take 2 s, of which a quarter of a second
    brings two."""
    laboratory.rotation.noise = 0.0
    laboratory.rotation.rates |= {"uvicorn": 8.0, "granian": 8.0}
    slots = rotation.run(pair(), rules(), options).restarts[0].slots
    for member in (0, 1):
        columns = zip(slots.member, slots.round, slots.read_s, strict=True)
        first = [round(read[-1], 3) for of, number, read in columns if (of, number) == (member, 0)]
        assert first == [0.25, 2.2]


def test_waves_of_users_who_go_in_step_make_no_difference(laboratory: Laboratory, options: ExecutionOptions) -> None:
    """Ten waves fit into a slot of one member and nine into one of the other, which is 4.4 % slower, not 10 %."""
    laboratory.rotation.in_step = True
    laboratory.rotation.noise = 0.0
    laboratory.rotation.rates |= {"uvicorn": 160.0, "granian": 153.0}
    result = rotation.run(pair(), rules(precision=1e-6, most_seconds=600.0, restart_seconds=10.0), options)
    assert of(result.rotation, "throughput_rps").ratio.estimate == pytest.approx(153 / 160, rel=0.01)


def test_a_cold_first_slot_of_an_open_load_makes_no_slot_longer(
    laboratory: Laboratory, options: ExecutionOptions
) -> None:
    """A third of a second, in which connections are opened, had made slots of 165 s; requests take 1 ms."""
    laboratory.rotation.cold_us = 330_000
    slots = rotation.run(pair(rate=200.0), rules(users=None), options).restarts[0].slots
    columns = zip(slots.round, slots.read_s, strict=True)
    assert {round(read[-1], 1) for number, read in columns if number} == {0.5}


def test_it_goes_on_while_it_is_not_sure(laboratory: Laboratory, options: ExecutionOptions) -> None:
    laboratory.rotation.noise = 0.1
    result = rotation.run(pair(), rules(precision=0.02), options)
    assert len(result.restarts) > simultaneous.LEAST_RESTARTS
    half = of(result.rotation, "throughput_rps").ratio.half_width
    assert half is not None
    assert half <= 0.02


def test_it_stops_when_the_time_is_over(laboratory: Laboratory, options: ExecutionOptions) -> None:
    began = laboratory.clock.now
    result = rotation.run(pair(), rules(precision=1e-6, most_seconds=60.0), options)
    passed = laboratory.clock.now - began
    assert not result.rotation.reached
    assert 60.0 - 2 * passed / len(result.restarts) <= passed <= 60.0
    assert result.rotation.seconds == pytest.approx(passed, abs=0.1)


def test_the_time_is_exceeded_for_six_restarts_but_not_forever(
    laboratory: Laboratory, options: ExecutionOptions
) -> None:
    began = laboratory.clock.now
    assert rotation.run(pair(), rules(most_seconds=12.0), options).rotation.restarts == simultaneous.LEAST_RESTARTS
    assert laboratory.clock.now - began > 12.0
    short = rotation.run(pair(), rules(most_seconds=5.0), options).rotation
    assert 1 <= short.restarts < simultaneous.LEAST_RESTARTS
    assert of(short, "throughput_rps").verdict == "undecided"
    assert gate.exit_code_of_rotation(short, strict=False) == 3


# What counts


def test_a_void_restart_is_stored_and_told_and_does_not_count(
    laboratory: Laboratory, options: ExecutionOptions
) -> None:
    laboratory.rotation.outcomes = ["valid", "disturbed"]
    events: list[Any] = []
    result = rotation.run(pair(), rules(), options, events.append)
    assert (len(result.restarts), result.rotation.restarts) == (7, 6)
    (void,) = result.rotation.void
    assert void.startswith("restart 2: other guests of this machine's host took 20%")
    assert len(codec.read_run(result.folder).restarts) == 7
    finished = [event for event in events if isinstance(event, RestartFinished)]
    assert [event.void is None for event in finished] == [True, False, *[True] * 5]
    assert f"excluded   {void[:30]}" in report.text(result.rotation, None)


def test_where_nothing_counts_nothing_is_told(laboratory: Laboratory, options: ExecutionOptions) -> None:
    laboratory.rotation.outcomes = ["disturbed"] * 100
    result = rotation.run(pair(), rules(most_seconds=20.0), options)
    assert (result.rotation.restarts, result.rotation.contrasts) == (0, [])
    assert gate.exit_code_of_rotation(result.rotation, strict=False) == 3


@pytest.mark.parametrize(
    ("outcome", "says"),
    [("failed", "requests to"), ("lost", "lost 1 of its workers"), ("wrong", "answered wrongly: ")],
)
def test_what_a_member_does_is_an_outcome_and_leaves_no_verdict(
    laboratory: Laboratory, options: ExecutionOptions, outcome: Any, says: str
) -> None:
    laboratory.rotation.outcomes = ["valid", outcome]
    if outcome == "wrong":
        cells = sides(expect=Expectation(min_bytes=1000))
    else:
        cells = pair()
    result = rotation.run(cells, rules(precision=1e-6), options)
    assert len(result.restarts) == simultaneous.LEAST_RESTARTS
    assert says in result.rotation.outcomes[0]
    assert {each.verdict for each in result.rotation.contrasts if each.metric in gate.GATED} == {"undecided"}
    assert gate.exit_code_of_rotation(result.rotation, strict=False) == 4


def test_a_server_that_does_not_start_ends_it(laboratory: Laboratory, options: ExecutionOptions) -> None:
    laboratory.rotation.outcomes = [TargetError("granian ended while starting", cure="see its log")]
    with pytest.raises(TargetError, match="ended while starting"):
        rotation.run(sides(), rules(), options)
    assert list(options.out.iterdir()) == []
    assert laboratory.history[-2:] == ["down head", "down base"]


@pytest.mark.parametrize(("limit", "order", "code"), [(0.05, 1, 0), (0.05, -1, 1), (0.6, -1, 0)])
def test_the_gate_is_told_by_the_exit_code(
    laboratory: Laboratory, options: ExecutionOptions, limit: float, order: int, code: int
) -> None:
    result = rotation.run(pair()[::order], rules(limit=limit), options)
    assert gate.exit_code_of_rotation(result.rotation, strict=False) == code


# Users and load


def test_the_fewest_users_that_saturate_are_found_and_taken(laboratory: Laboratory, options: ExecutionOptions) -> None:
    result = rotation.run(pair(), rules(users=None), options)
    assert result.rotation.users == 4  # one user alone reaches a quarter of what a member here can
    assert result.rotation.users_reason.startswith("the fewest with which each serves 98%")
    record = codec.read_run(result.folder).record
    assert isinstance(record, RotationRecord)
    assert {cell.label for cell in record.cells} == set(result.rotation.members)
    assert [cell.load.users for cell in record.cells] == [4, 4]
    assert {restart.users for restart in result.restarts} == {4}


def test_users_that_are_asked_for_are_taken(laboratory: Laboratory, options: ExecutionOptions) -> None:
    result = rotation.run(pair(), rules(users=6), options)
    assert (result.rotation.users, result.rotation.users_reason) == (6, "as asked for")
    assert laboratory.measured == [laboratory.measured[0]] * simultaneous.LEAST_RESTARTS


def test_under_open_load_the_rate_is_kept_and_only_cost_differs(
    laboratory: Laboratory, options: ExecutionOptions
) -> None:
    result = rotation.run(pair(rate=200.0), rules(users=None), options)
    assert result.rotation.users is None
    assert result.rotation.users_reason == "200 requests per second, as a Poisson process"
    assert of(result.rotation, "throughput_rps").ratio.estimate == pytest.approx(1.0, rel=0.02)
    assert of(result.rotation, "cpu_us_per_request").verdict == "faster"
    assert all("/r200" in member for member in result.rotation.members)
    least = min(min(moments[-1] for moments in restart.slots.read_s) for restart in result.restarts)
    assert least >= 0.2  # as long as service times ask for, of 1 ms here


@pytest.mark.parametrize("other", [{"users": 5}, {"rate": 5.0}])
def test_cells_under_different_loads_are_refused_before_anything_is_started(
    laboratory: Laboratory, options: ExecutionOptions, other: dict[str, Any]
) -> None:
    with pytest.raises(UsageError, match="different loads"):
        rotation.run((chosen(users=4), chosen("granian", **other)), rules(), options)
    assert laboratory.history == []


def test_one_cell_compares_with_nothing(laboratory: Laboratory, options: ExecutionOptions) -> None:
    with pytest.raises(UsageError, match="one cell alone"):
        rotation.run([chosen()], rules(), options)


def test_a_cell_may_be_compared_with_itself_and_with_several(laboratory: Laboratory, options: ExecutionOptions) -> None:
    result = rotation.run((chosen(), chosen(), chosen("granian")), rules(), options)
    assert result.rotation.members[:2] == [f"{chosen(users=8).label} (1)", f"{chosen(users=8).label} (2)"]
    throughput = [each for each in result.rotation.contrasts if each.metric == "throughput_rps"]
    assert [each.verdict for each in throughput] == ["equivalent", "faster", "faster"]


def test_slots_of_several_lengths_alternate_within_a_restart(laboratory: Laboratory, options: ExecutionOptions) -> None:
    short, long = 0.085, 0.3
    lengths = (short, short, long)
    slots = rotation.run(pair(), rules(least_slot_seconds=lengths), options).restarts[0].slots
    counted = [(number, kind) for number, kind in zip(slots.round, slots.kind, strict=True) if number]
    assert dict(counted) == {number: int(lengths[(number - 1) % 3] == long) for number, _ in counted}
    assert min(slots.read_s[place][-1] for place in slots.counted(1)) >= long
    assert max(slots.read_s[place][-1] for place in slots.counted(0)) < long


# What is stored


def test_each_restart_is_stored_at_once_and_read_back_as_it_was(
    laboratory: Laboratory, options: ExecutionOptions
) -> None:
    files: list[int] = []

    def look(event: object) -> None:
        if isinstance(event, RestartFinished):
            files.append(len(codec.read_run(only_run(options)).restarts))

    result: RotationResult = rotation.run(pair(), rules(), options, look)
    assert files == [1, 2, 3, 4, 5, 6]
    run = codec.read_run(result.folder)
    assert (run.restarts, run.rotation) == (result.restarts, result.rotation)
    assert len({restart.seed for restart in run.restarts}) == 6


@pytest.mark.parametrize("done", [0, 1, 3])
def test_an_interruption_stores_the_answer_so_far(laboratory: Laboratory, options: ExecutionOptions, done: int) -> None:
    laboratory.rotation.outcomes = [*["valid"] * done, signals.Ended()]
    with pytest.raises(signals.Ended):
        rotation.run(pair(), rules(), options)
    if not done:
        assert list(options.out.iterdir()) == []
        return
    run = codec.read_run(only_run(options))
    assert len(run.restarts) == stored(only_run(options)).restarts == done


@pytest.fixture
def heard() -> Iterator[None]:
    """Signals are answered as on the command line, inside the test only."""
    before = {number: signal.getsignal(number) for number in signals.ENDING}
    signals.install()
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("heard")
def test_an_interruption_while_a_restart_is_stored_loses_nothing(
    laboratory: Laboratory, options: ExecutionOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.store.folder import RunFolder

    write = RunFolder.write_restart

    def interrupted(self: RunFolder, restart: Any) -> None:
        if restart.number == 2:
            signal.raise_signal(signal.SIGTERM)
        write(self, restart)

    monkeypatch.setattr(RunFolder, "write_restart", interrupted)
    with pytest.raises(signals.Ended):
        rotation.run(pair(), rules(), options)
    run = codec.read_run(only_run(options))
    assert len(run.restarts) == 2
    assert stored(only_run(options)).restarts == 2


def test_the_secrets_of_both_cells_are_in_no_file(laboratory: Laboratory, options: ExecutionOptions) -> None:
    laboratory.rotation.outcomes = ["wrong"]
    laboratory.rotation.answer = f"{SECRET} and {SECRET}-of-head"
    result = rotation.run(sides(expect=Expectation(min_bytes=1000)), rules(), options)
    assert files_with(result.folder, "*** and ***")
    assert files_with(options.out, SECRET) == []


def test_what_is_returned_holds_no_secret_either(laboratory: Laboratory, options: ExecutionOptions) -> None:
    laboratory.rotation.outcomes = ["wrong"]
    laboratory.rotation.answer = SECRET
    result = rotation.run(sides(expect=Expectation(min_bytes=1000)), rules(), options)
    assert SECRET not in result.rotation.model_dump_json()
    assert SECRET not in report.text(result.rotation, result.folder)


def test_commands_of_both_are_run_once_around_and_once_before_each_restart(
    laboratory: Laboratory, options: ExecutionOptions
) -> None:
    rotation.run(sides(), rules(), options)
    commands = [each for each in laboratory.history if "/" not in each]
    resets = ["reset base", "reset head"] * simultaneous.LEAST_RESTARTS
    assert commands == ["up base", "up head", *resets, "down head", "down base"]


def test_a_command_that_both_have_is_run_once(laboratory: Laboratory, options: ExecutionOptions) -> None:
    made = application(setup="up", teardown="down", before="reset")
    cells = [resolve_cell(CellSpec(server=server, application=made)) for server in ("uvicorn", "granian")]
    rotation.run(cells, rules(), options)
    commands = [each for each in laboratory.history if "/" not in each]
    assert commands == ["up", *["reset"] * simultaneous.LEAST_RESTARTS, "down"]
