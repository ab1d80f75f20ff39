"""Tasks of `harness db`: fill the shop, and describe it."""

from __future__ import annotations

import logging

from harness.database import connection, embedded, shop
from harness.errors import LackError, UsageError
from harness.host import lock
from harness.host.paths import home
from harness.model.database import DatabaseStatus, ShopStatus, TableStatus
from harness.model.events import Emit

log = logging.getLogger(__name__)


def parse_scale(text: str) -> float:
    """A scale by its name or as a number."""
    if text in shop.SCALES:
        return shop.SCALES[text]
    try:
        scale = float(text)
    except ValueError:
        scale = 0.0
    if not shop.SMALLEST <= scale <= shop.LARGEST:
        names = ", ".join(f"{name} ({value:g})" for name, value in shop.SCALES.items())
        raise UsageError(
            f"--scale {text}: no such size",
            cure=f"give {names}, or a number from {shop.SMALLEST:g} to {shop.LARGEST:g}",
        )
    return scale


def parse_seed(number: int) -> int:
    """A seed, if it lies in bounds."""
    if not 0 <= number <= shop.LARGEST_SEED:
        raise UsageError(f"--seed {number}: out of bounds", cure=f"give a number from 0 to {shop.LARGEST_SEED}")
    return number


def seed(url: str | None, *, scale: float, seed: int, force: bool, emit: Emit) -> DatabaseStatus:
    """Fill the shop of the Postgres that `url` names, else of the embedded one. What is there already is kept."""
    with lock.machine(), connection.server(url) as session:
        contents = None if force else shop.status(session.connection)
        if contents is not None and (contents.scale, contents.seed) != (scale, seed):
            raise UsageError(
                f"there is a shop already, of scale {contents.scale:g} and seed {contents.seed}; "
                f"asked for are scale {scale:g} and seed {seed}",
                cure="replace it with --force",
            )
        if contents is not None:
            log.info("it is there already")
        else:
            _require_room(session, scale)
            shop.fill(session.connection, scale, seed, emit, force=force)
            if session.kind == "embedded":
                session.connection.execute("CHECKPOINT")  # now, and not in the middle of the first measurement
        return _describe(session, verify=False)


def status(url: str | None, *, verify: bool = False) -> DatabaseStatus:
    """State and contents of the Postgres that `url` names, else of the embedded one. Starts and changes nothing."""
    if url is None and embedded.running() is None:
        return DatabaseStatus(
            kind="embedded",
            server=str(embedded.data_folder()),
            running=False,
            pid=None,
            version=None,
            settings=None,
            connections_free=None,
            shop=None,
            problems=None,
        )
    with connection.server(url) as session:
        return _describe(session, verify=verify)


def _require_room(session: connection.PostgresSession, scale: float) -> None:
    needed = int(scale * shop.BYTES_AT_SCALE_1)
    if session.kind == "embedded" and embedded.free_bytes() < needed:
        raise LackError(
            f"scale {scale:g} needs about {needed / 1e6:,.0f} MB, {embedded.free_bytes() / 1e6:,.0f} MB are free in "
            f"{home()}",
            cure="make room, choose a smaller --scale, or name another folder in HARNESS_DATA",
        )


def _describe(session: connection.PostgresSession, *, verify: bool) -> DatabaseStatus:
    contents = shop.status(session.connection)
    summary = None
    if contents is not None:
        summary = ShopStatus(
            scale=contents.scale,
            seed=contents.seed,
            size_bytes=shop.size_bytes(session.connection),
            tables={
                name: TableStatus(rows=table.rows, checksum=table.checksum) for name, table in contents.tables.items()
            },
            seconds=contents.seconds,
            filled_at=contents.filled_at,
        )
    return DatabaseStatus(
        kind=session.kind,
        server=str(embedded.data_folder()) if session.kind == "embedded" else connection.describe(session.url),
        running=True,
        pid=session.postmaster,
        version=session.version,
        settings=connection.settings(session.connection),
        connections_free=connection.connections(session.connection).free,
        shop=summary,
        problems=shop.problems(session.connection, contents) if verify and contents else None,
    )
