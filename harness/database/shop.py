"""The shop: its tables, and their filling in one transaction, so that it is there whole or not at all.

Rows are loaded first; keys, indexes and foreign keys follow. `benchmarks/seeding.py` measures what that saves.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from harness import resources
from harness.errors import LackError, UsageError
from harness.model.events import Emit, SeedProgress

SCHEMA = "harness_shop"
FORMAT = 1
SCALES = {"small": 0.01, "article": 1.0}
"""Scales that have a name; 1 is the published study's size."""
SMALLEST, LARGEST = 0.0001, 100.0
DEFAULT_SEED = 1
LARGEST_SEED = 2**31 - 1
STUDY_ROWS = {"users": 1_000_000, "products": 100_000, "orders": 5_000_000, "order_items": 10_000_000}
TABLES = tuple(STUDY_ROWS)
BYTES_AT_SCALE_1 = 3_500_000_000
"""Room that filling takes at scale 1: 2.3 GB of tables and indexes, and files that sorting uses meanwhile."""
CHUNK_ROWS = 100_000
LOCK = 7_305_808_869_229_538_675  # an advisory lock: two harnesses never fill one database at once
EXAMPLE_USER = 1

Connection = psycopg.Connection[tuple[Any, ...]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """Contents of one table."""

    rows: int
    checksum: str
    """64 bits as hexadecimal digits, of all values whatever the order of the rows. See `checksum`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shop:
    """A shop in a database."""

    scale: float
    seed: int
    tables: dict[str, Table]
    seconds: float
    """Time that filling it took."""
    filled_at: str

    @property
    def rows(self) -> dict[str, int]:
        """Table → rows."""
        return {name: table.rows for name, table in self.tables.items()}

    @property
    def checksums(self) -> dict[str, str]:
        """Table → checksum."""
        return {name: table.checksum for name, table in self.tables.items()}


def sizes(scale: float) -> dict[str, int]:
    """Table → rows at a scale."""
    return {name: round(rows * scale) for name, rows in STUDY_ROWS.items()}


def status(connection: Connection) -> Shop | None:
    """The shop in this database, or None; LackError where it is of another format."""
    exists = _value(connection, "SELECT to_regclass('harness_shop.seeding') IS NOT NULL")
    row = connection.execute("SELECT to_jsonb(s) FROM harness_shop.seeding AS s").fetchone() if exists else None
    if row is None:
        return None
    stored: dict[str, Any] = row[0]
    if stored.get("format") != FORMAT:
        raise LackError(
            f"the shop in the schema {SCHEMA} was filled by another version of harness",
            cure="rebuild it with: harness db seed --force",
        )
    return Shop(
        scale=stored["scale"],
        seed=stored["seed"],
        tables={name: Table(**stored["tables"][name]) for name in TABLES},
        seconds=stored["seconds"],
        filled_at=datetime.fromisoformat(stored["filled_at"]).astimezone(UTC).isoformat(timespec="seconds"),
    )


def size_bytes(connection: Connection) -> int:
    """Disk space of the shop's tables and indexes."""
    query = f"SELECT sum(pg_total_relation_size('{SCHEMA}.' || name)) FROM unnest(%s::text[]) AS name"
    return int(_value(connection, query, [list(TABLES)]))


def checksum(connection: Connection, table: str) -> str:
    """Sum of 64-bit hashes of all rows, modulo 2^64; the same on every Postgres that hashes alike (14 to 18 do)."""
    total = _value(connection, f"SELECT coalesce(sum(hash_record_extended(t, 0)), 0) FROM {SCHEMA}.{table} AS t")
    return f"{int(total) % 2**64:016x}"


def fill(connection: Connection, scale: float, seed: int, emit: Emit, *, force: bool = False) -> Shop:
    """Make the schema `harness_shop` and fill it; a shop that is already there is kept, or replaced with `force`.

    `connection` is in autocommit mode. Interrupted or failing, it is closed, and the database is as it was before.
    """
    began = time.monotonic()
    try:
        connection.execute("BEGIN")
        prepare_session(connection)
        _take_lock(connection, emit)
        if force:
            drop(connection)
        else:
            shop = status(connection)
            if shop is not None:
                connection.execute("ROLLBACK")
                return shop
        filling = Filling(scale, seed, emit)
        create_tables(connection)
        filling.load(connection)
        filling.add_constraints(connection)
        tables = filling.finish(connection)
        connection.execute(
            f"INSERT INTO {SCHEMA}.seeding (format, scale, seed, tables, seconds) VALUES (%s, %s, %s, %s, %s)",
            (FORMAT, scale, seed, Jsonb(tables), round(time.monotonic() - began, 3)),
        )
        filling.report("writing it to disk")
        connection.execute("COMMIT")
    except BaseException:
        _abandon(connection)
        raise
    filling.report("marking rows as visible")
    # The shop is complete; this spares the first measurement from marking its rows as visible to all.
    connection.execute("VACUUM (FREEZE) " + ", ".join(f"{SCHEMA}.{table}" for table in TABLES))
    shop = status(connection)
    assert shop is not None
    return shop


def prepare_session(connection: Connection) -> None:
    """Settings of the transaction that fills: a role's own defaults must not change it."""
    connection.execute("SET LOCAL search_path = pg_catalog")
    for name, value in (
        ("timezone", "UTC"),
        ("client_connection_check_interval", "1s"),  # so that a killed harness leaves no server process at work
    ):
        connection.execute("SELECT set_config(%s, %s, true)", (name, value))
    connection.execute(
        "SELECT set_config('maintenance_work_mem', '256MB', true) FROM pg_settings "
        "WHERE name = 'maintenance_work_mem' AND setting::bigint < 262144"
    )


def create_tables(connection: Connection) -> None:
    """Make the schema, unless an administrator has, and the empty tables in it."""
    if _value(connection, "SELECT to_regnamespace(%s) IS NULL", [SCHEMA]):
        connection.execute(f"CREATE SCHEMA {SCHEMA}")
    strangers = connection.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = %s::regnamespace AND relname = ANY(%s)",
        (SCHEMA, [*TABLES, "seeding"]),
    ).fetchall()
    if strangers:
        raise UsageError(
            f"the schema {SCHEMA} holds {', '.join(sorted(row[0] for row in strangers))} that harness has not made",
            cure="rename that schema, or name another database with --database-url",
        )
    connection.execute(f"SET LOCAL search_path = {SCHEMA}")
    for statement in statements("schema"):
        connection.execute(statement)


def drop(connection: Connection) -> None:
    """Drop our tables, where the record of a seeding says that they are ours; nothing that depends on them."""
    if _value(connection, "SELECT to_regclass('harness_shop.seeding') IS NULL"):
        return
    try:
        # In one statement, so that their own foreign keys are no obstacle.
        connection.execute("DROP TABLE " + ", ".join(f"{SCHEMA}.{table}" for table in (*TABLES, "seeding")))
    except psycopg.errors.DependentObjectsStillExist as error:
        raise UsageError(
            f"the shop cannot be rebuilt, something else depends on it: {error.diag.message_detail}",
            cure="drop that yourself, or name another database with --database-url",
        ) from None


class Filling:
    """The steps of filling, each reported with its share of the whole.

    Shares follow from microseconds per row, measured at scale 1 on two cores.
    """

    LOAD = {"users": 1.3, "products": 2.2, "orders": 1.3, "order_items": 1.3}
    CHECKSUM = 0.5
    CONSTRAINTS = (
        ("FOREIGN KEY", 0.5),
        ("PRIMARY KEY", 0.3),
        ("UNIQUE", 0.9),
        ("order_id, product_id", 0.9),
        ("", 0.6),
    )
    ANALYZE_SECONDS = 0.3

    def __init__(self, scale: float, seed: int, emit: Emit) -> None:
        self.sizes = sizes(scale)
        self._seed = seed
        self._emit = emit
        self._constraints = statements("constraints")
        self._done = 0.0
        self._inserted = 0
        self._whole = (
            sum(self.sizes[table] * self.LOAD[table] for table in TABLES)
            + sum(self.sizes.values()) * self.CHECKSUM
            + sum(self._share(statement) for statement in self._constraints)
            + len(TABLES) * self.ANALYZE_SECONDS * 1e6
        )

    def load(self, connection: Connection) -> None:
        """Insert all rows, and set each sequence past the last id."""
        cursor = psycopg.ClientCursor(connection)
        for table, statement in zip(TABLES, statements("seed"), strict=True):
            total = self.sizes[table]
            for first in range(1, total + 1, CHUNK_ROWS):
                last = min(first + CHUNK_ROWS - 1, total)
                self.report(f"inserting {table}")
                cursor.execute(statement, {**self.sizes, "seed": self._seed, "first": first, "last": last})
                self._done += (last - first + 1) * self.LOAD[table]
                self._inserted += last - first + 1
            connection.execute("SELECT setval(pg_get_serial_sequence(%s, 'id'), %s)", (f"{SCHEMA}.{table}", total))

    def add_constraints(self, connection: Connection) -> None:
        """Gather statistics, then add keys and indexes with their help."""
        for table in TABLES:
            self.report(f"gathering statistics of {table}")
            connection.execute(f"ANALYZE {SCHEMA}.{table}")
            self._done += self.ANALYZE_SECONDS * 1e6
        # Foreign keys are checked by a query that never runs in parallel; sorting both sides in memory is then faster
        # than hashing one (measured at scale 1: 11.7 instead of 18.7 s for the three).
        for name in ("enable_hashjoin", "enable_indexscan", "enable_indexonlyscan", "enable_bitmapscan"):
            connection.execute(f"SET LOCAL {name} = off")
        for number, statement in enumerate(self._constraints, start=1):
            self.report(f"adding keys and indexes, {number} of {len(self._constraints)}")
            connection.execute(statement)
            self._done += self._share(statement)

    def finish(self, connection: Connection) -> dict[str, dict[str, Any]]:
        """Compute the checksums; returns table → rows and checksum."""
        tables: dict[str, dict[str, Any]] = {}
        for table in TABLES:
            self.report(f"computing the checksum of {table}")
            tables[table] = {"rows": self.sizes[table], "checksum": checksum(connection, table)}
            self._done += self.sizes[table] * self.CHECKSUM
        return tables

    def _share(self, statement: str) -> float:
        table = re.search(r"(?:ALTER TABLE| ON) (\w+)", statement)
        assert table is not None
        return self.sizes[table[1]] * next(cost for kind, cost in self.CONSTRAINTS if kind in statement)

    def report(self, doing: str) -> None:
        """Emit the progress, with the step that comes next."""
        self._emit(
            SeedProgress(
                doing=doing,
                fraction=min(1.0, self._done / self._whole),
                rows=self._inserted,
                of_rows=sum(self.sizes.values()),
            )
        )


def problems(connection: Connection, shop: Shop) -> list[str]:
    """Differences from the shop as it was filled: rows, values, and queries that would not use an index."""
    sentences = []
    for table, expected in shop.tables.items():
        if checksum(connection, table) != expected.checksum:
            sentences.append(f"{table} holds other values than were filled in")
    for query in ("user_orders_with_products", "products_bought", "user_orders"):
        scans = [node["Relation Name"] for node in plan(connection, query) if node["Node Type"].endswith("Seq Scan")]
        if scans:
            sentences.append(f"the query {query} reads all of {' and '.join(scans)} instead of using an index")
    return sentences


def plan(connection: Connection, query: str) -> list[dict[str, Any]]:
    """The nodes of the plan of a file of `sql/queries/`, for one user."""
    text = (resources.folder("sql") / "queries" / f"{query}.sql").read_text(encoding="utf-8")
    with connection.transaction():
        connection.execute(f"SET LOCAL search_path = {SCHEMA}")
        cursor = psycopg.ClientCursor(connection)
        cursor.execute("EXPLAIN (FORMAT JSON) " + text, {"user_id": EXAMPLE_USER})
        row = cursor.fetchone()
    assert row is not None
    return list(_nodes(row[0][0]["Plan"]))


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for each in node.get("Plans", ()):
        yield from _nodes(each)


def statements(name: str) -> list[str]:
    """The statements of a file of `sql/`."""
    text = (resources.folder("sql") / f"{name}.sql").read_text(encoding="utf-8")
    return [part.strip() for part in re.sub("--.*", "", text).split(";") if part.strip()]


def _take_lock(connection: Connection, emit: Emit) -> None:
    if not _value(connection, "SELECT pg_try_advisory_xact_lock(%s)", [LOCK]):
        emit(SeedProgress(doing="waiting for another harness that fills this database", fraction=0, rows=0, of_rows=0))
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))


def _abandon(connection: Connection) -> None:
    """End what the server is doing for us, at once, and with it the transaction."""
    with suppress(Exception):
        connection.cancel_safe(timeout=5)
    connection.close()


def _value(connection: Connection, query: str, parameters: list[Any] | None = None) -> Any:
    row = connection.execute(query, parameters).fetchone()
    assert row is not None
    return row[0]
