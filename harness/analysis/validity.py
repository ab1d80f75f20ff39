"""The gates that a measurement must pass, each a small pure function with a value, a limit and the facts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Literal

from harness.analysis.interruptions import OTHERS_SHARE, clock, quota
from harness.model.application import UserApplication
from harness.model.evaluation import Evaluation, GateState, Reason, Remedy
from harness.model.measurement import Failures, Measurement
from harness.stats import steadiness

GENERATOR_SHARE = 0.75
"""Measured by benchmarks/fidelity.py: at 77 % of its core k6 reported less than wrk, at 70 % both agree."""
FAILURE_SHARE = 0.001
SENT_SHARE = 0.99
SERVICE_TIMES = 20
USER_SECONDS_SHARE = 0.05
NULL_SHARE = 0.70
LATE_MS, LATE_SHARE = 3.0, 0.10
BUSY_SHARE = 0.9
"""Of the cores that a server can use, from which on it is itself what limits its throughput."""
OWN_REQUESTS = 10
"""By which answers are verified before the load: counts of generator and workers may differ by them and the users."""
EDGE_SHARE = 0.05
"""Of the requests of a window, by which both may differ besides, because each tells its edges by its own clock."""
MOST_STATUSES = 3
"""That a message names."""

Gate = Callable[[Measurement], Reason | None]


def failures(facts: Measurement) -> Reason | None:
    """Requests that did not succeed are an outcome of the server, not a fault of the measuring."""
    total = facts.requests + facts.failures
    share = facts.failures / total if total else 0.0
    if share <= FAILURE_SHARE:
        return None
    kinds = {
        "timed out": facts.failures_by_kind.timeout,
        "lost their connection": facts.failures_by_kind.connection,
        **_by_status(facts.failures_by_kind),
    }
    what = ", ".join(f"{count:,} {kind}" for kind, count in kinds.items() if count)
    return Reason(
        gate="failures",
        message=f"{share:.1%} of the requests failed: {what}",
        value=round(share, 6),
        limit=FAILURE_SHARE,
    )


def _by_status(failures: Failures) -> dict[str, int]:
    """What requests were answered with, the most frequent statuses first."""
    known = sorted(failures.by_status.items(), key=lambda each: -each[1])[:MOST_STATUSES]
    named = {f"were answered with {status}{_phrase(status)}": count for status, count in known}
    others = failures.status - sum(count for _, count in known)
    return named | {"had another status than 200" if not known else "with other statuses": max(0, others)}


def _phrase(status: int) -> str:
    try:
        return f" {HTTPStatus(status).phrase}"
    except ValueError:
        return ""


def nothing_measured(facts: Measurement) -> Reason | None:
    """A window without a single success says nothing about speed."""
    if facts.requests:
        return None
    message = "no request succeeded inside the window"
    if not any(facts.server.requests_by_worker):
        application = facts.cell.variant.application
        script = application.script if isinstance(application, UserApplication) else None
        address = f"; {script} must take its address from __ENV.BASE_URL" if script else ""
        message = f"no request reached the server{address}"
    return Reason(gate="requests", message=message, value=0.0, limit=1.0)


def workers(facts: Measurement) -> Reason | None:
    """A worker that died or was replaced took its connections with it."""
    lost = facts.server.workers_lost
    if not lost:
        return None
    return Reason(
        gate="workers",
        message=f"{lost} of {facts.cell.variant.workers} workers died or were replaced",
        value=lost,
        limit=0,
    )


def answers(facts: Measurement) -> Reason | None:
    """Sampled answers under load must be as right as the one that was verified before it."""
    if facts.sampled is None or not facts.sampled.wrong:
        return None
    return Reason(
        gate="answers",
        message=f"{facts.sampled.wrong} sampled answers were wrong: {facts.sampled.example}",
        value=facts.sampled.wrong,
        limit=0,
    )


def settings(facts: Measurement) -> Reason | None:
    """Every setting must be in effect, or be a limit that the adapter declares."""
    if not facts.server.unmet:
        return None
    what = "; ".join(f"{name}: {sentence}" for name, sentence in facts.server.unmet.items())
    return Reason(gate="settings", message=f"settings are not in effect: {what}", value=None, limit=None)


def generator(facts: Measurement) -> Reason | None:
    """A generator that is short of CPU measures itself."""
    share = facts.generator.cpu_cores / facts.generator.cpu_allotted
    if share <= GENERATOR_SHARE:
        return None
    return Reason(
        gate="generator",
        message=f"load generator saturated: it used {share:.0%} of its cores",
        value=round(share, 4),
        limit=GENERATOR_SHARE,
        remedies=[] if null_ceiling(facts) else _relief(facts),
    )


def _relief(facts: Measurement) -> list[Remedy]:
    """Remedies where the generator has too little CPU time for its load."""
    cores = Remedy(kind="generator cores", direction="raise")
    if facts.cell.load.rate is not None:
        return [cores, Remedy(kind="rate", direction="lower")]
    if facts.generator.name == "k6" and facts.cell.variant.application.one_get:
        return [cores, Remedy(kind="generator", direction="choose", value="wrk")]
    return [cores, Remedy(kind="cell", direction="choose")]


def idle_generator(facts: Measurement) -> Reason | None:
    """A generator that is short of CPU while the server is not measures itself."""
    reason = generator(facts)
    cores = len(facts.placement.server_cpus) if facts.placement.server_cpus else facts.machine.cpus
    busy = facts.server.cpu_cores / max(1, min(cores, facts.cell.variant.workers))
    return None if reason is None or busy >= BUSY_SHARE else reason


def counts(facts: Measurement) -> Reason | None:
    """Generator and workers must have seen the same requests. Of a window, whose edges each reads by its own clock, up
    to a share; what timed out or lost its connection may have been answered all the same."""
    answers, finished = facts.generator.answers, sum(facts.server.requests_by_worker)
    limit = facts.generator.users + OWN_REQUESTS
    if facts.method == "window":
        unanswered = facts.failures_by_kind.timeout + facts.failures_by_kind.connection
        limit += unanswered + math.ceil(EDGE_SHARE * max(answers or 0, finished))
    if answers is None or abs(answers - finished) <= limit:
        return None
    return Reason(
        gate="counts",
        message=f"the generator counts {answers:,} requests, the server's workers {finished:,}",
        value=abs(answers - finished),
        limit=limit,
    )


def offered(facts: Measurement) -> Reason | None:
    """An open load of which a part was never sent was another load than the one asked for."""
    rate, overdue = facts.cell.load.rate, facts.generator.overdue
    if rate is None or overdue is None:
        return None
    due = rate * (facts.warmup_seconds + facts.window_seconds)
    share = 1 - overdue / due
    if share >= SENT_SHARE:
        return None
    return Reason(
        gate="offered",
        message=f"only {share:.0%} of the requests that were due could be sent, since all {facts.generator.users:,} "
        "users were waiting for answers: the server does not keep up with this rate",
        value=round(share, 4),
        limit=SENT_SHARE,
    )


def lateness(facts: Measurement) -> Reason | None:
    """Under open load, requests that were sent late although a user was free were late through the generator."""
    late, median = facts.generator.lateness_ms_p99, facts.latency_ms.p50
    limit = max(LATE_MS, LATE_SHARE * (median or 0.0))
    if late is None or late <= limit:
        return None
    return Reason(
        gate="lateness",
        message=f"1% of the requests were sent {late:,.1f} ms late or later although a user was free: the generator is "
        "too slow for this rate",
        value=round(late, 3),
        limit=round(limit, 3),
    )


def blocked(facts: Measurement) -> Reason | None:
    """Waiting for a connection is no part of what is measured as latency."""
    wait = facts.generator.blocked_ms_p99
    limit = max(LATE_MS, LATE_SHARE * (facts.latency_ms.p50 or 0.0))
    if wait is None or wait <= limit:
        return None
    return Reason(
        gate="blocked",
        message=f"1% of the requests waited {wait:,.1f} ms or longer for a connection before they were sent",
        value=round(wait, 3),
        limit=round(limit, 3),
    )


def user_seconds(facts: Measurement) -> Reason | None:
    """Closed load: each user is inside a request all the time, but for what the generator itself takes."""
    accounted = facts.generator.users_accounted
    if accounted is None or facts.cell.load.users is None:
        return None
    share = accounted / facts.generator.users
    if abs(1 - share) <= USER_SECONDS_SHARE:
        return None
    return Reason(
        gate="user-seconds",
        message=f"requests account for {share:.0%} of the users' time: the rest went by in the generator, so the load "
        "was lighter than asked for",
        value=round(share, 4),
        limit=1 - USER_SECONDS_SHARE,
    )


def null_ceiling(facts: Measurement) -> Reason | None:
    """Close to what the generator reaches against a server that does nothing, it is the generator that is measured."""
    most = facts.generator.null_rps
    if not most:
        return None
    share = facts.throughput_rps / most
    if share <= NULL_SHARE:
        return None
    found = f"{share:.0%} of its maximum of {most:,.0f} req/s"
    if share > 1:
        found = f"as fast as it was against a server that does nothing ({most:,.0f} req/s, in a slower moment)"
    return Reason(
        gate="null-ceiling",
        message=f"load generator saturated: {found}",
        value=round(share, 4),
        limit=NULL_SHARE,
        remedies=_relief(facts),
    )


def machine(facts: Measurement) -> Reason | None:
    """Time that others took from the cores in use was lacking here."""
    cores = facts.machine.cores_in_use or facts.machine.cpus
    stolen, foreign = facts.machine.stolen_cores / cores, (facts.machine.foreign_cores or 0.0) / cores
    if stolen + foreign <= OTHERS_SHARE:
        return None
    return Reason(
        gate="machine",
        message=f"others took {stolen + foreign:.0%} of the cores in use ({stolen:.0%} other guests of this machine's "
        f"host, {foreign:.0%} other processes)",
        value=round(stolen + foreign, 4),
        limit=OTHERS_SHARE,
        remedies=[Remedy(kind="machine", direction="mend")],
    )


def steady(facts: Measurement) -> Reason | None:
    """The end of the window must be as fast as its beginning. Not evaluated for short windows and slow requests."""
    if not _can_be_steady(facts):
        return None
    change = steadiness.change([piece.requests / piece.seconds for piece in facts.slices])
    if change is None:
        return None
    return Reason(
        gate="steady",
        message=f"the second half of the window was {abs(change):.0%} {'faster' if change > 0 else 'slower'} than the "
        "first",
        value=round(change, 4),
        limit=steadiness.SHARE,
        remedies=[Remedy(kind="warm-up", direction="raise"), Remedy(kind="drift", direction="mend")],
    )


def _can_be_steady(facts: Measurement) -> bool:
    median = facts.latency_ms.p50
    long_enough = bool(median) and facts.window_seconds * 1000 >= SERVICE_TIMES * (median or 0.0)
    return long_enough and len(facts.slices) >= steadiness.FEWEST_SLICES


DISTURBED = frozenset(
    {"clock", "machine", "steady", "generator", "null-ceiling", "lateness", "blocked", "user-seconds", "counts"},
)
"""Gates that other guests and programs alone can make fail, or who sets the clock."""


def disturbed(evaluation: Evaluation) -> bool:
    """Whether a measurement is invalid through others, so that measuring again may help."""
    failed = {reason.gate for reason in evaluation.reasons}
    return bool(failed & {"machine", "clock"}) and failed <= DISTURBED


OUTCOMES: tuple[Gate, ...] = (failures, nothing_measured, workers, answers)
"""Not passing one: the system under test failed. It is an outcome, and never measured again until it is gone."""
OUTCOME_GATES = frozenset({"failures", "requests", "workers", "answers"})
"""Their names."""
VALIDITY: tuple[Gate, ...] = (
    settings,
    generator,
    null_ceiling,
    offered,
    lateness,
    blocked,
    user_seconds,
    counts,
    clock,
    quota,
    machine,
    steady,
)
"""Not passing one: the measurement is invalid."""
TURNS: tuple[Gate, ...] = (settings, counts, idle_generator, clock, quota, machine)
"""The same of what was loaded in turn with others."""


NOT_EVALUATED: Mapping[Gate, Callable[[Measurement], bool]] = {
    answers: lambda facts: facts.sampled is None,
    null_ceiling: lambda facts: not facts.generator.null_rps,
    offered: lambda facts: facts.generator.overdue is None,
    lateness: lambda facts: facts.generator.lateness_ms_p99 is None,
    blocked: lambda facts: facts.generator.blocked_ms_p99 is None,
    user_seconds: lambda facts: facts.generator.users_accounted is None,
    counts: lambda facts: facts.generator.answers is None,
    clock: lambda facts: facts.machine.interruptions is None,
    quota: lambda facts: facts.machine.interruptions is None or facts.machine.interruptions.throttled_periods is None,
    steady: lambda facts: not _can_be_steady(facts),
}
"""Gate → whether what it asks for is not known of a measurement. The others can always be evaluated."""


def gates_of(facts: Measurement) -> list[Gate]:
    """Of validity, as far as they are about how this was measured: alone or in turn, under closed or open load."""
    if facts.method != "window":
        return list(TURNS)
    others = (user_seconds,) if facts.cell.load.users is None else (offered, lateness)
    return [gate for gate in VALIDITY if gate not in others]


def states(facts: Measurement, gates: Iterable[Gate]) -> list[GateState]:
    """What becomes of each gate."""
    found = []
    for gate in gates:
        asked = gate not in NOT_EVALUATED or not NOT_EVALUATED[gate](facts)
        state: Literal["passed", "failed", "not evaluated"] = "passed" if asked else "not evaluated"
        if gate(facts) is not None:
            state = "failed"
        found.append(GateState(gate=gate.__name__.replace("_", "-"), state=state))
    return found
