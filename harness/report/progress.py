"""Progress on standard error, fed by events: a bar on a terminal, plain lines in a pipe or CI."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from harness.model.events import (
    Emit,
    Event,
    MatrixProgress,
    MeasurementProgress,
    ProbeFinished,
    RestartFinished,
    SeedProgress,
)
from harness.model.load import Timing
from harness.model.quantities import duration
from harness.report.words import half_width, ratio

LINE_SECONDS = 5.0
"""How often a line is written within one phase."""


@contextmanager
def display(cell: str = "", timing: Timing | None = None) -> Iterator[Emit]:
    """Where events go inside the block: the display that fits standard error.

    `cell` and `timing` where one cell is measured: then the phases of its measurement are shown by themselves.
    """
    if not sys.stderr.isatty():
        yield Lines(cell, timing)
        return
    from rich.console import Console
    from rich.progress import Progress

    # No refreshing thread: it would stay on the server's cores. What is printed meanwhile goes above the bar.
    with Progress(
        *columns(),
        console=Console(stderr=True, markup=False, emoji=False),
        transient=True,
        auto_refresh=False,
    ) as progress:
        yield Bar(progress, cell, timing)


def columns() -> list[Any]:
    """Of the display on a terminal."""
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn

    what = TextColumn("{task.description}", markup=False)  # names of folders may look like markup
    return [BarColumn(bar_width=24), TextColumn("{task.percentage:3.0f}%"), what, TimeElapsedColumn()]


class Lines:
    """A line where there is something new to say."""

    def __init__(self, cell: str = "", timing: Timing | None = None) -> None:
        self._cell, self._timing = cell, timing
        self._phase = ""
        self._began = self._last = time.monotonic()

    def __call__(self, event: Event) -> None:
        """Show an event."""
        match event:
            case MeasurementProgress() if self._timing is not None:
                self._measurement(event, self._timing)
            case SeedProgress():
                self._seed(event)
            case RestartFinished():
                _print(restart_line(event))
            case ProbeFinished():
                _print(probe_line(event))
            case _:
                pass

    def _measurement(self, event: MeasurementProgress, timing: Timing) -> None:
        now = time.monotonic()
        if event.phase != self._phase:
            self._phase, self._last = event.phase, now
            _print(
                {
                    "calibration": "  calibrating the generator against a server that does nothing (once per machine)",
                    "boot": f"{self._cell}: starting the server",
                    "warm-up": f"  warm-up, {timing.warmup_seconds:g} s",
                    "window": f"  measuring, {timing.window_seconds:g} s",
                    "stop": "  stopping the server",
                }[event.phase]
            )
        elif event.fraction is not None and now - self._last >= LINE_SECONDS and event.fraction < 1:
            self._last = now
            _print(f"  {event.phase} {event.fraction:.0%}{_rate(':', event.rps)}")

    def _seed(self, event: SeedProgress) -> None:
        now = time.monotonic()
        if not self._phase or now - self._last >= LINE_SECONDS:
            self._phase, self._last = event.doing, now
            _print(f"  {seed_line(event, now - self._began)}")


class Bar:
    """One bar for the whole experiment, and beside it what goes on; what a reader should keep leaves a line above."""

    def __init__(self, progress: Any, cell: str = "", timing: Timing | None = None) -> None:
        self._progress, self._timing = progress, timing
        self._task = progress.add_task(cell, total=1.0)
        self._doing = cell
        self._began = time.monotonic()

    def __call__(self, event: Event) -> None:
        """Show an event."""
        match event:
            case MeasurementProgress():
                text = f"{self._doing}  {event.phase}{_rate('', event.rps)}"
                self._show(text, None if self._timing is None else _share(event, self._timing))
            case RestartFinished():
                self._doing = restart_line(event)
                self._show(self._doing, None if event.matrix is None else event.matrix.fraction)
                if event.void is not None:
                    _print(self._doing)
            case ProbeFinished():
                self._doing = probe_line(event)
                self._show(self._doing, event.fraction)
                _print(self._doing)
            case SeedProgress():
                self._show(seed_line(event, time.monotonic() - self._began), event.fraction)

    def _show(self, text: str, completed: float | None = None) -> None:
        self._progress.update(self._task, description=text, completed=completed, refresh=True)


def _share(event: MeasurementProgress, timing: Timing) -> float:
    """How much of warm-up and window together is over."""
    whole = timing.warmup_seconds + timing.window_seconds
    return {
        "warm-up": (event.fraction or 0) * timing.warmup_seconds / whole,
        "window": (timing.warmup_seconds + (event.fraction or 0) * timing.window_seconds) / whole,
        "stop": 1.0,
    }.get(event.phase, 0.0)


def _print(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _rate(before: str, rps: float | None) -> str:
    return "" if rps is None else f"{before} {rps:,.0f} req/s"


def restart_line(event: RestartFinished) -> str:
    """A restart of cells that are loaded in turn, and what is known by then, in one line."""
    void = f" is excluded: {event.void}" if event.void else ""
    if event.matrix is not None:
        return f"[{event.matrix.fraction:.0%}] restart {event.number}, {event.matrix.what}{void}{_known(event.matrix)}"
    known = "" if event.ratio is None else f": {event.what} {ratio(event.ratio, digits=3)} {half_width(event.ratio)}"
    return f"restart {event.number}{void}{known}".rstrip()


def probe_line(event: ProbeFinished) -> str:
    """A probe of a search, and between what the capacity lies by then, in one line."""
    outcome = event.outcome + (f" ({event.why})" if event.why else "")
    low, high = (None if each is None else f"{each:,.0f}" for each in (event.low, event.high))
    known = "" if low is None and high is None else f"; capacity {low or '?'} to {high or '?'}"
    return f"[{event.fraction:.0%}] {event.number}. {event.cell}: {event.rate:,.0f} req/s {outcome}{known}"


def _known(progress: MatrixProgress) -> str:
    """How narrow the intervals are, and how long it may still take."""
    median = progress.median_half_width
    half = "" if median is None or median > 1 else f" (median ±{median:.1%})"  # of two restarts it says nothing yet
    sure = f", {progress.sure} of {progress.ratios} ratios sure{half}" if progress.ratios else ""
    return f"{sure}, {duration(progress.seconds_left)} left at most"


def seed_line(event: SeedProgress, elapsed: float) -> str:
    """What is being filled in, how far, and how long it will take once there is something to tell it from."""
    rows = f": {event.rows:,} of {event.of_rows:,} rows" if event.of_rows else ""
    if event.fraction < 0.02 or elapsed < 1:
        return f"{event.doing}{rows}"
    left = elapsed * (1 - event.fraction) / event.fraction
    return f"{event.doing}{rows}, about {duration(left)} left"
