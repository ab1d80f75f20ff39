"""What there is to choose from, as tables for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from packaging.utils import canonicalize_name
from rich.table import Table

from harness import injected
from harness import servers as adapters
from harness.config import registry
from harness.handlers import catalogue
from harness.handlers.styles import STYLES
from harness.report import terminal
from harness.servers.adapter import Target
from harness.store.index import RunEntry


def _print(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]], *, whole: str | None = None) -> None:
    """As a table; the column `whole` is never folded, and into a pipe nothing is where there is one."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column == whole)
    for row in rows:
        table.add_row(*row)
    piped = 10_000 if whole else 100
    terminal.console(piped).print(table)


def servers(installed: Mapping[str, str]) -> None:
    """Servers, their options, and their versions among the `installed` packages (name → version)."""
    rows = []
    for name in adapters.names():
        adapter = registry.adapter(name)
        options = [
            f"{key}={'|'.join(option.choices)}  {option.help}" + (f", {option.interface}" if option.interface else "")
            for key, option in adapter.options.items()
        ]
        named = adapter.distribution
        version = installed.get(canonicalize_name(named), f"pip install {named}") if named else "a command of yours"
        rows.append((name, version, ", ".join(adapter.interfaces), "\n".join(options)))
    _print(("server", "version", "interfaces", "options (default first)"), rows)


def runs(entries: Sequence[RunEntry]) -> None:
    """Stored runs, oldest first."""
    rows = [
        (str(each.folder), each.started_at[:16].replace("T", " "), each.kind, each.what, str(each.measurements))
        for each in entries
    ]
    _print(("folder", "started (UTC)", "kind", "what", "measurements"), rows, whole="folder")


def styles() -> None:
    """Handler styles, and which frameworks carry them."""
    rows = []
    for name, style in STYLES.items():
        carried = [framework.name for framework in catalogue.FRAMEWORKS.values() if name in framework.styles]
        rows.append((name, style.route, style.summary, ", ".join(carried)))
    _print(("style", "route", "what it does", "carried by"), rows)


def workloads() -> None:
    """Workloads and their parameters."""
    rows = []
    for name in catalogue.workload_names():
        work = registry.workload(name)
        params = [
            f"{item.name}: {item.domain}" + ("" if item.default is None else f" (default {item.default})")
            for item in work.parameters
        ]
        rows.append((name, work.summary, "\n".join(params)))
    _print(("workload", "what a request does", "parameters"), rows)


def launches() -> None:
    """How each server is launched, as Markdown: the page docs/servers.md holds what this prints."""
    print("| server | interface | command |\n|---|---|---|")
    files: dict[str, str] = {}
    for name in adapters.names():
        adapter = registry.adapter(name)
        for interface in adapter.interfaces:
            target = Target(
                python="python",
                module=injected.MODULE,
                attribute=injected.ATTRIBUTE,
                interface=interface,
                host="127.0.0.1",
                port=8000,
                workers=4,
                threads=40,
                connections=100,
            )
            options = {
                key: option.default for key, option in adapter.options.items() if option.interface in (None, interface)
            }
            launch = adapter.launch(target, options)
            print(f"| {name} | {interface} | `{' '.join(launch.argv)}` |")
            files |= launch.files
    for file, text in files.items():
        print(f"\n`{file}`\n```\n{text.rstrip()}\n```")
