"""Claims of the published study: their figures, and what runs make of them."""

from __future__ import annotations

import csv
from collections.abc import Iterator

import pytest

from harness import resources
from harness.analysis import studies
from harness.analysis.claims import evaluate_claims, impossible
from harness.analysis.overview import Visit, evaluate_all
from harness.config import expand, presets
from harness.config.grouping import Room
from harness.experiments.matrix import sets_of
from harness.model.application import BundledApplication
from harness.model.claims import LESS, ClaimResult, StudyResult
from harness.model.measurement import Measurement, Waits
from harness.model.variant import Cell
from harness.report import claims

NOISE = (1.0, 1.01, 0.99, 1.0, 1.01, 0.99, 1.0, 1.0)

SLOWEST = "simulation?user_id=1&fib=30&cpu=inline&tx=1"


def said(
    facts: Measurement, rates: dict[str, float], *, invalid: str = "", note: str | None = None
) -> dict[str, ClaimResult]:
    """The claims, of a run of the preset in which the cells whose names begin so have these throughputs, others 100.
    Cells have restarts in common where they are up in the same set."""
    visits = []
    for cell, restarts in up("article"):
        rate = next((rate for name, rate in rates.items() if cell.label.startswith(name)), 100.0)
        stolen = 3.0 if invalid and cell.label.startswith(invalid) else 0.0
        for restart in restarts:
            noise = NOISE[restart % len(NOISE)]
            found = facts.model_copy(
                update={
                    "cell": cell,
                    "requests": round(rate * noise * facts.window_seconds),
                    "waits": Waits(total_seconds=None, occupied_seconds=None, slot="thread"),
                    "machine": facts.machine.model_copy(update={"stolen_cores": stolen}),
                    "generator": facts.generator.model_copy(update={"users_accounted": None}),
                    "placement": facts.placement.model_copy(update={"note": note}),
                }
            )
            visits.append(Visit(cell=cell, restart=restart, repeat=False, facts=found, failure=None))
    results = evaluate_claims(studies.statements(), evaluate_all(visits))
    return {f"{each.claim} {each.case}".strip(): each for each in results}


def up(preset: str) -> Iterator[tuple[Cell, list[int]]]:
    """The cells of a preset, each with the numbers of the restarts in which it is up; those of its sets take turns."""
    plan = presets.preset(preset)
    expansion = expand.expand(plan)
    found, _ = sets_of(expansion, plan, Room())
    for place, each in enumerate(expansion.cells):
        its = [number for number, members in enumerate(found) if place in members.members]
        yield each.cell, [number + 1 + round * len(found) for round in range(len(NOISE)) for number in its]


def test_every_claim_has_its_published_figures() -> None:
    published = studies.published()
    rows = [row for claim in studies.statements() for each in claim.pairs for row in (each.numerator, each.denominator)]
    assert all(row in published for row in rows)
    assert [claim.name for claim in studies.statements()] == [f"C{number}" for number in range(1, 10)]


def test_published_ratios_are_those_of_the_study(facts: Measurement) -> None:
    found = said(facts, {})
    shown = {name: each.published for name, each in found.items()}
    stated = {"C1": 3.74, "C2": 0.07, "C3": 1.04, "C4": 0.064, "C5": 1.79}
    for claim, ratios in {
        "C6": (1.05, 1.05, 1.22, 1.16),
        "C7": (1.45, 1.34, 1.20, 1.13),
        "C8": (0.89, 0.93, 0.87, 0.89),
    }.items():
        stated |= {f"{claim} fib={fib}": ratio for fib, ratio in zip((15, 20, 25, 30), ratios, strict=True)}
    assert {claim: shown[claim] for claim in stated} == pytest.approx(stated, abs=0.006)


def test_published_throughput_counts_successes_only() -> None:
    """8,089 of 9,992 requests failed in the study's table, which prints 163.76 requests per second."""
    blocked = [rate for row, rate in studies.published().items() if (row.workload, row.style) == ("mixed", "async")]
    assert blocked == [pytest.approx(163.756346 * (9992 - 8089) / 9992)]
    failed = {row: rate for row, rate in studies.published().items() if row.workload != "mixed"}
    assert sum(failed.values()) == pytest.approx(
        sum(
            float(row["rps"])
            for row in csv.DictReader(resources.text("published.csv").splitlines())
            if row["workload"] != "mixed"
        )
    )


def test_every_cell_of_the_claims_is_in_the_preset(facts: Measurement) -> None:
    assert not [name for name, each in said(facts, {}).items() if not (each.numerator and each.denominator)]


@pytest.mark.parametrize(
    ("rates", "claim", "verdict"),
    [
        ({"uvicorn/fastapi/async/select": 150}, "C5", "confirmed"),
        ({"uvicorn/fastapi/async/select": 70}, "C5", "refuted"),
        ({}, "C5", "refuted"),
        ({"uvicorn/fastapi/sync/sleep": 10}, "C2", "confirmed"),
        ({}, "C2", "refuted"),
        ({}, "C3", "confirmed"),
        ({"uvicorn/fastapi/wrapped/sleep": 150}, "C3", "refuted"),
        ({"uvicorn/fastapi/async/mixed": 5}, "C4", "confirmed"),
        ({"uvicorn/fastapi/async/sleep?ms=1000/w2": 300}, "C1", "confirmed"),
        ({f"uvicorn/fastapi/async/{SLOWEST}/w2": 3}, "C9 fib=30 to 15, async", "confirmed"),
    ],
)
def test_a_claim_is_judged_by_the_whole_interval(
    facts: Measurement, rates: dict[str, float], claim: str, verdict: str
) -> None:
    found = said(facts, rates)[claim]
    assert found.verdict == verdict, found


def test_what_cannot_be_told_has_its_reason(facts: Measurement) -> None:
    assert said(facts, {}, invalid="uvicorn/fastapi/async/select")["C5"].verdict == "cannot be told"
    assert "others took" in said(facts, {}, invalid="uvicorn/fastapi/async/select")["C5"].why
    shared = said(facts, {}, note="2 workers share 1 core: scaling cannot show here")
    assert (shared["C1"].verdict, shared["C1"].why) == (
        "cannot be told",
        "2 workers share 1 core: scaling cannot show here",
    )
    assert shared["C5"].verdict != "cannot be told"
    assert all(each.verdict == "cannot be told" for each in evaluate_claims(studies.statements(), []))


def test_cells_that_were_never_up_at_once_are_compared_all_the_same_and_that_is_said(facts: Measurement) -> None:
    found = said(facts, {f"uvicorn/fastapi/async/{SLOWEST}/w2": 3})
    assert all(each.measured and each.measured.low and each.verdict != "cannot be told" for each in found.values())
    steep = found["C9 fib=30 to 15, async"]
    assert steep.why == "never up at once, so not paired"
    assert steep.measured is not None
    assert steep.measured.estimate == pytest.approx(0.03, abs=0.001)
    apart = {name for name, each in found.items() if "not paired" in each.why}
    assert {name.partition(" ")[0] for name in apart} == {"C2", "C9"}


def test_what_differs_from_the_study_is_said_beside_its_claims() -> None:
    """Users and round trips are read from the cells of the run; Little's law tells the study's users of `select`."""
    cells = [each.cell for each in expand.expand(presets.preset("article")).cells]
    (users,) = studies.differences(cells)
    assert users == (
        "Users, here and in the study: sleep 250 and 10,000; mixed 20 and 10,000; select 200 and 1,900; "
        "simulation 8 and 32."
    )
    plain = [
        cell.model_copy(
            update={
                "variant": cell.variant.model_copy(
                    update={
                        "application": cell.variant.application.with_params(
                            {**cell.variant.application.params, "tx": None}
                        )
                    }
                )
            }
        )
        for cell in cells
        if isinstance(cell.variant.application, BundledApplication)
        and cell.variant.application.workload in ("select", "simulation")
    ]
    users, transactions = studies.differences(plain)
    assert "three (select and simulation; tx=1 makes one)" in transactions
    assert list(studies.differences([])) == []


SERVERS = {"uvicorn": 100, "granian": 130, "hypercorn": 50, "peregrine": 99, "h2corn": 1500, "gunicorn": 100}


def said_of_servers(facts: Measurement) -> dict[str, ClaimResult]:
    """What authors of servers claim, of a run of the preset in which each server has one throughput."""
    visits = []
    for cell, restarts in up("claims"):
        rate = SERVERS.get(cell.variant.server, 10)
        for restart in restarts:
            requests = round(rate * NOISE[restart % len(NOISE)] * facts.window_seconds)
            found = facts.model_copy(update={"cell": cell, "requests": requests, "waits": NO_WAITS})
            visits.append(Visit(cell=cell, restart=restart, repeat=False, facts=found, failure=None))
    published, _ = studies.of_servers()
    results = evaluate_claims(published, evaluate_all(visits))
    return {f"{each.claim} {each.text} {each.case}".strip(): each for each in results}


NO_WAITS = Waits(total_seconds=None, occupied_seconds=None, slot="thread")


def test_claims_of_servers_are_judged_with_their_source_and_ratio(facts: Measurement) -> None:
    found = said_of_servers(facts)
    assert all(each.numerator and each.denominator and each.source for each in found.values())
    assert len({(each.claim, each.case) for each in found.values()}) == len(found)  # pages quote them by these
    granian = found["granian ASGI is faster than uvicorn"]
    assert (granian.verdict, granian.published, granian.why) == ("confirmed", 2.459, "less than was published")
    assert found["peregrine is faster than uvicorn FastAPI"].verdict == "refuted"
    h2corn = found["h2corn leads on every scenario hypercorn"]
    assert (h2corn.verdict, h2corn.why) == ("confirmed", "")
    fast = found["h2corn HTTP/1.1 with asyncio's loop is faster than hypercorn"]
    assert (fast.verdict, fast.why) == ("confirmed", "more than was published")
    assert "2026-08-05" in granian.source
    counts = claims.summary(StudyResult(title="What authors claim", claims=list(found.values())))
    less = sum(each.verdict == "confirmed" and each.why == LESS for each in found.values())
    assert less > 3
    assert counts.startswith("What authors claim: ")
    assert f" confirmed ({less} by less than published)" in counts


def test_published_figures_that_no_law_allows_are_shown_as_such() -> None:
    _, figures = studies.of_servers()
    found = impossible(figures)
    assert [(each.claim, each.verdict) for each in found] == [("hypercorn", "impossible"), ("uWSGI", "impossible")]
    assert found[0].why.startswith("128 users ÷ 0.1 s allow 1,280 req/s")
    assert found[0].published == pytest.approx(6441 / 1280, abs=1e-4)
    assert len(figures) == 22
