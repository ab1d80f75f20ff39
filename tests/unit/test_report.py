"""The report: answers in sentences, charts that can be drawn, and a page that is whole, safe and small."""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
import math
import random
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from harness import store
from harness.analysis import studies
from harness.analysis.overview import Visit, evaluate_all, overview
from harness.errors import LackError, UsageError
from harness.model.measurement import Measurement, Waits
from harness.model.overview import Overview
from harness.report import render as showing
from harness.report import terminal
from harness.report.answers import answers, question
from harness.report.charts import cells as charts
from harness.report.charts import files as pictures
from harness.report.charts import ratios
from harness.report.html import page

REFERENCE = Path(__file__).resolve().parents[2] / "results" / "reference"
HOSTILE = "<img src=x onerror=window.pwned=1>"
SPEEDS = {"uvicorn": 1.0, "granian": 1.3, "hypercorn": 0.4}

Visits = Callable[..., list[Visit]]


@pytest.fixture
def visits(facts: Measurement) -> Visits:
    """Visits of a matrix: servers × styles × workers, with a little noise; granian is the fastest."""

    def made(
        servers: Sequence[str] = tuple(SPEEDS),
        styles: Sequence[str] = ("async", "sync"),
        workers: Sequence[int] = (1, 2),
        users: Sequence[int] = (100,),
        blocks: int = 8,
        speeds: dict[str, float] | None = None,
        stolen: float = 0.0,
        noise: float = 0.01,
    ) -> list[Visit]:
        chance = random.Random(1)
        found = []
        kinds = [(a, b, c, d) for a in servers for b in styles for c in workers for d in users]
        for place, (server, style, count, vus) in enumerate(kinds):
            application = facts.cell.variant.application.model_copy(
                update={"style": style, "workload": "noop", "params": {}}
            )
            cell = facts.cell.model_copy(
                update={"server": server, "application": application, "workers": count, "vus": vus}
            )
            for block in range(1, blocks + 1):
                for repeat in (False, True) if place == 0 else (False,):
                    rps = 1000 * (speeds or SPEEDS).get(server, 1.0) * count * math.exp(chance.gauss(0, noise))
                    measured = facts.model_copy(
                        update={
                            "cell": cell,
                            "requests": round(rps * facts.window_seconds),
                            "waits": None,
                            "machine": facts.machine.model_copy(update={"stolen_cores": stolen}),
                            "server": facts.server.model_copy(
                                update={"cpu_us_per_request": 900_000 / rps, "rss_peak_bytes": 50_000_000 * count}
                            ),
                        }
                    )
                    found.append(
                        Visit(environment="", cell=cell, block=block, repeat=repeat, facts=measured, failure=None)
                    )
        return found

    return made


def of(visits: Sequence[Visit], title: str | None = None) -> Overview:
    return overview(visits, title=title, blocks=8, planned=len(visits), seconds=60.0, impossible=[])


def run_of(visits: Sequence[Visit], title: str | None = None) -> page.Run:
    document = json.loads((REFERENCE / "first-run" / "run.json").read_text(encoding="utf-8"))
    return page.Run(
        document=document,
        overview=of(visits, title),
        judged=evaluate_all(visits),
        protocols=[1],
        environments=store.environments(document),
    )


def test_the_question_names_what_varies_and_what_does_not(visits: Visits) -> None:
    asked = question(of(visits()))
    assert "3 servers: uvicorn, granian, hypercorn" in asked
    assert "2 styles: fastapi async, fastapi sync" in asked
    assert "workload noop" in asked
    assert "load 100 users" in asked


def test_an_answer_for_each_axis(visits: Visits) -> None:
    said = answers(of(visits()))
    server = next(each for each in said if each.startswith("Server, throughput"))
    assert "in 4 cases: granian in 4 (alone in 4)" in server
    assert "hypercorn 0.3" in server
    assert "granian" in server.rpartition("the largest difference is")[2]
    assert any(each.startswith("Server, CPU time per request: best, or not told") for each in said), said
    assert any(each.startswith("Style, throughput: all are equivalent (6 cases)") for each in said), said
    assert any("2 in 6 (alone in 6)" in each for each in said if each.startswith("Workers, throughput")), said


def test_what_cannot_be_told_is_said_with_its_bound(visits: Visits) -> None:
    noisy = visits(servers=("uvicorn", "granian"), speeds={"granian": 1.0}, noise=0.15)
    said = next(each for each in answers(of(noisy)) if each.startswith("Server, throughput"))
    assert re.search(r"no difference could be told in any of 4 cases; a difference could be up to \d+%", said), said


def test_too_few_blocks_give_no_verdict(visits: Visits) -> None:
    (said,) = answers(of(visits(blocks=3)))
    assert said.startswith("There can be no verdicts: too few")


def test_a_single_cell_is_answered_by_its_figures(visits: Visits) -> None:
    one = visits(servers=("granian",), styles=("async",), workers=(1,), blocks=1)[:1]
    assert re.match(r"granian/fastapi/async/noop/w1/c100 serves 1,\d+ requests per second, 99 %", answers(of(one))[0])
    invalid = visits(servers=("granian",), styles=("async",), workers=(1,), blocks=1, stolen=1.0)[:1]
    assert " is invalid: others took" in answers(of(invalid))[0]


def test_a_run_without_a_valid_cell_says_so(visits: Visits) -> None:
    assert "No two cells could be compared" in answers(of(visits(stolen=1.0)))[0]


def test_cells_that_differ_in_more_than_an_axis_are_not_called_invalid(visits: Visits) -> None:
    apart = [*visits(servers=("uvicorn",), styles=("async",), workers=(1,))]
    apart += [*visits(servers=("granian",), styles=("sync",), workers=(1,))]
    once = [each for each in apart if not each.repeat]
    assert "nothing is compared" in answers(of(once))[0]
    assert answers(of([])) == ["No visit was made yet."]


def test_an_interval_without_bounds_worth_the_name_is_not_drawn(visits: Visits) -> None:
    found = of(visits(blocks=2, noise=0.05))
    (chart,) = (
        chart for metric, axis, chart in ratios.contrasts(found) if (metric, axis) == ("throughput_rps", "server")
    )
    assert all(row["low"] is None or row["high"] <= ratios.WIDEST * row["low"] for row in chart.rows)
    assert any(row["low"] is None for row in chart.rows)


def test_a_duet_of_a_cell_with_itself_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    shutil.copytree(REFERENCE / "duets" / "noop-uvicorn-granian", run)
    for path in [run / "run.json", run / "duet.json", *(run / "measurements").glob("*.json")]:
        text = path.read_text(encoding="utf-8").replace("uvicorn/fastapi", "granian/fastapi")
        path.write_text(text.replace('"server": "uvicorn"', '"server": "granian"'), encoding="utf-8")
    showing.show(run, "html", tmp_path / "duet.html")
    showing.show(run, "svg", tmp_path)
    assert "restarts.svg" in capsys.readouterr().out
    with pytest.raises(UsageError, match="a duet has no tables"):
        showing.show(run, "csv", tmp_path)


def test_every_chart_can_be_drawn_and_has_marks(visits: Visits, tmp_path: Path) -> None:
    made = visits(users=(50, 100))
    found = of(made)
    drawn = [*charts.of_run(found, evaluate_all(made)), *(chart for _, _, chart in ratios.contrasts(found))]
    names = {chart.name for chart in drawn}
    assert {"throughput-by-workers", "throughput-by-users", "latency", "cost", "memory"} <= names
    assert "contrasts-throughput-by-server" in names
    for path in pictures.write(tmp_path, "svg", drawn):
        svg = path.read_text(encoding="utf-8")
        assert re.search(r'class="mark-(symbol|line|rule)[^"]*".*?<path|<line', svg, re.DOTALL), path.name
        assert "Infinity" not in svg
        assert "NaN" not in svg
    (png,) = pictures.write(tmp_path, "png", drawn[:1])
    assert png.read_bytes().startswith(b"\x89PNG")


def test_claims_and_duets_are_drawn(tmp_path: Path) -> None:
    (claimed,) = ratios.claims(studies.of(store.read_run(REFERENCE / "matrices" / "article")))
    answered = [store.read_answer(folder) for folder in sorted((REFERENCE / "duets").glob("noop-*"))]
    (paired,) = ratios.duets([each for each in answered if each is not None])
    assert len(claimed.rows) == 19
    assert all(row["published"] for row in claimed.rows)
    assert paired.rows[0]["contrast"] == "gunicorn ÷ granian · fastapi/async/noop/w1/c16"
    for chart in (claimed, paired):
        assert all(field in row for row in chart.rows for field, _ in chart.columns)
        assert all(row["low"] <= row["ratio"] <= row["high"] for row in chart.rows)
    for path, colour in zip(
        pictures.write(tmp_path, "svg", [claimed, paired]), (ratios.CLAIMS["confirmed"], ratios.BAD), strict=True
    ):
        assert colour in path.read_text(encoding="utf-8")
    itself = [each.model_copy(update={"first": each.second}) for each in answered[:1] if each is not None]
    assert next(ratios.duets(itself)).rows[0]["contrast"] == f"{itself[0].second} ÷ {itself[0].second}"
    assert not list(ratios.claims([]))
    assert not list(ratios.duets([]))


def test_the_page_of_the_article_shows_its_claims(tmp_path: Path) -> None:
    showing.show(REFERENCE / "matrices" / "article", "html", tmp_path / "article.html")
    shown = (tmp_path / "article.html").read_text(encoding="utf-8")
    *_, data = parts(shown)
    assert len(data["charts"]["claims"]["rows"]) == 19
    assert 'data-chart="claims"' in shown
    assert "3 cells have visits whose latencies are left out" in shown
    panels = {row["panel"] for row in data["charts"]["throughput-by-workers"]["rows"]}
    assert len(panels) == 9, "styles and workloads with both numbers of workers"
    assert "throughput-by-users" not in data["charts"], "each workload has one number of users"


def test_rows_of_a_chart_have_every_column_of_its_table(visits: Visits) -> None:
    made = visits()
    found = of(made)
    for chart in [*charts.of_run(found, evaluate_all(made)), *(chart for _, _, chart in ratios.contrasts(found))]:
        assert chart.rows
        for field, _ in chart.columns:
            assert all(field in row for row in chart.rows), (chart.name, field)
        for own, row in zip(chart.own_rows(), chart.rows, strict=True):
            cell = charts.of_cell(found.cells[row["cell"]], found.cells) if "cell" in row else {}
            assert {**cell, **own}.items() >= row.items()  # what the page puts together again


def test_ceilings_are_in_the_chart(facts: Measurement) -> None:
    waits = Waits(total_seconds=0.1, occupied_seconds=0.0, slot="event loop")
    cells = [facts.cell.model_copy(update={"workers": count}) for count in (1, 2)]
    made = [
        Visit(
            environment="",
            cell=cell,
            block=block,
            repeat=False,
            facts=facts.model_copy(update={"cell": cell, "waits": waits}),
            failure=None,
        )
        for cell in cells
        for block in range(1, 7)
    ]
    chart = charts.of_run(of(made), evaluate_all(made))[0]
    assert chart.name == "throughput-by-workers"
    assert {row["ceiling"] for row in chart.rows} == {1000.0}
    assert all("100 users" in row["limit"] for row in chart.rows)


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
    assert "12 of 12 cells have no valid visit" in text
    assert text.count("others took") >= 12
    assert 'class="invalid"' in text


@pytest.mark.slow
def test_a_page_of_200_cells_is_below_2_mb(visits: Visits) -> None:
    made = visits(
        servers=[f"server{number}" for number in range(5)], workers=(1, 2, 4, 8), users=(8, 16, 32, 64, 128), blocks=8
    )
    run = run_of(made)
    assert len(run.overview.cells) == 200
    size = len(page.render(run).encode("utf-8"))
    assert size < 2_000_000, size


@pytest.mark.parametrize("run", ["first-run", "duets-on-another-machine/noop-uvicorn-granian"])
@pytest.mark.parametrize("form", ["text", "markdown", "json", "html"])
def test_stored_runs_are_shown_in_every_form(
    run: str, form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to = tmp_path / "report"
    showing.show(REFERENCE / run, form, to)
    assert capsys.readouterr().out == f"{to}\n"
    assert "granian" in to.read_text(encoding="utf-8")


def test_the_page_of_a_duet_has_its_restarts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    showing.show(REFERENCE / "duets" / "noop-uvicorn-granian", "html", tmp_path / "duet.html")
    *_, data = parts((tmp_path / "duet.html").read_text(encoding="utf-8"))
    assert len(data["charts"]["restarts"]["rows"]) >= 6
    showing.show(REFERENCE / "duets" / "noop-uvicorn-granian", "svg", tmp_path)
    assert capsys.readouterr().out.endswith("restarts.svg\n")


def test_the_form_follows_the_file_s_name() -> None:
    assert showing.form_of(None, None) == "text"
    assert showing.form_of(None, Path("a.html")) == "html"
    assert showing.form_of(None, Path("a.md")) == "markdown"
    assert showing.form_of("svg", Path("a.html")) == "svg"


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LackError, match="cannot write to"):
        showing.show(REFERENCE / "first-run", "html", tmp_path / "file" / "report.html")
    with pytest.raises(UsageError, match="needs a folder"):
        showing.show(REFERENCE / "first-run", "png", None)


def test_small_bars() -> None:
    assert terminal.spark([0, 50, 100]) == "▁▅█"
    assert terminal.spark([0, 0]) == "▁▁"
    assert terminal.bar(1.0, 4) == "████"
    assert terminal.bar(0.5, 3) == "█▌"
    assert terminal.bar(0.0, 4) == ""
