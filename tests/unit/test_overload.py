"""What is said of an overload, of servers that drain, refuse or collapse."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from harness.analysis import overload as analysis
from harness.cli.main import _guarded, app
from harness.config.cells import CellSpec, resolve_cell
from harness.errors import UsageError
from harness.experiments import overload as experiment
from harness.experiments.overload import OverloadOptions
from harness.experiments.session import ExecutionOptions
from harness.load.arrivals import phases_ms
from harness.measure import Job, Measured
from harness.model.events import Emit
from harness.model.measurement import Arrivals, Failures, Measurement, Slice
from harness.model.overload import OverloadPlan
from harness.report import overload as text
from harness.report import render
from harness.store import codec
from tests.fakes import Laboratory

CAPACITY = 100.0


class Server:
    """One loop that serves CAPACITY requests per second; what finds `most` waiting is refused with 503."""

    def __init__(
        self,
        template: Measurement,
        *,
        most: float = math.inf,
        recovers: bool = True,
        pace: Callable[[float], float] = lambda _: 1.0,
    ) -> None:
        self._template, self.most, self.recovers, self.pace = template, most, recovers, pace

    def measure(self, job: Job, emit: Emit) -> Measured:
        """In place of `harness.measure.measure`."""
        changes: dict[str, object] = {
            "cell": job.spec.cell,
            "placement": job.placement,
            "requests": round(CAPACITY * job.timing.window_seconds),
            "window_seconds": job.timing.window_seconds,
            "generator": self._template.generator.model_copy(update={"users": job.users, "answers": None}),
            "waits": None,
            "evidence": None,
        }
        assert (job.spec.cell.load.rate is None) == (job.offered is None), "what is sent is by the load of the cell"
        if job.offered is not None:
            changes |= self._served(job)
        return Measured(facts=self._template.model_copy(update=changes), log_tail="")

    def _served(self, job: Job) -> dict[str, object]:
        assert job.offered is not None
        judging, lead, free = job.offered.judging, job.timing.warmup_seconds, -math.inf
        due = [0] * judging.slices
        latencies: list[list[float]] = [[] for _ in due]
        finished, refused = [0] * math.ceil(job.timing.window_seconds), 0
        for moment in job.offered.due_ms:
            arrived = moment / 1000 - lead
            piece = math.floor(arrived / judging.slice_seconds)
            inside = 0 <= piece < judging.slices
            if inside:
                due[piece] += 1
            if max(0.0, free - arrived) * CAPACITY >= self.most:
                refused += inside
                continue
            begun = max(free, arrived)
            free = begun + 1 / CAPACITY / self.pace(begun)
            if not self.recovers and arrived > 20:
                free += 1 / CAPACITY
            if inside:
                latencies[piece].append((free - arrived) * 1000)
            if 0 <= free < len(finished):
                finished[int(free)] += 1
        return {
            "arrivals": Arrivals(
                slice_seconds=judging.slice_seconds,
                limits_ms=[],
                due=due,
                right=[len(each) for each in latencies],
                late=[],
                p50_ms=[sorted(each)[len(each) // 2] if each else None for each in latencies],
            ),
            "failures_by_kind": Failures(timeout=0, connection=0, status=refused, by_status={503: refused}),
            "slices": [
                Slice(t=place + 1.0, seconds=1.0, requests=count, cpu_seconds=0.5, lag_ms=None, rss_bytes=1)
                for place, count in enumerate(finished)
            ],
        }


def overloaded(
    server: Server, monkeypatch: pytest.MonkeyPatch, folder: Path, rules: OverloadOptions | None = None
) -> experiment.OverloadResult:
    monkeypatch.setattr(experiment, "measure", server.measure)
    monkeypatch.setattr("harness.host.limits.check_capacity", lambda users: None)
    cell = resolve_cell(CellSpec(server="uvicorn", workload="noop"))
    return experiment.run(cell, rules or OverloadOptions(starts=2), ExecutionOptions(out=folder))


def test_the_law_of_the_drain() -> None:
    plan = OverloadPlan(base=0.5, burst=1.5, base_seconds=10, burst_seconds=10, capacity_rps=100, given=True)
    assert plan.law_seconds == pytest.approx(10.0)
    assert plan.window_seconds == pytest.approx(10 + 10 + 25)


def test_arrivals_follow_the_rates_of_their_phases() -> None:
    moments = phases_ms([(100, 50), (300, 50), (50, 50)], seed=1, at_once=7)
    assert moments[:7] == [0.0] * 7
    counts = [sum(low <= moment < low + 50_000 for moment in moments[7:]) for low in (0, 50_000, 100_000)]
    assert counts == [pytest.approx(rate * 50, rel=0.06) for rate in (100, 300, 50)]
    assert moments == sorted(moments)
    assert moments != phases_ms([(100, 50), (300, 50), (50, 50)], seed=2, at_once=7)


def test_a_server_that_refuses_nothing_recovers_as_the_law_says(
    facts: Measurement, laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    result = overloaded(Server(facts), monkeypatch, tmp_path)
    for start in result.overload.starts:
        assert start.ratio == pytest.approx(1.0, abs=0.12)
        assert start.served_share == pytest.approx(1.0, abs=0.03)
        assert start.refused == {}
    told = text.text(result.overload, result.folder)
    words = " ".join(told.split())
    assert "serves 100% of its capacity, and refuses nothing to speak of" in words
    assert "what its queue takes to drain" in words
    assert max(map(len, told.splitlines())) <= 100
    assert text.exit_code(result.overload) == 0
    stored = codec.read_run(result.folder)
    assert analysis.overload_of(stored) == result.overload
    for form in ("text", "markdown", "html", "json"):
        assert "100%" in render.text(stored, form) or form == "json"
    (chart,) = render.charts_of(stored)
    assert chart.name == "recovery"
    assert {row["start"] for row in chart.rows} == {"start 1", "start 2"}  # as the table calls them


def test_a_server_that_refuses_recovers_at_once_and_says_with_what(
    facts: Measurement, laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    result = overloaded(Server(facts, most=10), monkeypatch, tmp_path)
    for start in result.overload.starts:
        assert start.refused_share == pytest.approx(1 / 3, abs=0.06)
        assert set(start.refused) == {"503"}
        assert start.recovery_seconds is not None
        assert start.recovery_seconds < 1.5
    told = " ".join(text.text(result.overload, None).split())
    assert "of the requests (" in told
    assert "503)" in told


@pytest.mark.parametrize("pace", [0.95, 1.05])
def test_a_machine_that_is_slower_or_faster_for_a_while_is_no_fault_of_the_server(
    pace: float, facts: Measurement, laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A twentieth of the capacity is a tenth of what a burst leaves over."""
    server = Server(facts, pace=lambda moment: pace if moment > 10 else 1.0)
    for start in overloaded(server, monkeypatch, tmp_path).overload.starts:
        assert start.served_share == pytest.approx(pace, abs=0.02)
        assert start.recovery_seconds is not None
        drain = start.recovery_seconds / (10 * (1.5 - pace) / (pace - 0.5))
        assert drain == pytest.approx(1.0, abs=0.12), "what it took is told as it was"
        # Beyond what it has shown that it can do only the part counts that it lost while it drained.
        assert start.ratio == pytest.approx(max(1.0, 0.5 / (pace - 0.5)), abs=0.08)


def test_one_stall_of_the_machine_is_neither_a_relapse_nor_what_was_usual_before() -> None:
    def recovered(p50_ms: Sequence[float]) -> float | None:
        every = [25] * len(p50_ms)
        arrivals = Arrivals(slice_seconds=0.25, limits_ms=[], due=every, right=every, late=[], p50_ms=list(p50_ms))
        return analysis.recovery(arrivals, 20, 40)

    base, burst = [20.0] * 20, [500.0] * 20
    drained = [400.0, 300.0, 200.0, 100.0]
    assert recovered(base + burst + drained + [20.0] * 20) == 1.0
    assert recovered(base + burst + drained + [20.0] * 3 + [180.0] + [20.0] * 16) == 1.0
    assert recovered(base[:-1] + [180.0] + burst + drained + [20.0] * 20) == 1.0
    assert recovered(base + burst + drained + [20.0, 180.0] * 10) is None, "every other slice is no stall"
    assert recovered(base + burst + drained + [20.0, 180.0, 180.0] + [20.0] * 17) == 1.75


def test_a_server_that_does_not_recover_is_said_to(
    facts: Measurement, laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    result = overloaded(Server(facts, recovers=False), monkeypatch, tmp_path)
    assert [start.recovery_seconds for start in result.overload.starts] == [None, None]
    assert "In 2 of 2 starts it had not recovered 25 s after the burst" in text.text(result.overload, None)


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        (OverloadOptions(base=1.0), "no part of the capacity"),
        (OverloadOptions(burst=1.0), "not beyond the capacity"),
        (OverloadOptions(burst_seconds=1.0), "under 4 s"),
    ],
)
def test_what_is_no_overload_is_refused(rules: OverloadOptions, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        experiment.check(rules)


def test_the_command_line(
    facts: Measurement,
    laboratory: Laboratory,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(experiment, "measure", Server(facts).measure)
    monkeypatch.setattr("harness.host.limits.check_capacity", lambda users: None)
    work = ("--workload", "cpu?n=20")  # as reports write it
    arguments = ["overload", *work, "--starts", "1", "--capacity", "100", "--out", str(tmp_path)]
    monkeypatch.setattr("sys.argv", ["harness", *arguments])
    assert _guarded(app) == 0
    told = capsys.readouterr().out
    assert "as given" in told
    assert "cpu?n=20" in told
