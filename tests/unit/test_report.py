"""The report: answers in sentences, charts that can be drawn, and a page that is whole, safe and small."""

from __future__ import annotations

import base64
import dataclasses
import gzip
import hashlib
import html
import json
import math
import random
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars
import pytest

from harness.analysis import review, studies
from harness.analysis.overview import Question, Visit, evaluate_all, overview
from harness.errors import LackError, UsageError
from harness.model.application import BundledApplication
from harness.model.axes import AXES, Axis
from harness.model.comparison import ContrastVerdict, Interval
from harness.model.labels import Names, parse_cell_label
from harness.model.load import ClosedLoad
from harness.model.measurement import Measurement, Waits
from harness.model.metrics import METRICS, Metric
from harness.model.overview import Overview
from harness.model.record import RotationRecord
from harness.model.rotation import Rotation, RotationContrast, SettlingCurve
from harness.model.variant import Cell, Variant
from harness.report import gate, members, render, rotation, summary, tables, terminal, text, view, words
from harness.report.answers import MOST_SENTENCES, answers
from harness.report.asked import question
from harness.report.charts import cells as charts
from harness.report.charts import files as pictures
from harness.report.charts import ratios
from harness.report.charts import rotation as turn_charts
from harness.report.html import page
from harness.store import codec, index
from harness.store.folder import RunFolder

REFERENCE = Path(__file__).resolve().parents[2] / "results" / "reference"
HOSTILE = "<img src=x onerror=window.pwned=1>"
SPEEDS = {"uvicorn": 1.0, "granian": 1.3, "hypercorn": 0.4}

Visits = Callable[..., list[Visit]]


@pytest.fixture
def visits(facts: Measurement) -> Visits:
    """What was measured of a matrix: servers × styles × workers, with a little noise; granian is the fastest."""

    def build(
        servers: Sequence[str] = tuple(SPEEDS),
        styles: Sequence[str] = ("async", "sync"),
        workers: Sequence[int] = (1, 2),
        users: Sequence[int] = (100,),
        restarts: int = 8,
        speeds: dict[str, float] | None = None,
        stolen: float = 0.0,
        noise: float = 0.01,
    ) -> list[Visit]:
        chance = random.Random(1)
        visits = []
        kinds = [(a, b, c, d) for a in servers for b in styles for c in workers for d in users]
        for place, (server, style, count, user_count) in enumerate(kinds):
            application = BundledApplication(framework="fastapi", style=style, workload="noop", params={})
            cell = with_variant(facts.cell, server=server, application=application, workers=count)
            cell = cell.model_copy(update={"load": ClosedLoad(users=user_count)})
            for restart in range(1, restarts + 1):
                for repeat in (False, True) if place == 0 else (False,):
                    rps = 1000 * (speeds or SPEEDS).get(server, 1.0) * count * math.exp(chance.gauss(0, noise))
                    server_facts = {
                        "cpu_us_per_request": 900_000 / rps,
                        "rss_peak_bytes": 50_000_000 * count,
                        "boot_seconds": 0.5 * (2 if server == "hypercorn" else 1) * math.exp(chance.gauss(0, noise)),
                    }
                    measured = facts.model_copy(
                        update={
                            "cell": cell,
                            "requests": round(rps * facts.window_seconds),
                            "waits": None,
                            "machine": facts.machine.model_copy(update={"stolen_cores": stolen}),
                            "server": facts.server.model_copy(update=server_facts),
                        }
                    )
                    visits.append(Visit(cell=cell, restart=restart, repeat=repeat, facts=measured, failure=None))
        return visits

    return build


def with_variant(cell: Cell, **parts: Any) -> Cell:
    """The cell with some parts of its variant changed."""
    return cell.model_copy(update={"variant": cell.variant.model_copy(update=parts)})


def of(visits: Sequence[Visit], title: str | None = None) -> Overview:
    return overview(visits, Question(title=title), seconds=60.0)


def run_of(visits: Sequence[Visit], title: str | None = None) -> page.Run:
    record = codec.read_run(REFERENCE / "first-run").record
    return page.Run(record=record, overview=of(visits, title), judged=evaluate_all(visits), protocols=[1])


def test_the_question_names_what_varies_and_what_does_not(visits: Visits) -> None:
    sentence = question(of(visits()))
    assert "3 servers: uvicorn, granian, hypercorn" in sentence
    assert "framework fastapi" in sentence
    assert "2 handler styles: async, sync" in sentence
    assert "workload noop" in sentence
    assert "load 100 connections" in sentence


def test_an_answer_for_each_axis(visits: Visits) -> None:
    lines = answers(of(visits()))
    server = next(each for each in lines if each.startswith("Server, throughput"))
    assert "granian is fastest or within noise of the fastest in all 4 cases; uvicorn is 2" in server
    assert re.search(r"hypercorn is (6\d|7\d)%( to 7\d%)? slower in all 4\.", server), server
    cost = next(each for each in lines if each.startswith("Server, CPU per request"))
    assert re.search(r"granian is cheapest.*; hypercorn is (up to )?3\.\d times as costly in all 4\.", cost), cost
    assert "Handler style, throughput: no difference that matters in 6 comparisons." in lines
    workers = next(each for each in lines if each.startswith("Worker count, throughput"))
    assert re.search(r"2 workers are 9\d% to 10\d% faster than 1 worker in all 6 cases\.", workers), workers


def test_the_first_screen_has_the_throughput_of_every_axis_and_the_cost_of_the_first(visits: Visits) -> None:
    lines = answers(of(visits()), main=True)
    assert [each.partition(":")[0] for each in lines] == [
        "Server, throughput",
        "Server, CPU per request",
        "Handler style, throughput",
        "Worker count, throughput",
    ]


def test_an_answer_is_given_apart_where_it_depends_on_another_axis(visits: Visits) -> None:
    quick, slow = ({"uvicorn": 1.0, "granian": each} for each in (1.5, 0.6))
    mixed = [each for each in visits(tuple(quick), speeds=quick) if style_of(each) == "async"]
    mixed += [each for each in visits(tuple(slow), speeds=slow) if style_of(each) == "sync" and not each.repeat]
    lines = [each for each in answers(of(mixed)) if each.startswith("Server, throughput")]
    assert len(lines) == 2
    assert re.fullmatch(
        r"Server, throughput, async: granian is \d+%( to \d+%)? faster than uvicorn in all 2 cases.", lines[0]
    )
    assert re.fullmatch(
        r"Server, throughput, sync: uvicorn is \d+%( to \d+%)? faster than granian in all 2 cases.", lines[1]
    )


def test_a_workload_of_many_parameters_is_told_by_its_name(visits: Visits) -> None:
    kinds: list[tuple[str, dict[str, int], int, float]] = [("cpu", {"n": n}, 8, 1.2) for n in range(11, 18)]
    kinds.append(("select", {}, 200, 0.8))
    found: list[Visit] = []
    for name, params, users, lead in kinds:
        for each in visits(("uvicorn",), workers=(1,), users=(users,)):
            assert isinstance(each.cell.variant.application, BundledApplication)
            assert each.facts is not None
            work = each.cell.variant.application.model_copy(update={"workload": name, "params": params})
            cell = with_variant(each.cell, application=work)
            requests = round(each.facts.requests * (lead if style_of(each) == "async" else 1.0))
            facts = each.facts.model_copy(update={"cell": cell, "requests": requests})
            if not each.repeat:
                found.append(Visit(cell=cell, restart=each.restart, repeat=False, facts=facts, failure=None))
    lines = [each for each in answers(of(found)) if each.startswith("Handler style, throughput")]
    assert len(lines) == 2
    assert re.match(r"Handler style, throughput, cpu: async is \d+%.* faster than sync in all 7 cases\.", lines[0])
    assert re.match(r"Handler style, throughput, select: sync is fastest; async is \d+% slower", lines[1])


def style_of(visit: Visit) -> str:
    application = visit.cell.variant.application
    assert isinstance(application, BundledApplication)
    return application.style


def test_what_is_inconclusive_is_said_with_its_bound(visits: Visits) -> None:
    noisy = visits(servers=("uvicorn", "granian"), speeds={"granian": 1.0}, noise=0.15)
    lines = next(each for each in answers(of(noisy)) if each.startswith("Server, throughput"))
    assert re.search(r"inconclusive in 4 comparisons; differences of up to \d+% cannot be ruled out", lines), lines


def test_one_case_is_answered_with_its_interval(visits: Visits) -> None:
    one = of(visits(styles=("async",), workers=(1,)))
    lines = next(each for each in answers(one) if each.startswith("Server, throughput"))
    assert re.search(r"granian is fastest; uvicorn is 2\d% slower \(95% CI -2\d% to -2\d%\); hypercorn is", lines), (
        lines
    )


def test_too_few_restarts_give_no_verdict(visits: Visits) -> None:
    (lines,) = answers(of(visits(restarts=3)))
    assert lines.startswith("Too few restarts to compare (3 of at least 6)")


@pytest.mark.parametrize("name", ["article", "claims", "noop", "servers", "ten-noop", "ten-select", "users", "workers"])
def test_a_mark_is_explained_where_it_is_shown_and_nowhere_else(name: str) -> None:
    stored = codec.read_run(REFERENCE / "matrices" / name)
    short = render.text(stored, "text", details=False)
    assert ("(^): set by" in short) == (re.search(r"[\d%]\^", short) is not None)


@pytest.mark.parametrize("name", ["article", "claims", "noop", "servers", "ten-noop", "ten-select", "users", "workers"])
def test_the_answer_fits_a_screen(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(REFERENCE.parents[1])  # a run is named as it was given, and a long path takes lines of its own
    stored = codec.read_run(Path("results", "reference", "matrices", name))
    lines = render.text(stored, "text", details=False).splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= terminal.WIDTH
    whole = render.text(stored, "text").splitlines()
    assert "Comparisons" in whole
    assert len(whole) > len(lines)


def test_all_servers_beside_one_fit_a_screen_and_are_told_without_a_ranking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REFERENCE.parents[1])
    stored = codec.read_run(Path("results", "reference", "matrices", "ten-select"))
    beside = review.against(stored, "uvicorn")
    short = render.text(beside, "text", details=False)
    assert len(short.splitlines()) <= 40
    said = answers(review.review(beside), main=True)
    assert said[0].startswith("Server, throughput, fastapi, async, against uvicorn: peregrine 1")
    assert all("fastest" not in each and "cheapest" not in each for each in said)
    comparison = review.review(beside).comparison
    ratios = {
        (each.stratum, each.metric, each.b.option): each.ratio
        for each in comparison.contrasts
        if each.a.option == "uvicorn"
    }
    assert len(ratios) == len(comparison.contrasts)
    for each in review.review(stored).comparison.contrasts:
        if each.a.option == "uvicorn" and each.ratio.half_width is not None:
            narrower = ratios[each.stratum, each.metric, each.b.option].half_width
            assert narrower is not None
            assert narrower < each.ratio.half_width
    details = render.text(beside, "text")
    assert "against uvicorn" in details
    assert render.text(beside, "html")


def test_of_many_cases_each_server_beside_one_has_a_sentence() -> None:
    beside = review.against(codec.read_run(REFERENCE / "matrices" / "servers"), "gunicorn")
    said = answers(review.review(beside))
    (first,) = [each for each in said if each.startswith("Server, throughput")]
    assert first.startswith("Server, throughput, against gunicorn: uvicorn ")
    assert re.search(r": uvicorn [\d.]+% to \d+% faster in \d+, [\d.]+% to \d+% slower in \d+ of 18 cases;", first), (
        first
    )
    assert re.search(r"; hypercorn [\d.]+% to \d+% slower in \d+ of 18 cases\.$", first), first
    short = render.text(beside, "text", details=False)
    assert re.search(r"noop fastapi async .* 2 faster, 1 slower$", short, re.MULTILINE)


def test_only_a_server_of_a_matrix_can_be_what_all_are_compared_with() -> None:
    matrix = codec.read_run(REFERENCE / "matrices" / "ten-select")
    with pytest.raises(UsageError, match="--against nginx: no configuration has it") as caught:
        review.against(matrix, "nginx")
    assert "choose one of: uvicorn, granian, granian:by=rsgi" in str(caught.value.cure)
    with pytest.raises(UsageError, match=r"--against uvicorn: .* is no matrix"):
        review.against(codec.read_run(REFERENCE / "capacity" / "select"), "uvicorn")


def test_latencies_that_a_filling_queue_hides_are_told(visits: Visits) -> None:
    sample = of(visits())
    cells = [each.model_copy(update={"filling": int(place == 0)}) for place, each in enumerate(sample.cells)]
    (warning,) = view.of_overview(sample.model_copy(update={"cells": cells})).warnings
    assert warning == "No latencies for 1 configuration: the queue was still filling after the warm-up (--warmup)."


def test_notes_stand_below_the_answer_and_one_of_them_on_a_screen(visits: Visits) -> None:
    notes = ["one is not idle", "two closes connections", "three settles late"]
    sample = of(visits()).model_copy(update={"notes": notes})
    said = text.text(sample, None, details=False)
    assert said.index("fastest") < said.index("one is not idle")
    assert "2 more with --details" in said
    assert notes[1] not in said
    assert all(note in text.text(sample, None) for note in notes)


def test_of_many_answers_the_intervals_stand_with_the_details() -> None:
    sample = review.review(codec.read_run(REFERENCE / "matrices" / "article"))
    whole, main = answers(sample), answers(sample, main=True)
    assert len(main) > MOST_SENTENCES
    assert any("95% CI" in each for each in whole)
    assert not any("95% CI" in each for each in main)
    assert any("slower" in each for each in main)


def test_a_large_matrix_is_one_table_by_its_first_axis(visits: Visits) -> None:
    picture = summary.compact(of(visits(workers=(1, 2, 4))))
    assert picture is not None
    assert picture.columns == ["uvicorn", "granian", "hypercorn"]
    assert next((name, says) for name, _, says in picture.rows) == ("noop async 1 worker", "granian fastest")
    wide = summary.compact(of(visits(workers=tuple(range(1, 9)))))
    assert wide is not None
    assert wide.title == "throughput, requests/s, 1 worker"
    assert [name for name, _, _ in wide.rows] == ["noop async", "noop sync"]
    assert summary.compact(of(visits(styles=("async",)))) is None


def test_a_dot_with_its_interval() -> None:
    assert terminal.dot(Interval(estimate=50, low=25, high=75, n=8), 100, 41) == " " * 10 + "├─────────●─────────┤"
    assert terminal.dot(Interval(estimate=100, low=None, high=None, n=1), 100, 5) == "    ●"
    assert terminal.dot(None, 100, 5) == ""


def test_differences_are_signed_and_of_one_wording() -> None:
    ratio = interval_of(0.614, 0.05)
    assert words.difference(ratio) == "-39% (95% CI -42% to -36%)"
    assert words.than(0.614, METRICS["throughput_rps"]) == "39% slower"
    assert words.versus(words.than(3.31, METRICS["throughput_rps"])) == "3.3 times as fast as"
    assert words.than(1.057, METRICS["cpu_us_per_request"]) == "5.7% costlier"
    assert words.than(0.9, METRICS["p99_ms"]) == "10% lower"
    assert words.signed(1.0) == "0.0%"
    assert words.short_work(["cpu?n=1&m=2", "cpu?n=3&m=2", "noop"]) == {
        "cpu?n=1&m=2": "cpu n=1",
        "cpu?n=3&m=2": "cpu n=3",
        "noop": "noop",
    }


def test_a_single_cell_is_answered_by_its_figures(visits: Visits) -> None:
    one = visits(servers=("granian",), styles=("async",), workers=(1,), restarts=1)[:1]
    assert re.match(r"granian/fastapi/async/noop/w1/c100 serves 1,\d+ requests per second, 99%", answers(of(one))[0])
    invalid = visits(servers=("granian",), styles=("async",), workers=(1,), restarts=1, stolen=1.0)[:1]
    assert " is invalid: others took" in answers(of(invalid))[0]


def test_a_run_without_a_valid_cell_says_so(visits: Visits) -> None:
    assert "No two configurations could be compared" in answers(of(visits(stolen=1.0)))[0]


def test_cells_that_differ_in_more_than_an_axis_are_not_called_invalid(visits: Visits) -> None:
    apart = [*visits(servers=("uvicorn",), styles=("async",), workers=(1,))]
    apart += [*visits(servers=("granian",), styles=("sync",), workers=(1,))]
    once = [each for each in apart if not each.repeat]
    assert "Nothing to compare" in answers(of(once))[0]
    assert answers(of([])) == ["No restart has ended yet."]


def test_an_interval_without_bounds_worth_the_name_is_not_drawn(visits: Visits) -> None:
    summary = of(visits(restarts=2, noise=0.05))
    (chart,) = (
        chart
        for metric, axis, chart in ratios.contrasts(summary)
        if (metric.name, axis.name) == ("throughput_rps", "server")
    )
    assert all(row["low"] is None or row["high"] <= ratios.WIDEST * row["low"] for row in chart.rows)
    assert any(row["low"] is None for row in chart.rows)


def test_every_chart_can_be_drawn_and_has_marks(visits: Visits, tmp_path: Path) -> None:
    sample = visits(users=(50, 100))
    summary = of(sample)
    drawings = [*charts.of_run(summary, evaluate_all(sample)), *(chart for _, _, chart in ratios.contrasts(summary))]
    names = {chart.name for chart in drawings}
    assert {"throughput-by-workers", "throughput-by-users", "latency", "cost", "memory"} <= names
    assert "contrasts-throughput-by-server" in names
    for path in pictures.write(tmp_path, "svg", drawings):
        svg = path.read_text(encoding="utf-8")
        assert re.search(r'class="mark-(symbol|line|rule)[^"]*".*?<path|<line', svg, re.DOTALL), path.name
        assert "Infinity" not in svg
        assert "NaN" not in svg
    (png,) = pictures.write(tmp_path, "png", drawings[:1])
    assert png.read_bytes().startswith(b"\x89PNG")


def test_claims_are_drawn(tmp_path: Path) -> None:
    (chart,) = ratios.claims(studies.judge(codec.read_run(REFERENCE / "matrices" / "article")).claims)
    assert len(chart.rows) == 19
    assert all(row["published"] for row in chart.rows)
    assert all(field in row for row in chart.rows for field, _ in chart.columns)
    assert all(row["low"] <= row["ratio"] <= row["high"] for row in chart.rows)
    (path,) = pictures.write(tmp_path, "svg", [chart])
    assert ratios.CLAIMS["confirmed"] in path.read_text(encoding="utf-8")
    assert not list(ratios.claims([]))


def test_the_page_of_the_article_shows_its_claims(tmp_path: Path) -> None:
    render.show(REFERENCE / "matrices" / "article", "html", tmp_path / "article.html")
    whole = (tmp_path / "article.html").read_text(encoding="utf-8")
    *_, data = parts(whole)
    assert len(data["charts"]["claims"]["rows"]) == 19
    assert 'data-chart="claims"' in whole
    assert "In what it differs from the study" in whole
    assert "Users, here and in the study: sleep 250 and 10,000" in whole
    panels = {row["panel"] for row in data["charts"]["throughput-by-workers"]["rows"]}
    assert len(panels) == 9, "styles and workloads with both numbers of workers"
    assert "throughput-by-users" not in data["charts"], "each workload has one number of users"


def test_rows_of_a_chart_have_every_column_of_its_table(visits: Visits) -> None:
    sample = visits()
    summary = of(sample)
    for chart in [*charts.of_run(summary, evaluate_all(sample)), *(chart for _, _, chart in ratios.contrasts(summary))]:
        assert chart.rows
        for field, _ in chart.columns:
            assert all(field in row for row in chart.rows), (chart.name, field)
        for own, row in zip(chart.own_rows(), chart.rows, strict=True):
            cell = charts.of_cell(summary.cells[row["cell"]], summary.cells) if "cell" in row else {}
            assert {**cell, **own}.items() >= row.items()  # what the page puts together again


def test_ceilings_are_in_the_chart(facts: Measurement) -> None:
    waits = Waits(total_seconds=0.1, occupied_seconds=0.0, slot="event loop")
    cells = [with_variant(facts.cell, workers=count) for count in (1, 2)]
    sample = [
        Visit(
            cell=cell,
            restart=restart,
            repeat=False,
            facts=facts.model_copy(update={"cell": cell, "waits": waits}),
            failure=None,
        )
        for cell in cells
        for restart in range(1, 7)
    ]
    chart = charts.of_run(of(sample), evaluate_all(sample))[0]
    assert chart.name == "throughput-by-workers"
    assert {row["ceiling"] for row in chart.rows} == {1000.0}
    assert all("100 connections" in row["limit"] for row in chart.rows)


def parts(text: str) -> tuple[str, str, str, dict[str, Any]]:
    """Policy, own script, library and data of a page."""
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', text)
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    library = re.search(r'<script type="application/gzip" id="library">([^<]+)</script>', text)
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert policy
    assert library
    assert data
    (own,) = scripts
    unpacked = gzip.decompress(base64.b64decode(library[1])).decode("utf-8")
    return policy[1], own, unpacked, json.loads(data[1])


def test_only_the_page_s_own_scripts_may_run(visits: Visits) -> None:
    policy, own, library, data = parts(page.render(run_of(visits())))
    assert "default-src 'none'" in policy
    assert "unsafe-eval" not in policy
    allowed = re.search(r"script-src ([^;]+);", policy)
    assert allowed
    hashes = [base64.b64encode(hashlib.sha256(each.encode("utf-8")).digest()).decode() for each in (library, own)]
    assert allowed[1] == " ".join(f"'sha256-{each}'" for each in hashes)
    assert len(data["cells"]) == 12


def test_the_page_loads_nothing(visits: Visits) -> None:
    text = page.render(run_of(visits()))
    assert not re.search(r"<(link|iframe|object|embed)\b|\ssrc=|@import|url\(", text)
    assert {target[0] for target in re.findall(r'href="([^"]+)"', text)} == {"#"}
    for anchor in re.findall(r'href="#([^"]+)"', text):
        assert f'id="{anchor}"' in text, anchor


def test_no_text_of_a_result_is_markup(visits: Visits) -> None:
    hostile = visits(servers=("uvicorn", HOSTILE, "</script><script>window.pwned=1</script>"), stolen=0.3)
    text = page.render(run_of(hostile, title=HOSTILE))
    assert HOSTILE not in text
    assert html.escape(HOSTILE) in text
    assert "<script>window.pwned" not in text
    *_, data = parts(text)
    assert HOSTILE in {cell["server"] for cell in data["cells"]}


def test_cells_that_do_not_count_are_there_with_their_reasons(visits: Visits) -> None:
    text = page.render(run_of(visits(stolen=1.0)))
    assert "12 of 12 configurations could not be measured reliably" in text
    assert text.count("others took") >= 12
    assert 'class="invalid"' in text


@pytest.mark.slow
def test_a_page_of_200_cells_is_below_2_mb(visits: Visits) -> None:
    sample = visits(
        servers=[f"server{number}" for number in range(5)], workers=(1, 2, 4, 8), users=(8, 16, 32, 64, 128), restarts=8
    )
    run = run_of(sample)
    assert len(run.overview.cells) == 200
    size = len(page.render(run).encode("utf-8"))
    assert size < 2_000_000, size


@pytest.mark.parametrize("run", ["first-run", "matrices/users"])
@pytest.mark.parametrize("form", ["text", "markdown", "json", "html"])
def test_stored_runs_are_shown_in_every_form(
    run: str, form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to = tmp_path / "report"
    render.show(REFERENCE / run, form, to)
    assert capsys.readouterr().out == f"{to}\n"
    assert re.search("granian|uvicorn", to.read_text(encoding="utf-8"))


def test_the_form_follows_the_file_s_name() -> None:
    assert render.form_of(None, None) == "text"
    assert render.form_of(None, Path("a.html")) == "html"
    assert render.form_of(None, Path("a.md")) == "markdown"
    assert render.form_of("svg", Path("a.html")) == "svg"


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LackError, match="cannot write to"):
        render.show(REFERENCE / "first-run", "html", tmp_path / "file" / "report.html")
    with pytest.raises(UsageError, match="needs a folder"):
        render.show(REFERENCE / "first-run", "png", None)


def page_of(visits: Sequence[Visit]) -> tuple[str, dict[str, Any]]:
    """A page and its data."""
    whole = page.render(run_of(visits))
    *_, data = parts(whole)
    return whole, data


def test_a_metric_is_added_by_one_entry(visits: Visits, monkeypatch: pytest.MonkeyPatch) -> None:
    boot = Metric(
        name="boot_seconds",
        option="boot",
        label="boot",
        unit="s",
        better="lower",
        of=lambda measurement: measurement.server.boot_seconds,
        format="{:.2f}".format,
        headline=True,
    )
    monkeypatch.setitem(METRICS, boot.name, boot)
    measured = visits()
    summary = of(measured)
    (table,) = view.of_overview(summary).tables
    seconds = {name: str(row[0].figures[boot.name]) for name, row in table.rows if row[0] is not None}
    assert re.fullmatch(r"0\.[45]\d ±[\d.]+%\*", seconds["uvicorn"]), seconds
    assert re.fullmatch(r"(0\.9|1\.0)\d ±[\d.]+%", seconds["hypercorn"]), seconds
    contrasts = [each for each in summary.comparison.contrasts if (each.metric, each.axis) == (boot.name, "server")]
    assert {each.verdict for each in contrasts if each.b.option == "hypercorn"} == {"slower"}
    lines = text.text(summary, None)
    assert re.search(r"boot: the same configuration twice", lines)
    assert re.search(r"hypercorn against uvicorn: \+(99|10\d)% .* in all 4 cases", lines.partition("boot: ")[2]), lines
    whole, data = page_of(measured)
    assert '<option value="boot">boot, s</option>' in whole
    assert re.search(r'<span class="of boot [^>]*data-value="0\.\d+">0\.50', whole)
    assert "body[data-metric=boot] .of.boot" in whole
    assert "boot, s" in data["restart_columns"]
    assert "contrasts-boot-by-server" in data["charts"]
    exported = tables.cells(summary).filter(metric="boot_seconds")
    assert set(exported["unit"]) == {"s"}
    assert len(exported) == 12
    assert tables.restarts_of(evaluate_all(measured))["boot_seconds"].min() > 0.4


class VariantWithBacklog(Variant):
    """A variant that can differ in one more way."""

    backlog: int


def test_an_axis_is_added_by_one_entry(visits: Visits) -> None:
    backlog = Axis(
        name="backlog",
        label="backlog",
        option=lambda cell: f"b{getattr(cell.variant, 'backlog', 0)}",
        letter="b",
        columns={"backlog": lambda cell: getattr(cell.variant, "backlog", 0)},
        types={"backlog": int},
    )
    speeds = {**SPEEDS, "granian": 2.6}
    slow, fast = (visits(servers=("uvicorn", "granian"), styles=("async",), speeds=each) for each in (SPEEDS, speeds))
    AXES.append(backlog)
    try:
        measured = [
            with_backlog(each, length)
            for length, several in ((64, slow), (2048, fast))
            for each in several
            if length == 64 or not each.repeat
        ]
        summary = of(measured)
        label = summary.cells[0].name
        assert label == "uvicorn/fastapi/async/noop/w1/c100/b64"
        known = Names(servers=("uvicorn",), frameworks=("fastapi",), styles=("async",), workloads=("noop",))
        assert parse_cell_label(label, known).numbers == {"workers": 1, "backlog": 64}
        (table,) = view.of_overview(summary).tables
        assert [name for name, _ in table.rows] == ["uvicorn b64", "granian b64", "uvicorn b2048", "granian b2048"]
        assert table.axes == "server, backlog"
        assert "2 backlogs: b64, b2048" in question(summary)
        lines = text.text(summary, None)
        assert "by backlog" in lines
        assert re.search(r"b2048 against b64: \+(99|10\d)% .*, faster", lines), lines
        whole, data = page_of(measured)
        assert '<input type="checkbox" checked name="backlog" value="b2048">' in whole
        assert {cell["filters"]["backlog"] for cell in data["cells"]} == {"b64", "b2048"}
        assert "contrasts-throughput-by-backlog" in data["charts"]
        assert {row["panel"] for row in data["charts"]["throughput-by-workers"]["rows"]} == {
            "noop · async · b64",
            "noop · async · b2048",
        }
        exported = tables.cells(summary)
        assert exported.schema["backlog"] == polars.Int64
        assert set(exported["backlog"]) == {64, 2048}
    finally:
        AXES.remove(backlog)


def with_backlog(visit: Visit, length: int) -> Visit:
    """The visit of a cell that has a backlog."""
    variant = VariantWithBacklog(**dict(visit.cell.variant), backlog=length)
    cell = visit.cell.model_copy(update={"variant": variant})
    assert visit.facts is not None
    return dataclasses.replace(visit, cell=cell, facts=visit.facts.model_copy(update={"cell": cell}))


def test_small_bars() -> None:
    assert terminal.spark([0, 50, 100]) == "▁▅█"
    assert terminal.spark([0, 0]) == "▁▁"
    assert terminal.bar(1.0, 4) == "████"
    assert terminal.bar(0.5, 3) == "█▌"
    assert terminal.bar(0.0, 4) == ""


CELLS = ("uvicorn/fastapi/async/noop/w1/c16", "granian/fastapi/async/noop/w1/c16")


def interval_of(estimate: float, half_width: float | None) -> Interval:
    low, high = (None, None) if half_width is None else (estimate / (1 + half_width), estimate * (1 + half_width))
    return Interval(estimate=estimate, low=low, high=high, n=7)


def rotation_of(
    throughput: tuple[float, float | None, ContrastVerdict] = (1.157, 0.011, "faster"),
    cost: tuple[float, float | None, ContrastVerdict] = (0.863, 0.007, "faster"),
    members: Sequence[str] = CELLS,
    reason: str | None = None,
    worse: bool | None = None,
    **parts: Any,
) -> Rotation:
    """What a rotation of two says: (second ÷ first, half-width of its interval, verdict) of throughput and cost."""
    ratios_of = {"throughput_rps": throughput, "cpu_us_per_request": cost}
    bases = {"throughput_rps": 10_000.0, "cpu_us_per_request": 96.0}
    return Rotation(
        members=list(members),
        servers=[f"{label.partition('/')[0].partition(':')[0]} 1.0 on Python 3.11.7" for label in members]
        if "servers" not in parts
        else parts.pop("servers"),
        contrasts=[
            RotationContrast(
                metric=metric,
                a=members[0],
                b=members[1],
                ratio=interval_of(ratio, half_width),
                verdict=verdict,
                reason=reason,
                worse=worse,
            )
            for metric, (ratio, half_width, verdict) in ratios_of.items()
        ],
        values=[
            {metric: interval_of(base * (ratios_of[metric][0] if place else 1), 0.01) for metric, base in bases.items()}
            for place in (0, 1)
        ],
        **{
            "method": "slots",
            "users": 16,
            "users_reason": "as asked for",
            "margin": 0.03,
            "precision": 0.01,
            "reached": True,
            "limit": None,
            "interval_method": "Student's t over restarts at 97.0%",
            "curves": [
                SettlingCurve(seconds=[0.01, 0.02, 0.1], share=[0.8, 1.0, 1.0], settled_s=0.02, given_s=0.02)
                for _ in members
            ],
            "notes": [],
            "restarts": 7,
            "void": [],
            "outcomes": [],
            "seconds": 58.0,
            **parts,
        },
    )


@pytest.mark.parametrize(
    ("throughput", "cost", "told"),
    [
        (
            (1.157, 0.011, "faster"),
            (0.863, 0.007, "faster"),
            "granian is 15.7% faster than uvicorn (±1.1%), and costs 13.7% less CPU per request (±0.7%)",
        ),
        (
            (0.8, 0.01, "slower"),
            (0.9, 0.01, "faster"),
            "uvicorn is 25.0% faster than granian (±1.0%), but costs 11.1% more CPU per request (±1.0%)",
        ),
        (
            (8.7, 0.088, "faster"),
            (9.79, 0.057, "slower"),
            "granian is 8.7 times as fast as uvicorn (±8.8%), but costs 9.8 times as much CPU per request (±5.7%)",
        ),
        (
            (1.001, 0.01, "equivalent"),
            (1.002, 0.01, "equivalent"),
            "uvicorn and granian are equally fast within 3% (±1.0%), and cost the same CPU per request within 3% "
            "(±1.0%)",
        ),
        (
            (1.001, 0.01, "equivalent"),
            (1.1, 0.01, "slower"),
            "uvicorn and granian are equally fast within 3% (±1.0%); uvicorn costs 9.1% less CPU per request than "
            "granian (±1.0%)",
        ),
        (
            (0.98, 0.05, "undecided"),
            (1.0, None, "undecided"),
            "inconclusive: uvicorn could be from 2.8% slower to 7.1% faster than granian",
        ),
    ],
)
def test_a_rotation_answers_in_a_sentence(throughput: Any, cost: Any, told: str) -> None:
    assert [sentence for sentence, _ in rotation.answers(rotation_of(throughput, cost))] == [told]


def test_under_open_load_the_answer_is_the_cost() -> None:
    sample = rotation_of((1.0, 0.01, "undecided"), users=None, users_reason="500 requests per second")
    ((told, verdict),) = rotation.answers(sample)
    assert told == "granian costs 13.7% less CPU per request than uvicorn (±0.7%)"
    assert verdict == "faster"
    assert re.search(r"load +500 requests per second", rotation.text(sample, None))


def test_names_of_members_are_what_they_differ_in() -> None:
    short = members.names(rotation_of())
    assert short.short == dict(zip(CELLS, ("uvicorn", "granian"), strict=True))
    assert short.common == "fastapi/async/noop/w1/c16"
    same = members.names(rotation_of(members=[f"{CELLS[0]} (1)", f"{CELLS[0]} (2)"]))
    assert list(same.short.values()) == ["uvicorn (1)", "uvicorn (2)"]
    styles = ["uvicorn/fastapi/async/noop/w1/c16", "uvicorn/fastapi/sync/noop/w1/c16"]
    assert list(members.names(rotation_of(members=styles)).short.values()) == ["async", "sync"]
    environments = [f"{name}/bin/python:granian:loop=uvloop/fastapi/async/noop/w1/c16" for name in ("base", "head/new")]
    named = members.names(rotation_of(members=environments, servers=["granian 2.8.0 on Python 3.11.7"] * 2))
    assert list(named.short.values()) == [f"{name}/bin/python:granian:loop=uvloop" for name in ("base", "head/new")]
    assert named.common == "fastapi/async/noop/w1/c16"


def test_the_text_of_a_rotation_fits_its_width() -> None:
    lines = rotation.text(rotation_of(limit=0.05, worse=False, notes=[f"{CELLS[1]} is not idle"]), Path("run"))
    assert max(map(len, lines.splitlines())) <= terminal.WIDTH
    assert re.search(r"fastapi/async/noop/w1/c16 +throughput +CPU per request\n +requests/s +µs", lines), lines
    assert re.search(r"  granian +11,570 +83\n", lines), lines
    assert re.search(r"CPU per request +-13\.7% +-14\.3% to -13\.1% +cheaper", lines), lines
    assert re.search(r"note +granian is not idle", lines), lines
    assert lines.startswith("PASS          granian against uvicorn, throughput +15.7%"), lines
    assert " no regression above 5%; it would have found 5.7% and more" in " ".join(lines.split())
    assert "harness report run --format html" in lines


def test_exit_codes_of_a_rotation() -> None:
    def code(sample: Rotation, *, strict: bool = False) -> int:
        return gate.exit_code_of_rotation(sample, strict=strict)

    assert code(rotation_of()) == 0
    slower = rotation_of((0.843, 0.011, "slower"), limit=0.05)
    assert code(slower) == 1
    assert rotation.text(slower, None).startswith("FAIL          granian against uvicorn, throughput -15.7%")
    noisy = rotation_of((0.98, 0.1, "undecided"), limit=0.05)
    assert [code(noisy, strict=each) for each in (False, True)] == [0, 6]
    assert "too noisy for a limit of 5%" in " ".join(rotation.text(noisy, None).split())
    unlimited = rotation_of((0.98, 0.1, "undecided"), (1.0, 0.1, "undecided"))
    assert [code(unlimited, strict=each) for each in (False, True)] == [0, 6]
    reason = "2 restarts count, 6 are needed"
    assert code(rotation_of(reason=reason)) == 3
    assert re.search(
        r"  throughput .* inconclusive\n", rotation.text(rotation_of((1.1, 0.2, "undecided"), reason=reason), None)
    )
    assert next(rotation.answers(rotation_of(reason=reason)))[0].endswith(f"granian against uvicorn: {reason}")
    assert code(rotation_of(outcomes=["granian lost 1 of its workers"])) == 4


@pytest.fixture
def stored_rotation(tmp_path: Path, facts: Measurement) -> Path:
    """A stored rotation without its restarts."""
    record = codec.read_run(REFERENCE / "first-run").record
    cells = [with_variant(facts.cell, server=label.partition("/")[0]) for label in CELLS]
    header = {**dict(record), "kind": "rotation", "cells": cells, "precision": 0.01, "margin": 0.03}
    folder = RunFolder.create(tmp_path / "results", "compare", datetime.now(UTC))
    with folder:
        folder.write_run(RotationRecord(**{name: header[name] for name in RotationRecord.model_fields}))
        folder.write_rotation(rotation_of())
        return folder.publish()


@pytest.mark.parametrize("form", ["text", "markdown", "html", "json"])
def test_a_stored_rotation_is_shown_in_every_form(stored_rotation: Path, form: str, tmp_path: Path) -> None:
    render.show(stored_rotation, form, tmp_path / "report")
    shown = (tmp_path / "report").read_text(encoding="utf-8")
    if form == "json":
        assert Rotation.model_validate_json(shown) == rotation_of()
    else:
        assert "15.7% faster than uvicorn" in shown


def test_a_rotation_has_tables_charts_and_an_entry(stored_rotation: Path, tmp_path: Path) -> None:
    render.show(stored_rotation, "csv", tmp_path / "tables")
    assert {path.stem for path in (tmp_path / "tables").iterdir()} == {"members", "contrasts", "restarts"}
    exported = polars.read_csv(tmp_path / "tables" / "contrasts.csv")
    assert exported.filter(metric="throughput_rps")["ratio"].item() == pytest.approx(1.157)
    assert polars.read_csv(tmp_path / "tables" / "members.csv").height == 4
    render.show(stored_rotation, "svg", tmp_path / "charts")
    assert {path.stem for path in (tmp_path / "charts").iterdir()} == {"contrasts", "restarts", "settling"}
    (entry,) = index.runs(stored_rotation.parent)
    assert (entry.kind, entry.measurements) == ("rotation", 0)
    assert entry.what == "uvicorn/fastapi/async/sleep?ms=100/w2/c100 and granian/fastapi/async/sleep?ms=100/w2/c100"


def test_a_rotation_that_was_killed_before_its_answer_says_so(
    stored_rotation: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (stored_rotation / "rotation.json").unlink()
    render.show(stored_rotation, "text", None)
    shown = capsys.readouterr().out
    assert shown.startswith("inconclusive: every restart is excluded")
    assert "the run was ended before it had its answer" in shown
    for form in ("markdown", "html", "json"):
        render.show(stored_rotation, form, stored_rotation / "report")
    with pytest.raises(UsageError, match="nothing to draw"):
        render.show(stored_rotation, "svg", stored_rotation / "charts")


def test_the_ratio_of_a_chart_is_that_of_the_restarts() -> None:
    from tests.unit.test_rotation import restart_of

    restarts = [restart_of((1000.0, 1200.0)).model_copy(update={"number": number}) for number in (1, 2)]
    (chart,) = (each for each in turn_charts.of_rotation(rotation_of(), restarts) if each.name == "restarts")
    assert [row["ratio"] for row in chart.rows] == pytest.approx([1.2, 1.2], rel=0.01)
    rows = tables.restart_rows(rotation_of(), restarts)
    assert rows["throughput_rps"].to_list() == pytest.approx([1000, 1200] * 2, rel=0.01)
    assert set(rows["member"]) == set(CELLS)
