"""What the site of the documentation has beyond the pages here: commands by their help, changes and pictures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from mkdocs.structure.files import File, Files

from harness.cli.help import WIDTH
from harness.cli.main import app

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "results" / "reference"
PAGES = {"../CHANGELOG.md": "changelog.md", "../results/README.md": "gallery.md", "reference/pictures/": "pictures/"}
PAGES |= {"../results/reference/pictures/": "pictures/", "../docs/": ""}
"""Where links of pages lead outside of this folder → where that is on the site."""


def on_files(files: Files, config: Any) -> Files:
    """Add what lies elsewhere or is generated."""
    for name, path in (("changelog.md", "CHANGELOG.md"), ("gallery.md", "results/README.md")):
        files.append(File.generated(config, name, content=(ROOT / path).read_text(encoding="utf-8")))
    for picture in (REFERENCE / "pictures").iterdir():
        files.append(File.generated(config, f"pictures/{picture.name}", abs_src_path=str(picture)))
    files.append(File.generated(config, "commands.md", content="\n".join(commands())))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Links to what the site holds lead there; of links to other files of the repository the words remain."""
    for outside, inside in PAGES.items():
        markdown = markdown.replace(f"]({outside}", f"]({inside}")
    return re.sub(r"(?<!!)\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\((?:\.\./|reference/)[^)]*\)", r"\1", markdown)


def commands() -> Iterator[str]:
    """A page of all commands, as their help has them."""
    yield "# Commands"
    yield "\nWhat `harness COMMAND --help` prints, of the version of these pages.\n"
    root = typer.main.get_command(app)
    yield from _of(root, typer.Context(root, info_name="harness", terminal_width=WIDTH, max_content_width=WIDTH))


def _of(group: Any, above: typer.Context) -> Iterator[str]:
    for name, command in group.commands.items():
        context = typer.Context(command, info_name=name, parent=above)
        if hasattr(command, "commands"):
            yield from _of(command, context)
        else:
            yield f"\n## {context.command_path}\n\n```text\n{command.get_help(context).rstrip()}\n```"
