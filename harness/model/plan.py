"""What a matrix is to measure: axes, of which every combination is a cell, and how often and how long.

The same in a TOML file, in `[tool.harness.matrix]` of a `pyproject.toml` and in a stored run. Its JSON schema is
`harness/data/plan.schema.json`.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from harness.model import Value
from harness.model.axes import DEFAULT_THREADS
from harness.model.requests import AppRequest, CsvColumn, Drawn

DEFAULT_USERS = 100
DEFAULT_BLOCKS = 8

Name = Annotated[str, StringConstraints(min_length=1)]
Names = Annotated[list[Name], Field(min_length=1)]
Counts = Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)]


class Axes(Value):
    """Options of each axis; every combination is a cell. An axis that is left out has its default only."""

    server: Names = ["uvicorn"]
    """NAME or NAME:key=value,key=value; see `harness list servers`."""
    framework: Names = ["fastapi"]
    style: Names = ["async"]
    workload: Names = ["sleep"]
    """NAME or NAME?param=value&param=value; see `harness list workloads`."""
    workers: Counts = [1]
    threads: Counts = [DEFAULT_THREADS]
    """Threads that a worker may use for sync code."""
    pool_size: Counts | None = None
    """Database connections per worker; for workloads that use a database."""
    vus: Counts | None = None
    """Closed load: users that wait for their answers. 100 where neither this nor `rate` is given."""
    rate: Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=1)] | None = None
    """Open load: requests per second."""
    python: Names | None = None
    """Interpreters that run the server; the harness' own where it is left out."""


OURS = ("framework", "style", "workload", "pool_size")
"""Axes that only workloads of ours have."""


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


class Plan(Value):
    """What a matrix is to measure."""

    cells: Annotated[list[Axes], Field(min_length=1)]
    """The cells of all entries together."""
    blocks: Annotated[int, Field(ge=1, le=1000)] = DEFAULT_BLOCKS
    """How often each cell is visited. Six at least for a verdict."""
    seed: int = 1
    """Of the order of visits."""
    warmup: Name = "5s"
    duration: Name = "15s"
    """The window that counts."""
    attempts: Annotated[int, Field(ge=1, le=10)] = 2
    """How often a visit is made at most that fails or is invalid: once more at the end of its block, by default."""
    pin: Name = "auto"
    """Own cores for server and generator: auto, split or none."""
    generator: Name = "k6"
    """Load generator: k6, or wrk where k6 is too slow for the servers; see `harness matrix --help`."""
    title: str | None = None
    application: ApplicationPlan | None = None
    """The user's application, in place of ours: then no entry of `cells` has framework, style or workload."""

    @model_validator(mode="after")
    def _one_application(self) -> Self:
        if self.application is not None:
            for axes in self.cells:
                for name in OURS:
                    if getattr(axes, name) != Axes.model_fields[name].default:
                        raise ValueError(f"{name} and an application together: the axis is of workloads of ours only")
        return self
