"""The published study: its figures, and the verdict of a run on its claims. Pure.

Carlos Pena, 'Python: Load Test with FastAPI – Sync vs Async', December 2025. `published.csv` holds its tables,
`claims.toml` what it concludes from them.
"""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Iterator, Sequence
from typing import cast

from harness import resources
from harness.analysis import overview
from harness.analysis.claims import Claim, Row, Workers, evaluate_claims
from harness.analysis.review import visits
from harness.model.application import BundledApplication
from harness.model.claims import StudyResult
from harness.model.record import MatrixRecord, StoredRun
from harness.model.variant import Cell

TITLE = "article"
QUERYING = ("select", "simulation")


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


def judge(stored: StoredRun) -> StudyResult:
    """The verdict of a run of the preset `article` on the study; empty for other runs."""
    if not isinstance(stored.record, MatrixRecord) or stored.record.plan.title != TITLE:
        return StudyResult()
    return StudyResult(
        claims=evaluate_claims(statements(), overview.evaluate_all(visits(stored)), published()),
        differences=[*differences(stored.record.cells), *tomllib.loads(resources.text("claims.toml"))["differences"]],
    )


def differences(cells: Sequence[Cell]) -> Iterator[str]:
    """In what the cells of a run differ from the study's, as far as it depends on the run."""
    users = _users(cells)
    if users:
        yield f"Users, here and in the study: {'; '.join(users)}."
    plain = [
        each.variant.application.work_label
        for each in cells
        if isinstance(each.variant.application, BundledApplication)
        and each.variant.application.workload in QUERYING
        and each.variant.application.params.get("tx") is None
    ]
    if plain:
        named = " and ".join(dict.fromkeys(each.partition("?")[0] for each in plain))
        yield (
            f"Without a transaction around it a query is one round trip to Postgres, where the study's are three "
            f"({named}; tx=1 makes one)."
        )


def _users(cells: Sequence[Cell]) -> list[str]:
    """Workload by workload, where the numbers differ."""
    found = []
    for workload, there in _published_users().items():
        here = dict.fromkeys(
            each.load.users
            for each in cells
            if isinstance(each.variant.application, BundledApplication)
            and each.variant.application.workload == workload
        )
        if here and set(here) != {there}:
            found.append(f"{workload} {' and '.join(f'{each:,}' for each in here if each)} and {there:,}")
    return found


def _published_users() -> dict[str, int]:
    """Workload → users in the study: as it states them, else throughput × mean response time (Little)."""
    users: dict[str, int] = {}
    for row in csv.DictReader(resources.text("published.csv").splitlines()):
        by_law = float(row["rps"]) * float(row["avg_ms"]) / 1000
        users.setdefault(row["workload"], int(row["vus"]) if row["vus"].isdecimal() else int(round(by_law, -2)))
    return users
