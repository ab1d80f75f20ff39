"""Experiments: what is measured when, stored, repeated and gone on with; the user's commands; secrets."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.config.cells import CellSpec, ResolvedCell, resolve_cell
from harness.errors import LackError, TargetError
from harness.experiments import single
from harness.experiments.session import ExecutionOptions, exclusive, stored
from harness.host import signals
from harness.measure import Measured
from harness.model.load import Timing
from harness.model.measurement import AnswerChecks, Measurement
from harness.model.record import SingleRecord
from harness.store import codec
from tests.fakes import Laboratory, application, files_with

TIMING = Timing(warmup_seconds=1.0, window_seconds=3.0)
SECRET = "tok-123456"
DOWN = TargetError("uvicorn ended while starting", cure="see its log", detail="Traceback\nImportError: no")


@pytest.fixture
def options(tmp_path: Path) -> ExecutionOptions:
    return ExecutionOptions(out=tmp_path / "results")


def chosen(server: str = "uvicorn", **parts: Any) -> ResolvedCell:
    return resolve_cell(CellSpec(server=server, **parts))


def only_run(options: ExecutionOptions) -> Path:
    (folder,) = [path for path in options.out.iterdir() if not path.name.startswith(".")]
    return folder


# One cell


def test_one_measurement_is_stored_as_it_was_made(laboratory: Laboratory, options: ExecutionOptions) -> None:
    result = single.run(chosen(), TIMING, options, laboratory.events.append)
    run = codec.read_run(result.folder)
    assert isinstance(run.record, SingleRecord)
    assert run.visits == [result.record]
    assert [cell.label for cell in run.record.cells] == laboratory.measured == [result.record.cell.label]
    assert (run.record.timing, run.record.generator, run.record.pin) == (TIMING, "k6 1.1.0", "auto")
    assert result.folder == only_run(options)


def test_a_disturbed_measurement_is_made_again_at_a_quieter_moment(
    laboratory: Laboratory, options: ExecutionOptions
) -> None:
    laboratory.deployments.outcomes = ["disturbed", "disturbed"]
    result = single.run(chosen(), TIMING, options, attempts=5)
    label = result.record.cell.label
    assert laboratory.history == [label, "waited", label, "waited", label]
    assert result.record.verdict == "valid"
    visits = codec.read_run(result.folder).visits
    assert [each.verdict for each in visits] == ["invalid", "invalid", "valid"]


def test_attempts_end(laboratory: Laboratory, options: ExecutionOptions) -> None:
    laboratory.deployments.outcomes = ["disturbed"] * 3
    assert single.run(chosen(), TIMING, options, attempts=2).record.verdict == "invalid"
    assert len(laboratory.measured) == 2


@pytest.mark.parametrize("outcome", ["wrong", "failed"])
def test_what_a_quieter_moment_cannot_mend_is_not_made_again(
    laboratory: Laboratory, options: ExecutionOptions, outcome: Any
) -> None:
    laboratory.deployments.outcomes = [outcome]
    single.run(chosen(), TIMING, options, attempts=5)
    assert len(laboratory.measured) == 1


def test_a_server_that_does_not_start_leaves_nothing(laboratory: Laboratory, options: ExecutionOptions) -> None:
    laboratory.deployments.broken = {"uvicorn"}
    with pytest.raises(TargetError, match="ended while starting"):
        single.run(chosen(application=application(setup="up", teardown="down")), TIMING, options)
    assert [each for each in laboratory.history if "/" not in each] == ["up", "down"]
    assert list(options.out.iterdir()) == []


@pytest.fixture
def heard() -> Iterator[None]:
    """Signals are answered as on the command line, inside the test only."""
    before = {number: signal.getsignal(number) for number in signals.ENDING}
    unraisable = sys.unraisablehook
    signals.install()
    yield
    sys.unraisablehook = unraisable
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("heard")
def test_an_interruption_after_the_window_loses_no_measurement(
    laboratory: Laboratory,
    options: ExecutionOptions,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def measure(job: Any, emit: Any) -> Any:
        measured = laboratory.deployments.measure(job, emit)
        signals.defer()  # as the real one does at the end of the window
        signal.raise_signal(signal.SIGTERM)
        return measured

    monkeypatch.setattr(single, "measure", measure)
    with pytest.raises(signals.Ended), caplog.at_level("INFO", "harness"):
        single.run(chosen(), TIMING, options)
    assert f"it is stored in {only_run(options)}" in caplog.text
    assert len(codec.read_run(only_run(options)).visits) == 1


# The user's commands


def versions(*folders: str) -> list[ResolvedCell]:
    """Versions of an application, each with commands of its own."""
    return [
        chosen(application=application(folder=name, setup=f"up {name}", teardown=f"down {name}")) for name in folders
    ]


def commands(laboratory: Laboratory) -> list[str]:
    return [each for each in laboratory.history if "/" not in each]


def test_the_commands_of_several_applications_are_run(laboratory: Laboratory) -> None:
    with exclusive(versions("base", "head")):
        laboratory.history.append("a/measurement")
    assert laboratory.history == ["up base", "up head", "a/measurement", "down head", "down base"]


def test_commands_that_cells_have_in_common_are_run_once(laboratory: Laboratory) -> None:
    shared = application(setup="up", teardown="down")
    cells = [chosen(application=shared), chosen("granian", application=shared)]
    with exclusive(cells):
        pass
    assert commands(laboratory) == ["up", "down"]


def test_what_was_set_up_is_torn_down_although_a_command_fails(laboratory: Laboratory) -> None:
    laboratory.failing = {"up head"}
    with pytest.raises(TargetError, match="up head"), exclusive(versions("base", "head")):
        raise AssertionError("the block must not begin")
    assert commands(laboratory) == ["up base", "up head", "down head", "down base"]


@pytest.mark.parametrize("outcome", [None, DOWN, signals.Ended()])
def test_a_command_at_the_end_that_fails_is_told_and_hides_nothing(
    laboratory: Laboratory, caplog: pytest.LogCaptureFixture, outcome: BaseException | None
) -> None:
    laboratory.failing = {"down head"}
    caught = None
    try:
        with exclusive(versions("base", "head")):
            if outcome is not None:
                raise outcome
    except BaseException as error:
        caught = error
    assert caught is outcome
    assert "down head ended with exit code 1\n  mend it" in caplog.text
    assert commands(laboratory) == ["up base", "up head", "down head", "down base"]


def test_all_are_torn_down_after_a_server_has_failed(laboratory: Laboratory) -> None:
    with (
        pytest.raises(TargetError, match="uvicorn ended while starting"),
        exclusive(versions("base", "head")),
    ):
        raise DOWN
    assert commands(laboratory) == ["up base", "up head", "down head", "down base"]


# Secrets


def test_the_secrets_of_several_applications_are_in_no_file(
    laboratory: Laboratory, options: ExecutionOptions, facts: Measurement
) -> None:
    cells = [
        chosen(application=application(folder="base", secrets=[SECRET])),
        chosen(application=application(folder="head", secrets=[f"{SECRET}-of-head"])),
    ]
    sampled = AnswerChecks(checked=1, wrong=1, unchecked=0, example=f"not {SECRET} and {SECRET}-of-head")
    assert len(cells) == 2
    with stored(options, laboratory.events.append, name="both") as session:
        session.store(Measured(facts=facts.model_copy(update={"sampled": sampled}), log_tail=SECRET))
        folder = session.folder.publish()
    assert files_with(folder, "not *** and ***")
    assert files_with(options.out, SECRET) == []


def test_a_measurement_that_cannot_be_stored_is_kept_without_secrets(
    laboratory: Laboratory, options: ExecutionOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: object, record: object) -> None:
        raise LackError("no space left", cure="make room")

    monkeypatch.setattr("harness.store.folder.RunFolder.write_visit", full)
    laboratory.deployments.echo = SECRET
    with pytest.raises(LackError, match="the measurement is kept in"):
        single.run(chosen(application=application(secrets=[SECRET])), TIMING, options)
    (kept,) = tmp_path.glob("harness-measurement-*.json")
    assert "***" in kept.read_text()
    assert files_with(tmp_path, SECRET) == []


def test_what_is_printed_is_what_is_stored(laboratory: Laboratory, options: ExecutionOptions) -> None:
    laboratory.deployments.echo = SECRET
    result = single.run(chosen(application=application(secrets=[SECRET])), TIMING, options)
    assert "answers were wrong: not ***" in result.record.reasons[0].message
    assert SECRET not in result.record.model_dump_json()
    (path,) = codec.visit_files(result.folder)
    assert codec.document(result.record) == json.loads(path.read_text())


def test_a_folder_s_name_is_never_too_long() -> None:
    cell = chosen(application=application("shop.main:app", folder="käse/" * 100)).cell
    assert len(single.folder_name(cell).encode()) < 220
