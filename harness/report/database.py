"""What `harness db status` tells, as text for a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.model.database import DatabaseStatus, ShopStatus


def show(found: DatabaseStatus) -> None:
    """Print it to standard output."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 100)
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in _rows(found):
        table.add_row("  " + name, text)
    with console.capture() as captured:
        console.print(Text(_title(found), style="bold"))
        console.print()
        console.print(table)
    print("\n".join(line.rstrip() for line in captured.get().splitlines()))


def _title(found: DatabaseStatus) -> str:
    if not found.running:
        return "the embedded Postgres does not run"
    process = "" if found.pid is None else f", process {found.pid}"
    return f"{found.kind} PostgreSQL {found.version}{process}"


def _rows(found: DatabaseStatus) -> Iterator[tuple[str, Text]]:
    yield "data folder" if found.kind == "embedded" else "server", Text(found.server)
    if not found.running:
        yield "start it", Text("harness db start, or any command that needs it")
        return
    yield "settings", Text(", ".join(f"{name} {value}" for name, value in (found.settings or {}).items()))
    yield "connections", Text(f"{found.connections_free} free")
    if found.shop is None:
        yield "shop", Text("none; fill one with: harness db seed --scale article")
        return
    yield "shop", Text(_shop(found.shop))
    for name, table in found.shop.tables.items():
        yield "", Text(f"{name:<12} {table.rows:>12,} rows   checksum {table.checksum}")
    if found.problems == []:
        yield "verified", Text("all checksums computed anew and equal; all queries use indexes", style="green")
    for problem in found.problems or ():
        yield "problem", Text(problem, style="red")


def _shop(shop: ShopStatus) -> str:
    when = shop.filled_at.replace("T", " ").replace("+00:00", " UTC")
    return (
        f"scale {shop.scale:g}, seed {shop.seed}, {shop.size_bytes / 1e6:,.0f} MB, "
        f"filled in {shop.seconds:,.1f} s at {when}"
    )
