"""From readings to the facts that are stored."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.deploy.launch import Deployment, Ending
from harness.deploy.spec import ServerSpec
from harness.deploy.workers import Counters
from harness.host import placement, speed
from harness.load import arrivals
from harness.load.generator import Check, LoadSession, LoadSummary
from harness.measure.evidence import answer_bytes, evidence, going_on, piled_up
from harness.measure.job import Job
from harness.measure.window import Window
from harness.model.load import RequestMix
from harness.model.measurement import (
    AnswerChecks,
    Argv,
    Arrivals,
    DatabaseFacts,
    GeneratorFacts,
    MachineFacts,
    Measurement,
    Route,
    ServerFacts,
    Slice,
    WorkerStats,
)


def assemble(
    job: Job,
    started_at: str,
    generator: LoadSession,
    server: Deployment,
    window: Window,
    summary: LoadSummary,
    ending: Ending,
    null_rps: float | None,
) -> Measurement:
    """Everything that a measurement found out."""
    spec = job.spec
    sent = spec.subject.request_mix(spec.database, server.bodies)
    how_fast, spread = speed.summary(window.speeds)
    return Measurement(
        started_at=started_at,
        cell=spec.cell,
        placement=job.placement,
        warmup_seconds=job.timing.warmup_seconds,
        window_seconds=round(summary.window_seconds, 4),
        requests=summary.requests,
        failures_by_kind=summary.failures,
        latency_ms=summary.latency,
        first_byte_ms_mean=summary.first_byte_ms_mean,
        grid=summary.grid,
        slices=window.slices,
        arrivals=_arrivals(job, summary),
        sampled=check_bodies(spec, sent, summary),
        waits=spec.subject.waits(spec.cell.variant.interface),
        evidence=watched(spec, server, window) if spec.diagnose else None,
        server=server_facts(spec, server, window, ending),
        generator=generator_facts(job, window, summary, null_rps),
        machine=MachineFacts(
            cpus=os.cpu_count() or 1,
            stolen_cores=round(window.stolen_cores, 4),
            foreign_cores=round(window.foreign_cores, 4),
            cores_in_use=len(job.placement.cores),
            speed=how_fast,
            speed_spread=spread,
            interruptions=window.interruptions,
        ),
        database=database_facts(spec, window.database_cpu_cores),
        routes=routes(sent, summary),
        argv=Argv(server=list(server.argv), generator=list(generator.argv)),
    )


def _arrivals(job: Job, summary: LoadSummary) -> Arrivals | None:
    """Requests by when they were due, where that was asked for."""
    if job.offered is None:
        return None
    judging = job.offered.judging
    begins = [job.timing.warmup_seconds + judging.slice_seconds * piece for piece in range(judging.slices + 1)]
    return Arrivals(
        slice_seconds=judging.slice_seconds,
        limits_ms=list(judging.limits_ms),
        due=[arrivals.due(job.offered.due_ms, *edges) for edges in itertools.pairwise(begins)],
        right=summary.right,
        late=summary.late,
        crowded=list(job.offered.crowded),
        p50_ms=summary.p50_ms,
    )


def server_facts(service: ServerSpec, server: Deployment, window: Window, ending: Ending) -> ServerFacts:
    """The server's side of the window."""
    return ServerFacts(
        **common_facts(service, server, window.first, window.last),
        boot_seconds=round(server.boot_seconds, 4),
        stop_seconds=round(ending.seconds, 4),
        stopped=ending.how,
        cpu_us_per_request=_per_request(window.slices),
        cpu_cores=round(window.server_cpu_cores, 4),
        rss_peak_bytes=max(piece.rss_bytes for piece in window.slices),
        requests_by_worker=window.requests_by_worker,
        connections_by_worker=window.connections_by_worker,
        processes=window.processes,
        workers_lost=window.workers_lost,
    )


def common_facts(
    service: ServerSpec, server: Deployment, first: Sequence[Counters], last: Sequence[Counters]
) -> dict[str, Any]:
    """What is known of a server however it was loaded, as fields of its facts; `first` and `last`: of its workers."""
    effective = reported(service, server)
    return {
        "python": service.environment.python,
        "version": service.server_version,
        "effective": effective,
        "declared_limits": dict(service.adapter.declared_limits(server.target, service.options)),
        "unmet": unmet(service, server, effective),
        "piled_up": piled_up(first, last),
        "going_on": going_on(last),
        "answer_bytes": answer_bytes(first, last),
        "decoded_bytes": server.decoded_bytes,
    }


def watched(service: ServerSpec, server: Deployment, window: Window) -> WorkerStats:
    """What the workers saw."""
    threads = reported(service, server)["threads"]
    return evidence(
        window.first,
        window.last,
        threads=threads if isinstance(threads, int) else None,
        in_thread=service.cell.variant.interface == "wsgi",
        in_flight=window.in_flight,
        cpu_cores=window.cpu_cores_by_worker,
    )


def routes(sent: RequestMix, summary: LoadSummary) -> list[Route]:
    """What was sent, each kind with its own figures where there are several."""
    if len(sent.templates) == 1:
        return [Route(path=sent.templates[0].name, requests=summary.requests)]
    return [
        Route(path=kind.name, requests=seen.requests, failures=seen.failures, latency_ms=seen.latency)
        for kind, seen in zip(sent.templates, summary.kinds, strict=True)
    ]


def check_bodies(service: ServerSpec, sent: RequestMix, summary: LoadSummary) -> AnswerChecks | None:
    """Judge the sampled bodies that differed from the verified answer; of a user's script, count its own checks."""
    if summary.matched is None or summary.unexpected is None:
        return None
    if sent.script is not None:
        failed = summary.failed_checks
        return AnswerChecks(
            checked=summary.matched + failed,
            wrong=failed,
            unchecked=0,
            example=_failed_checks(sent.templates[0].name, summary.checks) if failed else None,
            by_name={each.name: (each.passed, each.failed) for each in summary.checks},
        )
    bodies = summary.bodies
    verdicts = [(body.text, service.subject.wrong(body.kind, body.text, sent, body.iteration)) for body in bodies]
    wrong = [(body, sentence) for body, sentence in verdicts if sentence]
    return AnswerChecks(
        checked=summary.matched + len(bodies),
        wrong=len(wrong),
        unchecked=max(0, summary.unexpected - len(bodies)),
        example=f"{wrong[0][1]}; the answer was {wrong[0][0][:300]}" if wrong else None,
    )


def reported(service: ServerSpec, server: Deployment) -> dict[str, str | int | bool | None]:
    """What is in effect, as the workers report it; a setting in which they differ is named by all its values."""
    each: list[dict[str, Any]] = []
    for worker in server.workers:
        facts, count = worker.facts, worker.read()
        each.append(
            {
                "python": facts["python"],
                "gil": facts["gil"],
                "loop": facts["loop"],
                "http": (None, *service.adapter.parsers.values())[count.parser] or service.adapter.built_in_parser,
                "threads": service.adapter.threads(server.target, service.options, facts),
                "tcp_nodelay": count.nodelay,
                "imported": _imported(facts.get("imported"), service.subject.serving().imports),
            }
        )
    return {key: _joined([facts[key] for facts in each]) for key in each[0]}


def _imported(file: str | None, folder: Path | None) -> str | None:
    """The file that a user's application was imported from, from its folder on where it lies in there."""
    if file is None or folder is None:
        return None
    path = Path(file)
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else file


def _joined(values: list[Any]) -> Any:
    known = [value for value in values if value is not None]
    if not known:
        return None
    return known[0] if all(value == known[0] for value in known) else " / ".join(map(str, known))


def unmet(service: ServerSpec, server: Deployment, facts: Mapping[str, Any]) -> dict[str, str]:
    """Settings that are not in effect although the adapter asked for them and declares no limit."""
    declared = service.adapter.declared_limits(server.target, service.options)
    settings: dict[str, Any] = dict(service.adapter.expects(server.target, service.options))
    if facts["threads"] is not None:  # an application without AnyIO has threads of its own making, if any
        settings["threads"] = service.cell.variant.threads
    if facts["tcp_nodelay"] is not None:
        settings["tcp_nodelay"] = True
    if not any(worker.read().started for worker in server.workers):
        settings.pop("http", None)  # which only a request shows
    return {
        key: f"asked for {value}, in effect is {facts.get(key)}"
        for key, value in settings.items()
        if facts.get(key) != value and key not in declared
    }


def _failed_checks(script: str, checks: Sequence[Check]) -> str:
    """Which checks of answers failed, the most frequent first."""
    failed = sorted((each for each in checks if each.failed and not each.of_time), key=lambda each: -each.failed)
    named = ", ".join(f"'{each.name}' {each.failed:,} of {each.passed + each.failed:,} times" for each in failed[:3])
    return f"checks of {script} failed: {named}"


def generator_facts(job: Job, window: Window, summary: LoadSummary, null_rps: float | None) -> GeneratorFacts:
    """The generator's side of the window."""
    timing, moments = job.timing, job.due_ms
    whole = timing.warmup_seconds + timing.window_seconds
    due = None if moments is None else arrivals.due(moments, 0.0, whole)
    offered = None if moments is None else arrivals.due(moments, timing.warmup_seconds, whole) / timing.window_seconds
    cpus = job.placement.generator_cpus
    return GeneratorFacts(
        name=job.generator.name,
        version=job.generator.version,
        window_method=job.generator.window_method,
        users=job.users,
        cpu_cores=round(window.generator_cpu_cores, 4),
        cpu_allotted=placement.allotted(cpus),
        blocked_ms_p99=summary.blocked_ms_p99,
        users_accounted=(
            None
            if summary.idle_seconds is None
            else round(job.users - summary.idle_seconds / summary.window_seconds, 2)
        ),
        null_rps=null_rps,
        offered_rps=offered,
        overdue=None if due is None or summary.sent is None else max(0, due - summary.sent),
        lateness_ms_p99=summary.lateness_ms_p99,
        answers=_answers(summary),
    )


def _answers(summary: LoadSummary) -> int | None:
    """Requests of the window that were answered, rightly or not; None where other requests may be among those that the
    generator counts, or none of its window: of a user's script and of wrk."""
    return None if summary.idle_seconds is None else summary.requests + summary.failures.status


def database_facts(service: ServerSpec, cpu_cores: float | None) -> DatabaseFacts | None:
    """Postgres while it was used, with the cores that it used if that is known; None where the workload uses none."""
    if service.database is None:
        return None
    return DatabaseFacts(
        kind=service.database.kind,
        version=service.database.version,
        server=service.database.server,
        cpu_cores=None if cpu_cores is None else round(cpu_cores, 4),
        pooled=service.subject.pooled,
        settings=service.database.settings,
        rows=service.database.rows,
        checksums=service.database.checksums,
        scale=service.database.scale,
        seed=service.database.seed,
    )


def _per_request(slices: list[Slice]) -> float | None:
    """Microseconds of server CPU time per finished request, over the whole window."""
    requests = sum(piece.requests for piece in slices)
    return round(sum(piece.cpu_seconds for piece in slices) / requests * 1e6, 3) if requests else None
