"""What a rotation says, as text for a terminal: the answer first, then how sure it is, then what it rests on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rich.table import Table
from rich.text import Text

from harness.model.comparison import Interval
from harness.model.metrics import METRICS
from harness.model.quantities import duration
from harness.model.rotation import Rotation, RotationContrast
from harness.report import terminal

COLOURS = {"faster": "green", "slower": "red", "equivalent": "dim", "undecided": "yellow"}
WORDS = {
    ("throughput_rps", "faster"): "faster",
    ("throughput_rps", "slower"): "slower",
    ("cpu_us_per_request", "faster"): "cheaper",
    ("cpu_us_per_request", "slower"): "costlier",
    ("rss_peak_bytes", "faster"): "less",
    ("rss_peak_bytes", "slower"): "more",
}
GATED = ("throughput_rps", "cpu_us_per_request")
"""Metrics by which `--fail-above` judges."""


def text(rotation: Rotation, folder: Path | None) -> str:
    """Everything that is printed about a rotation, and where it is stored."""
    end = [] if folder is None else [Text(f"\nstored in {folder}")]
    return terminal.text(lambda _: [*parts(rotation), *end])


def exit_code(rotation: Rotation) -> int:
    """4 where a member failed, 3 where nothing could be told, 1 where the second is worse than the limit, else 0."""
    if rotation.outcomes:
        return 4
    throughput = [each for each in rotation.contrasts if each.metric == GATED[0]]
    if not throughput or all(each.reason for each in rotation.contrasts if each.metric in GATED):
        return 3
    return 1 if any(each.worse for each in rotation.contrasts if each.metric in GATED) else 0


def parts(rotation: Rotation) -> Iterator[Text | Table]:
    """What is printed, in order."""
    for each in rotation.contrasts:
        if each.metric == "throughput_rps":
            yield Text.assemble((sentence(each, rotation.margin), f"bold {COLOURS[each.verdict]}"))
    if not rotation.contrasts:
        yield Text("no restart counts: nothing can be told", style="bold yellow")
    for outcome in rotation.outcomes:
        yield Text(outcome, style="bold red")
    yield Text()
    yield _figures(rotation)
    yield Text()
    yield _ratios(rotation)
    yield Text()
    yield from _basis(rotation)


def sentence(contrast: RotationContrast, margin: float) -> str:
    """The answer in words: `granian is 15.7 % faster than uvicorn (±1.1 %)`; the better one stands first."""
    better, other = (contrast.b, contrast.a) if contrast.verdict != "slower" else (contrast.a, contrast.b)
    ratio = contrast.ratio.estimate if contrast.verdict != "slower" else 1 / contrast.ratio.estimate
    sure = "" if contrast.ratio.half_width is None else f" (±{contrast.ratio.half_width:.1%})"
    if contrast.reason:
        return f"{contrast.b} against {contrast.a}: inconclusive, {contrast.reason}"
    if contrast.verdict == "equivalent":
        return f"{contrast.a} and {contrast.b} are equally fast within {margin:.0%}{sure}"
    if contrast.verdict == "undecided":
        return (
            f"{contrast.a} and {contrast.b}: inconclusive; {contrast.b} is {signed(contrast.ratio.estimate)} in "
            f"throughput, from {signed(contrast.ratio.low)} to {signed(contrast.ratio.high)}"
        )
    return f"{better} is {signed(ratio).lstrip('+')} faster than {other}{sure}"


def signed(ratio: float | None) -> str:
    """A ratio as a difference: `+15.7 %`."""
    return "–" if ratio is None else f"{ratio - 1:+.1%}".replace("%", " %")


def _figures(rotation: Rotation) -> Table:
    table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim")
    metrics = [metric for name, metric in METRICS.items() if any(name in each for each in rotation.values)]
    table.add_column("", no_wrap=True)
    for metric in metrics:
        table.add_column(metric.heading, justify="right")
    for label, values in zip(rotation.members, rotation.values, strict=True):
        shown = [values.get(metric.name) for metric in metrics]
        figures = [
            "–" if value is None else metric.format(value.estimate)
            for metric, value in zip(metrics, shown, strict=True)
        ]
        table.add_row(f"  {label}", *figures)
    return table


def _ratios(rotation: Rotation) -> Table:
    table = Table(box=None, padding=(0, 3, 0, 0), show_header=False)
    for _ in range(3):
        table.add_column(overflow="fold")
    several = len(rotation.members) > 2
    for each in rotation.contrasts:
        metric = METRICS[each.metric]
        pair = f"{each.b} ÷ {each.a}: " if several else ""
        verdict = (
            "inconclusive" if each.verdict == "undecided" else WORDS.get((each.metric, each.verdict), each.verdict)
        )
        table.add_row(f"  {pair}{metric.label}", _ratio(each.ratio), Text(verdict, style=COLOURS[each.verdict]))
    return table


def _ratio(ratio: Interval) -> str:
    if ratio.low is None or ratio.high is None:
        return signed(ratio.estimate)
    return f"{signed(ratio.estimate)}  [{signed(ratio.low)}, {signed(ratio.high)}]"


def _basis(rotation: Rotation) -> Iterator[Text]:
    users = "" if rotation.users is None else f"{rotation.users} users each ({rotation.users_reason}), "
    open_load = rotation.users_reason if rotation.users is None else ""
    yield Text(
        f"  {users}{open_load}{rotation.restarts} restarts in {duration(rotation.seconds)}, loaded in turn in "
        f"{rotation.method}",
        style="dim",
    )
    if not rotation.reached:
        yield Text(f"  not as narrow as was asked for (±{rotation.precision:.1%})", style="dim")
    yield Text(f"  intervals: {rotation.interval_method}", style="dim")
    for server in dict.fromkeys(rotation.servers):
        yield Text(f"  {server}", style="dim")
    for note in rotation.notes:
        yield Text(f"  note: {note}", style="yellow")
    for void in rotation.void:
        yield Text(f"  does not count: {void}", style="yellow")
    if rotation.limit is not None:
        worse = [each for each in rotation.contrasts if each.worse and each.metric in GATED]
        said = "is worse by more than" if worse else "is not for certain worse by more than"
        yield Text(f"  the second {said} {rotation.limit:.0%}", style="bold red" if worse else "green")
