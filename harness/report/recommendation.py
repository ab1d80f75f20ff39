"""A recommendation in words: what to use, how sure that is, the command line, and what it rests on."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Iterator
from pathlib import Path

from rich.console import RenderableType
from rich.text import Text

from harness.model.comparison import Interval
from harness.model.counting import counted
from harness.model.metrics import METRICS
from harness.model.quantities import duration
from harness.model.recommendation import ExpectedLatency, Recommendation, StageResult, Tried
from harness.report import rotation, terminal
from harness.report.rotation import Grid
from harness.report.words import half_width, listed, number, remedied

STAGES = {
    "servers": "Servers",
    "workers": "Workers",
    "threads": "Threads",
    "finalists": "Servers, with these workers and threads",
}
STANDINGS = {
    "best": "best",
    "equal": "as good",
    "unclear": "inconclusive",
    "worse": "slower",
    "unknown": "not measured",
    "failed": "failed",
}
VERDICTS = {"best": "faster", "equal": "equivalent", "worse": "slower", "failed": "slower"}
"""Standing → the verdict whose colour it has."""


def exit_code(answer: Recommendation) -> int:
    """0 where there is something to recommend, 4 where every server failed, else 3."""
    if answer.best is not None:
        return 0
    tried = [each for stage in answer.stages for each in stage.tried]
    return 4 if tried and all(each.standing == "failed" for each in tried) else 3


def title(answer: Recommendation) -> str:
    """What was asked."""
    return f"Which server, how many workers and how many threads for {answer.subject}?"


def question(answer: Recommendation) -> str:
    """What was tried: servers, worker and thread counts, and the load."""
    tried = [each.configuration for stage in answer.stages for each in stage.tried]
    servers = dict.fromkeys(each.server for each in tried)
    counts = [
        f"{counted(most, one)}" if len(of) == 1 else f"{', '.join(map(str, of[:-1]))} and {most} {one}s"
        for one, of in (
            ("worker", sorted({each.workers for each in tried})),
            ("thread", sorted({each.threads for each in tried})),
        )
        for most in of[-1:]
    ]
    loads = dict.fromkeys(f"{stage.load.removeprefix('c')} connections" for stage in answer.stages)
    return "; ".join(filter(None, (", ".join(servers), *counts, ", ".join(loads))))


def heading(answer: Recommendation) -> str:
    """How much was measured, in how long."""
    restarts = sum(stage.restarts for stage in answer.stages)
    tried = {each.configuration for stage in answer.stages for each in stage.tried}
    so_far = "" if answer.finished else ", not finished"
    return (
        f"{counted(len(tried), 'configuration')}, {counted(restarts, 'restart')} in {duration(answer.seconds)}{so_far}"
    )


def answers(answer: Recommendation) -> list[str]:
    """The advice in three lines: what to use and what to expect of it; what equals it; workers and threads."""
    if answer.best is None:
        return ["Nothing can be recommended: no configuration has a valid measurement."]
    return [_use(answer, answer.best), _servers(answer, answer.best), _counts(answer, answer.best)]


def _use(answer: Recommendation, best: Tried) -> str:
    chosen = best.configuration
    threads = f" and {chosen.threads} threads each" if _thread_stage(answer) else ""
    text = f"Use {chosen.server} with {counted(chosen.workers, 'worker')}{threads}: "
    if best.throughput is not None:
        half = best.throughput.half_width
        sure = f" ({half_width(best.throughput)})" if half is not None and half < 1 else ", which is not sure yet"
        text += f"{number(best.throughput.estimate)} requests/s at most{sure}"
    if answer.latency is not None and answer.latency.p99_ms is not None:
        text += f"; {_within(answer.latency)} at {number(answer.latency.rate)} requests/s"
    if best.rss_peak_bytes is not None:
        text += f"; {best.rss_peak_bytes / 1e6:,.0f} MB of memory"
    return f"{text}."


def _within(latency: ExpectedLatency) -> str:
    """Both, since few slow requests say nothing of the others."""
    parts = [("half of the requests", latency.p50_ms), ("99%", latency.p99_ms)]
    return ", ".join(f"{share} within {ms:,.{1 if ms < 10 else 0}f} ms" for share, ms in parts if ms is not None)


def _servers(answer: Recommendation, best: Tried) -> str:
    """What nearly equals it, or that nothing does."""
    last = {
        each.configuration.server: each
        for stage in answer.stages
        if stage.name in ("servers", "finalists")
        for each in stage.tried
    }
    rest = [each for server, each in last.items() if server != best.configuration.server]
    if not rest:
        return "No other server was measured."
    equal = [each.server for each in answer.equals]
    slower = [each for each in rest if each.standing == "worse"]
    within = f"within {answer.margin:.0%}" if not answer.doubts else "as far as this run can tell"
    if len(equal) == len(rest):
        named = listed([best.configuration.server, *equal])
        if not answer.doubts:
            return f"The server does not matter here: {named} are equally fast {within}. Take what you know."
        return f"No server is shown to be better: {named}. Take what you know, or measure longer (--max-time)."
    parts = [f"{listed(equal)} {'is' if len(equal) == 1 else 'are'} as good {within}"] if equal else []
    if slower:
        parts.append(listed([f"{each.configuration.server} is {_less(each.ratio)} slower" for each in slower]))
    parts += [f"{each.configuration.server} failed" for each in rest if each.standing == "failed"]
    parts += [f"{each.configuration.server} could not be judged" for each in rest if each.standing == "unknown"]
    return f"{'; '.join(parts)}."


def _counts(answer: Recommendation, best: Tried) -> str:
    """What other worker and thread counts do, and what limits the best configuration."""
    parts = [
        f"{name.capitalize()}: {', '.join(said)}"
        for name in ("workers", "threads")
        if (said := _others(answer, name, best))
    ]
    if answer.bottleneck is not None:
        parts.append(f"Bottleneck: {remedied(answer.bottleneck.message, answer.bottleneck.remedies)}")
    return f"{'. '.join(parts)}." if parts else "Other worker and thread counts were not measured."


def _others(answer: Recommendation, name: str, best: Tried) -> list[str]:
    """Other counts, beside that of the best: `8 serve the same`."""
    wanted = getattr(best.configuration, name)
    said: dict[int, str] = {}
    for stage in answer.stages:
        leads = [getattr(each.configuration, name) for each in stage.tried if each.standing == "best"]
        if stage.name == name and leads == [wanted]:
            said |= {
                getattr(each.configuration, name): _change(each) for each in stage.tried if each.standing != "best"
            }
    return [f"{count} {said[count]}" for count in sorted(said)]


def _change(each: Tried) -> str:
    if each.ratio is None:
        return "failed" if each.standing == "failed" else "could not be judged"
    change = each.ratio.estimate - 1
    if each.standing == "equal" or abs(change) < 0.005:
        return "would serve the same"
    sure = half_width(each.ratio)
    return f"would serve {abs(change):.0%} {'more' if change > 0 else 'less'}" + (f" ({sure})" if sure else "")


def _less(ratio: Interval | None) -> str:
    return "clearly" if ratio is None else f"{1 - ratio.estimate:.0%}"


def _thread_stage(answer: Recommendation) -> bool:
    return any(stage.name == "threads" for stage in answer.stages)


def basis(answer: Recommendation, *, reasons: bool = True) -> Iterator[tuple[str, str]]:
    """Name and text of how sure it is, what would change it, and how production differs. `reasons`: with why what is
    not for production was set for measuring."""
    if answer.best is None:
        yield from (("why", each) for each in answer.doubts)
        yield "measured", heading(answer)
        return
    doubts = "; ".join(answer.doubts)
    yield "confidence", f"{answer.confidence}: {doubts}" if doubts else answer.confidence
    yield from (("would change it", each) for each in answer.changes)
    if answer.production is not None:
        yield from (("to do", each) for each in answer.production.steps)
        if answer.production.differences:
            different = answer.production.differences
            if reasons:
                yield "measured with", "; ".join(different)
            else:
                named = ", ".join(each.partition(" so that ")[0] for each in different)
                yield "measured with", f"{named}, which production goes without"
    yield from ((f"{server} left out", why) for server, why in answer.left_out)
    without = {each.configuration.server: each.reason for stage in answer.stages for each in stage.tried if each.reason}
    yield from ((f"{server} has no figures", why) for server, why in without.items())
    yield "measured", heading(answer)


def grids(answer: Recommendation) -> list[Grid]:
    """A table for each stage; none where nothing is known."""
    if answer.best is None:
        return []
    threads = len({each.configuration.threads for stage in answer.stages for each in stage.tried}) > 1
    return [_grid(stage, threads=threads) for stage in answer.stages]


def _grid(stage: StageResult, *, threads: bool) -> Grid:
    """`threads`: whether they differ anywhere."""
    memory, cpu = METRICS["rss_peak_bytes"], METRICS["cpu_us_per_request"]
    head = [
        *(("", ""), ("workers", ""), *([("threads", "")] if threads else [])),
        *(("throughput", "requests/s"), ("against the best", ""), (cpu.label, cpu.unit)),
        *((memory.label, memory.shown_unit), ("verdict", "")),
    ]
    rows = [
        [
            each.configuration.server,
            str(each.configuration.workers),
            *([str(each.configuration.threads)] if threads else []),
            "–" if each.throughput is None else _figure(each.throughput),
            "" if each.ratio is None else f"{each.ratio.estimate - 1:+.1%} {half_width(each.ratio)}".rstrip(),
            "–" if each.cpu_us_per_request is None else cpu.format(each.cpu_us_per_request),
            "–" if each.rss_peak_bytes is None else memory.format(each.rss_peak_bytes),
            STANDINGS[each.standing],
        ]
        for each in stage.tried
    ]
    verdicts = [VERDICTS.get(each.standing, "undecided") for each in stage.tried]
    return Grid(title=STAGES[stage.name], head=head, rows=rows, verdicts=verdicts)


def _figure(throughput: Interval) -> str:
    return f"{number(throughput.estimate)} {half_width(throughput)}".rstrip()


def text(answer: Recommendation, folder: Path | None) -> str:
    """Everything that is printed about a recommendation, and where it is stored."""
    return terminal.text(lambda width: _parts(answer, folder, width))


def _folded(command: str, width: int) -> list[str]:
    """A command line in lines that fit, which a shell takes as one when each but the last ends with a backslash."""
    return textwrap.wrap(
        command,
        width - 2,
        initial_indent="  ",
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _parts(answer: Recommendation, folder: Path | None, width: int) -> Iterator[RenderableType]:
    first, *others = answers(answer)
    yield Text(first, style="bold green" if answer.best is not None else "bold yellow")
    yield from (Text(each) for each in others)
    if answer.production is not None:
        yield Text("\n" + " \\\n".join(_folded(answer.production.command, width)) + "\n", style="bold")
    for grid in grids(answer):
        yield Text(grid.title, style="bold")
        yield rotation.table(dataclasses.replace(grid, title=""))
        yield Text()
    yield terminal.facts(basis(answer, reasons=False))
    if folder is not None:
        yield Text(f"\n{terminal.where(folder)}")
