"""A Postgres that answers: where it is, what it allows, and its shop, filled if it is not there yet."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from harness.database import embedded, shop
from harness.errors import LackError, UsageError
from harness.model.database import Database

CONNECT_SECONDS = 10
SHORTEST_SECRET = 4


def url_from_environment() -> str | None:
    """What DATABASE_URL says, if anything."""
    return os.environ.get("DATABASE_URL") or None


def prepare(url: str | None, tell: Callable[[str], None]) -> Database:
    """The Postgres that `url` names, else the embedded one, started if need be; with a shop in it."""
    postmaster = None
    if url is None:
        server = embedded.start(tell)
        url, postmaster = server.url, server.pid
    with connect(url) as connection:
        settings = _settings(connection)
        found = shop.status(connection)
        if found is None:
            found = shop.fill(connection, shop.SMALL, shop.DEFAULT_SEED, tell)
        return Database(
            url=url,
            kind="external" if postmaster is None else "embedded",
            version=settings["version"],
            server=describe(url),
            connections_free=settings["free"],
            rows=found.rows,
            scale=found.scale,
            seed=found.seed,
            postmaster=postmaster,
        )


@contextmanager
def connect(url: str) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """A connection, or an error that names the server but no user and no password."""
    where = describe(url)
    try:
        connection = psycopg.connect(url, connect_timeout=CONNECT_SECONDS, autocommit=True)
    except psycopg.Error as error:
        raise LackError(
            f"cannot connect to Postgres at {where}",
            cure="check --database-url or DATABASE_URL, and that the server runs and lets you in",
            detail=_without_secrets(str(error), url),
        ) from None
    try:
        with connection:
            yield connection
    except psycopg.Error as error:
        raise LackError(
            f"Postgres at {where} refused: {_without_secrets(str(error), url).splitlines()[0]}",
            cure="the role needs the right to create the schema harness_shop there; or leave --database-url away "
            "to use the embedded Postgres",
        ) from None


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


def _settings(connection: psycopg.Connection[tuple[Any, ...]]) -> dict[str, Any]:
    row = connection.execute(
        """
        SELECT current_setting('server_version'),
               current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
               - coalesce(current_setting('reserved_connections', true), '0')::int
               - (SELECT count(*) FROM pg_stat_activity
                  WHERE backend_type = 'client backend' AND pid <> pg_backend_pid())::int
        """
    ).fetchone()
    assert row is not None
    return {"version": str(row[0]).split()[0], "free": int(row[1])}
