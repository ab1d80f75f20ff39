"""Postgres for the workloads: a sync pool and an async pool side by side, opened and closed by the mount.

`DATABASE_URL` says where, `HARNESS_POOL_SIZE` how many connections each pool holds (10 by default). A workload asks for
rows and does not know whether a pool stands behind them: where an event loop lives for one request only, a pool
cannot be shared across loops (26 of 40 requests ended in PoolTimeout when tried), and a connection is opened instead.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import psycopg
from psycopg import AsyncConnection, Connection
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool, ConnectionPool

from .workload import Transaction

SCHEMA = "harness_shop"
DEFAULT_POOL_SIZE = 10
OPEN_SECONDS = 15.0

SyncPool = ConnectionPool[Connection[tuple[Any, ...]]]
AsyncPool = AsyncConnectionPool[AsyncConnection[tuple[Any, ...]]]
Rows = list[dict[str, Any]]

_sync_pool: SyncPool | None = None
_async_pools: dict[asyncio.AbstractEventLoop, AsyncPool] = {}


def query(name: str) -> str:
    """The text of `sql/queries/<name>.sql`, in the checkout or in an installed wheel."""
    root = Path(__file__).resolve().parent.parent
    installed = root / "assets" / "sql"
    folder = installed if installed.is_dir() else root / "sql"
    return (folder / "queries" / f"{name}.sql").read_text(encoding="utf-8")


def _url() -> str:
    url = os.environ.get("DATABASE_URL")
    if not url:
        raise RuntimeError("DATABASE_URL is not set: select and simulation need a Postgres that holds the shop")
    return url


def application_name() -> str:
    """What Postgres shows for connections of this measurement, and of which of its servers."""
    return f"harness-{os.environ.get('HARNESS_MEASUREMENT', 'by-hand')[:12]}-{os.environ.get('HARNESS_SERVER', '1')}"


def _options() -> dict[str, Any]:
    # Autocommit: one round trip per query, and no transaction around each SELECT but where a workload asks for one.
    return {"autocommit": True, "options": f"-c search_path={SCHEMA}", "application_name": application_name()}


def _pool_arguments() -> dict[str, Any]:
    size = int(os.environ.get("HARNESS_POOL_SIZE") or DEFAULT_POOL_SIZE)
    return {"conninfo": _url(), "kwargs": _options(), "min_size": size, "max_size": size, "open": False}


def open_sync_pool() -> SyncPool:
    """Open this process' sync pool and fill it; OPEN_SECONDS at most."""
    global _sync_pool
    pool: SyncPool = ConnectionPool(**_pool_arguments())
    pool.open(wait=True, timeout=OPEN_SECONDS)
    _sync_pool = pool
    return pool


def close_sync_pool() -> None:
    """Close this process' sync pool, if it is open."""
    global _sync_pool
    if _sync_pool is not None:
        _sync_pool.close()
        _sync_pool = None


@contextmanager
def sync_pool() -> Iterator[SyncPool]:
    """A sync pool that is open inside the block."""
    pool = open_sync_pool()
    try:
        yield pool
    finally:
        close_sync_pool()


@asynccontextmanager
async def async_pool() -> AsyncIterator[AsyncPool]:
    """An async pool of the running loop that is open inside the block."""
    loop = asyncio.get_running_loop()
    pool: AsyncPool = AsyncConnectionPool(**_pool_arguments())
    await pool.open(wait=True, timeout=OPEN_SECONDS)
    _async_pools[loop] = pool
    try:
        yield pool
    finally:
        del _async_pools[loop]
        await pool.close()


def fetch(query: str, parameters: Mapping[str, Any], tx: Transaction) -> Rows:
    """The rows of one query, by a connection of the sync pool, or by one of its own where no pool is open."""
    pool = _sync_pool
    with (
        psycopg.connect(_url(), **_options()) if pool is None else pool.connection() as connection,
        nullcontext() if tx is None else connection.transaction(),
        connection.cursor(row_factory=dict_row) as cursor,
    ):
        return cursor.execute(query, parameters).fetchall()


async def fetch_async(query: str, parameters: Mapping[str, Any], tx: Transaction) -> Rows:
    """The rows of one query, by a connection of the running loop's pool, or by one of its own where it has no pool."""
    pool = _async_pools.get(asyncio.get_running_loop())
    async with (
        await AsyncConnection.connect(_url(), **_options()) if pool is None else pool.connection() as connection,
        nullcontext() if tx is None else connection.transaction(),
        connection.cursor(row_factory=dict_row) as cursor,
    ):
        await cursor.execute(query, parameters)
        return await cursor.fetchall()
