"""Does the advice help that a diagnosis gives? Each piece is taken, and what it was to mend is measured again.

    .venv/bin/python benchmarks/advice.py [--only FINDING] [--times 4] [--out FILE]

For every finding there is a cell that has it (`harness run` must name its cause and give just the advice that is tried
here), and for every piece of advice the same cell after it was taken. They are measured in turn, `times` times; told is
by how much throughput rose and the median latency fell, with 95 % intervals over pairs.

For `waits for Postgres` and `pool` a connection of this script locks the table of orders for 200 ms at a time; for
`cores of Postgres` indexes are not used. Needs two cores, the embedded Postgres and a quiet machine. About twenty
minutes; exit code 1 where a cell was told another cause, or where advice did not help.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from running import REFERENCE, Row, document, ratio, run, write_document

from harness import api

TIMING = api.Timing(warmup_seconds=1.5, window_seconds=4.0)
APPLICATIONS = Path(__file__).resolve().parent / "applications"
TRIALS = 5
"""How often a cell is started until it is told its finding: how connections are shared out is left to chance."""
Surroundings = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A cell and with what it is measured."""

    cell: api.CellLike
    pin: str = "auto"
    generator: str = "k6"
    surroundings: Surroundings = nullcontext

    def measured(self) -> api.MeasurementRecord:
        """The record of one window."""
        with self.surroundings():
            return run(self.cell, TIMING, pin=self.pin, generator=self.generator)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A cell that has a finding, and what it becomes by each piece of advice."""

    cause: str | None
    before: Setting
    after: Mapping[tuple[str, str], Setting]
    """Kind and direction of the remedy → the cell after it was taken."""


@contextmanager
def locked_orders() -> Iterator[None]:
    """Lock the table of orders again and again."""
    ended = threading.Event()
    url = api.prepare_database(None).url

    def lock() -> None:
        with api.connect_postgres(url) as client:
            while not ended.is_set():
                with client.transaction():
                    client.execute("LOCK TABLE harness_shop.orders IN ACCESS EXCLUSIVE MODE")
                    time.sleep(0.2)
                time.sleep(0.002)

    thread = threading.Thread(target=lock)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextmanager
def no_indexes() -> Iterator[None]:
    """Have new connections read whole tables."""
    url = api.prepare_database(None).url
    settings = ("enable_indexscan", "enable_bitmapscan", "enable_indexonlyscan")
    with api.connect_postgres(url) as client:
        for setting in settings:
            client.execute(f"ALTER ROLE CURRENT_USER SET {setting} = off")
    try:
        yield
    finally:
        with api.connect_postgres(url) as client:
            for setting in settings:
                client.execute(f"ALTER ROLE CURRENT_USER RESET {setting}")


def resting(burn: int, users: int) -> api.ResolvedCell:
    """Two workers whose requests await 20 ms and then compute."""
    application = api.ApplicationOptions(
        app="resting:app", app_dir=str(APPLICATIONS), path=[f"/answer?rest=20&burn={burn}"]
    )
    return api.resolve(api.CellSpec(server="uvicorn", workers=2, users=users), application)


COMPUTING = "uvicorn/cpu?n=24/c20"
SLOW_QUERIES = Setting(cell="uvicorn/select/c16", pin="split", surroundings=no_indexes)
CASES: Mapping[str, Case] = {
    "users": Case(
        cause="users",
        before=Setting(cell="uvicorn/sleep?ms=300/c50"),
        after={("users", "raise"): Setting(cell="uvicorn/sleep?ms=300/c150")},
    ),
    "rate": Case(
        cause="rate",
        before=Setting(cell="uvicorn/sync/sleep/r100"),
        after={("rate", "raise"): Setting(cell="uvicorn/sync/sleep/r200")},
    ),
    "blocked event loop": Case(
        cause="event loop",
        before=Setting(cell="uvicorn/blocking/sleep?ms=30/c20"),
        after={("blocking calls", "mend"): Setting(cell="uvicorn/offloaded/sleep?ms=30/c20")},
    ),
    "threads": Case(
        cause="threads",
        before=Setting(cell="uvicorn/sync/sleep?ms=300/t10/c60"),
        after={
            ("threads", "raise"): Setting(cell="uvicorn/sync/sleep?ms=300/t60/c60"),
            ("style", "choose"): Setting(cell="uvicorn/async/sleep?ms=300/t10/c60"),
        },
    ),
    "cores": Case(
        cause="cpu",
        before=Setting(cell=COMPUTING),
        after={
            ("work", "lower"): Setting(cell="uvicorn/cpu?n=20/c20"),
            ("cores", "raise"): Setting(cell="uvicorn/cpu?n=24/w2/c20", pin="none"),
        },
    ),
    "event loops at a core": Case(
        cause="cpu",
        before=Setting(cell=COMPUTING, pin="none"),
        after={("workers", "raise"): Setting(cell="uvicorn/cpu?n=24/w2/c20", pin="none")},
    ),
    "threads at a core": Case(
        cause="gil",
        before=Setting(cell="uvicorn/sync/cpu?n=24/c20", pin="none"),
        after={("workers", "raise"): Setting(cell="uvicorn/sync/cpu?n=24/w2/c20", pin="none")},
    ),
    "one worker at a core": Case(
        cause="cpu",
        before=Setting(cell=resting(300_000, 6), pin="none"),
        after={
            ("work", "lower"): Setting(cell=resting(30_000, 6), pin="none"),
            ("users", "raise"): Setting(cell=resting(300_000, 40), pin="none"),
        },
    ),
    "pool": Case(
        cause="pool",
        before=Setting(cell="uvicorn/select/p2/c20", surroundings=locked_orders),
        after={("pool size", "raise"): Setting(cell="uvicorn/select/p20/c20", surroundings=locked_orders)},
    ),
    "waits for Postgres": Case(
        cause="database",
        before=Setting(cell="uvicorn/select/c8", surroundings=locked_orders),
        after={("queries", "mend"): Setting(cell="uvicorn/select/c8")},
    ),
    "cores of Postgres": Case(
        cause="database",
        before=SLOW_QUERIES,
        after={
            ("queries", "lower"): Setting(cell="uvicorn/select/c16", pin="split"),
            ("database cores", "raise"): Setting(cell="uvicorn/select/c16", pin="none", surroundings=no_indexes),
        },
    ),
}
"""Finding, as `ADVICE` in harness/analysis/diagnosis.py has it → the cell that shows it, and what to make of it."""


def advised(record: api.MeasurementRecord) -> set[tuple[str, str]]:
    """Kind and direction of what the diagnosis says is to be done."""
    return {(each.kind, each.direction) for each in record.diagnosis.remedies} if record.diagnosis else set()


def provoked(case: Case) -> api.MeasurementRecord:
    """The cell's measurement, from the first of TRIALS that was told what is to be shown; else the last."""
    for _ in range(TRIALS):
        record = case.before.measured()
        if advised(record) == set(case.after):
            break
    return record


def tried(finding: str, case: Case, times: int) -> Iterator[Row]:
    """A row for each piece of advice."""
    first = provoked(case)
    told = None if first.diagnosis is None else first.diagnosis.bound_by
    befores = [first]
    afters: dict[tuple[str, str], list[api.MeasurementRecord]] = {remedy: [] for remedy in case.after}
    for number in range(times):
        if number:
            befores.append(case.before.measured())
        for remedy, setting in case.after.items():
            afters[remedy].append(setting.measured())
    for remedy, records in afters.items():
        throughput = ratio([(a.throughput_rps, b.throughput_rps) for a, b in zip(befores, records, strict=True)])
        medians = [(a.latency_ms.p50, b.latency_ms.p50) for a, b in zip(befores, records, strict=True)]
        latency = ratio([(a, b) for a, b in medians if a and b])
        yield {
            "finding": finding,
            "cell": first.cell.label,
            "bound_by": told,
            "message": None if first.diagnosis is None else first.diagnosis.message,
            "as_expected": told == case.cause and advised(first) == set(case.after),
            "advice": " ".join(remedy),
            "after": records[0].cell.label,
            "throughput": throughput,
            "p50": latency,
            "helped": bool((throughput["low"] or 0) > 1 or (latency["high"] or 9) < 1),
            "verdicts": [each.verdict for each in (*befores, *records)],
        }


def main() -> int:
    """Try every piece."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=CASES)
    parser.add_argument("--times", type=int, default=4, help="pairs for each piece of advice")
    parser.add_argument("--out", type=Path, default=REFERENCE / "advice.json")
    arguments = parser.parse_args()
    rows: list[Row] = []
    for finding, case in CASES.items():
        if arguments.only not in (None, finding):
            continue
        for row in tried(finding, case, arguments.times):
            rows.append(row)
            print(
                f"{'ok ' if row['as_expected'] and row['helped'] else 'OFF'} {finding}: {row['cell']} is bound by "
                f"{row['bound_by']}: {row['message']}\n    {row['advice']} ({row['after']}): throughput "
                f"{row['throughput']}, p50 {row['p50']}",
                flush=True,
            )
        helped = sum(bool(each["helped"]) for each in rows)
        right = sum(bool(each["as_expected"]) for each in rows)
        write_document(arguments.out, document("advice", arguments, rows, tried=len(rows), helped=helped, right=right))
    return 0 if all(each["as_expected"] and each["helped"] for each in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
