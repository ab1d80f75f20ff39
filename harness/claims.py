"""The published study: its figures, and what a run says about its claims.

Carlos Pena, 'Python: Load Test with FastAPI – Sync vs Async', December 2025. `published.csv` holds its tables.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import cast

from harness.judge import overview
from harness.judge.claims import Row, Workers, judge_claims
from harness.model.claims import ClaimResult
from harness.review import visits
from harness.store import StoredRun

TITLE = "article"
FILE = Path(__file__).with_name("published.csv")


def published() -> dict[Row, float]:
    """The study's cells with their throughput in requests per second."""
    with open(FILE, encoding="utf-8", newline="") as file:
        return {
            Row(row["workload"], row["style"], row["params"], cast(Workers, row["workers"])): float(row["rps"])
            for row in csv.DictReader(file)
        }


def of(stored: StoredRun) -> list[ClaimResult]:
    """What a run of the preset `article` says about each claim; nothing for other runs."""
    if stored.document.get("plan", {}).get("title") != TITLE:
        return []
    return judge_claims(overview.judge_all(visits(stored)), published())
