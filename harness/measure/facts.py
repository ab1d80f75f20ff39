"""From readings to the facts that are stored."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Literal

from handlers import catalogue
from handlers.styles import STYLES
from harness.load import k6
from harness.load.summary import K6Summary
from harness.measure.evidence import evidence
from harness.measure.job import Job
from harness.measure.launch import Server, wrong_with
from harness.measure.window import Window
from harness.model.measurement import (
    Argv,
    DatabaseFacts,
    Evidence,
    Facts,
    GeneratorFacts,
    MachineFacts,
    Route,
    Sampled,
    ServerFacts,
    Slice,
    Waits,
)
from harness.system import interpreters


def assemble(
    *,
    job: Job,
    started_at: str,
    server: Server,
    window: Window,
    summary: K6Summary,
    bodies: list[k6.Body],
    generator: k6.Run,
    stopped: Literal["orderly", "killed"],
    stop_seconds: float,
    null_rps: float | None,
) -> Facts:
    """Everything that one measurement found out."""
    return Facts(
        started_at=started_at,
        cell=job.cell,
        environment=job.environment,
        placement=job.placement,
        warmup_seconds=job.timing.warmup_seconds,
        window_seconds=job.timing.window_seconds,
        requests=summary.requests,
        failures=summary.failures,
        latency_ms=summary.latency,
        grid=summary.grid,
        slices=window.slices,
        sampled=check_bodies(job, summary, bodies),
        waits=waits(job),
        evidence=watched(job, server, window) if job.diagnose else None,
        server=server_facts(job, server, window, stopped, stop_seconds),
        generator=generator_facts(job, window, summary, null_rps),
        machine=MachineFacts(
            cpus=os.cpu_count() or 1,
            stolen_cores=round(window.stolen_cores, 4),
            foreign_cores=round(window.foreign_cores, 4),
            cores_in_use=len(job.placement.cpus()),
        ),
        database=database_facts(job, window),
        routes=[Route(path=job.cell.application.path, requests=summary.requests)],
        argv=Argv(server=list(server.argv), generator=list(generator.argv)),
    )


def server_facts(
    job: Job, server: Server, window: Window, stopped: Literal["orderly", "killed"], stop_seconds: float
) -> ServerFacts:
    """The server's side of the window."""
    effective = reported(job, server)
    return ServerFacts(
        version=job.environment.packages[interpreters.normal(job.adapter.distribution)],
        boot_seconds=round(server.boot_seconds, 4),
        stop_seconds=round(stop_seconds, 4),
        stopped=stopped,
        cpu_us_per_request=_per_request(window.slices),
        cpu_cores=round(window.server_cpu_cores, 4),
        rss_peak_bytes=max(piece.rss_bytes for piece in window.slices),
        requests_by_worker=window.requests_by_worker,
        connections_by_worker=window.connections_by_worker,
        processes=window.processes,
        effective=effective,
        declared_limits=dict(job.adapter.declared_limits(server.target, job.options)),
        unmet=unmet(job, server, effective),
        workers_lost=window.workers_lost,
    )


def waits(job: Job) -> Waits:
    """How long a request waits, and what it occupies meanwhile, by what workload and style say."""
    application = job.cell.application
    work = job.workload.work(**application.params)
    style = STYLES[application.style]
    slot = "thread" if job.cell.interface == "wsgi" else style.slot
    if work.awaited_seconds is None or work.blocked_seconds is None:
        return Waits(total_seconds=None, occupied_seconds=None, slot=slot)
    total = work.awaited_seconds + work.blocked_seconds
    lets_go = slot == "event loop" and style.twin == "async"
    return Waits(total_seconds=total, occupied_seconds=work.blocked_seconds if lets_go else total, slot=slot)


def watched(job: Job, server: Server, window: Window) -> Evidence:
    """What the workers saw."""
    threads = reported(job, server)["threads"]
    return evidence(
        window.first,
        window.last,
        threads=threads if isinstance(threads, int) else None,
        in_thread=job.cell.interface == "wsgi",
        in_flight=window.in_flight,
        cpu_cores=window.cpu_cores_by_worker,
    )


def check_bodies(job: Job, summary: K6Summary, bodies: list[k6.Body]) -> Sampled:
    """Judge the sampled bodies that differed from the verified answer with the workload's own check."""
    verdicts = [(body.text, wrong_with(job, body.text, body.drawn)) for body in bodies]
    wrong = [(body, sentence) for body, sentence in verdicts if sentence]
    return Sampled(
        checked=summary.matched + len(bodies),
        wrong=len(wrong),
        unchecked=max(0, summary.unexpected - len(bodies)),
        example=f"{wrong[0][1]}; the answer was {wrong[0][0][:300]}" if wrong else None,
    )


def reported(job: Job, server: Server) -> dict[str, str | int | bool | None]:
    """What is in effect, as the workers report it; a setting in which they differ is named by all its values."""
    each: list[dict[str, Any]] = []
    for worker in server.workers:
        facts, count = worker.facts, worker.read()
        each.append(
            {
                "python": facts["python"],
                "gil": facts["gil"],
                "loop": facts["loop"],
                "http": (None, *job.adapter.parsers.values())[count.parser] or job.adapter.built_in_parser,
                "threads": job.adapter.threads(server.target, job.options, facts),
                "tcp_nodelay": count.nodelay,
            }
        )
    return {key: _joined([facts[key] for facts in each]) for key in each[0]}


def _joined(values: list[Any]) -> Any:
    known = [value for value in values if value is not None]
    if not known:
        return None
    return known[0] if all(value == known[0] for value in known) else " / ".join(map(str, known))


def unmet(job: Job, server: Server, facts: Mapping[str, Any]) -> dict[str, str]:
    """Settings that are not in effect although the adapter asked for them and declares no limit."""
    declared = job.adapter.declared_limits(server.target, job.options)
    wanted: dict[str, Any] = {"threads": job.cell.threads, **job.adapter.expects(server.target, job.options)}
    if facts["tcp_nodelay"] is not None:
        wanted["tcp_nodelay"] = True
    return {
        key: f"asked for {value}, in effect is {facts.get(key)}"
        for key, value in wanted.items()
        if facts.get(key) != value and key not in declared
    }


def generator_facts(job: Job, window: Window, summary: K6Summary, null_rps: float | None) -> GeneratorFacts:
    """The generator's side of the window."""
    rate, timing = job.cell.rate, job.timing
    due = None if rate is None else int(rate * (timing.warmup_seconds + timing.window_seconds))
    cpus = job.placement.generator_cpus
    return GeneratorFacts(
        name="k6",
        version=job.k6.version,
        users=job.users,
        cpu_cores=round(window.generator_cpu_cores, 4),
        cpu_allotted=float(len(cpus) if cpus else len(os.sched_getaffinity(0))),
        blocked_ms_p99=summary.p99("cell_blocked"),
        users_accounted=round(job.users - summary.idle_seconds / timing.window_seconds, 2),
        null_rps=null_rps,
        offered_rps=rate,
        overdue=None if due is None else max(0, due - summary.sent),
        lateness_ms_p99=summary.p99("cell_lateness"),
    )


def database_facts(job: Job, window: Window) -> DatabaseFacts | None:
    """Postgres' side of the window; None where the workload uses none."""
    if job.database is None:
        return None
    framework = catalogue.FRAMEWORKS[job.cell.application.framework]
    return DatabaseFacts(
        kind=job.database.kind,
        version=job.database.version,
        server=job.database.server,
        cpu_cores=None if window.database_cpu_cores is None else round(window.database_cpu_cores, 4),
        pooled=job.cell.application.style not in framework.request_loops,
        settings=job.database.settings,
        rows=job.database.rows,
        checksums=job.database.checksums,
        scale=job.database.scale,
        seed=job.database.seed,
    )


def _per_request(slices: list[Slice]) -> float | None:
    """Microseconds of server CPU time per finished request, over the whole window."""
    requests = sum(piece.requests for piece in slices)
    return round(sum(piece.cpu_seconds for piece in slices) / requests * 1e6, 3) if requests else None
