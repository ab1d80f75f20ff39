"""What is served: a workload that comes with the harness on one of its mounts, or an application of the user's."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from harness.model import Value

SCRIPT = "k6 script "
"""What the line of a k6 script begins with, where one sends the requests."""
ParamValue = int | str | None
"""Value of a workload's parameter; None: left to the workload."""


class BundledApplication(Value):
    """A workload in a handler style, mounted in a framework."""

    kind: Literal["bundled"] = "bundled"
    framework: str
    style: str
    workload: str
    params: dict[str, ParamValue]

    @property
    def route(self) -> str:
        """Path of the route without parameters, such as `/async/sleep`."""
        return f"/{self.style}/{self.workload}"

    @property
    def query(self) -> str:
        """The parameters as a query string; those that are None are left out."""
        return "&".join(f"{name}={value}" for name, value in self.params.items() if value is not None)

    @property
    def path(self) -> str:
        """Path and query of a request, such as `/async/sleep?ms=100`."""
        return f"{self.route}?{self.query}" if self.query else self.route

    @property
    def work_label(self) -> str:
        """The workload with its parameters, such as `sleep?ms=100`: cells of different work are never compared."""
        return f"{self.workload}?{self.query}" if self.query else self.workload

    @property
    def one_get(self) -> bool:
        """Whether one GET, always the same, is all that is sent."""
        return "random" not in self.params.values()

    def with_params(self, params: dict[str, ParamValue]) -> BundledApplication:
        """A copy with other parameters."""
        return self.model_copy(update={"params": params})


class UserApplication(Value):
    """An application of the user's, and what is requested of it. It has no framework or style that could be varied."""

    kind: Literal["user"] = "user"
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

    @property
    def script(self) -> str | None:
        """Name of the k6 script that sends; None where requests are described."""
        first = self.requests[0] if self.requests else ""
        return first.removeprefix(SCRIPT) if first.startswith(SCRIPT) else None

    @property
    def one_get(self) -> bool:
        """Whether one GET, always the same, is all that is sent."""
        return len(self.requests) == 1 and self.requests[0].startswith("GET ") and "{" not in self.requests[0]

    @property
    def work_label(self) -> str:
        """`module:object`, with its folder behind an `@`: cells of different work are never compared."""
        return f"{self.target}@{self.folder}" if self.folder else self.target


Application = Annotated[BundledApplication | UserApplication, Field(discriminator="kind")]
"""What is served, told apart by `kind`."""
