"""bjoern, as the wheel bjoern-binary: WSGI in C, one request at a time per worker."""

from collections.abc import Mapping
from typing import Any

from .adapter import ALIKE, BACKLOG, LARGE_LOADS, Adapter, Launch, Production, Target

SCRIPT = """\
import socket

import harness_prefork


def serve():
    import bjoern
    from {module} import {attribute}

    listening = bjoern.listen({attribute}, "{host}", {port}, reuse_port=True, listen_backlog={backlog})
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # connections have it from there
    bjoern.run()


harness_prefork.run(serve, {workers})
"""


class Bjoern(Adapter):
    """bjoern in workers that share the port, as its documentation has it."""

    name = "bjoern"
    distribution = "bjoern-binary"
    interfaces = ("wsgi",)
    built_in_parser = "http-parser"

    def launch(self, target: Target, options: Mapping[str, str]) -> Launch:
        script = SCRIPT.format(
            module=target.module,
            attribute=target.attribute,
            host=target.host,
            port=target.port,
            backlog=BACKLOG,
            workers=target.workers,
        )
        return Launch(argv=(target.python, "-m", "harness_bjoern"), files={"harness_bjoern.py": script})

    def production(self, target: Target, options: Mapping[str, str]) -> Production:
        application = f"pkgutil.resolve_name('{target.module}:{target.attribute}')"
        code = f"import bjoern, pkgutil; bjoern.run({application}, '{target.host}', {target.port}, reuse_port=True)"
        return Production(
            argv=("python", "-c", code),
            differences={
                f"listen_backlog {BACKLOG}": LARGE_LOADS,
                "TCP_NODELAY": ALIKE,
                "workers forked by a file of ours": "so that one command starts all; start this one once for each",
            },
        )

    def threads(self, target: Target, options: Mapping[str, str], facts: Mapping[str, Any]) -> int:
        return 1

    def declared_limits(self, target: Target, options: Mapping[str, str]) -> Mapping[str, str]:
        return {"threads": "it calls the application on its event loop, one request at a time"}


ADAPTER = Bjoern()
