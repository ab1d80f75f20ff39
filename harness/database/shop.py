"""The shop: what it holds, and how it is filled in one transaction, so that it is there whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg

from harness import assets

SCHEMA = "harness_shop"
SMALL = 0.01
DEFAULT_SEED = 1
STUDY_ROWS = {"users": 1_000_000, "products": 100_000, "orders": 5_000_000, "items": 10_000_000}
TABLES = ("users", "products", "orders", "order_items")
LOCK = 7_305_808_869_229_538_675  # an advisory lock: two harnesses never fill one database at once

Connection = psycopg.Connection[tuple[Any, ...]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Shop:
    """A filled shop."""

    scale: float
    seed: int
    rows: dict[str, int]
    """Table → rows."""


def status(connection: Connection) -> Shop | None:
    """The shop in this database, or None."""
    found = connection.execute("SELECT to_regclass('harness_shop.seeding') IS NOT NULL").fetchone()
    if found is None or not found[0]:
        return None
    seeding = connection.execute("SELECT scale, seed FROM harness_shop.seeding").fetchone()
    if seeding is None:
        return None
    rows = {table: _largest_id(connection, table) for table in TABLES}
    return Shop(scale=seeding[0], seed=seeding[1], rows=rows)


def _largest_id(connection: Connection, table: str) -> int:
    """Rows of a table whose ids have no gaps: at once, where count(*) reads ten million rows."""
    row = connection.execute(f"SELECT coalesce(max(id), 0) FROM {SCHEMA}.{table}").fetchone()
    assert row is not None
    return int(row[0])


def fill(connection: Connection, scale: float, seed: int, tell: Callable[[str], None]) -> Shop:
    """Make the schema `harness_shop`, fill it, add constraints and indexes, gather statistics."""
    sizes = {name: max(1, round(rows * scale)) for name, rows in STUDY_ROWS.items()}
    tell(
        f"filling the schema {SCHEMA} with {sizes['users']:,} users, {sizes['orders']:,} orders and "
        f"{sizes['items']:,} items (once; reused next time)"
    )
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        already = status(connection)
        if already is not None:
            return already
        _run(connection, "schema")
        _run(connection, "seed", {**sizes, "seed": seed})
        for table in TABLES:
            connection.execute(
                "SELECT setval(pg_get_serial_sequence(%s, 'id'), %s)",
                (f"{SCHEMA}.{table}", _largest_id(connection, table)),
            )
        _run(connection, "constraints")
        for table in TABLES:
            connection.execute(f"ANALYZE {SCHEMA}.{table}")
        connection.execute(f"INSERT INTO {SCHEMA}.seeding (scale, seed) VALUES (%s, %s)", (scale, seed))
    made = status(connection)
    assert made is not None
    return made


def _run(connection: Connection, name: str, parameters: dict[str, Any] | None = None) -> None:
    """Run a file of `sql/`; with parameters, statement by statement and with the values bound by the client."""
    text = (assets.folder("sql") / f"{name}.sql").read_text(encoding="utf-8")
    psycopg.ClientCursor(connection).execute(text.encode(), parameters)
