"""`--help` of every command: an example first that exists, options in groups, defaults shown."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer.main

from harness.cli import help as layout
from harness.cli import options as cli_options
from harness.cli.main import app
from harness.model import plan

ROOT: Any = typer.main.get_command(app)


def commands(of: Any = ROOT, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command with its name, groups left out."""
    for name, command in of.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


COMMANDS = dict(commands())


def shown(path: tuple[str, ...]) -> str:
    context = typer.Context(ROOT, info_name="harness", max_content_width=layout.WIDTH, terminal_width=layout.WIDTH)
    for name in path[:-1]:
        context = typer.Context(context.command.commands[name], info_name=name, parent=context)  # type: ignore[attr-defined]
    text: str = COMMANDS[path].get_help(typer.Context(COMMANDS[path], info_name=path[-1], parent=context))
    return text


def options(command: Any) -> list[Any]:
    return [each for each in command.params if each.param_type_name == "option" and not each.hidden]


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_begins_with_an_example_that_can_be_typed(path: tuple[str, ...]) -> None:
    text, command = shown(path), COMMANDS[path]
    usage, first = text.split("\n\n")[:2]
    assert usage.startswith("Usage: harness")
    assert re.match(r"Examples?:\n  ", first)
    known = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
    for example in layout.examples_of(command.help):
        assert f"  {example}\n" in text
        assert f"harness {' '.join(path)}" in example
        for word in shlex.split(example):
            assert not word.startswith("-") or word in known, f"{example}: {word}"


@pytest.mark.parametrize("name", [name for name, each in ROOT.commands.items() if hasattr(each, "commands")])
def test_help_of_several_commands_begins_with_an_example_of_one(name: str) -> None:
    group = ROOT.commands[name]
    (example,) = layout.examples_of(group.help)
    text = group.get_help(typer.Context(group, info_name=name, parent=typer.Context(ROOT, info_name="harness")))
    assert text.split("\n\n")[1] == f"Example:\n  {example}"
    assert tuple(shlex.split(example)[1:]) in COMMANDS


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_options_are_in_groups_with_their_defaults(path: tuple[str, ...]) -> None:
    text, command = shown(path), COMMANDS[path]
    plain = " ".join(text.split())
    for each in options(command):
        assert each.help, each.name
        assert each.opts[0] in text
        if each.default not in (None, False) and not callable(each.default) and not each.required:
            default = "diagnose" if each.default is True else str(each.default)
            assert f"[default: {default}" in plain, each.name
    if len(options(command)) > 8:
        ungrouped = [each.name for each in options(command) if layout.heading_of(each) == layout.OTHERS]
        assert ungrouped == [], "name them in harness/cli/help.py: GROUPS"


def test_every_command_is_in_a_group_with_its_sentence() -> None:
    text = ROOT.get_help(typer.Context(ROOT, info_name="harness", terminal_width=layout.WIDTH))
    assert text.index("Examples:") < text.index("Options:") < text.index("Measure:")
    for name, command in ROOT.commands.items():
        assert any(name in of for of in layout.COMMANDS.values()), name
        assert re.search(rf"^  {name} +\w", text, re.MULTILINE)
        assert not command.get_short_help_str(layout.SENTENCE).endswith("..."), name


def test_an_option_that_names_its_own_group_is_there() -> None:
    parameter = type("Parameter", (), {"name": "seed", "rich_help_panel": "Elsewhere"})()
    assert layout.heading_of(parameter) == "Elsewhere"
    assert layout.heading_of(type("Parameter", (), {"name": "unheard"})()) == layout.OTHERS


def test_the_default_that_help_shows_is_the_plan_s() -> None:
    assert cli_options.DEFAULT_WORKLOAD == plan.DEFAULT_WORKLOAD
