"""Queues whose capacity under an objective is known by simulation, and probes of them: no server runs.

A cell is c servers of a queue, each of which takes a constant time for a request (threads that sleep), or one whose
speed wanders from second to second and differs from start to start (an event loop on a shared machine).
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy
from numpy.typing import NDArray

from harness import api

Array = NDArray[numpy.float64]
WANDER_PERSISTENCE = 0.57
"""Correlation of the speeds of two seconds in a row."""
TRUTH_PARTS, TRUTH_ARRIVALS = 4, 4_000_000
"""With one part, shares of late requests lie up to 5 % beside those of the next one."""
PAUSED_ARRIVALS = 4_000_000
"""Of queues with pauses, which are simulated step by step."""
TRUTH_STEPS = 11
TYPICAL_SECONDS, TYPICAL_STARTS = 60.0, 300


@dataclass(frozen=True, kw_only=True, slots=True)
class Queue:
    """A cell that is simulated."""

    name: str
    servers: int
    service_ms: float
    objective: str
    starts: float = 0.0
    """Standard deviation of the logarithm of its speed from start to start."""
    wander: float = 0.0
    """The same from second to second, of one server."""
    pauses_ms: tuple[float, ...] = ()
    """For how long garbage collections stop everything: one as often as another."""
    pause_requests: float = math.inf
    """Requests from one pause to the next."""
    work_ms: float = 0.0
    """For how long each request needs the one core, where there are pauses: else that is on the way."""

    @property
    def throughput(self) -> float:
        """Requests per second that it can serve at all."""
        return self.servers / self.service_ms * 1000

    @property
    def question(self) -> api.Objective:
        """Its objective."""
        return api.parse_objective(self.objective)

    @property
    def limit(self) -> float:
        """Of it, in seconds."""
        return (self.question.limit_ms or 0.0) / 1000


SLEEPING = [
    Queue(name=f"{threads} threads, {ms} ms", servers=threads, service_ms=ms, objective=f"p99<{1.5 * ms:g}ms")
    for threads in (10, 20, 40)
    for ms in (50.0, 100.0)
]
WANDERING = [
    Queue(
        name=f"one loop of {ms:g} ms, starts {starts:.0%}, wander {wander:.0%}",
        servers=1,
        service_ms=ms,
        objective="p99<50ms",
        starts=starts,
        wander=wander,
    )
    for ms in (1.0, 2.0)
    for starts, wander in ((0.02, 0.05), (0.08, 0.18))
]


def latencies(arrivals: Array, service: Array, servers: int) -> Array:
    """Seconds from arrival to end of each request, first come, first served. With several servers all take equally
    long, and so take turns."""
    if servers == 1:
        used = numpy.cumsum(service)
        ends: Array = used + numpy.maximum.accumulate(arrivals - used + service)
        return ends - arrivals
    found: Array = api.waiting_seconds(arrivals, float(service[0]), servers) + service[0]
    return found


def paused_latencies(arrivals: Array, queue: Queue) -> Array:
    """The same of threads behind one core, which each request needs for a moment before it sleeps in one of them. The
    core collects garbage with every so many requests: nothing begins or ends meanwhile, and then the core is behind."""
    service, servers = queue.service_ms / 1000, queue.servers
    work = numpy.full(len(arrivals), queue.work_ms / 1000)
    every = max(1, round(queue.pause_requests))
    places = numpy.arange(every // 2, len(arrivals), every)
    pauses = numpy.resize(numpy.array(queue.pauses_ms) / 1000, len(places))
    work[places] += pauses
    used = numpy.cumsum(work)
    ready = used + numpy.maximum.accumulate(arrivals - used + work)
    begun, over = numpy.append(-math.inf, ready[places] - pauses), numpy.append(-math.inf, ready[places])
    rows = len(arrivals) // servers
    due = ready[: rows * servers].reshape(rows, servers)
    ends = numpy.empty_like(due)
    free = numpy.zeros(servers)
    for row in range(rows):
        free = numpy.maximum(due[row], free) + service
        last = numpy.searchsorted(begun, free) - 1
        free = ends[row] = numpy.maximum(free, over[last])
    found: Array = ends.ravel() - arrivals[: rows * servers]
    return found


def speeds(queue: Queue, seconds: float, chance: numpy.random.Generator) -> Array:
    """Of each second: how much longer a request takes."""
    count = int(seconds) + 2
    if not queue.wander:
        return numpy.ones(count)
    steps = chance.normal(0, queue.wander * math.sqrt(1 - WANDER_PERSISTENCE**2), count)
    level = chance.normal(0, queue.wander)
    logs = numpy.empty(count)
    for at in range(count):
        level = logs[at] = WANDER_PERSISTENCE * level + steps[at]
    return numpy.exp(logs)


@functools.cache
def truth(queue: Queue) -> float:
    """The rate that such a queue holds, by bisection with the same chance at all rates. Of a constant speed: at which
    just so many of a long simulation are late as the objective allows. Where speed wanders: that half of fresh starts
    hold, each for TYPICAL_SECONDS."""
    share = _typical_share if queue.wander else _long_share
    low, high = 0.4 * queue.throughput, 1.1 * queue.throughput
    for _ in range(TRUTH_STEPS):
        rate = math.sqrt(low * high)
        if share(queue, rate) > queue.question.share:
            high = rate
        else:
            low = rate
    return math.sqrt(low * high)


def _long_share(queue: Queue, rate: float) -> float:
    if queue.pauses_ms:
        gaps = numpy.random.default_rng(7).exponential(1 / rate, PAUSED_ARRIVALS)
        return float((paused_latencies(numpy.cumsum(gaps), queue) > queue.limit).mean())
    late = 0.0
    for seed in range(TRUTH_PARTS):
        arrivals = numpy.cumsum(numpy.random.default_rng(7 + seed).exponential(1 / rate, TRUTH_ARRIVALS))
        service = numpy.full(TRUTH_ARRIVALS if queue.servers == 1 else 1, queue.service_ms / 1000)
        late += float((latencies(arrivals, service, queue.servers) > queue.limit).mean())
    return late / TRUTH_PARTS


def _typical_share(queue: Queue, rate: float) -> float:
    chances = map(numpy.random.default_rng, range(TYPICAL_STARTS))
    return float(numpy.median([late_share(queue, rate, TYPICAL_SECONDS, 2.0, chance) for chance in chances]))


def probe(
    queue: Queue, rate: float, seconds: float, lead: float, chance: numpy.random.Generator
) -> tuple[Array, Array]:
    """A fresh start under Poisson arrivals: their moments, from the begin of the window, and latencies, in seconds. It
    begins with as much in the queue as the objective lets wait."""
    whole = lead + seconds
    moments = numpy.sort(chance.uniform(0, whole, chance.poisson(rate * whole)))
    filled = round(rate * queue.limit)
    arrivals = numpy.concatenate([numpy.zeros(filled), moments])
    slow = speeds(queue, whole, chance) * math.exp(chance.normal(0, queue.starts))
    service = queue.service_ms / 1000 * slow[arrivals.astype(int)]
    return moments - lead, latencies(arrivals, service, queue.servers)[filled:]


def late_share(queue: Queue, rate: float, seconds: float, lead: float, chance: numpy.random.Generator) -> float:
    """The share of the requests of a fresh start that are late."""
    moments, waited = probe(queue, rate, seconds, lead, chance)
    return float((waited[moments >= 0] > queue.limit).mean())


def observed(
    queue: Queue, rate: float, seconds: float, lead: float, chance: numpy.random.Generator
) -> api.CapacityProbe:
    """The same as the search sees it: counts of slices of about a second."""
    moments, waited = probe(queue, rate, seconds, lead, chance)
    edges = numpy.linspace(0, seconds, max(1, round(seconds)) + 1)
    due = numpy.histogram(moments, edges)[0]
    late = numpy.histogram(moments[waited > queue.limit], edges)[0]
    filled = numpy.full(round(rate * queue.limit), -lead)
    crowded = api.crowded(
        [*filled, *moments], rate, queue.question.share, list(edges), throughput=queue.throughput, servers=queue.servers
    )
    return api.CapacityProbe(
        rate=max(1, int(due.sum())) / seconds,
        due=tuple(int(each) for each in due),
        missed=(tuple(int(each) for each in late),),
        crowded=(tuple(map(tuple, crowded)),),
    )
