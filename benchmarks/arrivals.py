"""Do the requests of an open load arrive as they should, and does the queue that they make follow the law?

    .venv/bin/python benchmarks/arrivals.py [--seconds 30] [--out FILE]

First k6 loads a server of this script that notes when each request reaches it: the coefficient of variation of the
gaps, which is 1 for a Poisson process, at several rates (k6's clock counts whole milliseconds), and 0 at equal
distances.
Then one thread, in which requests sleep for some milliseconds one after another, is loaded at 80 % of its capacity, by
chance and at equal distances: the mean wait against what Pollaczek and Khinchine say of a queue with that constant
service, and against the wait that just these arrivals have in such a queue (Lindley's recursion), which leaves chance
out. A sleep, because it is as long as it says on a machine whose CPU seconds are not. The service is 1 ÷ capacity; what
a request takes besides waiting is what it takes at a tenth of the capacity. Needs two cores; eight minutes.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import socket
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.sharedctypes import SynchronizedArray
from pathlib import Path
from typing import Any, Literal

from running import REFERENCE, Row, document, run, write_document

from harness import api

RATES = (100, 300, 500, 1000, 3000)
SERVICE = "uvicorn/sync/sleep?ms=10/t1"
"""One server, of constant service."""
SHARE = 0.8
ARRIVALS: tuple[Literal["poisson", "even"], ...] = ("poisson", "even")
MOST = 400_000
"""Requests that are noted."""
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


def record(port_and_count: SynchronizedArray[int], moments: SynchronizedArray[float], cpus: set[int]) -> None:
    """Answer every request at once, and note when it came."""
    import selectors

    os.sched_setaffinity(0, cpus)
    chosen = selectors.DefaultSelector()
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((api.HOST, 0))
        listening.listen(4096)
        listening.setblocking(False)
        chosen.register(listening, selectors.EVENT_READ)
        port_and_count[0] = listening.getsockname()[1]
        count = 0
        while True:
            for key, _ in chosen.select():
                now = time.perf_counter()
                if key.fileobj is listening:
                    connection, _ = listening.accept()
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    chosen.register(connection, selectors.EVENT_READ)
                    continue
                connection = key.fileobj  # type: ignore[assignment]
                data = connection.recv(65536)
                if not data:
                    chosen.unregister(connection)
                    connection.close()
                    continue
                connection.sendall(ANSWER)
                if count < MOST:
                    moments[count] = now
                    count += 1
                    port_and_count[1] = count


@contextmanager
def recording(cpus: set[int]) -> Iterator[tuple[int, SynchronizedArray[float], SynchronizedArray[int]]]:
    """A server that notes arrivals: its port, the moments, and how many there are."""
    context = multiprocessing.get_context("spawn")
    state, moments = context.Array("q", 2), context.Array("d", MOST)
    process = context.Process(target=record, args=(state, moments, cpus), daemon=True)
    process.start()
    try:
        while not state[0]:
            time.sleep(0.01)
        yield state[0], moments, state
    finally:
        process.terminate()
        process.join()


def variation(rate: float, way: Literal["poisson", "even"], seconds: float) -> Row:
    """Of the gaps between arrivals at the server: standard deviation ÷ mean."""
    placement = api.place("split", 1, uses_embedded_database=False)
    generator = api.find_generator("k6")
    with recording(set(placement.server_cpus or placement.cores)) as (port, moments, state), api.Supervisor() as boss:
        load = api.Load(
            target=api.LoadTarget(
                base=f"http://{api.HOST}:{port}",
                mix=api.RequestMix(
                    templates=(api.RequestTemplate(name="/", path=("/",), statuses=(200,), expected="{}"),)
                ),
                timeout_seconds=60.0,
            ),
            users=max(20, int(rate * 0.2)),
            rate=rate,
            warmup_seconds=1.0,
            window_seconds=seconds,
            due_ms=api.arrival_moments(rate, 1.0 + seconds, way),
        )
        session = generator.start(load, boss, placement.generator_cpus)
        session.wait_for_start()
        session.wait_for_summary(after_seconds=1.0 + seconds)
        found = sorted(moments[: state[1]])
    gaps = [b - a for a, b in itertools.pairwise(found[int(rate) :])]
    mean = statistics.fmean(gaps)
    return {
        "rate": rate,
        "arrivals": way,
        "requests": len(found),
        "rate_at_the_server": round(1 / mean, 2),
        "coefficient_of_variation": round(statistics.pstdev(gaps) / mean, 4),
    }


def lindley(due_ms: Sequence[float], service_ms: float, from_ms: float) -> float:
    """The mean wait in milliseconds of requests due from `from_ms` on, in a queue of one server."""
    free, waited = 0.0, []
    for due in due_ms:
        begin = max(due, free)
        free = begin + service_ms
        if due >= from_ms:
            waited.append(begin - due)
    return statistics.fmean(waited)


def waits(seconds: float) -> Row:
    """The mean wait at 80 % of the capacity against the law."""
    timing = api.Timing(warmup_seconds=3.0, window_seconds=seconds)
    capacity = run(f"{SERVICE}/c8", timing).throughput_rps
    service = 1000 / capacity
    alone = run(f"{SERVICE}/r{capacity / 10:.4g}", timing).latency_ms.mean or 0.0
    besides = alone - pollaczek_khinchine(0.1, service)
    rows: dict[str, Any] = {}
    for way in ARRIVALS:
        rate = float(f"{SHARE * capacity:.4g}")
        loaded = run(f"{SERVICE}/r{rate:g}{'' if way == 'poisson' else way}", timing)
        due = api.arrival_moments(rate, timing.warmup_seconds + seconds, way)
        wait = (loaded.latency_ms.mean or 0.0) - besides
        law = pollaczek_khinchine(rate / capacity, service) if way == "poisson" else 0.0
        rows[way] = {
            "rate": rate,
            "offered_rps": round(loaded.generator.offered_rps or 0.0, 2),
            "mean_wait_ms": round(wait, 3),
            "law_ms": round(law, 3),
            "wait_by_law": round(wait / law, 3) if law else None,
            "these_arrivals_ms": round(lindley(due, service, timing.warmup_seconds * 1000), 3),
            "p99_ms": loaded.latency_ms.p99,
            "verdict": loaded.verdict,
        }
    return {"cell": SERVICE, "capacity_rps": round(capacity, 2), "service_ms": round(service, 3), **rows}


def pollaczek_khinchine(load: float, service_ms: float) -> float:
    """The mean wait in milliseconds of Poisson arrivals at one server of constant service."""
    return load / (2 * (1 - load)) * service_ms


def main() -> None:
    """Measure, and store what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=90.0, help="of each window")
    parser.add_argument("--out", type=Path, default=REFERENCE / "arrivals.json")
    arguments = parser.parse_args()
    rows: list[Row] = []
    for rate in RATES:
        rows.append(variation(rate, "poisson", min(arguments.seconds, 20.0)))
        print(rows[-1], flush=True)
    rows.append(variation(RATES[1], "even", min(arguments.seconds, 20.0)))
    print(rows[-1], flush=True)
    law = waits(arguments.seconds)
    print(law, flush=True)
    write_document(arguments.out, document("arrivals", arguments, rows, law=law))


if __name__ == "__main__":
    main()
