"""What the restarts of a rotation say: figures of each, what makes one void, intervals over all of them. Pure."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.analysis.behaviour import remarks, told
from harness.analysis.interruptions import disturbance
from harness.analysis.settling import settling_curve, settling_responses
from harness.analysis.validity import BUSY_SHARE, FAILURE_SHARE, GENERATOR_SHARE, OWN_REQUESTS
from harness.analysis.verdicts import SHORT_TURNS, TAIL_SECONDS, few_moments, no_worse, ratio_of, verdict, worse
from harness.measure import schedule
from harness.model.comparison import Interval
from harness.model.metrics import METRICS, MetricName
from harness.model.rotation import LatencyCounts, Restart, Rotation, RotationContrast, Slots
from harness.stats import latencies, simultaneous
from harness.stats.intervals import interval, usable

THROUGHPUT, CPU, MEMORY, BEYOND = "throughput_rps", "cpu_us_per_request", "rss_peak_bytes", "beyond_wait_ms"
LATENCIES: Mapping[MetricName, float] = {"p50_ms": 0.50, "p99_ms": 0.99}
TAILS = [name for name in LATENCIES if METRICS[name].tail]


@dataclass(frozen=True, slots=True)
class RestartFigures:
    """One restart in numbers."""

    values: list[dict[MetricName, float]]
    """Member → metric → figure, in the metric's unit; a metric that was not measured is missing."""
    logs: list[dict[MetricName, float]]
    """Member → metric → logarithm by which members are compared: of what has a figure in every slot the mean over
    rounds, of which the part that all members of a round have in common falls out."""


def figures(restart: Restart, kind: int = 0, settled_s: Sequence[float] | None = None) -> RestartFigures:
    """The figures of a restart, from the slots of a kind that count.

    `settled_s`: member → seconds of each slot that are left out, where more is known by now than when it was loaded.
    """
    members = range(len(restart.members))
    rounds: dict[int, dict[int, tuple[float | None, float | None]]] = {}
    for place in restart.slots.counted(kind):
        member, number = restart.slots.member[place], restart.slots.round[place]
        rounds.setdefault(number, {})[member] = _slot_figures(
            restart.slots, place, None if settled_s is None else settled_s[member]
        )
    values: list[dict[MetricName, float]] = [{} for _ in members]
    logs: list[dict[MetricName, float]] = [{} for _ in members]
    for column, metric in enumerate((THROUGHPUT, CPU)):
        complete = [
            [slots[member][column] for member in members] for slots in rounds.values() if len(slots) == len(members)
        ]
        usable_rounds = [row for row in complete if all(usable(value) for value in row)]
        for member in members:
            numbers = [math.log(value) for row in usable_rounds if (value := row[member])]
            if numbers:
                logs[member][metric] = statistics.fmean(numbers)
                values[member][metric] = math.exp(logs[member][metric])
    for member in members:
        samples = restart.members[member]
        others: dict[MetricName, float | None] = {MEMORY: float(samples.rss_peak_bytes)}
        if len(samples.latency) > kind:
            others[BEYOND] = _beyond(samples.latency[kind], samples.known_wait_s)
        for metric, share in LATENCIES.items():
            others[metric] = (
                latencies.quantile(samples.latency[kind].counts, share) if len(samples.latency) > kind else None
            )
        for metric, value in others.items():
            if usable(value):
                values[member][metric], logs[member][metric] = value, math.log(value)
    return RestartFigures(values=values, logs=logs)


def _beyond(latency: LatencyCounts, known_wait_s: float) -> float | None:
    """Milliseconds that a request takes on average beyond its known wait; None where it has none, or none beyond."""
    requests = sum(latency.counts.values())
    if not known_wait_s or not requests or not latency.total_us:
        return None
    return latency.total_us / requests / 1000 - known_wait_s * 1000


def _slot_figures(slots: Slots, place: int, settled_s: float | None) -> tuple[float | None, float | None]:
    """Requests per second in the counted part of a slot, and CPU microseconds per request of the whole slot, until
    everything was answered: so each request is in it with all of its cost."""
    part = slots.counted_part(place, settled_s)
    if part.requests <= 0 or part.seconds <= 0:
        return None, None
    return part.requests / part.seconds, slots.drained_cpu_s[place] / slots.drained_requests[place] * 1e6


def void(restart: Restart) -> str | None:
    """Why a restart does not count, through no fault of a member; None where it does."""
    if (disturbed := disturbance(restart)) is not None:
        return disturbed
    for member, samples in enumerate(restart.members):
        finished = sum(samples.requests_by_worker)
        if samples.answers is not None and abs(samples.answers - finished) > restart.users + OWN_REQUESTS:
            return f"the generator counts {samples.answers:,} requests of member {member + 1}, its workers {finished:,}"
        if samples.unmet:
            setting, message = next(iter(samples.unmet.items()))
            return f"member {member + 1}: {setting}: {message}"
    return None


def outcome(restart: Restart, labels: Sequence[str]) -> str | None:
    """What a member did that is an outcome and never measured away: failures, wrong answers, lost workers."""
    for member, samples in enumerate(restart.members):
        own = [place for place, number in enumerate(restart.slots.member) if number == member]
        failures = sum(restart.slots.failures[place] for place in own)
        requests = sum(restart.slots.drained_requests[place] for place in own)
        if samples.workers_lost:
            return f"{labels[member]} lost {samples.workers_lost} of its workers"
        if samples.wrong_answer is not None:
            return f"{labels[member]} answered wrongly: {samples.wrong_answer}"
        if failures > FAILURE_SHARE * max(1, requests):
            return f"{failures:,} of {requests:,} requests to {labels[member]} failed"
    return None


def generator_limits(restarts: Sequence[Restart]) -> str | None:
    """Why throughput and latency may be the generator's: it was short of CPU time while a member was not."""
    for restart in restarts:
        if restart.generator_cpu_share <= GENERATOR_SHARE:
            continue
        for member, samples in enumerate(restart.members):
            own = restart.slots.counted(member=member)
            seconds = sum(restart.slots.read_s[place][-1] for place in own)
            cores = sum(restart.slots.cpu_s[place][-1] for place in own) / seconds if seconds else 0.0
            if cores < BUSY_SHARE * samples.cores:
                return f"the generator used {restart.generator_cpu_share:.0%} of its cores: it may be the limit"
    return None


def table(restarts: Sequence[RestartFigures], metric: MetricName) -> list[list[float]] | None:
    """Restart → member → logarithm; None where a restart lacks one."""
    if not restarts or not all(metric in member for each in restarts for member in each.logs):
        return None
    return [[member[metric] for member in each.logs] for each in restarts]


def enough(restarts: Sequence[RestartFigures], precision: float, metric: MetricName = THROUGHPUT) -> bool:
    """Whether the primary metric of all pairs is known to ± `precision`, a share. It alone decides when to stop."""
    values = table(restarts, metric)
    if values is None or len(values) < simultaneous.LEAST_RESTARTS:
        return False
    return simultaneous.narrow(values, precision)


def decided(answer: Rotation) -> bool:
    """Whether the question that a limit asks is answered, one way or the other: the whole interval of a metric that is
    judged lies beyond it, or those of all of them lie on its good side."""
    judged = [each for each in answer.contrasts if each.metric in (THROUGHPUT, CPU) and each.reason is None]
    if answer.limit is None or not judged:
        return False
    limit = answer.limit
    return any(each.worse for each in judged) or all(no_worse(each.metric, each.ratio, limit) for each in judged)


def contrasts(
    restarts: Sequence[RestartFigures],
    labels: Sequence[str],
    margin: float,
    limit: float | None,
    reasons: Mapping[MetricName, str],
) -> list[RotationContrast]:
    """Every pair in every metric that was measured. `reasons`: metric → why there can be no verdict in it."""
    pairs = []
    for metric in (each.name for each in METRICS.values()):
        values = table(restarts, metric)
        if values is None:
            continue
        for (a, b), difference in simultaneous.differences(values).items():
            ratio = ratio_of(difference, difference.half_width(len(labels)))
            reason = reasons.get(metric)
            if reason is None and len(values) < simultaneous.LEAST_RESTARTS:
                reason = f"{len(values)} restarts count, {simultaneous.LEAST_RESTARTS} are needed"
            pairs.append(
                RotationContrast(
                    metric=metric,
                    a=labels[a],
                    b=labels[b],
                    ratio=ratio,
                    verdict="undecided" if reason else verdict(metric, ratio, margin),
                    reason=reason,
                    worse=None if limit is None else reason is None and worse(metric, ratio, limit),
                )
            )
    return pairs


def means(restarts: Sequence[RestartFigures], members: int) -> list[dict[MetricName, Interval]]:
    """Member → metric → geometric mean over restarts, with its own 95 % interval; what was not measured is missing."""
    figures_of: list[dict[MetricName, Interval]] = [{} for _ in range(members)]
    for member, metric in itertools.product(range(members), METRICS):
        logs = [each.logs[member][metric] for each in restarts if metric in each.logs[member]]
        if logs:
            figures_of[member][metric] = interval(logs)
    return figures_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """What a rotation is to tell."""

    members: Sequence[str]
    """What they are called."""
    servers: Sequence[str] = ()
    """With their versions and Pythons."""
    users: int | None
    """Of each member; None under open load."""
    users_reason: str
    """How that number was come by."""
    margin: float
    precision: float
    limit: float | None = None


def answer(question: Question, restarts: Sequence[Restart], seconds: float, before: Sequence[str] = ()) -> Rotation:
    """What restarts say. `before` stands before what else a reader should know; `seconds`: of the whole comparison."""
    labels, places = question.members, range(len(question.members))
    voids = [(restart.number, reason) for restart in restarts if (reason := void(restart)) is not None]
    counting = [restart for restart in restarts if void(restart) is None]
    of_each = settled_figures(counting)
    outcomes = list(dict.fromkeys(each for restart in restarts if (each := outcome(restart, labels)) is not None))
    curves = [settling_curve(counting, member) for member in places]
    primary = CPU if question.users is None else THROUGHPUT
    reasons = _reasons(question, counting, outcomes)
    short = SHORT_TURNS in reasons.values()
    return Rotation(
        members=list(labels),
        servers=list(question.servers),
        method=restarts[-1].method if restarts else "slots",
        users=question.users,
        users_reason=question.users_reason,
        margin=question.margin,
        precision=question.precision,
        reached=enough(of_each, question.precision, primary),
        limit=question.limit,
        values=means(of_each, len(labels)),
        contrasts=contrasts(of_each, labels, question.margin, question.limit, reasons),
        interval_method=interval_method(of_each),
        curves=[curve for curve in curves if curve is not None],
        notes=[
            *before,
            *told(remarks(counting, labels)),
            *([f"no verdict on p99: {SHORT_TURNS}"] if short else []),
        ],
        restarts=len(of_each),
        void=[f"restart {number}: {reason}" for number, reason in voids],
        outcomes=outcomes,
        seconds=round(seconds, 1),
    )


def _reasons(question: Question, restarts: Sequence[Restart], outcomes: Sequence[str]) -> dict[MetricName, str]:
    """Metrics in which there can be no verdict."""
    if outcomes:
        return dict.fromkeys((*LATENCIES, BEYOND, THROUGHPUT, CPU), outcomes[0])
    reasons: dict[MetricName, str] = {}
    seconds = [restart.slots.read_s[place][-1] for restart in restarts for place in restart.slots.counted()]
    if seconds and statistics.median(seconds) < TAIL_SECONDS:
        reasons |= dict.fromkeys(TAILS, SHORT_TURNS)
    elif (few := _few_moments(question, restarts)) is not None:
        reasons |= dict.fromkeys(TAILS, few)
    if question.users is None:
        return reasons | {THROUGHPUT: "an open load sends as many requests per second as it is told to"}
    limited = generator_limits(restarts)
    return reasons | ({} if limited is None else dict.fromkeys((*LATENCIES, BEYOND, THROUGHPUT), limited))


def _few_moments(question: Question, restarts: Sequence[Restart]) -> str | None:
    for place, name in enumerate(question.members):
        latencies_of = [restart.members[place].latency for restart in restarts]
        few = few_moments(name, [each[0].tail_moments for each in latencies_of if each])
        if few is not None:
            return few
    return None


def settled_figures(
    restarts: Sequence[Restart], counting: Sequence[Restart] | None = None, kind: int = 0
) -> list[RestartFigures]:
    """The figures of each restart, with as much of its slots left out as the curves of all restarts that count ask for:
    the figures of earlier restarts change a little with every later one. `counting`: those that count; None: all."""
    members = range(len(restarts[0].members)) if restarts else range(0)
    settling = [settling_responses(restarts if counting is None else counting, member) for member in members]
    return [
        figures(
            restart,
            kind,
            [
                max(schedule.LEAST_SETTLING, responses * response)
                for responses, response in zip(settling, restart.response_s, strict=True)
            ],
        )
        for restart in restarts
    ]


def interval_method(restarts: Sequence[RestartFigures]) -> str:
    """How the intervals of throughput were made, in words."""
    values = table(restarts, THROUGHPUT)
    if values is None or len(values) < 2:
        return "none: it takes two restarts"
    if len(values[0]) == 2:
        return f"Student's t over restarts at {simultaneous.PAIR_LEVEL:.1%}, since one stops when they are narrow"
    common = simultaneous.noise(values)
    if common is not None and common.alike:
        return f"Tukey's studentized range at {simultaneous.POOLED_LEVEL:.1%} with the variance of all members together"
    own = "each pair's own variance" + ("" if common is None else ", moderated by that of all members")
    return f"Tukey's studentized range at {simultaneous.OWN_LEVEL:.1%} with {own}"
