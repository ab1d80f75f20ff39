"""From a stored run to what it says: its visits read back, judged anew, compared."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from harness.errors import UsageError
from harness.judge import overview
from harness.judge.runs import compare_runs
from harness.model.comparison import Metric, RunComparison
from harness.model.overview import Overview
from harness.store import StoredRun, Visit, environments, read_answer, read_duets
from harness.system.host import IDENTITY


def review(stored: StoredRun) -> Overview:
    """What a run says so far, be it a matrix, finished or not, or a single cell."""
    document = stored.document
    plan = document.get("plan", {})
    return overview.overview(
        visits(stored),
        title=plan.get("title"),
        blocks=plan.get("blocks", 1),
        planned=sum(map(len, document.get("order", [[0]]))),
        seconds=_seconds(stored),
        impossible=[(each["cell"], each["reason"]) for each in document.get("impossible", [])],
        duets=read_duets(stored.folder),
    )


def nothing() -> Overview:
    """Of a run without visits that are compared as those of a matrix are: a duet."""
    return overview.overview([], title=None, blocks=1, planned=0, seconds=0.0, impossible=[])


def compare(first: StoredRun, second: StoredRun, metric: Metric, limit: float | None, *, anyway: bool) -> RunComparison:
    """Two runs, cell by cell. UsageError where they were not measured alike, unless to be compared `anyway`."""
    for each in (first, second):
        if read_answer(each.folder) is not None:
            raise UsageError(
                f"{each.folder} is a duet, which compares its two cells itself",
                cure="show it with: harness report FOLDER",
            )
    different = list(_differences(first, second))
    if different and not anyway:
        raise UsageError(
            f"{first.folder} and {second.folder} are not comparable: {'; '.join(different)}",
            cure="measure both alike, or say --anyway and mind the difference",
        )
    observations = [overview.observations(overview.judge_all(visits(each))) for each in (first, second)]
    return compare_runs(observations[0], observations[1], metric, limit)


def _differences(first: StoredRun, second: StoredRun) -> Iterator[str]:
    """What makes figures of two runs differ, whatever was measured."""
    protocols = [sorted({visit.protocol for visit in each.visits}) for each in (first, second)]
    if protocols[0] != protocols[1]:
        yield f"protocol {protocols[0]} and {protocols[1]}"
    for name in IDENTITY:
        values = [each.document["host"].get(name) for each in (first, second)]
        if values[0] != values[1]:
            yield f"the host's {name} is {values[0]} and {values[1]}"
    for name in ("window_seconds", "pin"):
        values = [each.document.get(name) for each in (first, second)]
        if values[0] != values[1]:
            yield f"{name} is {values[0]} and {values[1]}"
    generators = [sorted({each.facts.generator.name for each in run.visits if each.facts}) for run in (first, second)]
    if generators[0] != generators[1]:
        yield f"the load generator is {' and '.join(' or '.join(each) or 'none' for each in generators)}"


def visits(stored: StoredRun) -> list[overview.Visit]:
    """The attempts that count, in the order of the plan's cells."""
    options = {each["executable"]: each.get("python_option") for each in environments(stored.document)}
    places = {name: place for place, name in enumerate(stored.document["cells"])}
    last: dict[tuple[int, int], Visit] = {}
    for each in stored.visits:
        # Outside of a matrix there is one cell, which is measured again where others disturbed it.
        key = (1, 1) if each.place is None else (each.place.block, each.place.position)
        last[key] = each

    def plan_order(each: Visit) -> tuple[int, int, int]:
        option = options[each.python]
        place = places[f"{option}:{each.cell.id}" if option else each.cell.id]
        return (place, 0, 0) if each.place is None else (place, each.place.block, each.place.repeat)

    return [
        overview.Visit(
            environment=(options[each.python] or "") if len(options) > 1 else "",
            cell=each.cell,
            block=key[0],
            repeat=each.place is not None and each.place.repeat,
            facts=each.facts,
            failure=each.failure,
        )
        for key, each in sorted(last.items(), key=lambda item: plan_order(item[1]))
    ]


def _seconds(stored: StoredRun) -> float:
    """From the run's begin to that of its last visit, and as long as a visit takes."""
    moments = [each.started_at for each in stored.visits]
    if not moments:
        return 0.0
    began = datetime.fromisoformat(stored.document["started_at"])
    window = stored.document["warmup_seconds"] + stored.document["window_seconds"]
    return (max(map(datetime.fromisoformat, moments)) - began).total_seconds() + float(window)
