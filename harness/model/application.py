"""An application of the user's as a command line or a configuration describes it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from harness.model import Value
from harness.model.requests import AppRequest, CsvColumn, Drawn

APP, PATH = r"^[\w.]+:[\w.]+$", r"^/"
Text = Annotated[str, StringConstraints(min_length=1)]


class ApplicationPlan(Value):
    """Where the application is, and what is requested of it. The same in `[application]` of a `harness.toml`, in
    `[tool.harness.application]` of a `pyproject.toml`, and in a stored run. Paths are from the folder of that file."""

    app: Annotated[str, StringConstraints(pattern=APP)]
    """`module:object`"""
    app_dir: Text | None = None
    """The application's folder: on its import path, and where the server runs. The current one where it is left out."""
    factory: bool = False
    """The object is called for the application."""
    interface: Literal["asgi", "wsgi"] | None = None
    """Found out by looking at the object where it is left out."""
    python: Text | None = None
    """Interpreter of the application's environment; the harness' own where it is left out."""
    path: list[Annotated[str, StringConstraints(pattern=PATH)]] | None = None
    """GETs, each sent equally often."""
    requests: Text | list[AppRequest] | None = None
    """Other requests: here, or in a TOML file of their own."""
    values: dict[str, Annotated[list[Drawn], Field(min_length=1)] | CsvColumn] = {}
    """What is drawn for `{name}` in the requests."""
    k6_script: Text | None = None
    """A k6 script that sends in their place."""
    env: list[Text] = []
    """Names of the variables that were given to the server; their values are never stored."""
    env_file: Text | None = None
    wait: Text | None = None
    """How long a request waits by itself, such as `100ms`, for its ceiling."""
    setup: Text | None = None
    """Shell commands: before everything,"""
    before_visit: Text | None = None
    """before each measurement,"""
    teardown: Text | None = None
    """and at the end, whatever happened."""
