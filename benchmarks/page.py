"""How large is the page of a report, how long does it take to make, and how soon can it be used?

    .venv/bin/python benchmarks/page.py [RUN ...] [--out FILE]
    .venv/bin/python benchmarks/page.py results/reference/matrices/noop --picture docs/report.png

Each run (by default every stored matrix, and one of 200 cells and eight blocks that is generated from a stored visit)
is made into a page and opened five times in Chromium, from disk, with the network off. `interactive` is the time until
tables sort and filters work, `drawn` until every chart in the open is there; medians, in seconds. With `--picture`
nothing is measured: the top of the run's page is pictured for the documentation.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright
from running import write

from harness import store
from harness.model.variant import Cell
from harness.report import render as showing

REFERENCE = Path(__file__).resolve().parent.parent / "results" / "reference"
CELLS, BLOCKS, TIMES = 200, 8, 5
WIDTH, HEIGHT = 1000, 1000
"""Of the picture, in pixels."""


def generate(folder: Path) -> Path:
    """A run of 200 cells, made from the reference run's visit with other figures."""
    document = json.loads((REFERENCE / "first-run" / "measurements" / "0001.json").read_text(encoding="utf-8"))
    run = json.loads((REFERENCE / "first-run" / "run.json").read_text(encoding="utf-8"))
    chance = random.Random(1)
    known = {name: value for name, value in document["cell"].items() if name not in ("id", "environment")}
    cells = [
        Cell.model_validate(
            known
            | {"server": server, "workers": workers, "vus": vus}
            | {"application": known["application"] | {"style": style, "workload": "noop", "params": {}}}
        )
        for server in ("uvicorn", "granian", "gunicorn", "hypercorn", "waitress")
        for style in ("async", "sync")
        for workers in (1, 2, 4, 8)
        for vus in (8, 16, 32, 64, 128)
    ][:CELLS]
    (folder / "measurements").mkdir(parents=True)
    order = [[*range(len(cells)), len(cells)] for _ in range(BLOCKS)]
    number = 0
    for block, places in enumerate(order, 1):
        for position, place in enumerate(places, 1):
            number += 1
            cell = cells[place % len(cells)]
            environment = document["cell"]["environment"]
            document["cell"] = {"id": cell.label, "environment": environment, **cell.model_dump(mode="json")}
            document |= {"block": block, "position": position, "attempt": 1, "repeat": place == len(cells)}
            document["requests"] = round(5000 * cell.variant.workers * math.exp(chance.gauss(0, 0.05)))
            document["waits"] = None
            path = folder / "measurements" / f"{number:04}.json"
            path.write_text(store.as_text(document), encoding="utf-8")
    run |= {"cells": [cell.label for cell in cells], "order": order, "plan": {"blocks": BLOCKS, "cells": [{}]}}
    (folder / "run.json").write_text(store.as_text(run), encoding="utf-8")
    return folder


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
    showing.show(run, "html", folder / "report.html")
    tab = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
    tab.goto((folder / "report.html").as_uri())
    tab.wait_for_selector("body[data-complete]", timeout=60_000)
    tab.screenshot(path=file)


def one(browser: Browser, run: Path, folder: Path) -> dict[str, Any]:
    """A run's page."""
    page = folder / "report.html"
    began = time.monotonic()
    showing.show(run, "html", page)
    made = time.monotonic() - began
    times = [opened(browser, page) for _ in range(TIMES)]
    return {
        "run": run.name,
        "cells": len(store.read_run(run).document["cells"]),
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
    chosen = parser.parse_args()
    browser_path = shutil.which("chromium") or shutil.which("google-chrome")
    if browser_path is None:
        sys.exit("needs Chromium on PATH: apt-get install chromium")
    rows = []
    with tempfile.TemporaryDirectory() as name, sync_playwright() as running:
        folder = Path(name)
        browser = running.chromium.launch(
            executable_path=browser_path, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        if chosen.picture is not None:
            (run,) = chosen.runs
            picture(browser, run, folder, chosen.picture)
            return
        stored = chosen.runs or [path.parent for path in sorted((REFERENCE / "matrices").glob("*/run.json"))]
        for run in [*stored, *([] if chosen.runs else [generate(folder / "generated")])]:
            rows.append(one(browser, run, folder))
            write(chosen.out, rows)
            print(json.dumps(rows[-1]), flush=True)


if __name__ == "__main__":
    main()
