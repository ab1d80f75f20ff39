"""gunicorn: WSGI by gthread; ASGI by its own asgi worker or, as an option, by the uvicorn worker.

Its `sync` worker is not offered: it has no keep-alive and so measures connection rate.
"""

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
    Production,
    Target,
    loop_distributions,
    loop_option,
)

CONFIGURATION = "harness_gunicorn.conf.py"
# The uvicorn worker takes its loop and parser from class attributes only.
UVICORN_WORKER = """\
from uvicorn_worker import UvicornWorker


class Worker(UvicornWorker):
    CONFIG_KWARGS = {{"loop": {loop!r}, "http": "auto", "ws": "none", "lifespan": "on", "access_log": False}}
"""


class Gunicorn(Adapter):
    """gunicorn with the worker class that the interface and the options ask for."""

    name = "gunicorn"
    distribution = "gunicorn"
    interfaces = ("asgi", "wsgi")
    environment_prefix = "GUNICORN_"
    own_files = ("gunicorn.conf.py",)
    options = {
        "worker": Option(choices=("asgi", "uvicorn"), help="worker class", interface="asgi"),
        "loop": loop_option(interface="asgi"),
        "parser": Option(
            choices=("auto", "python", "fast"),
            help="HTTP parser of its own workers; auto: fast if installed",
        ),
    }
    measured_only = {
        "--config": "so that it takes no file of the folder in which it runs",
        "--backlog": LARGE_LOADS,
        "--keep-alive": KEPT_OPEN,
        "--worker-connections": LARGE_LOADS,
        "--timeout": "so that a worker that is busy for long is not killed",
        "--graceful-timeout": ENDS_SOON,
        "--log-level": QUIET,
        "--no-control-socket": ALIKE,
        "--asgi-lifespan": ALIKE,
    }
    parsers = {
        "uvicorn.protocols.http.httptools_impl": "httptools",
        "uvicorn.protocols.http.h11_impl": "h11",
        "gunicorn_h1c": "fast",
    }
    built_in_parser = "python"

    def launch(self, target: Target, options: Mapping[str, str]) -> Launch:
        return Launch(
            argv=(
                *(target.python, "-m", "gunicorn", f"{target.module}:{target.attribute}"),
                # A file of its own, since it would take the one of the folder in which it runs.
                *("--config", target.file(CONFIGURATION), "--bind", f"{target.host}:{target.port}"),
                *("--workers", str(target.workers)),
                *self._worker(target, options),
                *("--backlog", str(BACKLOG), "--keep-alive", str(KEEP_ALIVE_SECONDS)),
                # gthread holds that many connections per worker, those that are idle included.
                *("--worker-connections", str(max(BACKLOG, target.connections + target.threads))),
                # No watchdog, as with the other servers: it kills workers whose event loop is blocked for long.
                *("--timeout", "0", "--graceful-timeout", "2"),
                *("--log-level", "warning", "--no-control-socket"),
            ),
            files={CONFIGURATION: "", **self._files(options)},
        )

    def production(self, target: Target, options: Mapping[str, str]) -> Production:
        found = super().production(target, options)
        if not self._uvicorn(options):
            return found
        worker = "uvicorn_worker.UvicornWorker"
        return Production(
            argv=tuple(worker if word == "harness_worker.Worker" else word for word in found.argv),
            differences={**found.differences, f"loop {options['loop']} in place of {worker}'s own choice": ALIKE},
        )

    def _files(self, options: Mapping[str, str]) -> Mapping[str, str]:
        return {"harness_worker.py": UVICORN_WORKER.format(loop=options["loop"])} if self._uvicorn(options) else {}

    def _worker(self, target: Target, options: Mapping[str, str]) -> tuple[str, ...]:
        if target.interface == "wsgi":
            return (
                *("--worker-class", "gthread", "--threads", str(target.threads)),
                "--http-parser",
                options["parser"],
            )
        if self._uvicorn(options):
            return ("--worker-class", "harness_worker.Worker")
        return (
            *("--worker-class", "asgi", "--asgi-loop", options["loop"]),
            *("--asgi-lifespan", "on", "--http-parser", options["parser"]),
        )

    def _uvicorn(self, options: Mapping[str, str]) -> bool:
        return options.get("worker") == "uvicorn"

    def requires(self, interface: Interface, options: Mapping[str, str]) -> tuple[str, ...]:
        fast = ("gunicorn_h1c",) if options["parser"] == "fast" else ()
        if interface == "wsgi":
            return fast
        loop = loop_distributions(options)
        if self._uvicorn(options):
            return (*loop, "uvicorn-worker", "uvicorn")
        return (*loop, *fast)

    def expects(self, target: Target, options: Mapping[str, str]) -> Mapping[str, str]:
        parser = "auto" if self._uvicorn(options) else options["parser"]
        http = {} if parser == "auto" else {"http": parser}  # what it chose is read back all the same
        return http if target.interface == "wsgi" else {"loop": LOOP_CLASSES[options["loop"]], **http}


ADAPTER = Gunicorn()
