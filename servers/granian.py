"""granian: ASGI and WSGI, and ASGI by a bridge of ours from RSGI, its own interface; its HTTP side in Rust."""

from collections.abc import Mapping
from dataclasses import replace

from .adapter import (
    ALIKE,
    BACKLOG,
    ENDS_SOON,
    LARGE_LOADS,
    LOOP_CLASSES,
    QUIET,
    UNLIMITED,
    Adapter,
    Interface,
    Launch,
    Option,
    Production,
    Target,
    loop_distributions,
    loop_option,
    most_option,
)


class Granian(Adapter):
    """granian behind its ASGI or WSGI interface."""

    name = "granian"
    distribution = "granian"
    interfaces = ("asgi", "wsgi")
    environment_prefix = "GRANIAN_"
    options = {
        "loop": loop_option(tuple(LOOP_CLASSES), "asgi"),
        "by": Option(
            choices=("asgi", "rsgi"), help="rsgi: its own interface, with a bridge of ours to ASGI", interface="asgi"
        ),
        "runtime_mode": Option(
            choices=("auto", "st", "mt"), help="Rust runtime, single- or multi-threaded; auto: as granian chooses"
        ),
        "backpressure": most_option("connections beyond which a worker accepts no more: they wait in the backlog"),
        "runtime_threads": Option(choices=("1", "2", "4"), help="Rust runtime threads per worker"),
    }
    measured_only = {
        "--http": ALIKE,
        "--no-ws": ALIKE,
        "--backlog": LARGE_LOADS,
        "--backpressure": LARGE_LOADS,
        "--http1-keep-alive": ALIKE,
        "--log-level": QUIET,
        "--no-access-log": QUIET,
        "--workers-kill-timeout": ENDS_SOON,
    }
    built_in_parser = "hyper"

    def launch(self, target: Target, options: Mapping[str, str]) -> Launch:
        asgi = target.interface == "asgi"
        by = options.get("by", target.interface)
        most = options["backpressure"]
        most = str(max(BACKLOG, target.connections)) if most == UNLIMITED else most
        return Launch(
            argv=(
                *(target.python, "-m", "granian"),
                "harness_rsgi:application" if by == "rsgi" else f"{target.module}:{target.attribute}",
                *("--interface", by),
                *("--host", target.host, "--port", str(target.port)),
                *("--workers", str(target.workers)),
                *("--http", "1", "--no-ws"),
                *(("--loop", options["loop"]) if asgi else ()),
                *(() if options["runtime_mode"] == "auto" else ("--runtime-mode", options["runtime_mode"])),
                *("--runtime-threads", options["runtime_threads"]),
                # Under ASGI sync code runs in AnyIO's threads, which the entry limits; granian itself insists on 1.
                *("--blocking-threads", "1" if asgi else str(target.threads)),
                # Backpressure counts connections; the default, backlog ÷ workers, would queue large loads.
                *("--backlog", str(BACKLOG), "--backpressure", most),
                *("--http1-keep-alive", "--log-level", "warning", "--no-access-log"),
                *("--workers-kill-timeout", "2"),
            )
        )

    def production(self, target: Target, options: Mapping[str, str]) -> Production:
        found = super().production(target, {**options, "by": target.interface} if "by" in options else options)
        if options.get("by") != "rsgi":
            return found
        bridge = {"--interface rsgi": "so that its own interface is measured, which takes a bridge of ours"}
        return replace(found, differences={**found.differences, **bridge})

    def requires(self, interface: Interface, options: Mapping[str, str]) -> tuple[str, ...]:
        return loop_distributions(options)

    def expects(self, target: Target, options: Mapping[str, str]) -> Mapping[str, str]:
        return {"loop": LOOP_CLASSES[options["loop"]]} if target.interface == "asgi" else {}


ADAPTER = Granian()
