"""Recommending: planted truths are found within the time, what is clearly worse leaves, everything is stored and shown.

Servers, generator, meters and clock are those of `tests/fakes.py`; restarts, slots and figures are the real ones.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from harness.analysis.recommendation import recommend
from harness.config.cells import CellSpec
from harness.errors import LackError, UsageError
from harness.experiments import recommend as experiment
from harness.experiments.recommend import RecommendOptions
from harness.experiments.session import ExecutionOptions
from harness.host import signals
from harness.model.recommendation import Configuration, Recommendation
from harness.model.record import RecommendationRecord, StoredRun
from harness.model.variant import Variant
from harness.report import recommendation as words
from harness.report import render
from harness.store import codec
from tests.conftest import ROOT
from tests.fakes import Laboratory

SERVERS = ("uvicorn", "granian", "gunicorn", "hypercorn")
TEMPLATE = CellSpec(server="", workload="cpu")


@pytest.fixture
def options(tmp_path: Path) -> ExecutionOptions:
    return ExecutionOptions(out=tmp_path / "results")


def searched(
    options: ExecutionOptions, servers: tuple[str, ...] = SERVERS, rules: RecommendOptions | None = None
) -> tuple[Recommendation, StoredRun]:
    folder = experiment.run(TEMPLATE, servers, rules or RecommendOptions(users=16), options)
    run = codec.read_run(folder)
    return recommend(run), run


def best(answer: Recommendation) -> Configuration:
    assert answer.best is not None
    return answer.best.configuration


def stages(answer: Recommendation) -> list[str]:
    return [stage.name for stage in answer.stages]


def test_a_server_that_is_faster_is_recommended_and_the_others_leave_early(
    laboratory: Laboratory, options: ExecutionOptions
) -> None:
    answer, run = searched(options)
    assert (best(answer).server, best(answer).workers) == ("granian", 1)
    servers = answer.stages[0]
    assert [each.configuration.server for each in servers.tried] == ["granian", "uvicorn", "gunicorn", "hypercorn"]
    assert [each.standing for each in servers.tried] == ["best", "worse", "worse", "worse"]
    assert answer.equals == []
    assert answer.confidence == "high"
    assert servers.restarts < 6
    assert answer.seconds < 600
    assert isinstance(run.record, RecommendationRecord)
    assert run.record.finished


@pytest.mark.parametrize("slowed", SERVERS)
def test_a_server_that_is_slowed_by_a_fifth_is_never_recommended(
    laboratory: Laboratory, options: ExecutionOptions, slowed: str
) -> None:
    laboratory.rotation.noise = 0.02
    laboratory.rotation.rates = {server: 800.0 if server == slowed else 1000.0 for server in SERVERS}
    answer, _ = searched(options)
    assert best(answer).server != slowed
    assert slowed not in [each.server for each in answer.equals]
    by_server = {each.configuration.server: each for each in answer.stages[0].tried}
    assert by_server[slowed].standing == "worse"
    ratio = by_server[slowed].ratio
    assert ratio is not None
    assert ratio.estimate == pytest.approx(0.8, rel=0.03)


def test_where_nothing_matters_it_says_so(laboratory: Laboratory, options: ExecutionOptions) -> None:
    laboratory.rotation.rates = dict.fromkeys(SERVERS, 1000.0)
    answer, _ = searched(options)
    assert {best(answer).server, *(each.server for each in answer.equals)} == set(SERVERS)
    assert answer.confidence == "high"
    first, second, _ = words.answers(answer)
    assert first.startswith(f"Use {best(answer).server} with 1 worker")
    assert second.startswith("The server does not matter here")
    assert "Take what you know" in second


@pytest.mark.parametrize("law", [1, 2, 4, 8])
def test_the_worker_count_that_a_law_knows_is_found(
    laboratory: Laboratory, options: ExecutionOptions, law: int
) -> None:
    def serves(variant: Variant) -> float:
        return 100.0 * min(variant.workers, law) * (1.2 if variant.server == "uvicorn" else 1.0)

    laboratory.rotation.law = serves
    answer, _ = searched(options, ("uvicorn", "granian"))
    assert (best(answer).server, best(answer).workers) == ("uvicorn", law)
    assert "workers" in stages(answer)
    assert answer.seconds < 600
    assert answer.production is not None
    assert f"--workers {law}" in answer.production.command
    tried = {(each.configuration.server, each.configuration.workers) for stage in answer.stages for each in stage.tried}
    assert ("uvicorn", law) in tried


def test_servers_that_could_be_as_good_meet_again_with_the_workers_that_were_found(
    laboratory: Laboratory, options: ExecutionOptions
) -> None:
    """One of two that are alike with one worker does not profit from more."""

    def serves(variant: Variant) -> float:
        return 100.0 * (min(variant.workers, 4) if variant.server == "granian" else min(variant.workers, 4) ** 0.5)

    laboratory.rotation.law = serves
    answer, _ = searched(options, ("uvicorn", "granian"))
    assert "finalists" in stages(answer)
    assert best(answer) == Configuration(server="granian", workers=4, threads=40)


def test_nothing_is_recommended_that_was_not_measured(laboratory: Laboratory, options: ExecutionOptions) -> None:
    answer, run = searched(options)
    assert answer.best is not None
    assert any(visit.cell.label == answer.best.cell for visit in run.visits)
    assert answer.best.throughput is not None
    assert answer.best.throughput.estimate == pytest.approx(1500, rel=0.03)


def test_what_was_tried_is_told_with_its_load(laboratory: Laboratory, options: ExecutionOptions) -> None:
    answer, _ = searched(options)
    asked = words.question(answer)
    assert asked == "granian, uvicorn, gunicorn, hypercorn; 1, 2 and 4 workers; 40 threads; 16 connections"


def test_latency_is_told_below_saturation(laboratory: Laboratory, options: ExecutionOptions) -> None:
    answer, _ = searched(options)
    assert answer.latency is not None
    assert answer.latency.rate == pytest.approx(0.7 * 1500, rel=0.05)
    slow = answer.model_copy(update={"latency": answer.latency.model_copy(update={"p50_ms": 2.04, "p99_ms": 1415.2})})
    assert "; half of the requests within 2.0 ms, 99% within 1,415 ms at 1,100 requests/s" in words.answers(slow)[0]


def test_no_restart_begins_that_would_end_after_the_time(laboratory: Laboratory, options: ExecutionOptions) -> None:
    laboratory.rotation.noise = 0.3
    began = laboratory.clock.now
    answer, _ = searched(options, rules=RecommendOptions(users=16, most_seconds=120.0))
    assert laboratory.clock.now - began <= 125
    assert answer.best is not None
    assert answer.confidence != "high"
    assert answer.doubts


def test_a_server_that_does_not_come_up_is_left_behind(laboratory: Laboratory, options: ExecutionOptions) -> None:
    laboratory.rotation.broken = {"granian"}
    answer, _ = searched(options)
    assert best(answer).server == "uvicorn"
    failed = next(each for each in answer.stages[0].tried if each.configuration.server == "granian")
    assert failed.standing == "failed"
    assert failed.reason is not None
    assert "granian ended while starting" in failed.reason
    assert "granian failed" in words.answers(answer)[1]


def test_where_every_server_fails_nothing_is_recommended(laboratory: Laboratory, options: ExecutionOptions) -> None:
    laboratory.rotation.broken = set(SERVERS)
    answer, _ = searched(options)
    assert answer.best is None
    assert words.exit_code(answer) == 4
    assert any("ended while starting" in doubt for doubt in answer.doubts)


def test_where_others_disturb_every_restart_nothing_is_recommended(
    laboratory: Laboratory, options: ExecutionOptions
) -> None:
    laboratory.rotation.outcomes = ["disturbed"] * 100
    answer, run = searched(options, rules=RecommendOptions(users=16, most_seconds=240.0))
    assert answer.best is None
    assert words.exit_code(answer) == 3
    assert any("other guests" in doubt for doubt in answer.doubts)
    assert len(run.restarts) < 30


def test_an_interrupted_search_says_what_it_knows(laboratory: Laboratory, options: ExecutionOptions) -> None:
    laboratory.rotation.outcomes = ["valid", "valid", "valid", signals.Ended()]
    with pytest.raises(signals.Ended):
        searched(options)
    (folder,) = [path for path in options.out.iterdir() if not path.name.startswith(".")]
    answer = recommend(codec.read_run(folder))
    assert not answer.finished
    assert best(answer).server == "granian"


def test_servers_that_cannot_serve_or_are_not_installed_are_left_out_with_the_reason(
    laboratory: Laboratory, options: ExecutionOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = experiment.preflight.check_environments

    def without_granian(cells: list[experiment.ResolvedCell], options: ExecutionOptions) -> object:
        if cells[0].cell.variant.server == "granian":
            raise LackError("granian is not installed", cure="install with: pip install granian")
        return real(cells, options)

    monkeypatch.setattr(experiment.preflight, "check_environments", without_granian)
    folder = experiment.run(TEMPLATE, SERVERS[:2], RecommendOptions(users=16), options)
    answer = recommend(codec.read_run(folder))
    assert answer.left_out == [("granian", "granian is not installed; install with: pip install granian")]
    with pytest.raises(LackError, match="granian is not installed"):
        experiment.run(TEMPLATE, ("granian",), RecommendOptions(), options)
    with pytest.raises(UsageError, match="unknown server"):
        experiment.run(TEMPLATE, ("nginx",), RecommendOptions(), options)


@pytest.mark.parametrize("form", ["text", "markdown", "html", "json"])
def test_a_stored_recommendation_is_shown_in_every_form(
    laboratory: Laboratory, options: ExecutionOptions, form: str
) -> None:
    answer, run = searched(options)
    shown = render.text(run, form)
    assert answer.production is not None
    if form == "json":
        document = json.loads(shown)
        assert document["kind"] == "recommendation"
        assert Recommendation.model_validate(document) == answer
    else:
        assert "Use granian with 1 worker" in shown
        assert answer.production.command in " ".join(shown.replace("\\\n", "").split())
        assert "confidence" in shown


@pytest.mark.parametrize(("switches", "told"), [(3.4, True), (0.1, False)])
def test_a_server_that_may_rank_otherwise_under_another_generator_is_told(switches: float, told: bool) -> None:
    run = codec.read_run(ROOT / "results" / "reference" / "recommend")
    restarts = [
        restart.model_copy(
            update={
                "members": [
                    member.model_copy(update={"switches_per_request": switches if "granian" in cell else 0.05})
                    for cell, member in zip(restart.cells, restart.members, strict=True)
                ]
            }
        )
        for restart in run.restarts
    ]
    changes = recommend(dataclasses.replace(run, restarts=restarts)).changes
    assert any(each.startswith("another load generator: granian switches threads") for each in changes) == told
