"""daphne: ASGI in one process, on Twisted's reactor. It knows no lifespan: a file of ours runs the application's."""

from collections.abc import Mapping

from .adapter import BACKLOG, LARGE_LOADS, LOOP_CLASSES, QUIET, Adapter, Launch, Production, Target

SCRIPT = """\
from daphne.cli import CommandLineInterface
from daphne.server import twisted_loop
from harness_entry import application
from harness_lifespan import running

with running(application, twisted_loop):
    CommandLineInterface.entrypoint()
"""


class Daphne(Adapter):
    """daphne behind its own command line."""

    name = "daphne"
    distribution = "daphne"
    interfaces = ("asgi",)
    maximum_workers = 1
    built_in_parser = "twisted"

    def launch(self, target: Target, options: Mapping[str, str]) -> Launch:
        endpoint = f"tcp:{target.port}:interface={target.host}:backlog={BACKLOG}"
        return Launch(
            # 0: warnings and no access log.
            argv=(
                *(target.python, "-m", "harness_daphne", "--endpoint", endpoint, "--verbosity", "0"),
                f"{target.module}:{target.attribute}",
            ),
            files={"harness_daphne.py": SCRIPT},
        )

    def production(self, target: Target, options: Mapping[str, str]) -> Production:
        return Production(
            argv=(
                *("daphne", "--bind", target.host, "--port", str(target.port)),
                f"{target.module}:{target.attribute}",
            ),
            differences={
                f"backlog {BACKLOG}": LARGE_LOADS,
                "--verbosity 0": QUIET,
                "a lifespan, which it does not run": "so that the application starts and stops as under other servers",
            },
        )

    def expects(self, target: Target, options: Mapping[str, str]) -> Mapping[str, str]:
        return {"loop": LOOP_CLASSES["asyncio"]}

    def declared_limits(self, target: Target, options: Mapping[str, str]) -> Mapping[str, str]:
        return {"loop": "it makes its event loop itself, asyncio's own, and offers no other"}


ADAPTER = Daphne()
