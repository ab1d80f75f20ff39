"""What others published: figures and claims, and the verdict of a run on them. Pure.

Carlos Pena, 'Python: Load Test with FastAPI – Sync vs Async', December 2025. `published.csv` holds its tables,
`claims.toml` what it concludes from them. `server_claims.toml` holds what authors of servers published about theirs.
"""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from harness import resources
from harness.analysis import overview
from harness.analysis.claims import Claim, Figure, Pair, Row, Workers, Written, evaluate_claims, impossible
from harness.analysis.review import visits
from harness.model.application import BundledApplication
from harness.model.claims import StudyResult
from harness.model.record import MatrixRecord, StoredRun
from harness.model.variant import Cell

TITLE, SERVERS = "article", "claims"
"""Titles of the presets whose runs are judged."""
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
    figures = published()
    return [
        Claim(**{**claim, "pairs": [_pair(case, Row(*up), Row(*down), figures) for case, up, down in claim["pairs"]]})
        for claim in tomllib.loads(resources.text("claims.toml"))["claims"]
    ]


def _pair(case: str, numerator: Row, denominator: Row, figures: Mapping[Row, float]) -> Pair:
    return Pair(case, numerator, denominator, figures[numerator] / figures[denominator])


def of_servers() -> tuple[list[Claim], list[Figure]]:
    """What authors of servers published: ratios, and throughputs of requests that wait for a known time."""
    document = tomllib.loads(resources.text("server_claims.toml"))
    claims = [
        Claim(
            name=each["server"],
            text=each["text"],
            source=each["source"],
            direction="more",
            pairs=[Pair(case, Written(up), Written(down), ratio) for case, up, down, ratio in each["pairs"]],
        )
        for each in document["claims"]
    ]
    figures = [
        Figure(text=name, source=table["source"], rps=rps, users=users, wait_ms=wait)
        for table in document["figures"]
        for name, users, wait, rps in table["rows"]
    ]
    return claims, figures


def judge(stored: StoredRun) -> StudyResult:
    """The verdict of a run of the preset `article` on the study, of one of `claims` on what authors of servers
    published; empty for other runs."""
    title = stored.record.plan.title if isinstance(stored.record, MatrixRecord) else None
    if not isinstance(stored.record, MatrixRecord) or title not in (TITLE, SERVERS):
        return StudyResult()
    evaluated = overview.evaluate_all(visits(stored))
    if title == SERVERS:
        claims, figures = of_servers()
        results = [*evaluate_claims(claims, evaluated), *impossible(figures)]
        return StudyResult(
            title="What authors of servers claim",
            claims=results,
            differences=[
                *tomllib.loads(resources.text("server_claims.toml"))["differences"],
                *dict.fromkeys(f"{each.claim}, {each.text}: {each.source}." for each in results),
            ],
        )
    return StudyResult(
        title="What the published study claims",
        claims=evaluate_claims(statements(), evaluated),
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
