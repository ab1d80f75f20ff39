"""fastpysgi: WSGI in C, on libuv, one request at a time per worker.

Its ASGI side is not offered: its loop turns without a pause, idle or not, and so takes CPU time from every server that
is up beside it.
"""

from collections.abc import Mapping

from .adapter import ALIKE, QUIET, Production, Target
from .forked import Forked

SERVE = """\
def serve():
    from {module} import {attribute}
    from fastpysgi import LL_WARNING, server

    server.backlog, server.tcp_nodelay = {backlog}, 1
    server.init({attribute}, "{host}", {port}, LL_WARNING)
    server.run()
"""


class Fastpysgi(Forked):
    """fastpysgi in workers that share the port, as its own do, which import the application only once."""

    name = "fastpysgi"
    distribution = "fastpysgi"
    serve = SERVE
    built_in_parser = "llhttp"

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


ADAPTER = Fastpysgi()
