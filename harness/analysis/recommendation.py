"""From the stages of a search to the advice: which configuration, how sure it is, and what would change it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from harness.analysis import review, search
from harness.analysis.trials import Trial, trials
from harness.model.application import BundledApplication
from harness.model.comparison import Interval
from harness.model.counting import counted
from harness.model.overview import CellOverview
from harness.model.recommendation import (
    Confidence,
    Configuration,
    ExpectedLatency,
    Recommendation,
    StageResult,
    Tried,
)
from harness.model.record import RecommendationRecord, StoredRun
from harness.model.variant import Cell

LARGE = 0.10
"""Difference that cannot be excluded, from which on confidence is low."""


def recommend(stored: StoredRun) -> Recommendation:
    """What a run advises so far."""
    record = stored.record
    assert isinstance(record, RecommendationRecord)
    found, margin = trials(stored), record.margin
    cells = {cell.name: cell for cell in review.review(stored).cells}
    last = max((number for number, trial in enumerate(found) if trial.name == "servers"), default=0)
    results = {  # but for stages whose load was too small
        number: _result(record, number, trial, cells, margin)
        for number, trial in enumerate(found)
        if trial.name != "latency" and number >= last
    }
    compared = search.telling([trial for number, trial in enumerate(found) if number in results])
    best: Tried | None = None
    equals: list[Configuration] = []
    bottleneck = None
    doubts = _doubts_of_nothing(found)
    if compared:
        trial = compared[-1]
        configuration = search.winner(trial, margin)
        result = results[found.index(trial)]
        best = next(each for each in result.tried if each.configuration == configuration)
        bottleneck = trial.diagnoses[configuration]
        servers = search.servers_stage(compared)
        leader = next((each for each in servers.known if each.server == configuration.server), servers.known[0])
        equals = [each for each in search.rivals(servers, leader, margin) if each.server != configuration.server]
        doubts = list(_doubts(servers, leader, configuration, margin))
    started = datetime.fromisoformat(record.started_at)
    return Recommendation(
        subject=_subject(record.cells[0]),
        margin=margin,
        best=best,
        equals=equals,
        stages=list(results.values()),
        latency=_latency(record, cells, found, compared),
        bottleneck=bottleneck,
        confidence=_confidence(compared, doubts, margin),
        doubts=doubts,
        changes=list(_changes(record, found, bottleneck.bound_by if bottleneck else None, _switching(stored))),
        production=None if best is None else record.production.get(best.cell),
        left_out=record.impossible,
        finished=record.finished,
        seconds=max(
            (
                (datetime.fromisoformat(each.started_at) - started).total_seconds() + each.seconds
                for each in stored.restarts
            ),
            default=0.0,
        ),
    )


def _subject(cell: Cell) -> str:
    application = cell.variant.application
    if isinstance(application, BundledApplication):
        return f"{application.work_label} in {application.framework}, {application.style} handlers"
    return application.work_label


def _result(
    record: RecommendationRecord, number: int, trial: Trial, cells: dict[str, CellOverview], margin: float
) -> StageResult:
    own = {Configuration.of(record.cells[place]): record.cells[place].label for place in record.sets[number].members}
    best = search.winner(trial, margin) if trial.known else None
    order = [*trial.known, *(each for each in trial.members if each not in trial.known)]
    return StageResult(
        name=trial.name,
        load=trial.load,
        restarts=trial.restarts,
        tried=[_tried(trial, best, each, own[each], cells.get(own[each]), margin) for each in order],
    )


def _tried(
    trial: Trial,
    best: Configuration | None,
    each: Configuration,
    label: str,
    cell: CellOverview | None,
    margin: float,
) -> Tried:
    standing, ratio = ("unknown", None) if best is None else trial.standing(best, each, margin)
    return Tried(
        cell=label,
        configuration=each,
        standing="failed" if each in trial.failed else standing,
        ratio=ratio,
        reason=trial.failed.get(each) or trial.unknown.get(each),
        throughput=None if cell is None else cell.figures["throughput_rps"].interval,
        cpu_us_per_request=None if cell is None else cell.figures["cpu_us_per_request"].value,
        rss_peak_bytes=None if cell is None else cell.figures["rss_peak_bytes"].value,
    )


def _latency(
    record: RecommendationRecord, cells: dict[str, CellOverview], found: Sequence[Trial], compared: Sequence[Trial]
) -> ExpectedLatency | None:
    """Of the stage that is loaded below saturation."""
    number = next((place for place, each in enumerate(found) if each.name == "latency"), None)
    if number is None or not compared:
        return None
    measured = record.cells[record.sets[number].members[0]]
    cell = cells.get(measured.label)
    if cell is None or not cell.valid or measured.load.rate is None:
        return None
    return ExpectedLatency(
        rate=measured.load.rate,
        share=search.LATENCY_SHARE,
        p50_ms=cell.figures["p50_ms"].value,
        p99_ms=cell.figures["p99_ms"].value,
    )


def _doubts_of_nothing(found: Sequence[Trial]) -> list[str]:
    """Why nothing is known."""
    reasons = [reason for trial in found for reason in (*trial.failed.values(), *trial.unknown.values())]
    return list(dict.fromkeys(reasons)) or ["no restart has ended"]


def _doubts(trial: Trial, leader: Configuration, chosen: Configuration, margin: float) -> Iterator[str]:
    """Why it is no more certain which server is best."""
    for each in trial.known:
        standing, ratio = trial.standing(leader, each, margin)
        if standing == "unclear" and ratio is not None:
            yield f"{each.server} could be {_range(ratio)} than {leader.server}"
    yield from (f"{each.server} could not be judged: {why}" for each, why in trial.unknown.items())
    if (leader.workers, leader.threads) != (chosen.workers, chosen.threads) and len(trial.members) > 1:
        yield (
            f"servers were compared with {_counts(leader)} only, not with {_counts(chosen)}: the time was over, or the "
            "others were clearly slower"
        )


def _counts(each: Configuration) -> str:
    return f"{counted(each.workers, 'worker')} and {counted(each.threads, 'thread')}"


def _range(ratio: Interval) -> str:
    if ratio.low is None or ratio.high is None:
        return "any amount slower or faster"
    ends = [f"{abs(end - 1):.0%} {'slower' if end < 1 else 'faster'}" for end in (ratio.low, ratio.high)]
    return f"between {ends[0]} and {ends[1]}"


def _confidence(compared: Sequence[Trial], doubts: Sequence[str], margin: float) -> Confidence:
    """Low where a server could not be judged or could be far better than the best; high where nothing is left open."""
    if not compared:
        return "low"
    servers = search.servers_stage(compared)
    best = servers.known[0]
    open_ratios = [
        ratio
        for each in servers.known
        for standing, ratio in [servers.standing(best, each, margin)]
        if standing == "unclear" and ratio is not None
    ]
    faster = [1.0 if each.high is None else each.high - 1 for each in open_ratios]
    if servers.unknown or any(each > LARGE for each in faster):
        return "low"
    return "medium" if doubts else "high"


def _switching(stored: StoredRun) -> list[str]:
    """Servers that may rank otherwise where requests arrive in another way."""
    servers = {cell.label: cell.variant.server for cell in stored.record.cells}
    found = (each.member for each in review.remarks(stored.restarts) if each.kind == "switching")
    return list(dict.fromkeys(servers[member] for member in found if member in servers))


def _changes(
    record: RecommendationRecord, found: Sequence[Trial], bound_by: str | None, switching: Sequence[str]
) -> Iterator[str]:
    """What would change the advice. `switching`: servers for which the way that requests arrive counts."""
    yield from (f"a larger machine: this one cannot answer {each}" for each in record.scope)
    if bound_by == "users":
        closed = next(each.load for each in reversed(found) if each.load.startswith("c"))
        yield (
            f"a larger load: {closed.removeprefix('c')} connections are all in use and nothing is short; "
            "measure with --vus as high as yours"
        )
    if switching:
        often = "switch" if len(switching) > 1 else "switches"
        yield (
            f"another load generator: {' and '.join(switching)} {often} threads for each of these small requests, and "
            "may rank otherwise where they arrive in another way"
        )
    if bound_by == "database":
        yield "a faster database, or one on a machine of its own: it is what is short here"
    yield "TLS, a reverse proxy, a network, or another version of a server: none was part of it"
