"""uvicorn: ASGI; WSGI through a2wsgi, or by its own bridge, which is fixed to 10 threads."""

from collections.abc import Mapping
from typing import Any

from .adapter import (
    ALIKE,
    BACKLOG,
    BRIDGE,
    ENDS_SOON,
    KEEP_ALIVE_SECONDS,
    KEPT_OPEN,
    LARGE_LOADS,
    LOOP_CLASSES,
    QUIET,
    UNLIMITED,
    Adapter,
    Interface,
    Launch,
    Option,
    Target,
    loop_distributions,
    loop_option,
    most_option,
)

NO_WATCHDOG_SECONDS = 86_400
NATIVE_THREADS = 10
"""Of uvicorn's own bridge, in `uvicorn.middleware.wsgi`."""


class Uvicorn(Adapter):
    """uvicorn behind its ASGI interface, or its own WSGI bridge."""

    name = "uvicorn"
    distribution = "uvicorn"
    interfaces = ("asgi", "wsgi")
    environment_prefix = "UVICORN_"
    options = {
        "loop": loop_option(tuple(LOOP_CLASSES)),
        "http": Option(choices=("httptools", "h11"), help="HTTP parser", as_installed=True),
        "bridge": BRIDGE,
        "limit_concurrency": most_option("connections or requests beyond which a worker answers 503"),
    }
    measured_only = {
        "--lifespan": ALIKE,
        "--ws": ALIKE,
        "--backlog": LARGE_LOADS,
        "--timeout-keep-alive": KEPT_OPEN,
        "--log-level": QUIET,
        "--no-access-log": QUIET,
        "--timeout-graceful-shutdown": ENDS_SOON,
        "UVICORN_TIMEOUT_WORKER_HEALTHCHECK": "so that a worker whose event loop is blocked for long is not killed",
    }
    parsers = {
        "uvicorn.protocols.http.httptools_impl": "httptools",
        "uvicorn.protocols.http.h11_impl": "h11",
    }

    def launch(self, target: Target, options: Mapping[str, str]) -> Launch:
        native = options.get("bridge") == "native"
        most = options["limit_concurrency"]
        limit = () if most == UNLIMITED else ("--limit-concurrency", most)
        return Launch(
            argv=(
                *(target.python, "-m", "uvicorn", f"{target.module}:{target.attribute}"),
                *("--host", target.host, "--port", str(target.port)),
                *("--workers", str(target.workers)),
                *(
                    ("--interface", "wsgi", "--lifespan", "off")
                    if native
                    else ("--interface", "asgi3", "--lifespan", "on")
                ),
                *("--ws", "none"),
                *("--loop", "rloop:new_event_loop" if options["loop"] == "rloop" else options["loop"]),
                *("--http", options["http"]),
                *("--backlog", str(BACKLOG), "--timeout-keep-alive", str(KEEP_ALIVE_SECONDS)),
                *limit,
                *("--log-level", "warning", "--no-access-log"),
                *("--timeout-graceful-shutdown", "2"),
            ),
            # No watchdog, as with the other servers: it kills workers that hold the GIL for 5 s. By a variable, which
            # versions that have none do not mind.
            env={"UVICORN_TIMEOUT_WORKER_HEALTHCHECK": str(NO_WATCHDOG_SECONDS)},
        )

    def requires(self, interface: Interface, options: Mapping[str, str]) -> tuple[str, ...]:
        bridge = ("a2wsgi",) if self.wraps_wsgi(options) else ()
        return (*loop_distributions(options), options["http"], *bridge)

    def expects(self, target: Target, options: Mapping[str, str]) -> Mapping[str, str]:
        # Behind its own bridge the application never sees the event loop.
        loop = {} if options.get("bridge") == "native" else {"loop": LOOP_CLASSES[options["loop"]]}
        return {**loop, "http": options["http"]}

    def threads(self, target: Target, options: Mapping[str, str], facts: Mapping[str, Any]) -> int | None:
        return NATIVE_THREADS if options.get("bridge") == "native" else super().threads(target, options, facts)

    def declared_limits(self, target: Target, options: Mapping[str, str]) -> Mapping[str, str]:
        limits = {}
        if options.get("bridge") == "native":
            limits["threads"] = f"uvicorn's own bridge runs WSGI in {NATIVE_THREADS} threads, which cannot be set"
        if options["loop"] == "asyncio" and target.workers > 1:
            limits["tcp_nodelay"] = (
                "uvicorn's workers lose TCP_NODELAY under asyncio's own loop: answers may wait 40 ms"
            )
        return limits


ADAPTER = Uvicorn()
