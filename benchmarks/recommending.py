"""Does `harness recommend` find what was planted, within its time?

    .venv/bin/python benchmarks/recommending.py [slowed] [workers] [nothing] [--times 10] [--max-time 600]
                                                [--go-on] [--quick] [--out FILE]

`slowed`: four servers of an application that computes for 4 ms, under one of them for 5 ms, another one in each search:
right where that one is neither recommended nor called as good. `workers`: each request blocks its event loop
for 5 ms and holds one of so many slots that all workers share, as of a database: a law says that workers serve in
proportion up to as many as there are slots; right where so many are recommended. `nothing`: each request awaits 100 ms,
so that the load alone sets the throughput: right where no server is called slower and one worker is recommended.
The kinds take turns, and each search is stored in `results/reference/benchmarks/recommending.json` as soon as it has
ended; `--go-on` makes those that are missing there, after an interruption or for more `--times`. `--quick` makes one
search of each in two minutes, to try the script, and stores nothing. Exit code 1 where fewer than 9 of 10 are right.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from running import REFERENCE, document, write_document

from harness import api

SERVERS = ("uvicorn", "granian", "gunicorn", "hypercorn")
RIGHT = 0.9
SPARE_SECONDS = 30.0
"""A restart that has begun within the time may end after it."""
SLOTS, CONNECTIONS = (2, 4), 32

APPLICATION = """
import fcntl, os, sys, time

SLOWED, BURN_US, SLOTS, BLOCK_S = {slowed!r}, {burn_us}, {slots}, {block_s}
BURN_US = BURN_US * 5 // 4 if SLOWED in sys.modules else BURN_US
FILES = [open(os.path.join(os.path.dirname(os.path.abspath(__file__)), f"slot-{{n}}"), "w") for n in range(SLOTS)]


def work():
    until = time.thread_time_ns() + BURN_US * 1000
    while time.thread_time_ns() < until:
        pass
    for file in FILES:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        break
    else:
        if not FILES:
            return
        file = FILES[os.getpid() % SLOTS]
        fcntl.flock(file, fcntl.LOCK_EX)
    time.sleep(BLOCK_S)
    fcntl.flock(file, fcntl.LOCK_UN)


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({{"type": "lifespan.startup.complete"}})
        await receive()
        await send({{"type": "lifespan.shutdown.complete"}})
        return
    work()
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"2")]
    await send({{"type": "http.response.start", "status": 200, "headers": headers}})
    await send({{"type": "http.response.body", "body": b"ok"}})
"""


@dataclass(frozen=True, kw_only=True)
class Search:
    """One search, and whether it was right."""

    planted: str
    number: int
    """Which of its kind, from 1: the seed of its order."""
    most_seconds: float
    truth: str
    advice: str
    equals: list[str]
    confidence: str
    right: bool
    seconds: float
    within_time: bool


def slowed(rules: api.RecommendOptions, out: Path) -> Search:
    """Under one of four servers a request takes a quarter more CPU time, beside which what servers cost is little."""
    slow = SERVERS[(rules.seed - 1) % len(SERVERS)]
    with _planted(slowed=slow, burn_us=4000, slots=0, block_s=0) as template:
        return _searched("slowed", template, SERVERS, rules, out, f"not {slow}", lambda found: slow not in found)


def workers(rules: api.RecommendOptions, out: Path) -> Search:
    """Workers that block serve in proportion, up to as many as there are slots."""
    slots = SLOTS[(rules.seed - 1) % len(SLOTS)]
    rules = dataclasses.replace(rules, users=CONNECTIONS, margin=0.05)
    with _planted(slowed="", burn_us=0, slots=slots, block_s=0.005) as template:
        return _searched("workers", template, ("granian", "gunicorn"), rules, out, f"{slots} workers", None, slots)


@contextmanager
def _planted(**parts: object) -> Iterator[api.CellSpec]:
    """What is served, while its files are there."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "planted.py").write_text(APPLICATION.format(**parts), encoding="utf-8")
        options = api.ApplicationOptions(app="planted:app", app_dir=folder, path=["/"])
        yield api.CellSpec(server="", application=api.resolve(api.CellSpec(server="uvicorn"), options).application)


def nothing(rules: api.RecommendOptions, out: Path) -> Search:
    """The load alone sets the throughput."""
    template = api.CellSpec(server="", workload="sleep", params=("ms=100",))
    rules = dataclasses.replace(rules, users=16)
    return _searched("nothing", template, SERVERS, rules, out, "any", lambda found: set(found) == set(SERVERS), 1)


def _searched(
    planted: str,
    template: api.CellSpec,
    servers: tuple[str, ...],
    rules: api.RecommendOptions,
    out: Path,
    truth: str,
    fits: Callable[[list[str]], bool] | None,
    wanted_workers: int | None = None,
) -> Search:
    began = time.monotonic()
    answer = api.recommend(template, servers, rules, api.ExecutionOptions(out=out))
    seconds = time.monotonic() - began
    best = None if answer.best is None else answer.best.configuration
    equals = [each.server for each in answer.equals]
    right = best is not None and (fits is None or fits([best.server, *equals]))
    right = right and (wanted_workers is None or (best is not None and best.workers == wanted_workers))
    return Search(
        planted=planted,
        number=rules.seed,
        most_seconds=rules.most_seconds,
        truth=truth,
        advice="nothing" if best is None else f"{best.server} w{best.workers} t{best.threads}",
        equals=equals,
        confidence=answer.confidence,
        right=right,
        seconds=round(seconds, 1),
        within_time=seconds <= rules.most_seconds + SPARE_SECONDS,
    )


def _stored(path: Path) -> list[Search]:
    """What was searched before."""
    return [Search(**each) for each in json.loads(path.read_text(encoding="utf-8"))["rows"]] if path.is_file() else []


def _store(path: Path, arguments: argparse.Namespace, found: Sequence[Search]) -> None:
    """All that was searched so far, and how many of each kind were right and within their time."""
    right = {}
    for name in dict.fromkeys(each.planted for each in found):
        own = [each for each in found if each.planted == name]
        right[name] = {"searches": len(own), "right": sum(each.right and each.within_time for each in own)}
    write_document(path, document("recommending", arguments, [asdict(each) for each in found], **right))


PLANTED = {"slowed": slowed, "workers": workers, "nothing": nothing}


def main() -> None:
    """Search as often as was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("planted", nargs="*", metavar="PLANTED", help=f"which: {', '.join(PLANTED)}")
    parser.add_argument("--times", type=int, default=10, help="searches of each")
    parser.add_argument("--max-time", type=float, default=600.0, help="seconds of a search")
    parser.add_argument("--go-on", action="store_true", help="make the searches that are not stored yet")
    parser.add_argument("--quick", action="store_true", help="one search of each in two minutes")
    parser.add_argument("--out", type=Path, default=REFERENCE / "recommending.json")
    arguments = parser.parse_args()
    unknown = set(arguments.planted) - set(PLANTED)
    if unknown:
        parser.error(f"there is no {sorted(unknown)[0]}; known: {', '.join(PLANTED)}")
    times, seconds = (1, 120.0) if arguments.quick else (arguments.times, arguments.max_time)
    found = _stored(arguments.out) if arguments.go_on else []
    made = {(each.planted, each.number) for each in found}
    with tempfile.TemporaryDirectory() as out:
        for number in range(1, times + 1):
            for name in arguments.planted or PLANTED:
                if (name, number) in made:
                    continue
                rules = api.RecommendOptions(most_seconds=seconds, seed=number)
                found.append(PLANTED[name](rules, Path(out)))
                print(json.dumps(asdict(found[-1])), flush=True)
                if not arguments.quick:
                    _store(arguments.out, arguments, found)
    wrong = 0
    for name in dict.fromkeys(each.planted for each in found):
        own = [each for each in found if each.planted == name]
        right = sum(each.right and each.within_time for each in own)
        wrong += right < RIGHT * len(own)
        print(f"{name}: {right} of {len(own)} right and within their time")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
