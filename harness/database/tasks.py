"""What `harness db` does: fill the shop, and say what there is."""

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
    with lock.machine(), connection.server(url) as reached:
        found = None if force else shop.status(reached.connection)
        if found is not None and (found.scale, found.seed) != (scale, seed):
            raise UsageError(
                f"there is a shop already, of scale {found.scale:g} and seed {found.seed}; "
                f"asked for are scale {scale:g} and seed {seed}",
                cure="replace it with --force",
            )
        if found is not None:
            log.info("it is there already")
        else:
            _require_room(reached, scale)
            shop.fill(reached.connection, scale, seed, emit, force=force)
            if reached.kind == "embedded":
                reached.connection.execute("CHECKPOINT")  # now, and not in the middle of the first measurement
        return _describe(reached, verify=False)


def status(url: str | None, *, verify: bool = False) -> DatabaseStatus:
    """What the Postgres that `url` names, else the embedded one, is and holds. Starts and changes nothing."""
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
    with connection.server(url) as reached:
        return _describe(reached, verify=verify)


def _require_room(reached: connection.PostgresSession, scale: float) -> None:
    needed = int(scale * shop.BYTES_AT_SCALE_1)
    if reached.kind == "embedded" and embedded.free_bytes() < needed:
        raise LackError(
            f"scale {scale:g} needs about {needed / 1e6:,.0f} MB, {embedded.free_bytes() / 1e6:,.0f} MB are free in "
            f"{home()}",
            cure="make room, choose a smaller --scale, or name another folder in HARNESS_DATA",
        )


def _describe(reached: connection.PostgresSession, *, verify: bool) -> DatabaseStatus:
    found = shop.status(reached.connection)
    filled = None
    if found is not None:
        filled = ShopStatus(
            scale=found.scale,
            seed=found.seed,
            size_bytes=shop.size_bytes(reached.connection),
            tables={
                name: TableStatus(rows=table.rows, checksum=table.checksum) for name, table in found.tables.items()
            },
            seconds=found.seconds,
            filled_at=found.filled_at,
        )
    return DatabaseStatus(
        kind=reached.kind,
        server=str(embedded.data_folder()) if reached.kind == "embedded" else connection.describe(reached.url),
        running=True,
        pid=reached.postmaster,
        version=reached.version,
        settings=connection.settings(reached.connection),
        connections_free=connection.connections(reached.connection).free,
        shop=filled,
        problems=shop.problems(reached.connection, found) if verify and found else None,
    )
