"""What the page tells of each cell, and of how the run was measured."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.analysis.overview import EvaluatedVisit
from harness.model.counting import counted
from harness.model.metrics import METRICS
from harness.model.overview import CellOverview, Overview
from harness.model.record import CapacityRecord, MatrixRecord, OverloadRecord, RotationRecord, RunRecord, SingleRecord
from harness.report import plan, view, words
from harness.report.charts.cells import by_cell, timeline
from harness.report.single import placement_words, route_words, server_facts


@dataclass(frozen=True, kw_only=True, slots=True)
class CellDetails:
    """A cell with everything that is known of it."""

    name: str
    verdict: str
    facts: list[tuple[str, str]]
    command: str | None
    """The server's; None where nothing was measured."""
    timeline: list[tuple[str, str, list[float]]]
    """Restart, verdict and requests/s of each slice."""
    restarts: list[list[str]]
    """The columns of each restart."""


def cells(overview: Overview, judged: Sequence[EvaluatedVisit]) -> list[CellDetails]:
    """Every cell of the run, in its order."""
    details = []
    for cell, visits in zip(overview.cells, by_cell(overview, judged), strict=True):
        last = next((each for each in reversed(visits) if each.visit.facts is not None), None)
        details.append(
            CellDetails(
                name=cell.name,
                verdict=cell.verdict,
                facts=[*_of_cell(cell), *_of_last(last)],
                command=shlex.join(last.visit.facts.argv.server) if last and last.visit.facts else None,
                timeline=[(_restart(each), each.verdict, timeline(each)) for each in visits],
                restarts=[list(_columns(each)) for each in visits],
            )
        )
    return details


def _of_cell(cell: CellOverview) -> Iterator[tuple[str, str]]:
    for name, figure in view.figures(cell).items():
        if figure.value is not None:
            yield METRICS[name].heading, f"{figure.text} {figure.half_width}".strip()
    counts = ((cell.valid, "valid"), (cell.invalid, "invalid"), (cell.failed, "failed"))
    yield "restarts", ", ".join(f"{count} {name}" for count, name in counts if count)
    if cell.diagnosis is not None:
        bound = f"{words.limit(cell.diagnosis.bound_by)}: " if cell.diagnosis.bound_by else ""
        yield "limited by", bound + words.remedied(cell.diagnosis.message, cell.diagnosis.remedies)
    if cell.ceiling is not None:
        reached = "" if cell.ceiling_fraction is None else f"; reached {cell.ceiling_fraction:.0%}"
        yield "maximum", f"{words.ceiling(cell)}{reached}"
    for each in cell.reasons:
        yield "excluded", words.reason(each)


def _of_last(last: EvaluatedVisit | None) -> Iterator[tuple[str, str]]:
    """From the last restart that was measured."""
    if last is None or last.visit.facts is None or last.evaluation is None:
        return
    yield from server_facts(last.visit.facts)
    yield "checks of the last restart", words.gates(last.evaluation.gates)
    if len(last.visit.facts.routes) > 1:
        yield from (("requests of the last restart", route_words(route)) for route in last.visit.facts.routes)
    yield from (("note", words.remedied(note.message, note.remedies)) for note in last.evaluation.notes)


def restart_columns() -> Iterator[str]:
    """Headings of the table of a cell's restarts."""
    yield from ("restart", "started (UTC)", "verdict")
    yield from (metric.heading for metric in METRICS.values())
    yield from ("failed", "why")


def _restart(judged: EvaluatedVisit) -> str:
    return f"{judged.visit.restart}{' again' if judged.visit.repeat else ''}"


def _columns(judged: EvaluatedVisit) -> Iterator[str]:
    facts = judged.visit.facts
    yield _restart(judged)
    yield "" if facts is None else facts.started_at[11:19]
    yield judged.verdict
    for metric in METRICS.values():
        value = None if facts is None else metric.of(facts)
        yield "–" if value is None else metric.format(value)
    yield "–" if facts is None else f"{facts.failures:,}"
    yield "; ".join(words.remedied(each.message, each.remedies) for each in judged.reasons)


def protocol(
    record: RunRecord,
    overview: Overview,
    judged: Sequence[EvaluatedVisit],
    protocols: Sequence[int],
) -> Iterator[tuple[str, str]]:
    """How and where the run was measured."""
    host = record.host
    if isinstance(record, SingleRecord):
        timing = record.timing
        yield "measured", f"{timing.warmup_seconds:g} s of warm-up, measured for {timing.window_seconds:g} s"
    elif isinstance(record, OverloadRecord):
        yield "method", "fresh starts under base load, a burst beyond the capacity, and base load again"
    elif isinstance(record, CapacityRecord):
        yield "method", "fresh starts under arrivals by chance, each of one rate that follows from those before"
    else:
        yield "method", "compared configurations were up at once and loaded in turn, after several fresh starts"
    if isinstance(record, RotationRecord | CapacityRecord | OverloadRecord):
        yield "cores", f"as by --pin {record.pin}"
        yield "generator", record.generator
    else:
        yield "protocol", ", ".join(map(str, protocols))
    if isinstance(record, MatrixRecord):
        yield "restarts", f"{overview.restarts}, of {counted(overview.sets, 'set')} of configurations"
    measured = next((each.visit.facts for each in judged if each.visit.facts is not None), None)
    if measured is not None:
        yield "cores", placement_words(measured.placement)
        yield "generator", f"{measured.generator.name} {measured.generator.version}"
        yield "the generator's command", shlex.join(measured.argv.generator)
    yield "harness", record.harness
    system = (
        *(("system", host.system), ("kernel", host.kernel)),
        *(("distribution", host.distribution), ("processor", host.cpu_model)),
    )
    yield from ((name, text) for name, text in system if text)
    yield "cores available", f"{host.cpus_available} of {host.cpus_total}"
    if host.cpu_quota is not None:
        yield "CPU quota", f"{host.cpu_quota:g} cores"
    if host.memory_limit_bytes is not None:
        yield "memory limit", f"{host.memory_limit_bytes / 2**30:.1f} GiB"
    if host.memory_bytes:
        yield "memory", f"{host.memory_bytes / 2**30:.1f} GiB"
    if host.hypervisor:
        yield "virtual machine", "yes; CPU steal is recorded with every measurement"


def reproduce(record: RunRecord) -> Iterator[tuple[str, str]]:
    """Title and text of what it takes to measure again."""
    if record.command:
        yield "The command", record.command
    if isinstance(record, MatrixRecord):
        yield "The plan, for harness matrix plan.toml", "\n".join(plan.toml(record.plan))
