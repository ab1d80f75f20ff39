"""What a rotation says, in words: the answer first, then how sure it is, then what it rests on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table
from rich.text import Text

from harness.analysis import rotation as analysis
from harness.model.comparison import Interval
from harness.model.counting import counted
from harness.model.labels import unique
from harness.model.metrics import METRICS, Metric
from harness.model.quantities import duration
from harness.model.record import RotationRecord, StoredRun
from harness.model.rotation import Restart, Rotation, RotationContrast
from harness.report import gate, terminal
from harness.report.gate import GATED
from harness.report.members import Names, names
from harness.report.words import TIMES, confidence, inverse, signed, than, verdict, versus

COLOURS = {"faster": "green", "slower": "red", "equivalent": "dim", "undecided": "yellow"}
MOST_APART = 10
"""Columns that fit a screen three blanks apart."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Grid:
    """A table of texts, whose first column holds names."""

    title: str
    head: list[tuple[str, str]]
    """Heading of each column, and the unit below it."""
    rows: list[list[str]]
    verdicts: list[str]
    """Of each row, for colours; empty where it tells none."""


def of_stored(stored: StoredRun) -> Rotation | None:
    """What a stored rotation says; of one that was killed before it could say it, what its restarts do. None for
    other runs."""
    record = stored.record
    if not isinstance(record, RotationRecord) or stored.rotation is not None:
        return stored.rotation
    load = record.cells[0].load
    question = analysis.Question(
        members=unique([cell.label for cell in record.cells]),
        users=load.users,
        users_reason="" if load.rate is None else load.label,
        margin=record.margin,
        precision=record.precision,
    )
    seconds = sum(restart.seconds for restart in stored.restarts)
    return analysis.answer(question, stored.restarts, seconds, ["the run was ended before it had its answer"])


def answers(rotation: Rotation) -> Iterator[tuple[str, str]]:
    """A sentence for each pair, with the verdict on its throughput: which is faster, and what a request costs."""
    short = names(rotation)
    pairs: dict[tuple[str, str], dict[str, RotationContrast]] = {}
    for each in rotation.contrasts:
        pairs.setdefault((each.a, each.b), {})[each.metric] = each
    for of_pair in pairs.values():
        throughput, cost = (of_pair.get(metric) for metric in GATED)
        if throughput is None:
            continue
        costs = ""
        if cost is not None and cost.reason is None and cost.ratio.low is not None:
            costs = cost_clause(throughput, cost, short, rotation.margin)
        if rotation.users is None and cost is not None and costs:  # under open load all are as fast as it is
            yield costs.removeprefix("; "), cost.verdict
        else:
            yield sentence(throughput, short, rotation.margin) + costs, throughput.verdict
    if not any(each.metric == GATED[0] for each in rotation.contrasts):
        why = "every restart is excluded" if not rotation.restarts else "a restart has no throughput of one of them"
        yield f"inconclusive: {why}", "undecided"


def _percent(share: float) -> str:
    """As two that took turns are known: `15.7%`."""
    return f"{share:.1%}"


def sentence(contrast: RotationContrast, short: Names, margin: float) -> str:
    """The throughput of two in words, the better one first: `granian is 15.7% faster than uvicorn (±1.1%)`."""
    better, other, ratio = _oriented(contrast, short)
    if contrast.reason:
        return f"inconclusive, {better} against {other}: {short.shortened(contrast.reason)}"
    if contrast.verdict == "equivalent":
        both = f"{short.short[contrast.a]} and {short.short[contrast.b]}"
        return f"{both} are equally fast within {margin * 100:g}%{_sure(contrast.ratio)}"
    if contrast.verdict == "undecided":
        return f"inconclusive: {better} could be {_range(ratio, 'slower', 'faster')} than {other}"
    if ratio.estimate >= TIMES:
        return f"{better} is {versus(than(ratio.estimate, METRICS[contrast.metric]))} {other}{_sure(ratio)}"
    return f"{better} is {_percent(ratio.estimate - 1)} faster than {other}{_sure(ratio)}"


def cost_clause(throughput: RotationContrast, cost: RotationContrast, short: Names, margin: float) -> str:
    """What a request costs, said of the one that the sentence on throughput begins with: `, and costs 13.7% less CPU
    per request`."""
    decided = throughput.verdict in ("faster", "slower")
    better, other, _ = _oriented(throughput if decided else cost, short)
    ratio = cost.ratio if better == short.short[cost.b] else inverse(cost.ratio)
    if cost.verdict == "equivalent":
        both = {"equivalent": ", and cost"}.get(throughput.verdict, ", and both cost" if decided else "; both cost")
        return f"{both} the same CPU per request within {margin * 100:g}%{_sure(ratio)}"
    if cost.verdict == "undecided":
        return f"; CPU per request inconclusive: {better} could cost {_range(ratio, 'less', 'more')} than {other}"
    difference = f"{_percent(abs(ratio.estimate - 1))} {'less' if ratio.estimate < 1 else 'more'} CPU per request"
    if ratio.estimate >= TIMES:
        difference = f"{ratio.estimate:.1f} times as much CPU per request"
    if decided:
        return f", {'and' if ratio.estimate < 1 else 'but'} costs {difference}{_sure(ratio)}"
    return f"; {better} costs {versus(difference)} {other}{_sure(ratio)}"


def _oriented(contrast: RotationContrast, short: Names) -> tuple[str, str, Interval]:
    """The better of the two by the estimate, the other, and better ÷ other."""
    a, b = short.short[contrast.a], short.short[contrast.b]
    if (contrast.ratio.estimate >= 1) == (METRICS[contrast.metric].better == "higher"):
        return b, a, contrast.ratio
    return a, b, inverse(contrast.ratio)


def _range(ratio: Interval, less: str, more: str) -> str:
    """Up to how much it could be: `from 1.3% slower to 5.2% faster`."""
    if ratio.low is None or ratio.high is None:
        return f"any amount {less} or {more}"
    ends = [f"{_percent(abs(end - 1))} {less if end < 1 else more}" for end in (ratio.low, ratio.high)]
    return f"from {ends[0]} to {ends[1]}"


def _sure(ratio: Interval) -> str:
    return "" if ratio.half_width is None else f" (±{_percent(ratio.half_width)})"


def question(rotation: Rotation) -> str:
    """What was asked."""
    short = names(rotation)
    shared = f", with {short.common} each" if short.common else ""
    return f"which is faster and which is cheaper, {' or '.join(short.short.values())}{shared}"


def figures(rotation: Rotation) -> Grid:
    """What each member reached."""
    short = names(rotation)
    metrics = [metric for name, metric in METRICS.items() if any(name in each for each in rotation.values)]
    return Grid(
        title=short.common,
        head=[("", ""), *((metric.label, metric.shown_unit or metric.unit) for metric in metrics)],
        rows=[
            [short.short[label], *(_figure(values.get(metric.name), metric) for metric in metrics)]
            for label, values in zip(rotation.members, rotation.values, strict=True)
        ],
        verdicts=["" for _ in rotation.members],
    )


def _figure(value: Interval | None, metric: Metric) -> str:
    return "–" if value is None else metric.format(value.estimate)


def differences(rotation: Rotation) -> Iterator[Grid]:
    """Each pair, metric by metric: how much more or less the second has than the first."""
    short = names(rotation)
    for a, b in dict.fromkeys((each.a, each.b) for each in rotation.contrasts):
        of_pair = [each for each in rotation.contrasts if (each.a, each.b) == (a, b)]
        yield Grid(
            title=f"{short.short[b]} against {short.short[a]}",
            head=[("", ""), ("difference", ""), ("95% CI", ""), ("verdict", "")],
            rows=[
                [
                    METRICS[each.metric].label,
                    signed(each.ratio.estimate, 1),
                    confidence(each.ratio, 1),
                    verdict(each).partition(" (")[0],
                ]
                for each in of_pair
            ],
            verdicts=[each.verdict for each in of_pair],
        )


def heading(rotation: Rotation) -> str:
    """How much was measured, in how long."""
    return f"{counted(rotation.restarts, 'restart')} in {duration(rotation.seconds)}"


def basis(rotation: Rotation, *, details: bool = True) -> Iterator[tuple[str, str]]:
    """Name and text of what the answer rests on. `details`: what few readers ask for too."""
    short = names(rotation)
    reason = f" ({rotation.users_reason})" if rotation.users_reason else ""
    connections = f"{counted(rotation.users or 0, 'connection')} each{reason}"
    yield "load", rotation.users_reason if rotation.users is None else connections
    yield "measured", f"{heading(rotation)}, loaded in turn in {rotation.method}"
    if not rotation.reached:
        target = f"the target of ±{_percent(rotation.precision)} was not reached"
        why = "the limit was decided before" if analysis.decided(rotation) else "it takes more time"
        yield "precision", f"{target}: {why}"
    if any(each.verdict == "undecided" and _excludes_equality(each.ratio) for each in rotation.contrasts):
        least = f"{rotation.margin * 100:g}%"
        yield "margin", f"a difference counts from {least} on (--margin), which an interval without 0 may still hold"
    if details:
        yield "intervals", rotation.interval_method
        yield from (("server", server) for server in dict.fromkeys(rotation.servers))
    yield from (("outcome", short.shortened(outcome)) for outcome in rotation.outcomes)
    yield from (("note", short.shortened(note)) for note in rotation.notes)
    yield from (("excluded", short.shortened(void)) for void in rotation.void)


def _excludes_equality(ratio: Interval) -> bool:
    return ratio.low is not None and ratio.high is not None and not ratio.low <= 1 <= ratio.high


def text(rotation: Rotation, folder: Path | None, *, details: bool = True) -> str:
    """Everything that is printed about a rotation, and where it is stored."""
    end = [] if folder is None else [Text(f"\n{terminal.where(folder)}")]
    return terminal.text(lambda _: [*parts(rotation, details=details), *end])


def parts(rotation: Rotation, *, details: bool = True) -> Iterator[Text | Table]:
    """What is printed, in order: whether the limit is kept, the answer, and what it rests on."""
    short = names(rotation)
    for outcome in rotation.outcomes:
        yield Text(short.shortened(outcome), style="bold red")
    for line, state in gate.lines(gate.of_rotation(rotation), rotation.limit):
        yield Text(line, style=f"bold {gate.COLOURS[state]}")
    for sentence, decided in answers(rotation):
        yield Text(sentence, style=f"bold {COLOURS[decided]}")
    for grid in (figures(rotation), *differences(rotation)):
        if len(grid.head) > 1:
            yield Text()
            yield table(grid)
    yield Text()
    styles = {"note": "yellow", "excluded": "yellow"}
    yield terminal.facts(
        (name, Text(words, style=styles.get(name, "")))
        for name, words in basis(rotation, details=details)
        if name != "outcome"
    )


def table(grid: Grid) -> Table:
    """A grid for a terminal. Units stand in a second line of the heading."""
    gap = 3 if len(grid.head) <= MOST_APART else 2
    drawn = Table(box=None, padding=(0, gap, 0, 0), pad_edge=False, header_style="dim")
    units = any(unit for _, unit in grid.head)
    for place, (name, unit) in enumerate(grid.head):
        heading = grid.title if place == 0 else name
        aligned = "left" if place == 0 or name == "verdict" else "right"
        drawn.add_column(
            f"{heading}\n{unit}" if units else heading,
            justify=aligned,  # type: ignore[arg-type]
            no_wrap=place > 0,
            overflow="fold",
        )
    for (name, *values), decided in zip(grid.rows, grid.verdicts, strict=True):
        style = COLOURS.get(decided, "none")
        last = [Text(values[-1], style=style)] if decided else values[-1:]
        drawn.add_row(f"  {name}", *values[:-1], *last)
    return drawn


def in_effect(rotation: Rotation, restarts: Sequence[Restart]) -> Iterator[tuple[str, str]]:
    """Name of each member and the settings in effect in the last restart, as its workers reported them."""
    short = names(rotation)
    for restart in restarts[-1:]:
        for label, member in zip(rotation.members, restart.members, strict=True):
            settings = ", ".join(f"{name} {value}" for name, value in member.effective.items() if value is not None)
            yield f"settings, {short.short[label]}", settings
