"""One cell in one long window, measured again while others disturb the machine."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from harness.analysis import validity
from harness.config import expand
from harness.config.cells import ResolvedCell
from harness.experiments import preflight
from harness.experiments.databases import DatabaseWatch
from harness.experiments.session import ExecutionOptions, exclusive, stored
from harness.host import quiet, signals
from harness.measure import Job, measure
from harness.model.application import BundledApplication
from harness.model.events import Emit, ignore
from harness.model.load import Timing
from harness.model.record import MeasurementRecord, SingleRecord
from harness.model.variant import Cell
from harness.store.redaction import clean_text

QUIET_SECONDS = 60.0
"""How long to wait for a quieter moment, where others disturbed a measurement."""

LONGEST_NAME = 50
"""Characters of an application in a folder's name, which has 255 bytes at most."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class SingleResult:
    """The last measurement of a cell, and where it is stored."""

    record: MeasurementRecord
    folder: Path
    log_tail: str
    """The last lines of the server's log."""


def run(
    resolved: ResolvedCell,
    timing: Timing,
    options: ExecutionOptions,
    emit: Emit = ignore,
    *,
    attempts: int = 1,
) -> SingleResult:
    """Measure one cell and store the result; up to `attempts` times while other guests or programs disturb the machine.

    UsageError, LackError or TargetError where it cannot be measured.
    """
    cells: Sequence[ResolvedCell] = [resolved]
    started = datetime.now(UTC)
    checked = preflight.check(cells, options, timing)
    if (limited := expand.load_limited(cells)) is not None:
        log.info(limited)
    with (
        stored(options, emit, name=folder_name(resolved.cell)) as session,
        exclusive(cells, wait=options.wait),
    ):
        (spec,) = preflight.prepare(checked, cells, options)
        session.folder.write_run(
            SingleRecord(**preflight.record_header(cells, checked, options, timing, started)),
        )
        watch = DatabaseWatch([spec])
        attempt = 1
        while True:
            with signals.section():
                measured = watch.measured(
                    [spec],
                    lambda specs: measure(Job(spec=specs[0], timing=timing, generator=checked.generator), emit),
                )
                record = session.store(measured)
                if signals.pending():
                    log.info(f"interrupted when it was measured already: it is stored in {session.folder.final}")
            if attempt >= attempts or not validity.disturbed(record):
                return SingleResult(record=record, folder=session.folder.final, log_tail=clean_text(measured.log_tail))
            attempt += 1
            message = next(reason.message for reason in record.reasons if reason.gate in ("machine", "clock"))
            what = message.partition(":")[0]
            log.info(f"{what}: waiting for a quieter moment to measure again, {attempt} of {attempts}")
            quiet.wait(QUIET_SECONDS)


def folder_name(cell: Cell) -> str:
    """Server, style and workload, or server and application, as a part of a folder's name."""
    application = cell.variant.application
    if isinstance(application, BundledApplication):
        return "-".join((cell.variant.server, application.style, application.workload))
    work = re.sub(r"[^\w.]+", "-", application.work_label)[:LONGEST_NAME]
    return f"{cell.variant.server}-{work}"
