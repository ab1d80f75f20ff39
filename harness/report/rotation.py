"""What a rotation says, in words: the answer first, then how sure it is, then what it rests on."""

from __future__ import annotations

import re
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
from harness.report import terminal

COLOURS = {"faster": "green", "slower": "red", "equivalent": "dim", "undecided": "yellow"}
GATED = ("throughput_rps", "cpu_us_per_request")
"""Metrics by which `--fail-above` judges."""
COSTS = ("cpu_us_per_request", "rss_peak_bytes")
"""Metrics of which less is cheaper, not faster."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Names:
    """The members by what they differ in."""

    short: dict[str, str]
    """Written form → the parts that the members do not share."""
    common: str
    """The parts that they share; empty where there are none."""

    def shortened(self, text: str) -> str:
        """A text in which the short names stand for the written forms."""
        for label in sorted(self.short, key=len, reverse=True):
            text = text.replace(label, self.short[label])
        return text


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


def exit_code(rotation: Rotation) -> int:
    """4 where a member failed, 3 where nothing could be told, 1 where the second is worse than the limit, else 0."""
    if rotation.outcomes:
        return 4
    throughput = [each for each in rotation.contrasts if each.metric == GATED[0]]
    if not throughput or all(each.reason for each in rotation.contrasts if each.metric in GATED):
        return 3
    return 1 if any(each.worse for each in rotation.contrasts if each.metric in GATED) else 0


def names(rotation: Rotation) -> Names:
    """What to call the members."""
    return shortened(rotation.members, rotation.servers)


def shortened(labels: Sequence[str], servers: Sequence[str] = ()) -> Names:
    """Written forms by what they differ in. `servers`: of each, its server's name first."""
    numbers = [match[0] if (match := re.search(r" \(\d+\)$", label)) else "" for label in labels]
    parts = [
        _parts(label.removesuffix(number), server.partition(" ")[0])
        for label, number, server in zip(labels, numbers, servers or [""] * len(labels), strict=True)
    ]
    if len({len(each) for each in parts}) > 1:
        return Names(short={label: label for label in labels}, common="")
    places = range(len(parts[0]))
    differing = [place for place in places if len({each[place] for each in parts}) > 1] or [0]
    return Names(
        short={
            label: "/".join(each[place] for place in differing) + number
            for label, each, number in zip(labels, parts, numbers, strict=True)
        },
        common="/".join(parts[0][place] for place in places if place not in differing),
    )


def _parts(label: str, server: str) -> list[str]:
    """The parts of a written form; an environment, which may be a path, stays with its server."""
    match = re.match(rf"(.+:)?(?={re.escape(server)}[:/])", label) if server else None
    environment = match[0] if match else ""
    first, *others = label.removeprefix(environment).split("/")
    return [environment + first, *others]


def percent(share: float) -> str:
    """`15.7 %`."""
    return f"{share:.1%}".replace("%", " %")


def signed(ratio: float | None) -> str:
    """A ratio as a difference: `+15.7 %`."""
    if ratio is None:
        return "–"
    text = f"{ratio - 1:+.1%}".replace("%", " %")
    return text[1:] if text[1:] == "0.0 %" else text


def verdict(contrast: RotationContrast) -> str:
    """In words: `inconclusive`, and `cheaper` or `costlier` of what costs."""
    if contrast.verdict == "undecided":
        return "inconclusive"
    words = {"faster": "cheaper", "slower": "costlier"} if contrast.metric in COSTS else {}
    return words.get(contrast.verdict, contrast.verdict)


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
        yield "inconclusive: there is no restart that counts", "undecided"


def sentence(contrast: RotationContrast, short: Names, margin: float) -> str:
    """The throughput of two in words, the better one first: `granian is 15.7 % faster than uvicorn (±1.1 %)`."""
    better, other, ratio = _oriented(contrast, short)
    if contrast.reason:
        return f"inconclusive, {better} against {other}: {short.shortened(contrast.reason)}"
    if contrast.verdict == "equivalent":
        both = f"{short.short[contrast.a]} and {short.short[contrast.b]}"
        return f"{both} are equally fast within {margin * 100:g} %{_sure(contrast.ratio)}"
    if contrast.verdict == "undecided":
        return f"inconclusive: {better} could be {_range(ratio, 'slower', 'faster')} than {other}"
    return f"{better} is {percent(ratio.estimate - 1)} faster than {other}{_sure(ratio)}"


def cost_clause(throughput: RotationContrast, cost: RotationContrast, short: Names, margin: float) -> str:
    """What a request costs, said of the one that the sentence on throughput begins with: `, and costs 13.7 % less CPU
    per request`."""
    decided = throughput.verdict in ("faster", "slower")
    better, other, _ = _oriented(throughput if decided else cost, short)
    ratio = cost.ratio if better == short.short[cost.b] else inverse(cost.ratio)
    if cost.verdict == "equivalent":
        both = {"equivalent": ", and cost"}.get(throughput.verdict, ", and both cost" if decided else "; both cost")
        return f"{both} the same CPU per request within {margin * 100:g} %{_sure(ratio)}"
    if cost.verdict == "undecided":
        return f"; CPU per request inconclusive: {better} could cost {_range(ratio, 'less', 'more')} than {other}"
    difference = f"{percent(abs(ratio.estimate - 1))} {'less' if ratio.estimate < 1 else 'more'} CPU per request"
    if decided:
        return f", {'and' if ratio.estimate < 1 else 'but'} costs {difference}{_sure(ratio)}"
    return f"; {better} costs {difference} than {other}{_sure(ratio)}"


def _oriented(contrast: RotationContrast, short: Names) -> tuple[str, str, Interval]:
    """The better of the two by the estimate, the other, and better ÷ other."""
    a, b = short.short[contrast.a], short.short[contrast.b]
    if (contrast.ratio.estimate >= 1) == (METRICS[contrast.metric].better == "higher"):
        return b, a, contrast.ratio
    return a, b, inverse(contrast.ratio)


def inverse(ratio: Interval) -> Interval:
    """A ratio seen from the other side."""
    low, high = (None if end is None else 1 / end for end in (ratio.high, ratio.low))
    return Interval(estimate=1 / ratio.estimate, low=low, high=high, n=ratio.n)


def _range(ratio: Interval, less: str, more: str) -> str:
    """Up to how much it could be: `from 1.3 % slower to 5.2 % faster`."""
    if ratio.low is None or ratio.high is None:
        return f"any amount {less} or {more}"
    ends = [f"{percent(abs(end - 1))} {less if end < 1 else more}" for end in (ratio.low, ratio.high)]
    return f"from {ends[0]} to {ends[1]}"


def _sure(ratio: Interval) -> str:
    return "" if ratio.half_width is None else f" (±{percent(ratio.half_width)})"


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
            head=[("", ""), ("difference", ""), ("interval", ""), ("verdict", "")],
            rows=[
                [METRICS[each.metric].label, signed(each.ratio.estimate), _interval(each.ratio), verdict(each)]
                for each in of_pair
            ],
            verdicts=[each.verdict for each in of_pair],
        )


def _interval(ratio: Interval) -> str:
    return "" if ratio.low is None or ratio.high is None else f"{signed(ratio.low)} to {signed(ratio.high)}"


def heading(rotation: Rotation) -> str:
    """How much was measured, in how long."""
    return f"{counted(rotation.restarts, 'restart')} in {duration(rotation.seconds)}"


def basis(rotation: Rotation) -> Iterator[tuple[str, str]]:
    """Name and text of what the answer rests on."""
    short = names(rotation)
    reason = f" ({rotation.users_reason})" if rotation.users_reason else ""
    yield "load", rotation.users_reason if rotation.users is None else f"{rotation.users} users each{reason}"
    yield "measured", f"{heading(rotation)}, loaded in turn in {rotation.method}"
    if not rotation.reached:
        yield "precision", f"±{percent(rotation.precision)} was asked for and takes longer (--max-time)"
    yield "intervals", rotation.interval_method.replace("%", " %")
    yield from (("server", server) for server in dict.fromkeys(rotation.servers))
    yield from (("outcome", short.shortened(outcome)) for outcome in rotation.outcomes)
    yield from (("note", short.shortened(note)) for note in rotation.notes)
    yield from (("does not count", short.shortened(void)) for void in rotation.void)
    if rotation.limit is not None:
        yield f"--fail-above {rotation.limit * 100:g}%", gate(rotation)


def gate(rotation: Rotation) -> str:
    """What the limit makes of the second of two."""
    short = names(rotation)
    judged = [each for each in rotation.contrasts if each.metric in GATED and each.reason is None]
    worse = [each for each in judged if each.worse]
    if not judged:
        return "cannot be judged"
    if not worse:
        return f"passed in {' and '.join(dict.fromkeys(METRICS[each.metric].label for each in judged))}"
    limit = percent(rotation.limit or 0.0)
    return "; ".join(
        f"{short.short[each.b]} is worse than {short.short[each.a]} by more than {limit} in "
        f"{METRICS[each.metric].label}, with the whole interval"
        for each in worse
    )


def text(rotation: Rotation, folder: Path | None) -> str:
    """Everything that is printed about a rotation, and where it is stored."""
    end = [] if folder is None else [Text(f"\n{terminal.where(folder)}")]
    return terminal.text(lambda _: [*parts(rotation), *end])


def parts(rotation: Rotation) -> Iterator[Text | Table]:
    """What is printed, in order."""
    short = names(rotation)
    for outcome in rotation.outcomes:
        yield Text(short.shortened(outcome), style="bold red")
    for sentence, decided in answers(rotation):
        yield Text(sentence, style=f"bold {COLOURS[decided]}")
    for grid in (figures(rotation), *differences(rotation)):
        if len(grid.head) > 1:
            yield Text()
            yield table(grid)
    yield Text()
    styles = {"note": "yellow", "does not count": "yellow"}
    worse = any(each.worse for each in rotation.contrasts if each.metric in GATED)
    yield terminal.facts(
        (name, Text(words, style=("bold red" if worse else "green") if name.startswith("--") else styles.get(name, "")))
        for name, words in basis(rotation)
        if name != "outcome"
    )


def table(grid: Grid) -> Table:
    """A grid for a terminal. Units stand in a second line of the heading."""
    drawn = Table(box=None, padding=(0, 3, 0, 0), header_style="dim")
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
            yield f"in effect, {short.short[label]}", settings
