"""Servers in C that call a WSGI application on their event loop, in workers that a file of ours forks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from .adapter import BACKLOG, Adapter, Launch, Target

FORKING = """


import harness_prefork

harness_prefork.run(serve, {workers})
"""


class Forked(Adapter):
    """One request at a time per worker; workers share the port, and each imports the application itself."""

    interfaces = ("wsgi",)
    serve: ClassVar[str]
    """Python that defines `serve()`, which serves on one worker until it is ended; with places for values of a target
    and for `{backlog}`."""

    def launch(self, target: Target, options: Mapping[str, str]) -> Launch:
        script = (self.serve.strip() + FORKING).format(
            module=target.module,
            attribute=target.attribute,
            host=target.host,
            port=target.port,
            backlog=BACKLOG,
            workers=target.workers,
        )
        module = f"harness_{self.name}"
        return Launch(argv=(target.python, "-m", module), files={f"{module}.py": script})

    def threads(self, target: Target, options: Mapping[str, str], facts: Mapping[str, Any]) -> int:
        return 1

    def declared_limits(self, target: Target, options: Mapping[str, str]) -> Mapping[str, str]:
        return {"threads": "it calls the application on its event loop, one request at a time"}
