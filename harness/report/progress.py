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


class Place(Protocol):
    """Where in a matrix a visit is; see harness.model.measurement.Place."""

    @property
    def block(self) -> int: ...
    @property
    def attempt(self) -> int: ...


class Visited(Protocol):
    """A visit that has ended; see harness.matrix.Visited."""

    @property
    def cell(self) -> str: ...
    @property
    def place(self) -> Place: ...
    @property
    def blocks(self) -> int: ...
    @property
    def done(self) -> int: ...
    @property
    def visits(self) -> int: ...
    @property
    def verdict(self) -> str: ...
    @property
    def throughput_rps(self) -> float | None: ...
    @property
    def said(self) -> str: ...
    @property
    def seconds_left(self) -> float: ...


class MatrixReporter(Protocol):
    """Shows how a matrix goes on."""

    def tell(self, message: str) -> None:
        """Something that happened."""

    def begin(self, cell: str, place: Place) -> None:
        """A visit begins."""

    def observe(self, step: Step) -> None:
        """A step of its measurement."""

    def end(self, visited: Visited) -> None:
        """It has ended."""


class MatrixLines:
    """A line for each visit that has ended."""

    def tell(self, message: str) -> None:
        """A line."""
        print(message, file=sys.stderr, flush=True)

    def begin(self, cell: str, place: Place) -> None:
        """Nothing yet."""

    def observe(self, step: Step) -> None:
        """Nothing yet."""

    def end(self, visited: Visited) -> None:
        """A line."""
        self.tell(visit_line(visited))


@contextmanager
def matrix_terminal() -> Iterator[MatrixReporter]:
    """A bar for all visits, and below it what goes on; visits that are not valid leave a line."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    console = Console(stderr=True)
    columns = (BarColumn(bar_width=24), TextColumn("{task.percentage:3.0f}%"), TextColumn("{task.description}"))
    # No refreshing thread: it would stay on the server's cores.
    with Progress(*columns, console=console, transient=True, auto_refresh=False) as bar:
        task = bar.add_task("", total=1.0)

        class Bar:
            cell = block = left = ""

            def tell(self, message: str) -> None:
                console.print(message, highlight=False, markup=False)

            def begin(self, cell: str, place: Place) -> None:
                self.cell, self.block = cell, f"block {place.block}"

            def observe(self, step: Step) -> None:
                rate = "" if step.rps is None else f" {step.rps:,.0f} req/s"
                doing = f"{self.block}  {self.cell}  {step.phase}{rate}{self.left}"
                bar.update(task, description=doing, refresh=True)

            def end(self, visited: Visited) -> None:
                self.left = f", {duration(visited.seconds_left)} left"
                bar.update(task, completed=visited.done / visited.visits, refresh=True)
                if visited.verdict != "valid":
                    self.tell(visit_line(visited))

        yield Bar()


@contextmanager
def matrix_reporter() -> Iterator[MatrixReporter]:
    """The reporter of a matrix that fits standard error."""
    if sys.stderr.isatty():
        with matrix_terminal() as shown:
            yield shown
    else:
        yield MatrixLines()


def visit_line(visited: Visited) -> str:
    """A visit in one line."""
    rate = "" if visited.throughput_rps is None else f"  {visited.throughput_rps:,.0f} req/s"
    said = f": {visited.said}" if visited.said else ""
    again = " (again)" if visited.place.attempt > 1 else ""
    return (
        f"[{visited.done}/{visited.visits}] block {visited.place.block}/{visited.blocks}{again}  {visited.cell}{rate}  "
        f"{visited.verdict}{said}   {duration(visited.seconds_left)} left"
    )


def duration(seconds: float) -> str:
    """Seconds in the unit that fits."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 100 * 60 else f"{seconds / 3600:.1f} h"


class Bounds(Protocol):
    """A ratio with its interval; see harness.model.comparison.Interval."""

    @property
    def estimate(self) -> float: ...
    @property
    def low(self) -> float | None: ...
    @property
    def high(self) -> float | None: ...
    @property
    def half_width(self) -> float | None: ...


class Restarted(Protocol):
    """A restart of a duet; see harness.model.duet.Restart."""

    @property
    def number(self) -> int: ...
    @property
    def void(self) -> str | None: ...


class DuetReporter(Protocol):
    """Shows how a duet goes on."""

    def tell(self, message: str) -> None:
        """Something that happened."""

    def observe(self, step: Step) -> None:
        """A step of a restart."""

    def restarted(self, restart: Restarted, ratio: Bounds | None) -> None:
        """A restart has ended; what is known so far."""


class DuetLines:
    """A line for each restart."""

    def tell(self, message: str) -> None:
        """A line."""
        print(message, file=sys.stderr, flush=True)

    def observe(self, step: Step) -> None:
        """Nothing yet."""

    def restarted(self, restart: Restarted, ratio: Bounds | None) -> None:
        """A line."""
        self.tell(_so_far(restart, ratio))


@contextmanager
def duet_terminal() -> Iterator[DuetReporter]:
    """One line that shows the interval shrinking."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, auto_refresh=False) as bar:
        task = bar.add_task("restart 1")

        class Line:
            known = "restart 1"

            def tell(self, message: str) -> None:
                console.print(message, highlight=False, markup=False)

            def observe(self, step: Step) -> None:
                bar.update(task, description=f"{self.known}   {step.phase}", refresh=True)

            def restarted(self, restart: Restarted, ratio: Bounds | None) -> None:
                self.known = _so_far(restart, ratio)
                bar.update(task, description=self.known, refresh=True)
                if restart.void is not None:
                    self.tell(self.known)

        yield Line()


@contextmanager
def duet_reporter() -> Iterator[DuetReporter]:
    """The reporter of a duet that fits standard error."""
    if sys.stderr.isatty():
        with duet_terminal() as shown:
            yield shown
    else:
        yield DuetLines()


def _so_far(restart: Restarted, ratio: Bounds | None) -> str:
    said = f" does not count: {restart.void}" if restart.void else ""
    if ratio is None or ratio.half_width is None:
        known = "" if ratio is None else f": {ratio.estimate:.3f}×"
        return f"restart {restart.number}{said}{known}"
    bounds = f"[{ratio.low:.3f}, {ratio.high:.3f}] ±{ratio.half_width:.1%}"
    return f"restart {restart.number}{said}: {ratio.estimate:.3f}× {bounds}"
