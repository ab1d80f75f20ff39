"""How much faster is the shop filled than by the published study's way? Both in the same Postgres, side by side.

    .venv/bin/python benchmarks/seeding.py [--scale 1] [--repeats 1] [--database-url URL] [--out FILE]

The study's way makes the tables with all constraints and indexes and then inserts; ours (`harness db seed`) loads
first. Both insert the same rows by the same statements in one transaction. Afterwards the two must not differ in
tables, types, defaults, constraints, indexes, sequences, statistics or rows, and the queries must use indexes. Without
a URL it runs in an embedded Postgres of its own, removed at the end. About ten minutes at scale 1, one at 0.1; exit
code 1 if the two differ.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness import api
from harness.api import shop

END_STATE = {
    "columns": """
        SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid)
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE c.relnamespace = 'harness_shop'::regnamespace AND c.relkind = 'r' AND a.attnum > 0
        ORDER BY c.relname, a.attnum""",
    "constraints": """
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), convalidated FROM pg_constraint
        WHERE connamespace = 'harness_shop'::regnamespace ORDER BY 1, 2""",
    "indexes": """
        SELECT pg_get_indexdef(indexrelid), indisvalid, indisprimary FROM pg_index JOIN pg_class c ON c.oid = indexrelid
        WHERE c.relnamespace = 'harness_shop'::regnamespace ORDER BY 1""",
    "sequences": """
        SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = 'harness_shop' ORDER BY 1""",
    "statistics": """
        SELECT tablename, attname FROM pg_stats WHERE schemaname = 'harness_shop' AND tablename <> 'seeding'
        ORDER BY 1, 2""",
}


def end_state(client: shop.Connection) -> dict[str, Any]:
    """What the two ways must agree in."""
    state: dict[str, Any] = {name: client.execute(query).fetchall() for name, query in END_STATE.items()}
    state["checksums"] = [shop.checksum(client, table) for table in shop.TABLES]
    return state


class Clock:
    """Seconds per stage of a filling."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.stages: dict[str, float] = {}
        self._doing: str | None = None
        self._since = time.monotonic()
        self._shown = self._since

    def observe(self, step: api.Event) -> None:
        """A stage begins."""
        assert isinstance(step, api.SeedProgress)
        self.stop()
        self._doing = step.doing
        if time.monotonic() - self._shown > 10:
            self._shown = time.monotonic()
            print(f"  {self.name}: {step.doing}, {step.rows:,} of {step.of_rows:,} rows", file=sys.stderr, flush=True)

    def stop(self) -> None:
        """The last stage has ended."""
        now = time.monotonic()
        if self._doing is not None:
            kind = self._doing.split(",")[0]
            self.stages[kind] = self.stages.get(kind, 0.0) + now - self._since
        self._doing, self._since = None, now


@dataclass(frozen=True, kw_only=True, slots=True)
class Filling:
    """How long one filling took, in seconds."""

    seconds: float
    """To the end state that both ways reach."""
    stages: dict[str, float]
    seconds_in_all: float | None = None
    """With what only our way does afterwards."""


def ours(client: shop.Connection, scale: float) -> Filling:
    """`harness db seed`: to the end state, and in all, with checksums and the vacuum that follow."""
    clock = Clock("ours")
    began = time.monotonic()
    shop.fill(client, scale, shop.DEFAULT_SEED, clock.observe)
    whole = time.monotonic() - began
    clock.stop()
    added = sum(seconds for stage, seconds in clock.stages.items() if "checksum" in stage or "visible" in stage)
    return Filling(seconds=whole - added, seconds_in_all=whole, stages=clock.stages)


def study(client: shop.Connection, scale: float) -> Filling:
    """The study's way: constraints and indexes first."""
    clock = Clock("study")
    filling = shop.Filling(scale, shop.DEFAULT_SEED, clock.observe)
    began = time.monotonic()
    client.execute("BEGIN")
    shop.prepare_session(client)
    shop.create_tables(client)
    for statement in shop.statements("constraints"):
        client.execute(statement)
    filling.load(client)
    for table in shop.TABLES:
        client.execute(f"ANALYZE {shop.SCHEMA}.{table}")
    client.execute("INSERT INTO seeding (format, scale, seed, tables, seconds) VALUES (0, 0, 0, '{}', 0)")
    client.execute("COMMIT")
    clock.stop()
    return Filling(seconds=time.monotonic() - began, stages=clock.stages)


Way = Callable[[shop.Connection, float], Filling]


def visit(url: str, way: Way, scale: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """One filling from nothing: how long it took, and what there is afterwards."""
    cpus = range(os.cpu_count() or 1)
    with api.connect_postgres(url) as client:
        shop.drop(client)
        client.execute("CHECKPOINT")
        stolen = api.cpu_times(cpus).stolen
        row = asdict(way(client, scale))
        row["stolen_seconds"] = api.cpu_times(cpus).stolen - stolen
        state = end_state(client)
        if way is ours:
            status = shop.status(client)
            assert status is not None
            row["problems"] = shop.problems(client, status)
    return row, state


def main() -> int:
    """Fill both ways, in turn and in the other order next time, and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", default="1")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--database-url")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    scale = api.parse_scale(arguments.scale)
    folder = None
    if arguments.database_url is None:
        folder = tempfile.mkdtemp(dir="/var/tmp", prefix="hs-")
        os.chmod(folder, 0o755)
        os.environ["HARNESS_DATA"] = folder
    visits: list[dict[str, Any]] = []
    differences: list[str] = []
    try:
        with api.postgres(arguments.database_url) as session:
            url, version = session.url, session.version
            settings = api.postgres_settings(session.connection)
        for repeat in range(arguments.repeats):
            states = []
            ways: dict[str, Way] = {"ours": ours, "study": study}
            for name in ways if repeat % 2 == 0 else reversed(ways):
                row, state = visit(url, ways[name], scale)
                visits.append({"way": name, "repeat": repeat, **row})
                states.append(state)
                differences += row.get("problems", [])
                print(f"{name:<6} {row['seconds']:8.1f} s", flush=True)
            differences += [f"{name} differ" for name in states[0] if states[0][name] != states[1][name]]
    finally:
        if folder is not None:
            api.stop_postgres()
            shutil.rmtree(folder)

    def mean(way: str, name: str) -> float:
        return statistics.fmean(each[name] for each in visits if each["way"] == way)

    ratio = mean("study", "seconds") / mean("ours", "seconds")
    in_all = mean("study", "seconds") / mean("ours", "seconds_in_all")
    print(f"study ÷ ours: {ratio:.2f}; with our checksums and vacuum counted: {in_all:.2f}")
    for difference in differences:
        print(f"DIFFERENT: {difference}")
    if not differences:
        print("the two end states are equal, and all queries use indexes")
    if arguments.out:
        document = {
            "scale": scale,
            "rows": shop.sizes(scale),
            "postgres": version,
            "settings": settings,
            "host": api.host_facts(),
            "ratio": round(ratio, 3),
            "ratio_in_all": round(in_all, 3),
            "differences": differences,
            "visits": visits,
        }
        arguments.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
