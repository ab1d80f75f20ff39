"""bjoern, as the wheel bjoern-binary: WSGI in C, one request at a time per worker."""

from collections.abc import Mapping

from .adapter import ALIKE, BACKLOG, LARGE_LOADS, Production, Target
from .forked import Forked

SERVE = """\
import socket


def serve():
    import bjoern
    from {module} import {attribute}

    listening = bjoern.listen({attribute}, "{host}", {port}, reuse_port=True, listen_backlog={backlog})
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # connections have it from there
    bjoern.run()
"""


class Bjoern(Forked):
    """bjoern in workers that share the port, as its documentation has it."""

    name = "bjoern"
    distribution = "bjoern-binary"
    serve = SERVE
    built_in_parser = "http-parser"

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


ADAPTER = Bjoern()
