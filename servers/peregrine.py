"""peregrine: ASGI and WSGI, its HTTP side in Swift."""

from collections.abc import Mapping

from .adapter import (
    ALIKE,
    BACKLOG,
    ENDS_SOON,
    KEEP_ALIVE_SECONDS,
    KEPT_OPEN,
    LARGE_LOADS,
    LOOP_CLASSES,
    QUIET,
    Adapter,
    Interface,
    Launch,
    Target,
    loop_distributions,
    loop_option,
)


class Peregrine(Adapter):
    """peregrine behind its ASGI or WSGI interface."""

    name = "peregrine"
    distribution = "peregrine-server"
    interfaces = ("asgi", "wsgi")
    environment_prefix = "PEREGRINE_"
    options = {"loop": loop_option(interface="asgi")}
    measured_only = {
        "--no-auto-venv": "so that it keeps the path of the interpreter that runs it",
        "--backlog": LARGE_LOADS,
        "--max-connections": LARGE_LOADS,
        "--keep-alive": KEPT_OPEN,
        "--graceful-timeout": ENDS_SOON,
        "--no-websockets": ALIKE,
        "--log-level": QUIET,
    }
    built_in_parser = "peregrine"

    def launch(self, target: Target, options: Mapping[str, str]) -> Launch:
        wsgi = target.interface == "wsgi"
        return Launch(
            argv=(
                # The interpreter's own path, which it would make anew from the virtual environment's folder.
                *(target.python, "-m", "peregrine", "--no-auto-venv", "--protocol", target.interface),
                *("--host", target.host, "--port", str(target.port)),
                *("--workers", str(target.workers)),
                *(("--wsgi-threads", str(target.threads)) if wsgi else ()),
                *(("--no-uvloop",) if options.get("loop") == "asyncio" else ()),
                *("--backlog", str(BACKLOG), "--max-connections", str(max(4096, target.connections))),
                *("--keep-alive", str(KEEP_ALIVE_SECONDS * 1000), "--graceful-timeout", "2000"),
                *("--no-websockets", "--log-level", "warning"),
                f"{target.module}:{target.attribute}",
            )
        )

    def requires(self, interface: Interface, options: Mapping[str, str]) -> tuple[str, ...]:
        return loop_distributions(options)

    def expects(self, target: Target, options: Mapping[str, str]) -> Mapping[str, str]:
        return {"loop": LOOP_CLASSES[options["loop"]]} if target.interface == "asgi" else {}


ADAPTER = Peregrine()
