"""The published study: its figures, and the verdict of a run on its claims. Pure.

Carlos Pena, 'Python: Load Test with FastAPI – Sync vs Async', December 2025. `published.csv` holds its tables,
`claims.toml` what it concludes from them.
"""

from __future__ import annotations

import csv
import tomllib
from typing import cast

from harness import resources
from harness.analysis import overview
from harness.analysis.claims import Claim, Row, Workers, evaluate_claims
from harness.analysis.review import visits
from harness.model.claims import ClaimResult
from harness.model.record import MatrixRecord, StoredRun

TITLE = "article"


def published() -> dict[Row, float]:
    """The study's cells with their successes per second: its tables print all requests per second, failed or not."""
    return {
        Row(row["workload"], row["style"], row["params"], cast(Workers, row["workers"])): float(row["rps"])
        * (1 - int(row["failed"]) / int(row["requests"]))
        for row in csv.DictReader(resources.text("published.csv").splitlines())
    }


def statements() -> list[Claim]:
    """What the study says about pairs of its cells."""
    return [
        Claim(**{**claim, "pairs": [(case, Row(*above), Row(*below)) for case, above, below in claim["pairs"]]})
        for claim in tomllib.loads(resources.text("claims.toml"))["claims"]
    ]


def claims(stored: StoredRun) -> list[ClaimResult]:
    """The verdict of a run of the preset `article` on each claim; empty for other runs."""
    if not isinstance(stored.record, MatrixRecord) or stored.record.plan.title != TITLE:
        return []
    return evaluate_claims(statements(), overview.evaluate_all(visits(stored)), published())
