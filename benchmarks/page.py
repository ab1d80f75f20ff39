"""How large is the page of a report, how long does it take to make, and how soon can it be used?

    .venv/bin/python benchmarks/page.py [RUN ...] [--out FILE]
    .venv/bin/python benchmarks/page.py results/reference/matrices/noop --picture docs/report.png

Each run (by default every stored matrix, and one of 200 cells and eight restarts that is generated from a stored visit)
is made into a page and opened five times in Chromium, from disk, with the network off. `interactive` is the time until
tables sort and filters work, `drawn` until every chart in the open is there; medians, in seconds. With `--picture`
nothing is measured: the top of the run's page is pictured for the documentation.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from generated import REFERENCE, generate, two_hundred_cells
from playwright.sync_api import Browser, sync_playwright
from running import Row, write

from harness import api

RESTARTS, TIMES = 8, 5
WIDTH, HEIGHT = 1000, 1000
"""Of the picture, in pixels."""


def opened(browser: Browser, page: Path) -> tuple[float, float]:
    """Seconds until the page can be used, and until it is drawn."""
    context = browser.new_context(offline=True)
    try:
        tab = context.new_page()
        tab.goto(page.as_uri())
        tab.wait_for_selector("body[data-complete]", timeout=60_000)
        moments = [
            tab.evaluate(f"performance.getEntriesByName('{name}')[0].startTime / 1000")
            for name in ("interactive", "drawn")
        ]
    finally:
        context.close()
    return moments[0], moments[1]


def picture(browser: Browser, run: Path, folder: Path, file: Path) -> None:
    """The top of a run's page, as a picture."""
    page = folder / "report.html"
    page.write_text(api.report(api.read_run(run), "html"), encoding="utf-8")
    tab = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
    tab.goto(page.as_uri())
    tab.wait_for_selector("body[data-complete]", timeout=60_000)
    tab.screenshot(path=file)


def one(browser: Browser, run: Path, folder: Path) -> Row:
    """A run's page."""
    page = folder / "report.html"
    began = time.monotonic()
    stored = api.read_run(run)
    page.write_text(api.report(stored, "html"), encoding="utf-8")
    made = time.monotonic() - began
    times = [opened(browser, page) for _ in range(TIMES)]
    return {
        "run": run.name,
        "cells": len(stored.record.cells),
        "bytes": page.stat().st_size,
        "made_seconds": round(made, 2),
        "interactive_seconds": round(statistics.median(first for first, _ in times), 3),
        "drawn_seconds": round(statistics.median(last for _, last in times), 3),
    }


def main() -> None:
    """Measure each page and print a row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--picture", type=Path, help="picture the top of the one run's page there, and measure nothing")
    arguments = parser.parse_args()
    browser_path = shutil.which("chromium") or shutil.which("google-chrome")
    if browser_path is None:
        sys.exit("needs Chromium on PATH: apt-get install chromium")
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name, sync_playwright() as running:
        folder = Path(name)
        browser = running.chromium.launch(
            executable_path=browser_path, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        if arguments.picture is not None:
            (run,) = arguments.runs
            picture(browser, run, folder, arguments.picture)
            return
        stored = arguments.runs or [path.parent for path in sorted((REFERENCE / "matrices").glob("*/run.json"))]
        if not arguments.runs:
            stored.append(folder / "generated")
            generate(
                stored[-1], two_hundred_cells(), RESTARTS, noise=0.05, rps=lambda cell: 500.0 * cell.variant.workers
            )
        for run in stored:
            rows.append(one(browser, run, folder))
            write(arguments.out, rows)
            print(json.dumps(rows[-1]), flush=True)


if __name__ == "__main__":
    main()
