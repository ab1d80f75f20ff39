"""One measurement as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rich.table import Table
from rich.text import Text

from harness.analysis.validity import OUTCOME_GATES
from harness.model.application import UserApplication
from harness.model.counting import counted
from harness.model.evaluation import Evaluation
from harness.model.measurement import Measurement, Route
from harness.model.metrics import METRICS
from harness.model.placement import Placement
from harness.report import terminal, words

RECEIVED_APART = 0.9
"""Time to the first byte as a share of the latency, below which it is told by itself."""


def text(facts: Measurement, evaluation: Evaluation, path: Path, log_tail: str, *, details: bool = False) -> str:
    """A measurement, where it is stored and, if the server failed, the end of its log. `details`: settings too."""
    return terminal.text(lambda _: _parts(facts, evaluation, path, log_tail, details))


def _parts(
    facts: Measurement, evaluation: Evaluation, path: Path, log_tail: str, details: bool
) -> Iterator[Text | Table]:
    yield Text(f"{words.title(facts.cell)}\n", style="bold")
    more = [] if details else [("details", f"harness report {path} --details")]
    rows = [*_rows(facts, evaluation), *(_setting(facts) if details else ())]
    yield terminal.facts([*rows, *more, ("page", f"harness report {path} --format html")])
    if evaluation.verdict == "failed" and log_tail:
        yield Text("\n  the server's log ends with:", style="dim")
        yield Text(log_tail)


def _rows(facts: Measurement, evaluation: Evaluation) -> Iterator[tuple[str, Text | str]]:
    server = facts.server
    colour = terminal.COLOURS[evaluation.verdict]
    reached = ""
    if evaluation.ceiling is not None and evaluation.ceiling_fraction is not None:
        ceiling = f"{_number(evaluation.ceiling.rps)} req/s = {evaluation.ceiling.limit}"
        reached = f"   {evaluation.ceiling_fraction:.0%} of what this load allows ({ceiling})"
    yield "throughput", Text.assemble((f"{_number(facts.throughput_rps)} req/s", "bold"), reached)
    yield "latency", _latency(facts)
    total = facts.requests + facts.failures
    yield (
        "errors",
        f"{facts.failures:,} of {total:,} requests in {round(facts.window_seconds, 2):g} s; {_sampled(facts)}",
    )
    if facts.sampled is not None and facts.sampled.by_name:
        yield "checks", ", ".join(map(_check, *zip(*facts.sampled.by_name.items(), strict=True)))
    if len(facts.routes) > 1:
        yield from (("", route_words(route)) for route in facts.routes)
    yield from _answers(facts)
    cpu = "" if server.cpu_us_per_request is None else f", {server.cpu_us_per_request:,.0f} µs per request"
    yield "CPU", f"{server.cpu_cores:.2f} cores{cpu}"
    yield "memory", f"{server.rss_peak_bytes / 1e6:,.0f} MB in {counted(server.processes, 'process', 'processes')}"
    if len(facts.slices) > 1:
        rates = [piece.requests / piece.seconds for piece in facts.slices]
        yield "per second", f"{terminal.spark(rates)}   {_number(min(rates))} to {_number(max(rates))} req/s"
    if evaluation.diagnosis is not None:
        bound = evaluation.diagnosis.bound_by
        why = words.remedied(evaluation.diagnosis.message, evaluation.diagnosis.remedies)
        yield "limited by", f"{words.limit(bound)}: {why}" if bound else why
    trust = {"valid": "yes", "invalid": "no", "failed": "no: the server failed"}[evaluation.verdict]
    checks = f"   {words.gates(evaluation.gates)}" if evaluation.gates else ""
    yield "trustworthy", Text.assemble((trust, f"bold {colour}"), checks)
    for reason in evaluation.reasons:
        state = "failed" if reason.gate in OUTCOME_GATES else "invalid"
        yield state, Text(words.remedied(reason.message, reason.remedies), style=terminal.COLOURS[state])
    for note in evaluation.notes:
        yield "note", words.remedied(note.message, note.remedies)


def _setting(facts: Measurement) -> Iterator[tuple[str, str]]:
    """How it was measured."""
    yield "how sure", "one period of one start, without an interval: harness compare and harness matrix have one"
    yield from server_facts(facts)
    generator = facts.generator
    connections = counted(generator.users, "connection")
    load = words.load(facts.cell.load) if facts.cell.load.users is None else connections
    share = f"{generator.cpu_cores / generator.cpu_allotted:.0%} of {_cores(facts.placement.generator_cpus)}"
    yield "generator", f"{generator.name} {generator.version}, {load}, {share}"
    yield "placement", placement_words(facts.placement)
    yield "written form", facts.cell.label


def server_facts(facts: Measurement) -> Iterator[tuple[str, str]]:
    """Which server ran, and how it and its database were set up."""
    server, variant, database = facts.server, facts.cell.variant, facts.database
    yield "server", f"{variant.server} {server.version} on Python {server.python}, up in {server.boot_seconds:.2f} s"
    names, values = {"tcp_nodelay": "TCP_NODELAY", "http": "parser"}, {True: "on", False: "off"}
    effective = {key: value for key, value in server.effective.items() if value is not None}
    yield (
        "settings",
        ", ".join(
            f"{names.get(key, key)} {values[value] if isinstance(value, bool) else value}"
            for key, value in effective.items()
            if key not in ("python", "gil")
        ),
    )
    if variant.workers > 1:
        requests = " / ".join(f"{count:,}" for count in server.requests_by_worker)
        connections = " / ".join(map(str, server.connections_by_worker or ()))
        yield "per worker", f"requests {requests}" + (connections and f"; connections {connections}")
    if database is not None:
        pool = f"{variant.pool_size} connections per worker" if database.pooled else "a connection per query"
        cpu = "" if database.cpu_cores is None else f", {database.cpu_cores:.2f} cores"
        users = f"{database.rows['users']:,} users"
        yield "database", f"{database.kind} PostgreSQL {database.version}, {pool}, {users}{cpu}"


def _answers(facts: Measurement) -> Iterator[tuple[str, str]]:
    """How large answers are, how much was moved, and when they begin where they take long to arrive."""
    size = facts.server.answer_bytes
    if not size:
        return
    decoded = facts.server.decoded_bytes
    unpacked = "" if decoded is None else f" ({_size(decoded)} decoded, before the load)"
    text = f"{_size(size)} each as sent{unpacked}, {size * facts.throughput_rps / 1e6:,.1f} MB/s"
    first, whole = facts.first_byte_ms_mean, facts.latency_ms.mean
    if first is not None and whole and first < RECEIVED_APART * whole:
        text += f"; first byte after {first:,.1f} ms, last after {whole:,.1f} ms, on average"
    yield "answers", text


def _size(count: float) -> str:
    return f"{count:,.0f} bytes" if count < 10_000 else f"{count / 1000:,.1f} kB"


def _number(value: float) -> str:
    """Three digits of a rate: one window bears no more."""
    return f"{value:,.0f}" if value >= 100 else f"{value:,.1f}"


def _latency(facts: Measurement) -> str:
    quantiles = [(each.label, each.of(facts)) for each in METRICS.values() if each.quantile is not None]
    figures = [*quantiles, ("max", facts.latency_ms.max)]
    text = "   ".join(f"{name} {value:,.1f}" for name, value in figures if value is not None)
    hidden = [name for name, value in figures if value is None]
    why = "too few requests" if facts.grid else f"{facts.generator.name} reports none"
    lacking = f"   ({', '.join(hidden)}: {why})" if hidden else ""
    return f"{text} ms{lacking}" if text else "–"


def route_words(route: Route) -> str:
    """One kind of request among several."""
    latency = route.latency_ms
    quantiles = [] if latency is None else [("p50", latency.p50), ("p99", latency.p99), ("max", latency.max)]
    text = "   ".join(f"{name} {value:,.1f}" for name, value in quantiles if value is not None)
    failed = f", {route.failures:,} failed" if route.failures else ""
    return f"{route.path}: {route.requests:,}{failed}" + (f"; {text} ms" if text else "")


def _sampled(facts: Measurement) -> str:
    user = isinstance(facts.cell.variant.application, UserApplication)
    if user and facts.sampled is not None and not facts.sampled.checked:
        return "only the status of answers checked"
    if facts.sampled is None:
        return f"{facts.generator.name} checks no answers"
    if facts.sampled.by_name:
        return f"{facts.sampled.checked:,} checks of the script, {facts.sampled.wrong:,} failed"
    return f"{facts.sampled.checked:,} answers checked, {facts.sampled.wrong:,} wrong"


def _check(name: str, counts: tuple[int, int]) -> str:
    """A check of a k6 script with the share that passed."""
    passed, failed = counts
    return f"'{name}' {passed / max(1, passed + failed):.1%}"


def placement_words(placement: Placement) -> str:
    """Who has which cores."""
    if placement.pin == "none":
        return "server and generator share all cores"
    split = f"server on {_cores(placement.server_cpus)}, generator on {_cores(placement.generator_cpus)}"
    return split + (", Postgres with the server" if placement.database_cpus else "")


def _cores(cpus: list[int] | None) -> str:
    if cpus is None:
        return "all cores"
    return f"core {cpus[0]}" if len(cpus) == 1 else f"cores {', '.join(map(str, cpus))}"
