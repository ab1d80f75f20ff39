"""What a matrix is to measure: axes, of which every combination is a cell, and how sure and how long.

The same in a TOML file, in `[tool.harness.matrix]` of a `pyproject.toml` and in a stored run. Its JSON schema is
`harness/data/plan.schema.json`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from harness.model import Value
from harness.model.axes import DEFAULT_THREADS
from harness.model.requests import AppRequest, ValueSource

DEFAULT_WORKLOAD = "cpu"
"""Its handler does a little and waits for nothing, so that servers differ in it."""
DEFAULT_USERS = 16
"""They saturate a server without filling its queues."""

Name = Annotated[str, StringConstraints(min_length=1)]
Names = Annotated[list[Name], Field(min_length=1)]
Counts = Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)]


class Axes(Value):
    """Options of each axis; every combination is a cell. An axis that is left out has its default only."""

    server: Names = ["uvicorn"]
    """NAME or NAME:key=value,key=value; see `harness list servers`."""
    framework: Names = ["fastapi"]
    style: Names = ["async"]
    workload: Names = [DEFAULT_WORKLOAD]
    """NAME or NAME?param=value&param=value; see `harness list workloads`."""
    workers: Counts = [1]
    threads: Counts = [DEFAULT_THREADS]
    """Threads that a worker may use for sync code."""
    pool_size: Counts | None = None
    """Database connections per worker; for workloads that use a database."""
    vus: Counts | None = None
    """Closed load: users that wait for their answers. 16 where neither this nor `rate` is given: more of them fill
    queues, which adds noise and nothing else, unless requests wait for long."""
    rate: Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=1)] | None = None
    """Open load: requests per second."""
    python: Names | None = None
    """Interpreters that run the server; the harness' own where it is left out."""
    group: Name | None = None
    """No axis: cells of entries with the same group are up at once, whatever they serve, so that a claim about them is
    judged within restarts. Where it is left out, cells with the same work under the same load are a group."""


OURS = ("framework", "style", "workload", "pool_size")
"""Axes that only workloads of ours have."""


APP, PATH, SERVER_NAME = r"^[\w.]+:[\w.]+$", r"^/", r"^[A-Za-z_][\w.-]*$"
Text = Annotated[str, StringConstraints(min_length=1)]


class ApplicationPlan(Value):
    """Where the application is, and what is requested of it. The same in `[application]` of a `harness.toml`, in
    `[tool.harness.application]` of a `pyproject.toml`, and in a stored run. Paths are from the folder of that file."""

    app: Annotated[str, StringConstraints(pattern=APP)]
    """`module:object`"""
    app_dir: Text | None = None
    """The folder that it is imported from. The current one where it is left out."""
    cwd: Text | None = None
    """The folder in which the server and the commands run; that of `app_dir` where it is left out."""
    factory: bool = False
    """The object is called for the application."""
    interface: Literal["asgi", "wsgi"] | None = None
    """Found out by looking at the object where it is left out."""
    python: Text | None = None
    """Interpreter of the application's environment; the harness' own where it is left out."""
    path: list[Annotated[str, StringConstraints(pattern=PATH)]] | None = None
    """GETs, each sent equally often."""
    requests: Text | list[AppRequest] | None = None
    """Other requests: here, or in a file of their own, which is TOML, a list of addresses or an access log."""
    login: AppRequest | None = None
    """What each user sends once, before everything else."""
    values: dict[str, ValueSource] = {}
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

    def without_contents(self) -> ApplicationPlan:
        """A copy as it is stored: of requests without headers and bodies, and without the values that they draw."""
        requests = self.requests
        changes = {
            "requests": [each.without_contents() for each in requests] if isinstance(requests, list) else requests,
            "login": None if self.login is None else self.login.without_contents(),
            "values": {name: source for name, source in self.values.items() if not isinstance(source, list)},
        }
        return self.model_copy(update={name: changes[name] for name in changes if name in self.model_fields_set})

    def with_contents(self, project: ApplicationPlan | None) -> ApplicationPlan:
        """What was stored, with what was left out of it from where it stands."""
        if project is None:
            return self
        changes: dict[str, object] = {"values": project.values, "login": project.login}
        if isinstance(self.requests, list):
            changes["requests"] = project.requests
        return self.model_copy(update=changes)

    @property
    def described(self) -> bool:
        """Whether requests stand in it, not in a file of their own."""
        return isinstance(self.requests, list) or self.login is not None


class ServerPlan(Value):
    """A server that has no adapter. The same in `[servers.NAME]` of a `harness.toml` or a plan."""

    command: Text
    """What starts it, with places such as `{target}` and `{port}`; see docs/servers.md."""
    interface: Literal["asgi", "wsgi"] | None = None
    """What it speaks; both where it is left out."""
    distribution: Text | None = None
    """What pip installs, for its version."""
    environment: dict[str, str] = {}
    """Variables for it. They are stored: nothing secret."""
    loop: Literal["uvloop", "asyncio", "rloop"] | None = None
    """The event loop that its workers are to have; another one makes a measurement invalid."""
    limits: dict[Literal["loop", "threads", "tcp_nodelay"], Text] = {}
    """What it cannot be set to: setting → what it does instead, and why."""


class CellSet(Value):
    """Cells that are up at once and are loaded in turn."""

    members: list[int]
    """Places among the cells of the run; one that is there twice is named twice."""
    reference: int | None
    """The cell that all sets of a group have in common, by which cells of different sets are compared; None where the
    group is one set."""


class Plan(Value):
    """What a matrix is to measure."""

    cells: Annotated[list[Axes], Field(min_length=1)]
    """The cells of all entries together."""
    precision: Name = "3%"
    """Half-width of the intervals of ratios of throughput at which it is sure enough."""
    max_time: Name = "1h"
    """How long it may take in all, but for the least number of restarts."""
    margin: Name = "3%"
    """Difference below which two cells are taken for equivalent."""
    against: Name | None = None
    """The server with which all others are compared, and not with each other."""
    aa: bool = True
    """One cell is there twice: what the two differ by is no difference of cells."""
    seed: int = 1
    """Of orders and starts."""
    pin: Name = "auto"
    """Own cores for server and generator: auto, split or none."""
    generator: Name = "k6"
    """Load generator: k6, or wrk where k6 is too slow for the servers; see `harness matrix --help`."""
    title: str | None = None
    servers: dict[Annotated[str, StringConstraints(pattern=SERVER_NAME)], ServerPlan] = {}
    """Servers of the cells that have no adapter."""
    application: ApplicationPlan | None = None
    """The user's application, in place of ours: then no entry of `cells` has framework, style or workload."""

    @model_validator(mode="after")
    def _one_application(self) -> Self:
        if self.application is not None:
            for axes in self.cells:
                for name in OURS:
                    if getattr(axes, name) != Axes.model_fields[name].default:
                        raise ValueError(f"{name} and an application together: it is for built-in workloads")
        return self


@dataclass(frozen=True, kw_only=True, slots=True)
class Forecast:
    """What a plan will come to."""

    sets: list[CellSet]
    seconds: float
    """For the least number of restarts of every set."""
    most_seconds: float
    """That it may take."""
    half_width: float
    """Of ratios of throughput after the least number of restarts, on a calm machine; as a share."""
    precision: float
    """That was asked for, as a share."""
    remarks: list[str]
    """What this machine can answer, and what this plan cannot."""
