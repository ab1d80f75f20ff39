"""fastpysgi: WSGI in C, on libuv, one request at a time per worker.

Its ASGI side is not offered: its loop turns without a pause, idle or not, and so takes CPU time from every server that
is up beside it.
"""

from collections.abc import Mapping
from typing import Any

from .adapter import ALIKE, BACKLOG, QUIET, Adapter, Launch, Production, Target

SCRIPT = """\
import harness_prefork


def serve():
    from {module} import {attribute}
    from fastpysgi import LL_WARNING, server

    server.backlog, server.tcp_nodelay = {backlog}, 1
    server.init({attribute}, "{host}", {port}, LL_WARNING)
    server.run()


harness_prefork.run(serve, {workers})
"""


class Fastpysgi(Adapter):
    """fastpysgi in workers that share the port, as its own do, which import the application only once."""

    name = "fastpysgi"
    distribution = "fastpysgi"
    interfaces = ("wsgi",)
    built_in_parser = "llhttp"

    def launch(self, target: Target, options: Mapping[str, str]) -> Launch:
        script = SCRIPT.format(
            module=target.module,
            attribute=target.attribute,
            host=target.host,
            port=target.port,
            backlog=BACKLOG,
            workers=target.workers,
        )
        return Launch(argv=(target.python, "-m", "harness_fastpysgi"), files={"harness_fastpysgi.py": script})

    def production(self, target: Target, options: Mapping[str, str]) -> Production:
        what = f"pkgutil.resolve_name('{target.module}:{target.attribute}')"
        where = f"'{target.host}', {target.port}, workers={target.workers}"
        code = f"import fastpysgi, pkgutil; fastpysgi.run({what}, {where})"
        return Production(
            argv=("python", "-c", code),
            differences={
                "tcp_nodelay": ALIKE,
                "loglevel": QUIET,
                "an application for each worker": "so that none shares what another opened; its own share one",
            },
        )

    def threads(self, target: Target, options: Mapping[str, str], facts: Mapping[str, Any]) -> int:
        return 1

    def declared_limits(self, target: Target, options: Mapping[str, str]) -> Mapping[str, str]:
        return {"threads": "it calls the application on its event loop, one request at a time"}


ADAPTER = Fastpysgi()
