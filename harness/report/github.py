"""Comparisons as one comment on a pull request, which a later one can replace, and as annotations of a workflow."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from harness.model.application import UserApplication
from harness.model.counting import counted
from harness.model.record import StoredRun
from harness.report import gate, rotation
from harness.report.gate import Check, State
from harness.report.markdown import code, escaped
from harness.report.words import confidence, signed

MARKER = "<!-- harness:performance -->"
"""By which a bot finds the comment that is to be replaced."""
SIGNS: dict[State, str] = {"FAIL": "❌", "INCONCLUSIVE": "⚠️", "PASS": "✅"}
MOST_ROWS = 10
Named = tuple[str, Check]
"""What was requested, and what the limit makes of it."""


def comment(runs: Sequence[StoredRun]) -> str:
    """Markdown for GitHub, the worst endpoint first. Runs without a limit are shown by their answers."""
    checks = _checks(runs)
    limits = {answer.limit for run in runs if (answer := rotation.of_stored(run)) and answer.limit is not None}
    lines = [f"### {_heading([check for _, check in checks], min(limits, default=0.0), runs)}", ""]
    if checks:
        lines += [*_table(checks[:MOST_ROWS]), ""]
        if checks[MOST_ROWS:]:
            lines += [*_folded("All endpoints", _table(checks[MOST_ROWS:])), ""]
        found = [check.detectable for _, check in checks if check.detectable is not None]
        if found:
            lines += [f"Smallest regression that this run would have found: {max(found):.1%} at worst.", ""]
    lines += [*_notes(runs), *_folded("How it was measured", _basis(runs)), MARKER]
    return "\n".join(lines) + "\n"


def _folded(title: str, lines: Iterable[str]) -> Iterator[str]:
    yield from (f"<details><summary>{title}</summary>", "", *lines, "", "</details>")


def workflow_commands(runs: Sequence[StoredRun]) -> Iterator[str]:
    """A workflow command for each check that did not pass."""
    for endpoint, check in _checks(runs):
        if check.state != "PASS":
            level = "error" if check.state == "FAIL" else "warning"
            title = _property(f"Performance, {endpoint}")
            yield f"::{level} title={title}::{_data(gate.sentence(check, _limit(runs)))}"


def _limit(runs: Sequence[StoredRun]) -> float:
    answers = map(rotation.of_stored, runs)
    return min((each.limit for each in answers if each is not None and each.limit is not None), default=0.0)


def _data(text: str) -> str:
    """Text as a workflow command takes it."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _checks(runs: Sequence[StoredRun]) -> list[Named]:
    named = []
    for run in runs:
        answer = rotation.of_stored(run)
        if answer is not None:
            named += [(_endpoint(run), check) for check in gate.of_rotation(answer)]
    order = gate.worst_first([check for _, check in named])
    return sorted(named, key=lambda each: order.index(each[1]))


def _endpoint(run: StoredRun) -> str:
    application = run.record.cells[0].variant.application
    if isinstance(application, UserApplication):
        return ", ".join(application.requests) or application.work_label
    return application.work_label


def _heading(checks: Sequence[Check], limit: float, runs: Sequence[StoredRun]) -> str:
    if not checks:
        return f"Performance: {counted(len(runs), 'run')} without a limit"
    state = gate.state(checks)
    worst = checks[0]
    said = {
        "FAIL": f"{worst.metric.label} {signed(worst.ratio.estimate, 1)} (limit {limit * 100:g}%)",
        "INCONCLUSIVE": f"too noisy for a limit of {limit * 100:g}%",
        "PASS": f"no regression above {limit * 100:g}%",
    }[state]
    return f"{SIGNS[state]} Performance {state}: {said}"


def _table(checks: Sequence[Named]) -> Iterator[str]:
    yield "| endpoint | metric | base | new | change | 95% CI | would find | |"
    yield "|---|---|---:|---:|---:|---|---:|---|"
    for endpoint, check in checks:
        found = "–" if check.detectable is None else f"{check.detectable:.1%}"
        cells = (
            code(endpoint),
            check.metric.label,
            *(value or "–" for value in check.values),
            f"**{signed(check.ratio.estimate, 1)}**",
            confidence(check.ratio, 1) or "–",
            found,
            f"{SIGNS[check.state]} {escaped(check.reason) or check.state}",
        )
        yield f"| {' | '.join(cells)} |"


def _notes(runs: Sequence[StoredRun]) -> Iterator[str]:
    for run in runs:
        answer = rotation.of_stored(run)
        if answer is not None:
            sentences = [sentence for sentence, _ in rotation.answers(answer)]
            yield from (f"- {code(_endpoint(run))}: {escaped(each)}." for each in [*answer.outcomes, *sentences])
    yield ""


def _basis(runs: Sequence[StoredRun]) -> Iterator[str]:
    for run in runs:
        host, answer = run.record.host, rotation.of_stored(run)
        machine = f"{counted(host.cpus_available, 'core')} of {host.cpu_model or host.machine}"
        measured = machine if answer is None else f"{rotation.heading(answer)}, {machine}"
        command = re.sub(r"\s+", " ", run.record.command or "")
        yield f"- {escaped(measured)}" + (f": {code(command)}" if command else "")
    yield ""
    yield "Both versions ran on the same cores of this runner and were loaded in turn. Other machines: other figures."
