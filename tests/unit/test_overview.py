"""From what was measured to what a run says: what counts, pooled quantiles, reasons; and how it is printed."""

from __future__ import annotations

import dataclasses
import io
import re
from collections.abc import Sequence

import pytest
from rich.console import Console

from harness.analysis.overview import Question, Visit, overview
from harness.model.evaluation import Reason
from harness.model.measurement import Measurement, Waits
from harness.model.overview import CellOverview, Overview
from harness.report import text as report
from tests.conftest import changed


@pytest.fixture
def visit(facts: Measurement) -> object:
    """A cell in a restart, with a throughput; of another server or style, valid or not."""

    def made(
        restart: int,
        rps: float,
        *,
        server: str = "granian",
        style: str = "async",
        repeat: bool = False,
        stolen: float = 0.0,
        workload: str = "noop",
    ) -> Visit:
        cell = changed(facts.cell, server=server, style=style, workload=workload, params={})
        found = facts.model_copy(
            update={
                "cell": cell,
                "requests": round(rps * facts.window_seconds),
                "waits": None,
                "machine": facts.machine.model_copy(update={"stolen_cores": stolen}),
            }
        )
        return Visit(cell=cell, restart=restart, repeat=repeat, facts=found, failure=None)

    return made


def said(visits: Sequence[Visit], **changes: object) -> Overview:
    settings: dict[str, object] = {"seconds": 60.0}
    return overview(visits, Question(), **(settings | changes))  # type: ignore[arg-type]


def cell(found: Overview, place: int = 0) -> CellOverview:
    return found.cells[place]


def text(found: Overview, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False)
    with console.capture() as captured:
        for part in report.parts(found, None, width):
            console.print(part)
    return captured.get()


NOISE = (1.0, 1.01, 0.99, 1.0, 1.01, 0.99, 1.0, 1.0)


def test_figures_are_of_valid_restarts_only(visit: object) -> None:
    assert callable(visit)
    found = said([visit(1, 100.0), visit(2, 100.0), visit(3, 900.0, stolen=2.0)])
    assert (cell(found).valid, cell(found).invalid, cell(found).failed) == (2, 1, 0)
    assert cell(found).throughput is not None
    assert cell(found).throughput.estimate == pytest.approx(100)
    assert cell(found).requests == 2000
    assert cell(found).unproven_rps is None
    assert "others took" in cell(found).reasons[0].reason


def test_the_ceiling_of_a_cell_is_the_highest_of_its_restarts(visit: object) -> None:
    """Connections are spread over workers by chance, and what a start allows follows from that: a mean over all of them
    may lie above what the last one allowed."""
    assert callable(visit)
    visits = []
    for restart, wait in enumerate((0.1, 0.05, 0.1), 1):
        each = visit(restart, 10.0)
        waits = Waits(total_seconds=wait, occupied_seconds=0.0, slot="event loop")
        visits.append(dataclasses.replace(each, facts=each.facts.model_copy(update={"waits": waits})))
    users = visits[0].cell.load.users
    ceiling = cell(said(visits)).ceiling
    assert ceiling is not None
    assert ceiling.rps == pytest.approx(users / 0.05)


def test_a_cell_without_a_valid_restart_shows_its_last_figure_apart(visit: object) -> None:
    assert callable(visit)
    found = said([visit(1, 800.0, stolen=2.0), visit(2, 900.0, stolen=2.0)])
    assert (cell(found).verdict, cell(found).throughput, cell(found).unproven_rps) == ("invalid", None, 900.0)
    assert "900 !" in text(found)
    assert found.comparison.contrasts == []


def test_a_server_that_did_not_come_up_is_failed(visit: object) -> None:
    assert callable(visit)
    good = visit(1, 100.0)
    failure = Reason(gate="start", message="it ended while starting", value=None, limit=None)
    bad = Visit(cell=good.cell, restart=1, repeat=False, facts=None, failure=failure)
    found = said([bad])
    assert (cell(found).verdict, cell(found).failed, cell(found).unproven_rps) == ("failed", 1, None)
    assert "1 failed of 1 restart: it ended while starting" in text(found)


def test_the_second_of_a_cell_that_is_there_twice_stands_in_where_the_first_is_not_valid(visit: object) -> None:
    assert callable(visit)
    found = said(
        [visit(1, 500.0, stolen=2.0), visit(1, 100.0, repeat=True), visit(2, 100.0), visit(2, 900.0, repeat=True)]
    )
    assert cell(found).throughput is not None
    assert (cell(found).throughput.estimate, cell(found).throughput.n) == (pytest.approx(100), 2)


def test_figures_of_different_sets_are_in_the_ratio_in_which_the_cells_are_known_to_be(visit: object) -> None:
    """The machine was half as fast again while the second set was up."""
    assert callable(visit)
    made = []
    for restart, noise in enumerate(NOISE, start=1):
        for number, (shared, own, server) in enumerate([(800, 1600, "a"), (1200, 1200, "b")]):
            place = restart + number * len(NOISE)
            for rate, name in ((shared, "granian"), (own, server)):
                made.append(dataclasses.replace(visit(place, rate * noise, server=name), set=number + 1))
    made.sort(key=lambda each: "gab".index(each.cell.variant.server[0]))
    found = said(made, sets=2)
    granian, a, b = (each.throughput.estimate for each in found.cells if each.throughput is not None)
    assert (a / granian, b / granian) == (pytest.approx(2.0), pytest.approx(1.0))
    (known,) = [
        each.ratio.estimate
        for each in found.comparison.contrasts
        if (each.a.option, each.b.option, each.metric) == ("a", "b", "throughput_rps")
    ]
    assert b / a == pytest.approx(known)
    first, second = found.cells[1].figures["p50_ms"].value, found.cells[2].figures["p50_ms"].value
    assert first is not None
    assert second is not None
    assert second / first == pytest.approx(1.5)  # it took as long in hours in which the machine was faster
    assert found.notes[-1] == "figures are for the machine's mean speed; sets met it at -18% to +22%"
    assert said([each for each in made if each.set == 1]).notes == []


def test_quantiles_of_a_slow_restart_count_as_much_as_those_of_a_fast_one(visit: object) -> None:
    assert callable(visit)
    fast, slow = visit(1, 9900.0), visit(2, 90.0)
    grids = ([(0.0, 1.0), (100.0, 1.0)], [(0.0, 9.0), (100.0, 9.0)])
    pair = [
        Visit(
            cell=each.cell,
            restart=each.restart,
            repeat=False,
            facts=each.facts.model_copy(update={"grid": grid}),
            failure=None,
        )
        for each, grid in zip((fast, slow), grids, strict=True)
    ]
    figures = cell(said(pair)).figures
    assert (figures["p50_ms"].value, figures["p99_ms"].value) == (1.0, 9.0)  # by requests, p99 were 1.0


@pytest.mark.parametrize(("moments", "told"), [(1, False), (2, True), (None, True)])
def test_a_p99_that_rests_on_few_stalls_is_not_told(visit: object, moments: int | None, told: bool) -> None:
    """Hundreds of requests lie beyond it, and all of them waited for the same few stalls."""
    assert callable(visit)
    made = []
    for restart in range(1, 9):
        each = visit(restart, 5000.0)
        latency = each.facts.latency_ms.model_copy(update={"tail_moments": moments})
        facts = each.facts.model_copy(update={"latency_ms": latency})
        made.append(Visit(cell=each.cell, restart=restart, repeat=False, facts=facts, failure=None))
    figures = cell(said(made)).figures
    assert (figures["p99_ms"].value is not None) == told
    assert (figures["p99_ms"].interval is not None) == told
    assert figures["p50_ms"].value is not None


def test_a_quantile_lies_inside_of_its_own_interval(visit: object, facts: Measurement) -> None:
    """One restart has nearly all of the samples, so that the pooled quantile is far from the others' own."""
    assert callable(visit)
    made = []
    for restart in range(1, 9):
        each = visit(restart, 100.0 if restart < 8 else 5000.0)
        level = 10.0 + 0.1 * restart if restart < 8 else 30.0
        measured = each.facts.model_copy(
            update={
                "grid": [(0.0, level), (100.0, level)],
                "latency_ms": each.facts.latency_ms.model_copy(update={"p99": level, "p50": level}),
            }
        )
        made.append(Visit(cell=each.cell, restart=restart, repeat=False, facts=measured, failure=None))
    figure = cell(said(made)).figures["p99_ms"]
    assert figure.value == 30.0
    assert figure.interval is not None
    assert figure.interval.low is not None
    assert figure.interval.high is not None
    assert figure.interval.low < figure.value < figure.interval.high


def test_latencies_of_a_queue_that_was_still_filling_are_left_out(visit: object) -> None:
    made = [
        visit(restart, rps, server=server)  # type: ignore[operator]
        for restart in range(1, 9)
        for server, rps in (("granian", 1000.0), ("uvicorn", 5.0))
    ]
    found = said(made)
    quick, slow = found.cells
    assert quick.figures["p50_ms"].value is not None
    assert slow.throughput is not None
    for name in ("p50_ms", "p99_ms"):
        assert (slow.figures[name].value, slow.figures[name].interval) == (None, None)
    assert (quick.filling, slow.filling) == (0, 8)
    compared = {each.metric for each in found.comparison.contrasts}
    assert "throughput_rps" in compared
    assert not compared & {"p50_ms", "p99_ms"}


def test_the_best_of_each_column_is_marked_and_ties_with_it(visit: object) -> None:
    assert callable(visit)
    rates = {"granian": 1000.0, "uvicorn": 1000.0, "hypercorn": 500.0}
    visits = [
        visit(restart, rate * noise, server=server)
        for server, rate in rates.items()
        for restart, noise in enumerate(NOISE, 1)
    ]
    shown = text(said(visits))
    table = shown.partition("Comparisons")[0].rpartition("requests/s   ")[2]
    lines = {line.split()[0]: line for line in table.splitlines() if re.match(r"  \w", line)}
    assert re.search(r"\*\s+█{30}$", lines["granian"].rstrip())
    assert re.search(r"\*\s+█{30}$", lines["uvicorn"].rstrip())
    assert re.search(r"[^*]\s+█{15}$", lines["hypercorn"].rstrip())
    assert "granian and uvicorn are within noise of each other; hypercorn is 50% slower (95% CI -5" in " ".join(
        shown.split()
    )
    assert "best: granian (within noise: uvicorn); behind: hypercorn" in shown
    assert re.search(r"hypercorn against granian: -50% \(95% CI -5\d% to -[45]\d%\), slower", shown)


@pytest.mark.parametrize("width", [60, 80, 100])
def test_wide_tables_are_broken_into_several_that_fit(visit: object, width: int, facts: Measurement) -> None:
    assert callable(visit)
    styles = ("async", "sync", "blocking", "offloaded", "wrapped")
    found = said(
        [
            _workers(visit(1, 100.0 * workers, style=style, server=server), workers)
            for server in ("granian", "uvicorn")
            for style in styles
            for workers in (1, 2, 4)
        ]
    )
    lines = text(found, width).splitlines()
    assert max(map(len, lines)) <= width
    headers = [line for line in lines if line.startswith("requests/s")]
    assert len(headers) > 1
    assert len(re.findall(r"w\d", " ".join(headers))) == 15


def _workers(visit: Visit, workers: int) -> Visit:
    assert visit.facts is not None
    cell = changed(visit.cell, workers=workers)
    facts = visit.facts.model_copy(update={"cell": cell})
    return Visit(cell=cell, restart=visit.restart, repeat=False, facts=facts, failure=None)


def test_an_interval_is_shown_by_its_half_width() -> None:
    from harness.model.comparison import Interval

    assert Interval(estimate=1.0, low=0.8, high=1.25, n=8).half_width == pytest.approx(0.25)
    assert Interval(estimate=1.0, low=None, high=None, n=1).half_width is None
    assert Interval(estimate=2.0, low=2.0, high=2.0, n=8).half_width == 0.0
