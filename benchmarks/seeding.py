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
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from harness.database import connection, embedded, shop, tasks
from harness.host import facts as host
from harness.host import procfs

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
    """Everything that the two ways must agree in."""
    found: dict[str, Any] = {name: client.execute(query).fetchall() for name, query in END_STATE.items()}
    found["checksums"] = [shop.checksum(client, table) for table in shop.TABLES]
    return found


class Clock:
    """Seconds per stage of a filling."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.stages: dict[str, float] = {}
        self._doing: str | None = None
        self._since = time.monotonic()
        self._shown = self._since

    def observe(self, step: shop.SeedProgress) -> None:
        """A stage begins."""
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


def ours(client: shop.Connection, scale: float) -> dict[str, Any]:
    """`harness db seed`: to the end state, and in all, with checksums and the vacuum that follow."""
    clock = Clock("ours")
    began = time.monotonic()
    shop.fill(client, scale, shop.DEFAULT_SEED, clock.observe)
    whole = time.monotonic() - began
    clock.stop()
    added = sum(seconds for stage, seconds in clock.stages.items() if "checksum" in stage or "visible" in stage)
    return {"seconds": whole - added, "seconds_in_all": whole, "stages": clock.stages}


def study(client: shop.Connection, scale: float) -> dict[str, Any]:
    """The study's way: constraints and indexes first."""
    clock = Clock("study")
    work = shop.Work(scale, shop.DEFAULT_SEED, clock.observe)
    began = time.monotonic()
    client.execute("BEGIN")
    shop.prepare_session(client)
    shop.create_tables(client)
    for statement in shop.statements("constraints"):
        client.execute(statement)
    work.load(client)
    for table in shop.TABLES:
        client.execute(f"ANALYZE {shop.SCHEMA}.{table}")
    client.execute("INSERT INTO seeding (format, scale, seed, tables, seconds) VALUES (0, 0, 0, '{}', 0)")
    client.execute("COMMIT")
    clock.stop()
    return {"seconds": time.monotonic() - began, "stages": clock.stages}


def visit(url: str, way: Any, scale: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """One filling from nothing: how long it took, and what there is afterwards."""
    with connection.connect(url) as client:
        shop.drop(client)
        client.execute("CHECKPOINT")
        stolen = procfs.cpu_times(range(os.cpu_count() or 1)).stolen
        found = way(client, scale)
        found["stolen_seconds"] = procfs.cpu_times(range(os.cpu_count() or 1)).stolen - stolen
        state = end_state(client)
        if way is ours:
            filled = shop.status(client)
            assert filled is not None
            found["problems"] = shop.problems(client, filled)
    return found, state


def main() -> int:
    """Fill both ways, in turn and in the other order next time, and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", default="1")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--database-url")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    scale = tasks.parse_scale(arguments.scale)
    folder = None
    if arguments.database_url is None:
        folder = tempfile.mkdtemp(dir="/var/tmp", prefix="hs-")
        os.chmod(folder, 0o755)
        os.environ["HARNESS_DATA"] = folder
    visits = []
    differences: list[str] = []
    try:
        with connection.server(arguments.database_url, print) as reached:
            url, version, settings = reached.url, reached.version, connection.settings(reached.connection)
        for repeat in range(arguments.repeats):
            states = []
            for way in (ours, study) if repeat % 2 == 0 else (study, ours):
                found, state = visit(url, way, scale)
                visits.append({"way": way.__name__, "repeat": repeat, **found})
                states.append(state)
                differences += found.get("problems", [])
                print(f"{way.__name__:<6} {found['seconds']:8.1f} s", flush=True)
            differences += [f"{name} differ" for name in states[0] if states[0][name] != states[1][name]]
    finally:
        if folder is not None:
            embedded.stop()
            shutil.rmtree(folder)

    def mean(way: str, name: str) -> float:
        values = [each[name] for each in visits if each["way"] == way]
        return sum(values) / len(values)

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
            "host": host.facts(),
            "ratio": round(ratio, 3),
            "ratio_in_all": round(in_all, 3),
            "differences": differences,
            "visits": visits,
        }
        arguments.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
