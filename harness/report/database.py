"""What `harness db status` tells, as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from harness.model.database import DatabaseStatus, ShopStatus
from harness.report import terminal


def show(status: DatabaseStatus) -> None:
    """Print it to standard output."""
    print(terminal.text(lambda _: [Text(f"{_title(status)}\n", style="bold"), terminal.facts(_rows(status))]), end="")


def _title(status: DatabaseStatus) -> str:
    if not status.running:
        return "the embedded Postgres does not run"
    process = "" if status.pid is None else f", process {status.pid}"
    return f"{status.kind} PostgreSQL {status.version}{process}"


def _rows(status: DatabaseStatus) -> Iterator[tuple[str, Text | str]]:
    yield "data folder" if status.kind == "embedded" else "server", status.server
    if not status.running:
        yield "start it", "harness db start, or any command that needs it"
        return
    yield "settings", ", ".join(f"{name} {value}" for name, value in (status.settings or {}).items())
    yield "connections", f"{status.connections_free} free"
    if status.shop is None:
        yield "shop", "none; fill one with: harness db seed --scale article"
        return
    yield "shop", _shop(status.shop)
    for name, table in status.shop.tables.items():
        yield "", f"{name:<12} {table.rows:>12,} rows   checksum {table.checksum}"
    if status.problems == []:
        yield "verified", Text("all checksums computed anew and equal; all queries use indexes", style="green")
    for problem in status.problems or ():
        yield "problem", Text(problem, style="red")


def _shop(shop: ShopStatus) -> str:
    when = shop.filled_at.replace("T", " ").replace("+00:00", " UTC")
    return (
        f"scale {shop.scale:g}, seed {shop.seed}, {shop.size_bytes / 1e6:,.0f} MB, "
        f"filled in {shop.seconds:,.1f} s at {when}"
    )
