"""uWSGI, as the wheel pyuwsgi: WSGI. Its HTTP router, a process of its own, keeps connections alive."""

from collections.abc import Mapping
from dataclasses import replace

from .adapter import BACKLOG, KEEP_ALIVE_SECONDS, KEPT_OPEN, LARGE_LOADS, QUIET, Adapter, Launch, Production, Target


class Pyuwsgi(Adapter):
    """uWSGI's workers behind its HTTP router."""

    name = "pyuwsgi"
    distribution = "pyuwsgi"
    interfaces = ("wsgi",)
    environment_prefix = "UWSGI_"
    measured_only = {"--http-timeout": KEPT_OPEN, "--listen": LARGE_LOADS, "--disable-logging": QUIET}
    built_in_parser = "uwsgi"

    def launch(self, target: Target, options: Mapping[str, str]) -> Launch:
        return Launch(
            argv=(
                *(target.python, "-m", "harness_uwsgi", "--module", f"{target.module}:{target.attribute}"),
                *("--http", f"{target.host}:{target.port}", f"--http-keepalive={KEEP_ALIVE_SECONDS}"),
                *("--http-timeout", str(KEEP_ALIVE_SECONDS), "--tcp-nodelay"),
                *("--master", "--processes", str(target.workers), "--enable-threads"),
                *("--threads", str(target.threads), "--listen", str(BACKLOG)),
                # Each worker imports the application itself; a termination is one, where it would start anew.
                *("--lazy-apps", "--need-app", "--single-interpreter", "--die-on-term", "--disable-logging"),
            ),
            files={"harness_uwsgi.py": "import sys\n\nimport pyuwsgi\n\npyuwsgi.run(sys.argv[1:])\n"},
        )

    def production(self, target: Target, options: Mapping[str, str]) -> Production:
        found = super().production(target, options)
        return replace(found, argv=("uwsgi", *(word.partition("=")[0] for word in found.argv[1:])))

    def declared_limits(self, target: Target, options: Mapping[str, str]) -> Mapping[str, str]:
        return {"tcp_nodelay": "connections end in its router, which a worker cannot look into"}


ADAPTER = Pyuwsgi()
