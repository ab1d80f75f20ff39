"""waitress: WSGI in one process, with a fixed number of threads."""

from collections.abc import Mapping
from dataclasses import replace

from .adapter import BACKLOG, KEEP_ALIVE_SECONDS, KEPT_OPEN, LARGE_LOADS, Adapter, Launch, Option, Production, Target


class Waitress(Adapter):
    """waitress behind its own runner."""

    name = "waitress"
    distribution = "waitress"
    interfaces = ("wsgi",)
    maximum_workers = 1
    options = {"poll": Option(choices=("poll", "select"), help="how it waits for sockets")}
    measured_only = {"--backlog": LARGE_LOADS, "--channel-timeout": KEPT_OPEN, "--connection-limit": LARGE_LOADS}
    built_in_parser = "waitress"

    def launch(self, target: Target, options: Mapping[str, str]) -> Launch:
        return Launch(
            argv=(
                *(target.python, "-m", "waitress"),
                *("--listen", f"{target.host}:{target.port}"),
                *("--threads", str(target.threads)),
                *("--backlog", str(BACKLOG), "--channel-timeout", str(KEEP_ALIVE_SECONDS)),
                *("--connection-limit", str(max(BACKLOG, target.connections))),
                *(("--asyncore-use-poll",) if options["poll"] == "poll" else ()),
                f"{target.module}:{target.attribute}",
            )
        )

    def production(self, target: Target, options: Mapping[str, str]) -> Production:
        found = super().production(target, options)
        return replace(found, argv=("waitress-serve", *found.argv[1:]))


ADAPTER = Waitress()
