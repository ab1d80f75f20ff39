"""cheroot, CherryPy's server: WSGI in one process, with a fixed number of threads."""

from collections.abc import Mapping

from .adapter import BACKLOG, KEEP_ALIVE_SECONDS, KEPT_OPEN, LARGE_LOADS, Adapter, Launch, Production, Target

# Its command line keeps 10 idle connections open at most, and cannot be told otherwise.
SCRIPT = """\
import signal

from cheroot.wsgi import Server
from {module} import {attribute}

signal.signal(signal.SIGTERM, signal.default_int_handler)
server = Server(("{host}", {port}), {attribute}, numthreads={threads}, max={threads}, request_queue_size={backlog})
server.timeout = {keep_alive}
server.keep_alive_conn_limit = None
server.safe_start()
"""


class Cheroot(Adapter):
    """cheroot as a program that uses it starts it."""

    name = "cheroot"
    distribution = "cheroot"
    interfaces = ("wsgi",)
    maximum_workers = 1
    built_in_parser = "cheroot"

    def launch(self, target: Target, options: Mapping[str, str]) -> Launch:
        script = SCRIPT.format(
            module=target.module,
            attribute=target.attribute,
            host=target.host,
            port=target.port,
            threads=target.threads,
            backlog=BACKLOG,
            keep_alive=KEEP_ALIVE_SECONDS,
        )
        return Launch(argv=(target.python, "-m", "harness_cheroot"), files={"harness_cheroot.py": script})

    def production(self, target: Target, options: Mapping[str, str]) -> Production:
        return Production(
            argv=(
                # By the module, since its script does not look into the folder where it runs.
                *("python", "-m", "cheroot", f"{target.module}:{target.attribute}"),
                *("--bind", f"{target.host}:{target.port}"),
                *("--threads", str(target.threads), "--max-threads", str(target.threads)),
            ),
            differences={
                "any number of idle connections": KEPT_OPEN,
                f"--timeout {KEEP_ALIVE_SECONDS}": KEPT_OPEN,
                f"--request-queue-size {BACKLOG}": LARGE_LOADS,
            },
        )


ADAPTER = Cheroot()
