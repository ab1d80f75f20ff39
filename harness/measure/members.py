"""From the turns of one member in a restart to its measurement: what `harness run` tells of a window."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from harness.deploy.launch import Deployment
from harness.deploy.spec import ServerSpec
from harness.deploy.workers import Counters
from harness.host import placement, procfs
from harness.load.generator import Generator
from harness.load.turns import TurnReport
from harness.measure.collect import common_facts, database_facts, reported
from harness.measure.evidence import evidence
from harness.measure.target import load_target
from harness.model.measurement import (
    AnswerChecks,
    Argv,
    Failures,
    GeneratorFacts,
    Latency,
    MachineFacts,
    Measurement,
    Route,
    ServerFacts,
    Slice,
    WorkerStats,
)
from harness.model.rotation import LatencyCounts, MemberSamples, Restart
from harness.stats import latencies

QUANTILES = (50, 90, 95, 99)


@dataclass(kw_only=True, slots=True)
class Watch:
    """What is looked at of a member in its turns, besides the clocks and counters of all its processes."""

    deployment: Deployment
    generator_cpu: Callable[[], float]
    database_cpu: Callable[[], float]
    seconds: float = 0.0
    """Of all turns that count, until they were drained."""
    generator_seconds: float = 0.0
    database_seconds: float = 0.0
    worker_seconds: list[float] = field(default_factory=list)
    in_flight: list[list[int]] = field(default_factory=list)
    """Worker → requests inside the application, sampled."""
    first: list[Counters] = field(default_factory=list)
    """The workers' counters before the first turn that counts."""
    connections: list[int] | None = None
    _begin: tuple[float, float, list[float]] = (0.0, 0.0, [])

    def open(self) -> None:
        """The first turn that counts is to come."""
        workers = self.deployment.workers
        self.first = [worker.read() for worker in workers]
        self.in_flight, self.worker_seconds = [[] for _ in workers], [0.0 for _ in workers]
        pids = [worker.pid for worker in workers]
        self.connections = procfs.connections(pids, self.deployment.target.port)

    def begin(self) -> None:
        """A turn is to begin."""
        if self.first:
            self._begin = self._clocks()

    def sample(self) -> None:
        """Look at what is in flight, in the part of a turn that counts."""
        for samples, worker in zip(self.in_flight, self.deployment.workers, strict=False):
            samples.append(worker.in_flight())

    def end(self, seconds: float) -> None:
        """A turn is drained, so many seconds after its begin."""
        if not self.first:
            return
        generator, database, workers = self._clocks()
        self.seconds += seconds
        self.generator_seconds += generator - self._begin[0]
        self.database_seconds += database - self._begin[1]
        for place, (now, before) in enumerate(zip(workers, self._begin[2], strict=True)):
            self.worker_seconds[place] += now - before

    def _clocks(self) -> tuple[float, float, list[float]]:
        workers = [procfs.cpu_seconds(worker.pid) or 0.0 for worker in self.deployment.workers]
        return self.generator_cpu(), self.database_cpu(), workers

    def evidence(self, spec: ServerSpec) -> WorkerStats | None:
        """What requests waited for; None where workers were not told to look."""
        if not spec.diagnose or not self.first or not self.seconds:
            return None
        threads = reported(spec, self.deployment)["threads"]
        return evidence(
            self.first,
            [worker.read() for worker in self.deployment.workers],
            threads=threads if isinstance(threads, int) else None,
            in_thread=spec.cell.variant.interface == "wsgi",
            in_flight=self.in_flight,
            cpu_cores=[seconds / self.seconds for seconds in self.worker_seconds],
        )


@dataclass(kw_only=True, slots=True)
class Tally:
    """What the generator saw of one member over its turns."""

    latency: list[dict[int, int]]
    """Kind of slots → bucket → requests that began in the counted part."""
    lasted_us: list[int]
    """Kind of slots → how long these took together."""
    ends: list[list[tuple[int, int, int]]]
    """Kind of slots → of each of these: number of its turn, millisecond of it at which it ended, and bucket."""
    routes: dict[int, Counter[int]] = field(default_factory=dict)
    """Kind of request → bucket → requests; of several kinds only."""
    turns: int = 0
    answers: int = 0
    """Of turns that count, as failures by kind."""
    status: int = 0
    timeout: int = 0
    connection: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    checked: int = 0
    """Sampled answers of all turns, those that warm up too."""
    unchecked: int = 0
    wrong: str | None = None
    wrong_count: int = 0

    @classmethod
    def of_kinds(cls, kinds: int) -> Tally:
        """Of no turn yet."""
        return cls(latency=[{} for _ in range(kinds)], lasted_us=[0] * kinds, ends=[[] for _ in range(kinds)])

    def add(self, report: TurnReport, kind: int, first_ms: float, last_ms: float) -> None:
        """A turn that counts: latencies of requests that began in its counted part, whenever they ended."""
        counts = self.latency[kind]
        self.turns += 1
        for place, (begun, lasted) in enumerate(zip(report.begun_ms, report.lasted_us, strict=True)):
            if first_ms <= begun < last_ms:
                bucket = latencies.bucket_of(lasted)
                counts[bucket] = counts.get(bucket, 0) + 1
                self.lasted_us[kind] += lasted
                self.ends[kind].append((self.turns, begun + lasted // 1000, bucket))
                if report.kinds:
                    self.routes.setdefault(report.kinds[place], Counter())[bucket] += 1
        self.answers += report.answers or 0
        self.status += report.status
        self.timeout += report.timeout
        self.connection += report.connection
        self.statuses.update(report.statuses)

    def look(self, report: TurnReport, spec: ServerSpec, deployment: Deployment) -> None:
        """Judge the sampled answers of a turn."""
        self.checked += report.matched + len(report.bodies)
        self.unchecked += max(0, report.unexpected - len(report.bodies))
        if not report.bodies:
            return
        mix = load_target(spec, deployment).mix
        for body in report.bodies:
            wrong = spec.subject.wrong(body.kind, body.text, mix, body.iteration)
            if wrong:
                self.wrong_count += 1
                self.wrong = self.wrong or f"{wrong}; the answer was {body.text[:300]}"

    @property
    def failures(self) -> int:
        """Requests that did not succeed."""
        return self.status + self.timeout + self.connection


def measurement(
    restart: Restart,
    place: int,
    spec: ServerSpec,
    deployment: Deployment,
    watch: Watch,
    tally: Tally,
    generator: Generator,
    argv: Sequence[str],
) -> Measurement:
    """Of the member at a place, from a restart in which it has turns that count."""
    slots = _slots(restart, place)
    seconds, finished = sum(each.seconds for each in slots), sum(each.requests for each in slots)
    sent = tally.answers + tally.failures
    failed = tally.failures / sent if sent else 0.0
    requests = finished - math.ceil(finished * failed)
    samples = restart.members[place]
    known = samples.latency[0] if samples.latency else LatencyCounts(counts={})
    cpus = spec.placement.generator_cpus
    return Measurement(
        started_at=restart.started_at,
        method=restart.method,
        cell=spec.cell,
        placement=spec.placement,
        warmup_seconds=round(_first_slot_seconds(restart, place), 4),
        window_seconds=round(seconds, 4) or 1e-9,
        requests=requests,
        failures_by_kind=Failures(
            **{
                kind: math.ceil(getattr(tally, kind) * finished / sent) if sent else 0
                for kind in ("timeout", "connection", "status")
            },
            by_status=dict(tally.statuses),
        ),
        latency_ms=latency(known.counts, known.total_us, known.tail_moments),
        grid=latencies.grid(known.counts),
        slices=slots,
        sampled=_checks(tally, samples) if tally.checked else None,
        waits=spec.subject.waits(spec.cell.variant.interface),
        evidence=watch.evidence(spec),
        server=_server(restart, place, spec, deployment, watch, slots),
        generator=GeneratorFacts(
            name=generator.name,
            version=generator.version,
            users=restart.users,
            cpu_cores=round(watch.generator_seconds / watch.seconds, 4) if watch.seconds else 0.0,
            cpu_allotted=placement.allotted(cpus),
            blocked_ms_p99=None,
            users_accounted=None,
            offered_rps=spec.cell.load.rate,
            overdue=None,
            lateness_ms_p99=None,
            answers=samples.answers,
        ),
        machine=MachineFacts(
            cpus=os.cpu_count() or 1,
            stolen_cores=round(restart.stolen_cpu_share * len(spec.placement.cores), 4),
            foreign_cores=round(restart.foreign_cpu_share * len(spec.placement.cores), 4),
            cores_in_use=len(spec.placement.cores),
            speed=restart.speed,
            speed_spread=restart.speed_spread,
            interruptions=restart.interruptions,
        ),
        database=database_facts(spec, watch.database_seconds / watch.seconds if watch.seconds else None),
        routes=_routes(spec, deployment, tally, requests),
        argv=Argv(server=list(deployment.argv), generator=list(argv)),
    )


def _server(
    restart: Restart, place: int, spec: ServerSpec, deployment: Deployment, watch: Watch, slots: Sequence[Slice]
) -> ServerFacts:
    samples = restart.members[place]
    last = [worker.read() for worker in deployment.workers]
    own = restart.slots.counted(member=place)
    requests = sum(restart.slots.drained_requests[at] for at in own)
    cpu = sum(restart.slots.drained_cpu_s[at] for at in own)
    seconds = sum(each.seconds for each in slots)
    return ServerFacts(
        **common_facts(spec, deployment, watch.first, last),
        boot_seconds=samples.boot_s,
        stop_seconds=None,
        stopped=None,
        cpu_us_per_request=round(cpu / requests * 1e6, 3) if requests else None,
        cpu_cores=round(sum(each.cpu_seconds for each in slots) / seconds, 4) if seconds else 0.0,
        rss_peak_bytes=samples.rss_peak_bytes,
        requests_by_worker=samples.requests_by_worker,
        connections_by_worker=watch.connections,
        processes=samples.processes,
        workers_lost=samples.workers_lost,
    )


def _slots(restart: Restart, place: int) -> list[Slice]:
    """The counted part of each of a member's turns that count."""
    slots, found = restart.slots, []
    for at in slots.counted(member=place):
        part = slots.counted_part(at)
        found.append(
            Slice(
                t=round(slots.begin_s[at] + slots.read_s[at][-1], 4),
                seconds=round(part.seconds, 6),
                requests=part.requests,
                cpu_seconds=round(part.cpu_seconds, 6),
                lag_ms=None,
                rss_bytes=restart.members[place].rss_peak_bytes,
            )
        )
    return found


def _first_slot_seconds(restart: Restart, place: int) -> float:
    """Of the turns that warm a member up."""
    slots = restart.slots
    return sum(
        slots.read_s[at][-1] for at, number in enumerate(slots.round) if number == 0 and slots.member[at] == place
    )


def _checks(tally: Tally, samples: MemberSamples) -> AnswerChecks:
    return AnswerChecks(
        checked=samples.answers_checked, wrong=tally.wrong_count, unchecked=tally.unchecked, example=tally.wrong
    )


def _routes(spec: ServerSpec, deployment: Deployment, tally: Tally, requests: int) -> list[Route]:
    """What was sent, each kind with its own figures where there are several."""
    templates = load_target(spec, deployment).mix.templates
    if len(templates) == 1:
        return [Route(path=templates[0].name, requests=requests)]
    return [
        Route(path=kind.name, requests=sum(counts.values()), latency_ms=latency(counts))
        for number, kind in enumerate(templates)
        for counts in [tally.routes.get(number, Counter())]
    ]


def latency(counts: Mapping[int, int], total_us: int | None = None, tail_moments: int | None = None) -> Latency:
    """Quantiles, ends and mean, in milliseconds; `total_us`: of all requests together, where that is known."""
    ends = (latencies.milliseconds(min(counts)), latencies.milliseconds(max(counts))) if counts else (None, None)
    mean = latencies.mean(counts) if not total_us else round(total_us / sum(counts.values()) / 1000, 4)
    quantiles = {f"p{percentile}": latencies.quantile(counts, percentile / 100) for percentile in QUANTILES}
    return Latency(min=ends[0], mean=mean, max=ends[1], tail_moments=tail_moments, **quantiles)
