"""h2corn: ASGI, its HTTP side in Rust."""

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
    Option,
    Target,
    loop_distributions,
    loop_option,
)


class H2corn(Adapter):
    """h2corn behind its own command line, over HTTP/1.1."""

    name = "h2corn"
    distribution = "h2corn"
    interfaces = ("asgi",)
    environment_prefix = "H2CORN_"
    options = {
        "loop": loop_option(),
        "runtime_threads": Option(choices=("2", "1", "4"), help="Rust runtime threads per worker"),
    }
    measured_only = {
        "--lifespan": ALIKE,
        "--backlog": LARGE_LOADS,
        "--timeout-keep-alive": KEPT_OPEN,
        "--no-access-log": QUIET,
        "--timeout-worker-healthcheck": "so that a worker whose event loop is blocked for long is not killed",
        "--timeout-graceful-shutdown": ENDS_SOON,
    }
    built_in_parser = "h2corn"

    def launch(self, target: Target, options: Mapping[str, str]) -> Launch:
        return Launch(
            argv=(
                *(target.python, "-m", "h2corn", f"{target.module}:{target.attribute}"),
                *("--host", target.host, "--port", str(target.port)),
                *("--workers", str(target.workers), "--runtime-threads", options["runtime_threads"]),
                *("--loop", options["loop"], "--lifespan", "on"),
                *("--backlog", str(BACKLOG), "--timeout-keep-alive", str(KEEP_ALIVE_SECONDS), "--no-access-log"),
                # No watchdog, as with the other servers: it kills workers whose event loop is blocked for long.
                *("--timeout-worker-healthcheck", "0", "--timeout-graceful-shutdown", "2"),
            )
        )

    def requires(self, interface: Interface, options: Mapping[str, str]) -> tuple[str, ...]:
        return loop_distributions(options)

    def expects(self, target: Target, options: Mapping[str, str]) -> Mapping[str, str]:
        return {"loop": LOOP_CLASSES[options["loop"]]}


ADAPTER = H2corn()
