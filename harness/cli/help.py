"""How `--help` looks: an example first, then what the command does, then its options in groups with their defaults.

Examples are the lines of a command's docstring that begin with `$ `. An option belongs to the group that GROUPS names,
or to that of its own `rich_help_panel`.
"""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from harness.cli.options import APPLICATION

WIDTH, SENTENCE = 100, 200
"""Columns, and the most letters of the sentence that a list of commands has of each."""
GROUPS: dict[str, tuple[str, ...]] = {
    "What to measure": (
        *("server", "server_command", "framework", "style", "workload", "param"),
        *("workers", "threads", "pool_size", "python", "preset"),
        *("first_python", "second_python", "first_app_dir", "second_app_dir", "first_env", "second_env"),
    ),
    "Your application": tuple(APPLICATION),
    "Load": (
        *("vus", "rate", "arrivals", "warmup", "duration", "generator", "k6", "objective", "core_hour_price"),
        *("base", "burst", "burst_duration", "capacity"),
    ),
    "How long and how sure": (
        *("max_time", "precision", "margin", "against", "attempts", "aa", "seed", "dry_run", "resume"),
        *("metric", "fail_above", "strict", "anyway", "starts"),
    ),
    "Machine": ("pin", "database_url", "boot_deadline", "diagnose", "port", "no_wait"),
    "Output": ("form", "to", "details", "out", "as_json", "latest"),
}
"""Heading → names of the options below it."""
OTHERS = "Options"
COMMANDS: dict[str, tuple[str, ...]] = {
    "Measure": ("recommend", "run", "compare", "matrix", "capacity", "overload"),
    "Look at results": ("report", "diff"),
    "Set up": ("init", "ci", "doctor", "serve", "db", "list"),
}
"""Heading → commands below it."""
EXAMPLE = "$ "


def heading_of(parameter: Any) -> str:
    """The group of an option."""
    named = next((heading for heading, names in GROUPS.items() if parameter.name in names), OTHERS)
    return getattr(parameter, "rich_help_panel", None) or named


def examples_of(text: str | None) -> list[str]:
    """The example lines of a command's description, without the prompt."""
    lines = (line.strip() for line in (text or "").splitlines())
    return [line.removeprefix(EXAMPLE) for line in lines if line.startswith(EXAMPLE)]


def _write_text(text: str | None, formatter: Any) -> None:
    examples = examples_of(text)
    if examples:
        with formatter.section("Example" if len(examples) == 1 else "Examples"):
            for line in examples:
                formatter.write(f"  {line}\n")
    kept = [line for line in (text or "").splitlines() if not line.strip().startswith(EXAMPLE)]
    formatter.write_paragraph()
    with formatter.indentation():
        formatter.write_text("\n".join(kept).strip())


class Command(TyperCommand):
    """A command of the harness."""

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        """Examples, then the description."""
        _write_text(self.help, formatter)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Arguments, then options by their groups."""
        sections: dict[str, list[tuple[str, str]]] = {"Arguments": [], **{heading: [] for heading in GROUPS}}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                heading = heading_of(parameter) if parameter.param_type_name == "option" else "Arguments"
                sections.setdefault(heading, []).append(record)
        for heading, records in sections.items():
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records)


class Group(TyperGroup):
    """The commands of the harness, in groups."""

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        """Examples, then the description."""
        _write_text(self.help, formatter)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Commands by their groups, and those that no group names."""
        names = self.list_commands(ctx)
        grouped = {heading: [name for name in of if name in names] for heading, of in COMMANDS.items()}
        grouped["Commands"] = [name for name in names if not any(name in of for of in COMMANDS.values())]
        for heading, of in grouped.items():
            if of:
                with formatter.section(heading):
                    commands = [(name, self.get_command(ctx, name)) for name in of]
                    formatter.write_dl(
                        [(name, each.get_short_help_str(SENTENCE)) for name, each in commands if each is not None]
                    )


def dressed(app: typer.Typer) -> typer.Typer:
    """The same application, whose commands have such a help."""
    app.info.cls = Group
    for command in app.registered_commands:
        command.cls = Command
    return app
