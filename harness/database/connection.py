"""Connects to Postgres, embedded or external, and prepares its shop."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import psycopg
from psycopg.conninfo import conninfo_to_dict

from harness.database import embedded, shop
from harness.errors import LackError, UsageError
from harness.host import polling
from harness.model.database import Connections, Database
from harness.model.events import Event, SeedProgress

log = logging.getLogger(__name__)

CONNECT_SECONDS = 10
SHORTEST_SECRET = 4
TIMEOUTS = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
OLDEST = 14
"""The oldest major version of Postgres that is supported; the newest is not limited."""
SETTINGS = (
    *("max_connections", "shared_buffers", "effective_cache_size", "work_mem", "maintenance_work_mem"),
    *("wal_level", "max_wal_size", "checkpoint_timeout", "fsync", "synchronous_commit", "autovacuum", "jit"),
    *("random_page_cost", "max_parallel_workers_per_gather", "max_parallel_maintenance_workers"),
)


def url_from_environment() -> str | None:
    """The URL in DATABASE_URL, if it is set."""
    return os.environ.get("DATABASE_URL") or None


def prepare(url: str | None) -> Database:
    """The Postgres that `url` names, else the embedded one, started if need be; with a shop in it."""

    def emit(step: Event) -> None:
        if isinstance(step, SeedProgress) and not step.rows and step.doing.startswith("waiting"):
            log.info(step.doing)

    with server(url) as session:
        contents = shop.status(session.connection)
        if contents is None:
            rows = shop.sizes(shop.SCALES["small"])
            log.info(
                f"filling the schema {shop.SCHEMA} with {rows['users']:,} users, {rows['orders']:,} orders and "
                f"{rows['order_items']:,} items (once; reused next time)"
            )
            contents = shop.fill(session.connection, shop.SCALES["small"], shop.DEFAULT_SEED, emit)
        return Database(
            url=session.url,
            kind=session.kind,
            version=session.version,
            server=describe(session.url),
            connections=connections(session.connection),
            settings=settings(session.connection),
            rows=contents.rows,
            checksums=contents.checksums,
            scale=contents.scale,
            seed=contents.seed,
            postmaster=session.postmaster,
            life=_life(session.connection),
        )


def alive(database: Database) -> bool:
    """Whether a Postgres answers, and has neither ended nor recovered from a crash since it was prepared."""
    try:
        with _open(database.url) as connection:
            return _life(connection) == database.life
    except psycopg.Error:
        return False


def _life(connection: psycopg.Connection[tuple[Any, ...]]) -> str:
    """When the server began, and when its checkpointer did, which a recovery from a crash starts anew."""
    row = connection.execute(
        "SELECT concat_ws(' ', pg_postmaster_start_time(), (SELECT max(backend_start) FROM pg_stat_activity WHERE "
        "backend_type = 'checkpointer'))"
    ).fetchone()
    assert row is not None
    return str(row[0])


@dataclass(frozen=True, kw_only=True, slots=True)
class PostgresSession:
    """An open connection to a Postgres."""

    connection: psycopg.Connection[tuple[Any, ...]]
    url: str
    kind: Literal["embedded", "external"]
    version: str
    postmaster: int | None
    """Process of the embedded server; None of an external one."""


@contextmanager
def server(url: str | None) -> Iterator[PostgresSession]:
    """The Postgres that `url` names, else the embedded one, started if need be."""
    own = embedded.start() if url is None else None
    where = url if own is None else own.url
    assert where is not None
    with connect(where) as connection:
        number = connection.info.server_version
        if number < OLDEST * 10_000:
            raise LackError(
                f"Postgres at {describe(where)} is version {number // 10_000}",
                cure=f"use {OLDEST} or newer, or leave --database-url away to use the embedded one",
            )
        if own is not None:
            _require_own_folder(connection, own)
        yield PostgresSession(
            connection=connection,
            url=where,
            kind="external" if own is None else "embedded",
            version=(connection.info.parameter_status("server_version") or "").split()[0],
            postmaster=None if own is None else own.pid,
        )


@contextmanager
def connect(url: str) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """A connection, or an error that names the server but no user and no password."""
    where = describe(url)
    try:
        connection = _open(url)
    except psycopg.Error as error:
        raise LackError(
            f"cannot connect to Postgres at {where}",
            cure="check --database-url or DATABASE_URL, and that the server runs and lets you in",
            detail=_without_secrets(str(error), url),
        ) from None
    try:
        with connection:
            # A role's own limits are meant for its applications: filling, vacuum and checksums take longer.
            for name in TIMEOUTS:
                connection.execute("SELECT set_config(%s, '0', false)", (name,))
            yield connection
    except psycopg.Error as error:
        code = error.sqlstate or ""
        raise LackError(
            f"Postgres at {where} refused: {_without_secrets(str(error), url).splitlines()[0]}",
            cure=next(cure for state, cure in CURES if code.startswith(state)),
        ) from None


CURES = (
    (
        "42501",
        "the role needs the right to create the schema harness_shop there, or to use it if it is there; or leave "
        "--database-url away to use the embedded Postgres",
    ),
    ("25006", "name a server that accepts writes, not its standby, with --database-url"),
    ("53100", "make room on the disk of that server, or choose a smaller --scale"),
    ("53200", "give that server more memory, or choose a smaller --scale"),
    ("53300", "close connections of others, or raise max_connections of that server"),
    ("57P", "the server was shut down or ended the connection: look at its log, start it, and try again"),
    ("08", "the connection was lost: look at that server's log, and try again"),
    ("", "look at that server's log; or leave --database-url away to use the embedded Postgres"),
)
"""Beginning of an SQLSTATE → the cure."""


def _open(url: str) -> psycopg.Connection[tuple[Any, ...]]:
    """Connect; a server that is just starting or recovering is waited for."""

    def attempt() -> psycopg.Connection[tuple[Any, ...]] | None:
        try:
            return psycopg.connect(url, connect_timeout=CONNECT_SECONDS, autocommit=True)
        except psycopg.OperationalError as error:
            if "the database system is" not in str(error):
                raise
            return None

    connection = polling.until(attempt, CONNECT_SECONDS, interval=0.2)
    return connection or psycopg.connect(url, connect_timeout=CONNECT_SECONDS, autocommit=True)


def _require_own_folder(connection: psycopg.Connection[tuple[Any, ...]], server: embedded.Server) -> None:
    row = connection.execute("SHOW data_directory").fetchone()
    assert row is not None
    if not os.path.samefile(row[0], server.folder):
        raise LackError(
            f"the Postgres that answers for {server.folder} serves {row[0]}",
            cure="stop that one, or name another folder in HARNESS_DATA",
        )


def describe(url: str) -> str:
    """Host, port and database of a URL: no user, no password."""
    parts = _parse(url)
    host = parts.get("host") or parts.get("hostaddr") or "localhost"
    if str(host).startswith("/"):
        return f"{parts.get('dbname') or 'postgres'} on a local socket"
    return f"{host}:{parts.get('port') or 5432}/{parts.get('dbname') or ''}"


def _parse(url: str) -> dict[str, Any]:
    try:
        return dict(conninfo_to_dict(url))
    except psycopg.Error:
        # What libpq says about it may repeat parts of it, a password among them.
        raise UsageError(
            "--database-url or DATABASE_URL is not a Postgres URL",
            cure="write it as postgresql://user:password@host:5432/database (special characters percent-encoded)",
        ) from None


def _without_secrets(text: str, url: str) -> str:
    password = str(_parse(url).get("password") or "")
    # A password of a few letters would be found in every second word of the message.
    return (text.replace(password, "…") if len(password) >= SHORTEST_SECRET else text).strip()


def connections(connection: psycopg.Connection[tuple[Any, ...]]) -> Connections:
    """How many connections the server allows, keeps for administrators, and has given to others."""
    row = connection.execute(
        """
        SELECT current_setting('max_connections')::int,
               current_setting('superuser_reserved_connections')::int
               + coalesce(current_setting('reserved_connections', true), '0')::int,
               (SELECT count(*) FROM pg_stat_activity
                WHERE backend_type = 'client backend' AND pid <> pg_backend_pid())::int
        """
    ).fetchone()
    assert row is not None
    return Connections(allowed=row[0], reserved=row[1], used=row[2])


def settings(connection: psycopg.Connection[tuple[Any, ...]]) -> dict[str, str]:
    """The settings of a server that bear on what is measured, as it shows them."""
    rows = connection.execute(
        "SELECT name, current_setting(name) FROM pg_settings WHERE name = ANY(%s) ORDER BY name", (list(SETTINGS),)
    ).fetchall()
    return dict(rows)
