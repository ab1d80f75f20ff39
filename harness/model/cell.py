"""What is to be measured: environment, application, load, and the cell that joins them."""

from __future__ import annotations

from typing import ClassVar, Literal

from harness.model import Value

Interface = Literal["asgi", "wsgi"]
ParamValue = int | str | None


class Environment(Value):
    """The Python interpreter, with its packages, that runs the server."""

    python: str
    """Version of the interpreter."""
    implementation: str
    executable: str
    packages: dict[str, str]
    """Every installed distribution (normalised name) → its version."""


class Application(Value):
    """What is served: one of our mounts."""

    framework: str
    style: str
    workload: str
    params: dict[str, ParamValue]

    @property
    def route(self) -> str:
        """The route's path, without parameters."""
        return f"/{self.style}/{self.workload}"

    @property
    def query(self) -> str:
        """The parameters as a query string; those that are None are left out."""
        return "&".join(f"{name}={value}" for name, value in self.params.items() if value is not None)

    @property
    def path(self) -> str:
        """What is requested: route and parameters."""
        return f"{self.route}?{self.query}" if self.query else self.route

    @property
    def work(self) -> str:
        """The workload with its parameters, such as `sleep?ms=100`."""
        return f"{self.workload}?{self.query}" if self.query else self.workload

    @property
    def written(self) -> tuple[str, ...]:
        """Its parts of a cell's written form."""
        return self.framework, self.style, self.work

    def with_params(self, params: dict[str, ParamValue]) -> Application:
        """The same with other parameters."""
        return self.model_copy(update={"params": params})


class OwnApplication(Value):
    """What is served: an application of the user's. It has neither style nor workload of ours."""

    target: str
    """Where it is: `module:object`."""
    factory: bool = False
    """The object is called for the application."""
    folder: str | None = None
    """Its folder as it was given, of an absolute path the last part; None: the one in which the harness was started."""
    requests: list[str]
    """What is requested, a line each, without headers and bodies."""
    digest: str
    """Of everything that is sent and expected: equal digests, equal requests."""
    wait_seconds: float | None = None
    """How long a request waits by itself, as far as that was declared."""

    framework: ClassVar[str] = ""
    style: ClassVar[str] = ""
    query: ClassVar[str] = ""

    @property
    def workload(self) -> str:
        """The application, in the place of a workload's name."""
        return f"{self.target}@{self.folder}" if self.folder else self.target

    @property
    def work(self) -> str:
        """The same: only its own cells are compared with each other."""
        return self.workload

    @property
    def written(self) -> tuple[str, ...]:
        """Its part of a cell's written form."""
        return (self.workload,)


class Cell(Value):
    """One combination of everything that is chosen."""

    server: str
    options: dict[str, str]
    """Server options that differ from the adapter's defaults."""
    interface: Interface
    application: Application | OwnApplication
    workers: int
    threads: int
    """Threads that one worker may use for sync code, as asked for."""
    pool_size: int | None
    """Connections per worker and pool; None where the workload uses no database."""
    vus: int | None
    """Closed load: that many virtual users. None under open load."""
    rate: float | None
    """Open load: requests per second. None under closed load."""

    @property
    def id(self) -> str:
        """The written form, such as `uvicorn:loop=asyncio/fastapi/async/sleep?ms=100/w2/c100`.

        Threads and pool size appear only where they are not the defaults of the command line.
        """
        parts = [self.served_by, *self.application.written, f"w{self.workers}"]
        if self.threads != DEFAULT_THREADS:
            parts.append(f"t{self.threads}")
        if self.pool_size not in (None, DEFAULT_POOL_SIZE):
            parts.append(f"p{self.pool_size}")
        return "/".join((*parts, self.load))

    @property
    def settings(self) -> str:
        """The server's options as they are written: `loop=asyncio,http=h11`."""
        return ",".join(f"{key}={value}" for key, value in self.options.items())

    @property
    def served_by(self) -> str:
        """The server with its options, such as `uvicorn:loop=asyncio`."""
        return f"{self.server}:{self.settings}" if self.options else self.server

    @property
    def load(self) -> str:
        """`c100` for a hundred users, `r200` for 200 requests per second."""
        return f"c{self.vus}" if self.vus is not None else f"r{self.rate:.12g}"


class Timing(Value):
    """How long a measurement takes."""

    warmup_seconds: float
    window_seconds: float


DEFAULT_THREADS = 40
DEFAULT_POOL_SIZE = 10
