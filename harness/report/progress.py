"""Progress on standard error: a bar on a terminal, plain lines in a pipe or CI."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from harness.model.cell import Timing

LINE_SECONDS = 5.0


class Step(Protocol):
    """Where a measurement is; see harness.measure.Progress."""

    @property
    def phase(self) -> str: ...
    @property
    def fraction(self) -> float | None: ...
    @property
    def rps(self) -> float | None: ...


class Reporter(Protocol):
    """Shows progress."""

    def tell(self, message: str) -> None:
        """Something that happened."""

    def observe(self, step: Step) -> None:
        """A step of the measurement."""


class Lines:
    """One line per phase, and one every few seconds within it."""

    def __init__(self, cell: str, timing: Timing) -> None:
        self._cell, self._timing = cell, timing
        self._phase = ""
        self._last = 0.0

    def tell(self, message: str) -> None:
        """A line."""
        print(message, file=sys.stderr, flush=True)

    def observe(self, step: Step) -> None:
        """A line where there is something new to say."""
        now = time.monotonic()
        rate = "" if step.rps is None else f": {step.rps:,.0f} req/s"
        if step.phase != self._phase:
            self._phase, self._last = step.phase, now
            self.tell(self._opening(step.phase))
        elif step.fraction is not None and now - self._last >= LINE_SECONDS and step.fraction < 1:
            self._last = now
            self.tell(f"  {step.phase} {step.fraction:.0%}{rate}")

    def _opening(self, phase: str) -> str:
        return {
            "calibration": "  calibrating the generator against a server that does nothing (once per machine)",
            "boot": f"{self._cell}: starting the server",
            "warm-up": f"  warm-up, {self._timing.warmup_seconds:g} s",
            "window": f"  window, {self._timing.window_seconds:g} s",
            "stop": "  stopping the server",
        }[phase]


@contextmanager
def terminal(cell: str, timing: Timing) -> Iterator[Reporter]:
    """A bar that leaves nothing behind."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=30), TextColumn("{task.fields[rate]}"))
    whole = timing.warmup_seconds + timing.window_seconds

    # No refreshing thread: it would stay on the server's cores.
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True, auto_refresh=False) as bar:
        task = bar.add_task(f"{cell}  boot", total=whole, rate="")

        class Bar:
            def tell(self, message: str) -> None:
                console.print(message, highlight=False, markup=False)

            def observe(self, step: Step) -> None:
                done = {
                    "warm-up": (step.fraction or 0) * timing.warmup_seconds,
                    "window": timing.warmup_seconds + (step.fraction or 0) * timing.window_seconds,
                    "stop": whole,
                }.get(step.phase, 0.0)
                rate = "" if step.rps is None else f"{step.rps:,.0f} req/s"
                bar.update(task, description=f"{cell}  {step.phase}", completed=done, rate=rate, refresh=True)

        yield Bar()


@contextmanager
def reporter(cell: str, timing: Timing) -> Iterator[Reporter]:
    """The reporter that fits standard error."""
    if sys.stderr.isatty():
        with terminal(cell, timing) as shown:
            yield shown
    else:
        yield Lines(cell, timing)


class Stage(Protocol):
    """How far a filling has come; see harness.database.shop.Filling."""

    @property
    def doing(self) -> str: ...
    @property
    def fraction(self) -> float: ...
    @property
    def rows(self) -> int: ...
    @property
    def of_rows(self) -> int: ...


class FillingReporter(Protocol):
    """Shows how a database is filled."""

    def tell(self, message: str) -> None:
        """Something that happened."""

    def observe(self, stage: Stage) -> None:
        """A stage of the filling."""


class FillingLines:
    """One line every few seconds."""

    def __init__(self) -> None:
        self._began = self._last = time.monotonic()
        self._first = True

    def tell(self, message: str) -> None:
        """A line."""
        print(message, file=sys.stderr, flush=True)

    def observe(self, stage: Stage) -> None:
        """A line at the beginning, and where the last one is a while ago."""
        now = time.monotonic()
        if self._first or now - self._last >= LINE_SECONDS:
            self._first, self._last = False, now
            self.tell(f"  {stage.doing}{_filled(stage)}{_left(stage.fraction, now - self._began)}")


@contextmanager
def filling_terminal() -> Iterator[FillingReporter]:
    """A bar that leaves nothing behind."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (BarColumn(bar_width=30), TextColumn("{task.percentage:3.0f}%"), TextColumn("{task.description}"))
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as bar:
        task = bar.add_task("", total=1.0)
        began = time.monotonic()

        class Bar:
            def tell(self, message: str) -> None:
                console.print(message, highlight=False, markup=False)

            def observe(self, stage: Stage) -> None:
                left = _left(stage.fraction, time.monotonic() - began)
                bar.update(task, description=f"{stage.doing}{_filled(stage)}{left}", completed=stage.fraction)

        yield Bar()


@contextmanager
def filling() -> Iterator[FillingReporter]:
    """The reporter of a filling that fits standard error."""
    if sys.stderr.isatty():
        with filling_terminal() as shown:
            yield shown
    else:
        yield FillingLines()


def _filled(stage: Stage) -> str:
    return f": {stage.rows:,} of {stage.of_rows:,} rows" if stage.of_rows else ""


def _left(fraction: float, elapsed: float) -> str:
    """Time left, once there is something to tell it from."""
    if fraction < 0.02 or elapsed < 1:
        return ""
    left = elapsed * (1 - fraction) / fraction
    return f", about {left:.0f} s left" if left < 100 else f", about {left / 60:.0f} min left"
