"""One measurement as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rich.table import Table
from rich.text import Text

from harness.model.application import UserApplication
from harness.model.evaluation import Evaluation
from harness.model.measurement import Measurement, Route
from harness.model.placement import Placement
from harness.report import terminal
from harness.report.words import remedied

COLOURS = {"valid": "green", "invalid": "yellow", "failed": "red"}


def text(facts: Measurement, judgement: Evaluation, path: Path, log_tail: str) -> str:
    """The measurement, and why it is not valid, if so, with it."""
    return terminal.text(lambda _: _parts(facts, judgement, path, log_tail))


def _parts(facts: Measurement, judgement: Evaluation, path: Path, log_tail: str) -> Iterator[Text | Table]:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, said in _rows(facts, judgement):
        table.add_row("  " + name, Text(said) if isinstance(said, str) else said)
    table.add_row("  stored in", Text(str(path)))
    table.add_row("  as a page", Text(f"harness report {path} --format html"))
    yield Text(f"{facts.cell.label}\n", style="bold")
    yield table
    if judgement.verdict == "failed" and log_tail:
        yield Text("\n  the server's log ends with:", style="dim")
        yield Text(log_tail)


def _rows(facts: Measurement, judgement: Evaluation) -> Iterator[tuple[str, Text | str]]:
    server, generator = facts.server, facts.generator
    verdict = Text(judgement.verdict, style=f"bold {COLOURS[judgement.verdict]}")
    yield "throughput", Text.assemble((f"{_number(facts.throughput_rps)} req/s", "bold"), "   ", verdict)
    yield "latency", _latency(facts)
    failed = facts.failures
    yield (
        "requests",
        f"{facts.requests:,} in {round(facts.window_seconds, 2):g} s, {failed:,} failed; {_sampled(facts)}",
    )
    if len(facts.routes) > 1:
        for route in facts.routes:
            yield "", route_words(route)
    cpu = "–" if server.cpu_us_per_request is None else f"{server.cpu_us_per_request:,.0f} µs CPU per request"
    yield (
        "cost",
        f"{cpu}, {server.cpu_cores:.2f} cores, {server.rss_peak_bytes / 1e6:,.0f} MB in {server.processes} "
        f"{'process' if server.processes == 1 else 'processes'}",
    )
    yield (
        "server",
        f"{facts.cell.variant.server} {server.version} on Python {server.python}, up in {server.boot_seconds:.2f} s",
    )
    yield "in effect", ", ".join(f"{_name(key)} {_value(value)}" for key, value in _effective(facts))
    if len(facts.slices) > 1:
        rates = [piece.requests / piece.seconds for piece in facts.slices]
        yield (
            "each second",
            f"{terminal.spark(rates)}   {_number(min(rates))} to {_number(max(rates))} req/s by the workers' own count",
        )
    if facts.cell.variant.workers > 1:
        yield "per worker", _spread(facts)
    if facts.database is not None:
        yield "database", _database(facts)
    load = (
        f"{generator.users:,} users" if facts.cell.load.rate is None else f"{facts.cell.load.rate:g} requests/s offered"
    )
    yield (
        "generator",
        f"{generator.name} {generator.version}, {load}, {generator.cpu_cores / generator.cpu_allotted:.0%} of "
        f"{_cores(facts.placement.generator_cpus)}",
    )
    yield "placement", placement_words(facts.placement)
    if judgement.ceiling is not None and judgement.ceiling_fraction is not None:
        reached = f"reached {judgement.ceiling_fraction:.0%}"
        yield "ceiling", f"{_number(judgement.ceiling.rps)} req/s = {judgement.ceiling.limit}; {reached}"
    if judgement.diagnosis is not None:
        bound = judgement.diagnosis.bound_by
        why = remedied(judgement.diagnosis.message, judgement.diagnosis.remedies)
        yield "why", f"bound by {bound}: {why}" if bound else why
    for reason in judgement.reasons:
        yield judgement.verdict, Text(remedied(reason.message, reason.remedies), style=COLOURS[judgement.verdict])
    for note in judgement.notes:
        yield "note", remedied(note.message, note.remedies)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:,.1f}"


def _latency(facts: Measurement) -> str:
    latency = facts.latency_ms
    shown = [(name, getattr(latency, name)) for name in ("p50", "p90", "p99", "max")]
    text = "   ".join(f"{name} {value:,.1f}" for name, value in shown if value is not None)
    hidden = [name for name, value in shown if value is None]
    why = "too few requests" if facts.grid else f"{facts.generator.name} tells none"
    lack = f"   ({', '.join(hidden)}: {why})" if hidden else ""
    return f"{text} ms{lack}" if text else "–"


def route_words(route: Route) -> str:
    """One kind of request among several."""
    latency = route.latency_ms
    quantiles = [] if latency is None else [("p50", latency.p50), ("p99", latency.p99), ("max", latency.max)]
    shown = "   ".join(f"{name} {value:,.1f}" for name, value in quantiles if value is not None)
    failed = f", {route.failures:,} failed" if route.failures else ""
    return f"{route.path}: {route.requests:,}{failed}" + (f"; {shown} ms" if shown else "")


def _sampled(facts: Measurement) -> str:
    own = isinstance(facts.cell.variant.application, UserApplication)
    if own and facts.sampled is not None and not facts.sampled.checked:
        return "no answer looked at beyond its status"
    if facts.sampled is None:
        return f"{facts.generator.name} checks no answers"
    return f"{facts.sampled.checked:,} answers checked, {facts.sampled.wrong:,} wrong"


def _effective(facts: Measurement) -> Iterator[tuple[str, str | int | bool]]:
    for key, value in facts.server.effective.items():
        if value is not None and key not in ("python", "gil"):
            yield key, value


def _name(key: str) -> str:
    return {"tcp_nodelay": "TCP_NODELAY", "http": "parser"}.get(key, key)


def _value(value: str | int | bool) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)


def _spread(facts: Measurement) -> str:
    requests = " / ".join(f"{count:,}" for count in facts.server.requests_by_worker)
    connections = facts.server.connections_by_worker
    return f"requests {requests} by their own count" + (
        f"; connections {' / '.join(map(str, connections))}" if connections else ""
    )


def _database(facts: Measurement) -> str:
    database = facts.database
    assert database is not None
    pool = f"{facts.cell.variant.pool_size} connections per worker" if database.pooled else "a connection per query"
    cpu = "" if database.cpu_cores is None else f", {database.cpu_cores:.2f} cores"
    return f"{database.kind} PostgreSQL {database.version}, {pool}, {database.rows['users']:,} users{cpu}"


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
