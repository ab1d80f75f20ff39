"""pyvoy: ASGI and WSGI inside of Envoy, in one process."""

from collections.abc import Mapping
from dataclasses import replace

from .adapter import (
    ALIKE,
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


class Pyvoy(Adapter):
    """pyvoy behind its own command line."""

    name = "pyvoy"
    distribution = "pyvoy"
    interfaces = ("asgi", "wsgi")
    maximum_workers = 1
    options = {"loop": loop_option(interface="asgi")}
    measured_only = {"--lifespan": ALIKE, "--log-level": QUIET}
    built_in_parser = "envoy"

    def launch(self, target: Target, options: Mapping[str, str]) -> Launch:
        asgi = target.interface == "asgi"
        return Launch(
            argv=(
                *(target.python, "-m", "pyvoy._cli", f"{target.module}:{target.attribute}"),
                *("--address", target.host, "--port", str(target.port)),
                *("--interface", target.interface),
                *(("--loop", options["loop"], "--lifespan") if asgi else ("--worker-threads", str(target.threads))),
                *("--log-level", "warning"),
            )
        )

    def production(self, target: Target, options: Mapping[str, str]) -> Production:
        found = super().production(target, options)
        return replace(found, argv=("pyvoy", *found.argv[1:]))

    def requires(self, interface: Interface, options: Mapping[str, str]) -> tuple[str, ...]:
        return loop_distributions(options)

    def expects(self, target: Target, options: Mapping[str, str]) -> Mapping[str, str]:
        return {"loop": LOOP_CLASSES[options["loop"]]} if target.interface == "asgi" else {}


ADAPTER = Pyvoy()
