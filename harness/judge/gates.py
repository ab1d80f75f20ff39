"""The gates that a measurement must pass, each a small pure function with a value, a limit and a sentence."""

from __future__ import annotations

from collections.abc import Callable

from harness.model.measurement import Facts, Judgement, Reason, Verdict

GENERATOR_SHARE = 0.80
FAILURE_SHARE = 0.001
SENT_SHARE = 0.99
SERVICE_TIMES = 20

Gate = Callable[[Facts], Reason | None]


def failures(facts: Facts) -> Reason | None:
    """Requests that did not succeed are an outcome of the server, not a fault of the measuring."""
    total = facts.requests + facts.failures.total
    share = facts.failures.total / total if total else 0.0
    if share <= FAILURE_SHARE:
        return None
    kinds = {
        "timed out": facts.failures.timeout,
        "lost their connection": facts.failures.connection,
        "had another status than 200": facts.failures.status,
    }
    what = ", ".join(f"{count:,} {kind}" for kind, count in kinds.items() if count)
    return Reason(
        gate="failures",
        message=f"{share:.1%} of the requests failed: {what}",
        value=round(share, 6),
        limit=FAILURE_SHARE,
    )


def nothing_measured(facts: Facts) -> Reason | None:
    """A window without a single success says nothing about speed."""
    if facts.requests:
        return None
    return Reason(gate="requests", message="no request succeeded inside the window", value=0.0, limit=1.0)


def workers(facts: Facts) -> Reason | None:
    """A worker that died or was replaced took its connections with it."""
    lost = facts.server.workers_lost
    if not lost:
        return None
    return Reason(
        gate="workers", message=f"{lost} of {facts.cell.workers} workers died or were replaced", value=lost, limit=0
    )


def answers(facts: Facts) -> Reason | None:
    """Sampled answers under load must be as right as the one that was verified before it."""
    if not facts.sampled.wrong:
        return None
    return Reason(
        gate="answers",
        message=f"{facts.sampled.wrong} sampled answers were wrong: {facts.sampled.example}",
        value=facts.sampled.wrong,
        limit=0,
    )


def settings(facts: Facts) -> Reason | None:
    """What was asked for must be in effect, or be a limit that the adapter declares."""
    if not facts.server.unmet:
        return None
    what = "; ".join(f"{name}: {sentence}" for name, sentence in facts.server.unmet.items())
    return Reason(gate="settings", message=f"settings are not in effect: {what}", value=None, limit=None)


def generator(facts: Facts) -> Reason | None:
    """A generator that is short of CPU measures itself."""
    share = facts.generator.cpu_cores / facts.generator.cpu_allotted
    if share <= GENERATOR_SHARE:
        return None
    return Reason(
        gate="generator",
        message=f"the generator used {share:.0%} of its cores: it may be what limits the throughput",
        value=round(share, 4),
        limit=GENERATOR_SHARE,
    )


def offered(facts: Facts) -> Reason | None:
    """An open load of which a part was never sent was another load than the one asked for."""
    rate, overdue = facts.generator.offered_rps, facts.generator.overdue
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


OUTCOMES: tuple[Gate, ...] = (failures, nothing_measured)
"""Not passing one: the system under test failed."""
VALIDITY: tuple[Gate, ...] = (workers, answers, settings, generator, offered)
"""Not passing one: the measurement is invalid."""


STOLEN_SHARE = 0.05
ACCOUNTED_SHARE = 0.80


def notes(facts: Facts) -> list[str]:
    """What a reader should know although no gate failed."""
    found = []
    if facts.placement.note:
        found.append(facts.placement.note)
    found.extend(f"{name}: {sentence}" for name, sentence in facts.server.declared_limits.items())
    service = facts.latency_ms.p50
    if service and facts.window_seconds * 1000 < SERVICE_TIMES * service:
        times = facts.window_seconds * 1000 / service
        found.append(
            f"the window holds {times:.0f} service times of {service:,.0f} ms: the throughput may be off by "
            f"{1 / times:.0%}; a longer --duration narrows that"
        )
    accounted = facts.generator.users_accounted
    if facts.requests and accounted is not None and accounted < ACCOUNTED_SHARE * facts.generator.users:
        found.append(
            f"finished requests account for the time of {accounted:,.0f} of {facts.generator.users:,} users; the "
            "others were waiting, to be connected or for an answer that did not come inside the window"
        )
    if facts.database and not facts.database.pooled:
        found.append("every request opened database connections of its own: its event loop lives for one request only")
    stolen = facts.machine.stolen_cores / facts.machine.cpus
    if stolen > STOLEN_SHARE:
        found.append(
            f"other guests of this machine's host took {stolen:.0%} of its CPU time during the window: "
            "throughput may be too low and latency too high; measure again at a quieter time"
        )
    if facts.server.stopped == "killed":
        found.append("the server did not stop when asked and was killed")
    return found


def judge(facts: Facts) -> Judgement:
    """The verdict under this version of the protocol, with the reasons for it."""
    failed = [reason for gate in OUTCOMES if (reason := gate(facts))]
    invalid = [reason for gate in VALIDITY if (reason := gate(facts))]
    verdict: Verdict = "failed" if failed else "invalid" if invalid else "valid"
    return Judgement(verdict=verdict, reasons=failed + invalid, notes=notes(facts))
