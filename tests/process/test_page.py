"""The HTML report in a real browser, with the network off."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.report import render
from harness.store import codec

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium on PATH")

MATRICES = Path(__file__).resolve().parents[2] / "results" / "reference" / "matrices"
MATRIX, SMALL = MATRICES / "servers", MATRICES / "noop"
"""The largest, with cells that have no valid restart, and one of a sixth of its cells for what takes long."""
HOSTILE = "<img src=x onerror='window.pwned=1'><script>window.pwned=1</script>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    driver = playwright.sync_playwright()
    try:
        running = driver.start()
    except Exception as error:  # it is a program of its own, which lacks a library
        pytest.skip(f"Playwright's driver does not start ({error}); on Debian: apt-get install libatomic1")
    instance = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
    yield instance
    instance.close()
    running.stop()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    render.show(MATRIX, "html", path)
    return path


class Opened:
    """A page with everything that it complained of or asked for."""

    def __init__(self, browser: Any, path: Path, **settings: Any) -> None:
        self.context = browser.new_context(offline=True, **settings)
        self.page = self.context.new_page()
        self.page.set_default_timeout(30_000)
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self._console(message))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("body[data-complete]")

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)


@pytest.fixture
def opened(browser: Any, report: Path) -> Iterator[Opened]:
    instance = Opened(browser, report, viewport={"width": 1280, "height": 900})
    yield instance
    instance.context.close()


def test_it_opens_from_disk_and_draws_every_chart(opened: Opened, report: Path) -> None:
    assert opened.complaints == []
    assert opened.requests == [report.as_uri()]
    drawn = opened.page.locator(".chart:visible")
    assert drawn.count() >= 4
    for place in range(drawn.count()):
        assert drawn.nth(place).locator("svg .mark-symbol path, svg .mark-rule line, svg .mark-line path").count() > 0


def column(opened: Opened, number: int) -> list[float]:
    values = opened.page.locator("table.matrix").first.locator(f"tbody tr td:nth-child({number}) .of.throughput")
    return [float(value) for value in values.evaluate_all("found => found.map(each => each.dataset.value)")]


def test_a_click_on_a_heading_sorts(opened: Opened) -> None:
    heading = opened.page.locator("table.matrix").first.locator("thead th:nth-child(2)")
    heading.locator("button").click()
    assert heading.get_attribute("aria-sort") == "ascending"
    assert column(opened, 2) == sorted(column(opened, 2))
    heading.locator("button").press("Enter")
    assert heading.get_attribute("aria-sort") == "descending"
    assert column(opened, 2) == sorted(column(opened, 2), reverse=True)


def test_filters_hold_for_matrix_charts_and_cells(opened: Opened) -> None:
    page = opened.page
    legend = page.locator("[data-chart=cost] svg .role-legend")
    assert "hypercorn" in legend.first.text_content()
    page.locator(".choices summary").click()
    page.get_by_role("checkbox", name="hypercorn").uncheck()
    assert page.locator(".dots tr:visible", has_text="hypercorn").count() == 0
    assert page.locator("table.matrix tbody th:visible", has_text="hypercorn").count() == 0
    assert page.locator("details.cell:visible", has_text="hypercorn/").count() == 0
    assert page.locator("details.cell:visible", has_text="granian/").count() > 0
    page.wait_for_function(
        "() => !document.querySelector('[data-chart=cost] svg .role-legend').textContent.includes('hypercorn')"
    )
    assert "of" in page.locator("#shown").text_content()
    page.get_by_role("button", name="Show all").click()
    page.wait_for_function(
        "() => document.querySelector('[data-chart=cost] svg .role-legend').textContent.includes('hypercorn')"
    )
    assert page.locator("table.matrix tbody th:visible", has_text="hypercorn").count() > 0


def test_the_matrix_shows_another_metric(opened: Opened) -> None:
    page = opened.page
    first = page.locator("table.matrix td[data-cell]").first
    before = first.inner_text()
    page.get_by_label("Show", exact=False).first.select_option("cpu")
    assert first.inner_text() != before
    assert first.locator(".of.cpu").is_visible()
    assert not first.locator(".of.throughput").is_visible()


def test_a_figure_leads_to_its_cell(opened: Opened) -> None:
    page = opened.page
    link = page.locator("table.matrix td[data-cell] a").first
    target = link.get_attribute("href")
    link.click()
    cell = page.locator(target)
    page.locator(f"{target}[open]").wait_for()
    cell.locator(".timeline svg").wait_for()
    assert cell.locator(".timeline svg .mark-line path").count() > 0
    assert cell.locator("table[data-restarts] tbody tr").count() >= 6


def test_contrasts_are_drawn_when_they_are_opened(opened: Opened) -> None:
    finding = opened.page.locator("details.finding").nth(1)
    assert finding.locator("svg").count() == 0
    finding.locator("summary").first.click()
    finding.locator("svg .mark-symbol path").first.wait_for()
    finding.locator("details.data summary").click()
    assert finding.locator("table tbody tr").count() > 0
    assert opened.complaints == []


def test_the_answer_and_its_picture_are_on_the_first_screen_without_a_script(browser: Any, tmp_path: Path) -> None:
    render.show(SMALL, "html", tmp_path / "report.html")
    context = browser.new_context(offline=True, java_script_enabled=False, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto((tmp_path / "report.html").as_uri())
    assert (
        "granian is fastest or within noise of the fastest in all 4 cases" in page.locator(".card").first.inner_text()
    )
    dot = page.locator(".dots tr.best svg rect").first
    assert dot.is_visible()
    assert 0 < dot.bounding_box()["y"] < 900
    assert "UTC" in page.locator("time").inner_text()
    context.close()


def test_moments_are_in_the_zone_of_the_reader(browser: Any, report: Path) -> None:
    shown = []
    for zone in ("Asia/Tokyo", "America/New_York"):
        opened = Opened(browser, report, timezone_id=zone)
        moment = opened.page.locator("time").first
        assert moment.get_attribute("title").endswith("UTC")
        shown.append(moment.inner_text())
        opened.context.close()
    assert shown[0] != shown[1]


def test_a_link_opens_the_section_that_is_folded(opened: Opened) -> None:
    section = opened.page.locator("#protocol > details")
    assert section.get_attribute("open") is None
    opened.page.locator("nav a[href='#protocol']").press("Enter")
    opened.page.locator("#protocol > details[open]").wait_for()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The index of a folder with a run twice."""
    path = tmp_path_factory.mktemp("runs")
    for name in ("first", "second"):
        shutil.copytree(SMALL, path / name)
    render.show(path, "html", None)
    return path / "index.html"


def test_the_index_of_a_folder_is_filtered_as_one_types(browser: Any, folder: Path) -> None:
    opened = Opened(browser, folder, viewport={"width": 390, "height": 844})
    page = opened.page
    assert page.locator(".runs tbody tr:visible").count() == 2
    assert page.locator(".history svg").count() == 16
    page.get_by_label("Find").fill("second granian")
    assert page.locator(".runs tbody tr:visible").count() == 1
    assert page.locator("#shown").inner_text() == "1 shown"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert opened.complaints == []
    opened.context.close()


@pytest.mark.parametrize("kind", ["report", "index"])
def test_it_is_accessible(browser: Any, tmp_path: Path, folder: Path, kind: str) -> None:
    axe = Path(pytest.importorskip("axe_playwright_python").__file__).with_name("axe.min.js")
    render.show(SMALL, "html", tmp_path / "report.html")
    opened = Opened(browser, tmp_path / "report.html" if kind == "report" else folder, bypass_csp=True)
    try:
        page = opened.page
        if kind == "report":
            page.locator("details.cell summary").first.click()
            page.locator("details.data summary").first.click()
            page.locator("#protocol summary").first.click()
            page.locator("details.cell .timeline svg").first.wait_for()
        page.evaluate(axe.read_text(encoding="utf-8"))
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            audit = page.evaluate("axe.run()")
            serious = [
                (each["id"], each["impact"], each["nodes"][0]["html"][:200], each["nodes"][0].get("failureSummary"))
                for each in audit["violations"]
                if each["impact"] in ("serious", "critical")
            ]
            assert serious == [], scheme
            assert len(audit["passes"]) > 10
    finally:
        opened.context.close()


def test_it_fits_a_phone(browser: Any, report: Path) -> None:
    opened = Opened(browser, report, viewport={"width": 390, "height": 844}, is_mobile=True)
    try:
        assert opened.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert opened.complaints == []
    finally:
        opened.context.close()


def test_a_hostile_name_does_not_run(browser: Any, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(SMALL, run)
    for path in [run / "run.json", *codec.visit_files(run)]:
        document = json.dumps(json.loads(codec.read_bytes(path)))
        evil = json.dumps(HOSTILE)[1:-1]
        document = document.replace('"server": "hypercorn"', f'"server": "{evil}"').replace("hypercorn/", f"{evil}/")
        path.write_bytes(gzip.compress(document.encode()) if path.suffix == ".gz" else document.encode())
    document = json.loads((run / "run.json").read_text(encoding="utf-8"))
    document["plan"]["title"] = HOSTILE
    (run / "run.json").write_text(json.dumps(document), encoding="utf-8")
    render.show(run, "html", tmp_path / "report.html")
    opened = Opened(browser, tmp_path / "report.html")
    try:
        page = opened.page
        assert HOSTILE in page.title()
        page.locator("table.matrix td[data-cell] a").last.click()
        page.locator("details.data summary").first.click()
        page.locator("[data-chart=cost] svg .mark-symbol path").first.hover(force=True)
        assert page.evaluate("window.pwned") is None
        assert page.locator("img").count() == 0
        assert opened.complaints == []
    finally:
        opened.context.close()


def test_it_prints(opened: Opened) -> None:
    opened.page.emulate_media(media="print")
    assert not opened.page.locator(".filters").is_visible()
    assert len(opened.page.pdf()) > 20_000
