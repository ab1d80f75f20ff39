"""hypercorn: ASGI; WSGI through a2wsgi, or by its own bridge. Most of its settings by configuration file only."""

import json
from collections.abc import Mapping
from typing import Any

from .adapter import (
    BACKLOG,
    BRIDGE,
    ENDS_SOON,
    KEEP_ALIVE_SECONDS,
    KEPT_OPEN,
    LARGE_LOADS,
    LOOP_CLASSES,
    QUIET,
    Adapter,
    Interface,
    Launch,
    Production,
    Target,
    loop_distributions,
    loop_option,
)

MEASURED_ONLY: Mapping[str, tuple[int | str, str]] = {
    "backlog": (BACKLOG, LARGE_LOADS),
    "keep_alive_timeout": (KEEP_ALIVE_SECONDS, KEPT_OPEN),
    "keep_alive_max_requests": (2**31, KEPT_OPEN),  # 1,000 by default, after which it closes the connection
    "loglevel": ("WARNING", QUIET),
    "graceful_timeout": (2, ENDS_SOON),
    "shutdown_timeout": (5, ENDS_SOON),
}
"""Setting of its configuration file → value, and why it is not for production."""


class Hypercorn(Adapter):
    """hypercorn, configured by a TOML file."""

    name = "hypercorn"
    distribution = "hypercorn"
    interfaces = ("asgi", "wsgi")
    options = {"loop": loop_option(), "bridge": BRIDGE}
    parsers = {"h11": "h11"}

    def launch(self, target: Target, options: Mapping[str, str]) -> Launch:
        settings = {
            "bind": [f"{target.host}:{target.port}"],
            "workers": target.workers,
            "worker_class": options["loop"],
            **{name: value for name, (value, _) in MEASURED_ONLY.items()},
        }
        return Launch(
            argv=(
                *(target.python, "-m", "hypercorn", "--config", target.file("hypercorn.toml")),
                self._application(target, options),
            ),
            files={"hypercorn.toml": "".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items())},
        )

    def production(self, target: Target, options: Mapping[str, str]) -> Production:
        return Production(
            argv=(
                *("hypercorn", self._application(target, options), "--bind", f"{target.host}:{target.port}"),
                *("--workers", str(target.workers), "--worker-class", options["loop"]),
            ),
            differences={f"{name} {value}": why for name, (value, why) in MEASURED_ONLY.items()},
        )

    def _application(self, target: Target, options: Mapping[str, str]) -> str:
        application = f"{target.module}:{target.attribute}"
        return f"wsgi:{application}" if options.get("bridge") == "native" else application

    def requires(self, interface: Interface, options: Mapping[str, str]) -> tuple[str, ...]:
        loop = loop_distributions(options)
        return (*loop, "a2wsgi") if self.wraps_wsgi(options) else loop

    def expects(self, target: Target, options: Mapping[str, str]) -> Mapping[str, str]:
        # Behind its own bridge the application never sees the event loop.
        loop = {} if options.get("bridge") == "native" else {"loop": LOOP_CLASSES[options["loop"]]}
        return {"http": "h11", **loop}

    def threads(self, target: Target, options: Mapping[str, str], facts: Mapping[str, Any]) -> int | None:
        if options.get("bridge") == "native":
            return facts.get("default_executor_threads")
        return super().threads(target, options, facts)

    def declared_limits(self, target: Target, options: Mapping[str, str]) -> Mapping[str, str]:
        if options.get("bridge") != "native":
            return {}
        return {
            "threads": "its own bridge runs WSGI in asyncio's default executor, cores + 4 threads, which cannot be set"
        }


ADAPTER = Hypercorn()
