"""`harness init`: a configuration for a project."""

from __future__ import annotations

from harness.cli import options as o


def init(python: o.Python = None) -> None:
    """Write a commented harness.toml for the project in this folder.

    $ harness init --python .venv/bin/python

    It finds the application and suggests what to request; nothing is ever overwritten.
    """
    from harness.config.init import init as write

    result = write(python)
    first = result.applications[0]
    print(f"{result.path}: {first.target} ({result.description})\n  look at its path, then: harness run")
