"""What competes (a variant), and what is measured (a cell: a variant under a load)."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, computed_field

from harness.model import Value, labels
from harness.model.application import Application
from harness.model.load import LoadProfile

Interface = Literal["asgi", "wsgi"]


class Variant(Value):
    """A server with options in an environment, and an application, with so many workers, threads and connections."""

    environment: str = ""
    """Name of its environment among those of the experiment; empty where there is one only."""
    server: str
    options: dict[str, str]
    """Server options that differ from the adapter's defaults."""
    interface: Interface
    application: Application
    workers: int
    """Worker processes."""
    threads: int
    """Threads that one worker may use for sync code, as asked for."""
    pool_size: int | None
    """Database connections per worker and pool; None where the workload uses no database."""

    @property
    def options_label(self) -> str:
        """The server's options as they are written: `loop=asyncio,http=h11`."""
        return labels.options_label(self.options)

    @property
    def server_label(self) -> str:
        """The server with its options, such as `uvicorn:loop=asyncio`."""
        return labels.server_label(self.server, self.options)


class Cell(Value):
    """A variant under a load: one combination of everything that is chosen."""

    model_config = ConfigDict(frozen=True, extra="ignore")  # its label is written too, and follows from the rest

    variant: Variant
    load: LoadProfile

    @computed_field  # type: ignore[prop-decorator]
    @property
    def label(self) -> str:
        """The written form, such as `uvicorn:loop=asyncio/fastapi/async/sleep?ms=100/w2/c100`.

        The environment stands before it where the experiment has several. Threads and pool size appear only where they
        are not the defaults of the command line.
        """
        return labels.cell_label(self)
