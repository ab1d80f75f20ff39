"""uvicorn: ASGI; WSGI through a2wsgi, since its own WSGI bridge is fixed to 10 threads."""

from collections.abc import Mapping

from .adapter import BACKLOG, KEEP_ALIVE_SECONDS, LOOP_CLASSES, Adapter, Interface, Launch, Option, Target


class Uvicorn(Adapter):
    """uvicorn behind its ASGI interface."""

    name = "uvicorn"
    distribution = "uvicorn"
    interfaces = ("asgi", "wsgi")
    environment_prefix = "UVICORN_"
    wraps_wsgi = True
    options = {
        "loop": Option(choices=tuple(LOOP_CLASSES), help="event loop"),
        "http": Option(choices=("httptools", "h11"), help="HTTP parser"),
    }
    parsers = {
        "uvicorn.protocols.http.httptools_impl": "httptools",
        "uvicorn.protocols.http.h11_impl": "h11",
    }

    def launch(self, target: Target, options: Mapping[str, str]) -> Launch:
        return Launch(
            argv=(
                *(target.python, "-m", "uvicorn", f"{target.module}:{target.attribute}"),
                *("--host", target.host, "--port", str(target.port)),
                *("--workers", str(target.workers)),
                *("--interface", "asgi3", "--lifespan", "on", "--ws", "none"),
                *("--loop", options["loop"], "--http", options["http"]),
                *("--backlog", str(BACKLOG), "--timeout-keep-alive", str(KEEP_ALIVE_SECONDS)),
                *("--log-level", "warning", "--no-access-log"),
                *("--timeout-graceful-shutdown", "2"),
            )
        )

    def requires(self, interface: Interface, options: Mapping[str, str]) -> tuple[str, ...]:
        loop = ("uvloop",) if options["loop"] == "uvloop" else ()
        bridge = ("a2wsgi",) if interface == "wsgi" else ()
        return (*loop, options["http"], *bridge)

    def expects(self, target: Target, options: Mapping[str, str]) -> Mapping[str, str]:
        return {"loop": LOOP_CLASSES[options["loop"]], "http": options["http"]}

    def declared_limits(self, target: Target, options: Mapping[str, str]) -> Mapping[str, str]:
        if options["loop"] != "asyncio" or target.workers == 1:
            return {}
        return {"tcp_nodelay": "uvicorn's workers lose TCP_NODELAY under asyncio's own loop: answers may wait 40 ms"}


ADAPTER = Uvicorn()
