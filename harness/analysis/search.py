"""Which configuration is to be tried next: servers first, then workers and threads around the best of them, then those
servers again that could still be as good. Pure.

What is decidedly worse leaves early; a stage ends when the rest is decided or its share of the time is over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.analysis.trials import LEAST_LOOK, Trial, leaving
from harness.model.axes import DEFAULT_THREADS
from harness.model.recommendation import Configuration, StageName
from harness.stats.simultaneous import LEAST_RESTARTS

FIRST_USERS, MOST_USERS, MORE_USERS = 16, 256, 4
"""Users of the first stage, the most that are tried, and by which factor they are raised while they are the limit."""
BUSY = 0.75
"""Share of the server's cores from which on more users would find no room."""
SERVED = 1.25
"""Throughput with more users ÷ that before, from which on they were worth it."""
ALONE_RESTARTS = 3
"""Of a stage with one configuration, which compares nothing."""
LATENCY_SHARE = 0.7
"""Of the throughput: the load at which latency is told."""
LATENCY_SECONDS, LATENCY_TIME_SHARE = 30.0, 0.15
"""Kept for it at the end, of the time that is left at the most so much."""
MOST_FINALISTS = 3
MOST_WORKERS = 4
"""Times the server's cores, where nothing shows that requests wait in workers."""
FEWER_THREADS = 4
"""By which factor threads are lowered where they are not what is short: fewer of them contend less for the GIL."""
SHARES: dict[StageName, float] = {"servers": 0.5, "workers": 0.45, "threads": 0.45, "finalists": 0.8, "latency": 1.0}
"""Of the time that is left when a stage begins."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bounds:
    """Within which is searched."""

    servers: Sequence[str]
    cores: int
    """Of the server."""
    margin: float
    users: int | None
    """That were asked for; None: as many as it takes."""
    fits: Callable[[Configuration], bool] = lambda _: True
    """Whether the machine has room for one more of that kind."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Begin:
    """A new stage."""

    name: StageName
    members: Sequence[Configuration]
    users: int
    rate: float | None = None
    seconds: float
    """That it may take."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Again:
    """One more restart of the stage, without those that leave."""

    leave: Sequence[Configuration]


def next_move(
    trials: Sequence[Trial], bounds: Bounds, seconds_left: float, restart_seconds: float
) -> Begin | Again | None:
    """What to do now; None where all is known or the time is over. `restart_seconds`: what the next restart takes."""
    if not trials:
        members = [Configuration(server=each, workers=bounds.cores, threads=DEFAULT_THREADS) for each in bounds.servers]
        return _begin("servers", members, bounds.users or FIRST_USERS, seconds_left)
    current = trials[-1]
    users = _users(trials)
    if bounds.users is None and users * MORE_USERS <= MOST_USERS and _limited_by_users(trials):
        return _begin("servers", current.up, users * MORE_USERS, seconds_left)
    leave = leaving(current, bounds.margin)
    if not ended(current, leave, bounds.margin, seconds_left, restart_seconds):
        return Again(leave=leave)
    if not current.known or seconds_left <= restart_seconds:
        return None
    return _following(trials, bounds, users, seconds_left)


def ended(
    trial: Trial, leave: Sequence[Configuration], margin: float, seconds_left: float, restart_seconds: float
) -> bool:
    """Whether a stage has said what it can say in its time."""
    up = [each for each in trial.up if each not in leave]
    counting = [len(trial.logs[each]) for each in up]
    if not up or (trial.restarts and restart_seconds > seconds_left):
        return True
    if max(counting) >= LEAST_LOOK and restart_seconds > trial.budget - trial.seconds:
        return True
    least = ALONE_RESTARTS if len(up) == 1 else LEAST_RESTARTS
    if min(counting) < least:
        return trial.restarts >= 2 * least and not any(counting)  # nothing is valid, and will not be
    best, *others = [each for each in trial.known if each in up]
    return all(trial.standing(best, other, margin)[0] in ("equal", "worse") for other in others)


def winner(trial: Trial, margin: float) -> Configuration:
    """The best server; of worker and thread counts the smallest that are within the margin of the best, and the usual
    thread count where that is among them."""
    best = trial.known[0]
    if trial.name in ("servers", "finalists", "latency"):
        return best
    near = [best]
    for other in trial.known[1:]:
        ratio = trial.ratio(best, other)
        if ratio is not None and ratio.estimate > 1 - margin:
            near.append(other)
    usual = [each for each in near if each.threads == DEFAULT_THREADS]
    return min(usual or near, key=lambda each: (each.workers, each.threads))


def telling(trials: Sequence[Trial]) -> list[Trial]:
    """Stages by which configurations can be chosen: where the time was over after a restart or two, those before it
    count; the first one counts as soon as something is known."""
    known = [each for each in trials if each.name != "latency" and each.known]
    return [each for each in known if each is known[0] or max(map(len, each.logs.values())) >= LEAST_LOOK]


def deciding(trials: Sequence[Trial]) -> Trial:
    """The last stage that compares configurations."""
    return telling(trials)[-1]


def servers_stage(trials: Sequence[Trial]) -> Trial:
    """The last one that compares servers."""
    return [each for each in telling(trials) if each.name in ("servers", "finalists")][-1]


def rivals(trial: Trial, best: Configuration, margin: float) -> list[Configuration]:
    """Others of a stage of which it is not shown that they are worse."""
    return [each for each in trial.known if trial.standing(best, each, margin)[0] in ("equal", "unclear")]


def _begin(
    name: StageName, members: Sequence[Configuration], users: int, seconds_left: float, rate: float | None = None
) -> Begin:
    free = seconds_left if name == "latency" else seconds_left - _reserve(seconds_left)
    return Begin(name=name, members=members, users=users, rate=rate, seconds=SHARES[name] * free)


def _reserve(seconds_left: float) -> float:
    return min(LATENCY_SECONDS, LATENCY_TIME_SHARE * seconds_left)


def _users(trials: Sequence[Trial]) -> int:
    return next(int(each.load[1:]) for each in reversed(trials) if each.load.startswith("c"))


def _limited_by_users(trials: Sequence[Trial]) -> bool:
    """Whether the first restart of a servers stage shows that more users would be served: the cores are idle, nothing
    that is seen is short, and the last time that users were raised they were served."""
    current, before = trials[-1], trials[-2] if len(trials) > 1 else None
    found = [current.diagnoses[each] for each in current.up]
    if current.name != "servers" or not found or {len(current.logs[each]) for each in current.up} != {1}:
        return False
    idle = all(cause is not None and cause.bound_by in ("users", None) for cause in found)
    if not idle or any(current.busy[each] > BUSY for each in current.up):
        return False
    return before is None or all(current.rate(each) > SERVED * before.rate(each) for each in current.up)


def _following(trials: Sequence[Trial], bounds: Bounds, users: int, seconds_left: float) -> Begin | None:
    """The stage after one that has ended."""
    best = winner(deciding(trials), bounds.margin)
    cause = deciding(trials).diagnoses.get(best)
    bound_by = None if cause is None else cause.bound_by
    order: list[tuple[StageName, list[Configuration]]] = [
        ("workers", _worker_counts(trials, best, bound_by, bounds)),
        ("threads", _thread_counts(trials, best, bound_by, users)),
    ]
    if bound_by == "threads":  # the cheaper ones first
        order.reverse()
    order.append(("finalists", _finalists(trials, best, bounds)))
    for name, others in order:
        fitting = [each for each in others if bounds.fits(each)]
        if fitting and seconds_left > 2 * LATENCY_SECONDS:
            return _begin(name, [best, *fitting], users, seconds_left)
    if not any(each.name == "latency" for each in trials):
        served = deciding(trials).rate(best)
        return _begin("latency", [best], users, seconds_left, rate=_rounded(LATENCY_SHARE * served))
    return None


def _worker_counts(
    trials: Sequence[Trial], best: Configuration, bound_by: str | None, bounds: Bounds
) -> list[Configuration]:
    """Other worker counts to try: half and twice the best one, and on while it is at an end of what was tried. Four
    times as many too at first, where more than the processor is what is short."""
    tried = {each.workers for trial in trials if trial.name == "workers" for each in trial.members}
    most = MOST_WORKERS * bounds.cores if bound_by in ("cpu", "users") else max(MOST_WORKERS * bounds.cores, 32)
    wanted = {max(1, best.workers // 2), 2 * best.workers}
    if not tried and bound_by != "cpu":
        wanted.add(4 * best.workers)
    if tried and min(tried) < best.workers < max(tried):
        return []
    counts = sorted(count for count in wanted - tried - {best.workers} if count <= most)
    return [best.model_copy(update={"workers": count}) for count in counts]


def _thread_counts(
    trials: Sequence[Trial], best: Configuration, bound_by: str | None, users: int
) -> list[Configuration]:
    """Other thread counts to try, where any are in use: more while they are what is short, else fewer once."""
    seen = [trial for trial in trials if trial.name == "threads"]
    tried = {each.threads for trial in seen for each in trial.members}
    used = max((trial.threads_used.get(best, 0.0) for trial in trials), default=0.0)
    if bound_by == "threads":
        wanted = [2 * best.threads, 4 * best.threads] if not tried else [2 * best.threads]
        wanted = [count for count in wanted if count < 2 * users]
    elif used >= 1 and not tried:
        wanted = [max(1, best.threads // FEWER_THREADS)]
    else:
        wanted = []
    return [best.model_copy(update={"threads": count}) for count in wanted if count not in tried]


def _finalists(trials: Sequence[Trial], best: Configuration, bounds: Bounds) -> list[Configuration]:
    """The other servers that could be as good, with the workers and threads that the best one has by now."""
    stage = servers_stage(trials)
    if stage.name == "finalists" or any((each.workers, each.threads) == _counts(best) for each in stage.known):
        return []
    leader = stage.known[0]
    others = [each for each in rivals(stage, leader, bounds.margin) if each.server != best.server][: MOST_FINALISTS - 1]
    return [best.model_copy(update={"server": each.server}) for each in others]


def _counts(each: Configuration) -> tuple[int, int]:
    return each.workers, each.threads


def _rounded(rate: float) -> float:
    """In two significant digits."""
    return float(f"{rate:.2g}")
