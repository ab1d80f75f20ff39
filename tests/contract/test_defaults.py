"""No adapter launches a server with less than it would give itself, by the defaults of the installed ones."""

from __future__ import annotations

import inspect
import json
import tomllib
from collections.abc import Mapping
from typing import Any

import granian
import gunicorn.config
import hypercorn.config
import pytest
import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from harness import servers
from harness.servers.adapter import Interface, Target

NUMBERS = {
    "granian": {"--backlog": "backlog", "--runtime-threads": "runtime_threads"},
    "gunicorn": {
        "--backlog": "backlog",
        "--keep-alive": "keepalive",
        "--worker-connections": "worker_connections",
        "--threads": "threads",
    },
    "uvicorn": {"--backlog": "backlog", "--timeout-keep-alive": "timeout_keep_alive"},
    "hypercorn": {name: name for name in ("backlog", "keep_alive_timeout", "keep_alive_max_requests")},
}
"""Server → flag or setting of a launch → name of the server's own default. More of each is never slower."""


ONE_AT_A_TIME = {"bjoern", "fastpysgi"}
"""Servers that call WSGI on their event loop."""


def own_defaults(server: str) -> Mapping[str, Any]:
    """What the installed server does where nobody says anything."""
    if server == "granian":
        return {name: each.default for name, each in inspect.signature(granian.Granian.__init__).parameters.items()}
    if server == "uvicorn":
        return {name: each.default for name, each in inspect.signature(uvicorn.Config.__init__).parameters.items()}
    if server == "gunicorn":
        return {name: each.default for name, each in gunicorn.config.make_settings().items()}
    return {name: getattr(hypercorn.config.Config, name) for name in NUMBERS["hypercorn"].values()}


def target(interface: Interface) -> Target:
    """A cell of one worker with 40 threads."""
    names = {"python": "python", "module": "m", "attribute": "a", "host": "127.0.0.1"}
    return Target(**names, interface=interface, port=1, workers=1, threads=40, connections=100)


def launched(server: str, interface: Interface) -> dict[str, str]:
    """Flag → value of the launch with all options at their defaults; of hypercorn its file's settings."""
    adapter = servers.adapter(server)
    options = {key: each.default for key, each in adapter.options.items() if each.interface in (None, interface)}
    launch = adapter.launch(target(interface), options)
    if server == "hypercorn":
        return {name: json.dumps(value) for name, value in tomllib.loads(launch.files["hypercorn.toml"]).items()}
    return dict(zip(launch.argv, launch.argv[1:], strict=False))


@pytest.mark.parametrize("server", NUMBERS)
@pytest.mark.parametrize("interface", ["asgi", "wsgi"])
def test_limits_are_no_lower_than_the_servers_own(server: str, interface: Interface) -> None:
    ours, own = launched(server, interface), own_defaults(server)
    compared = {flag: name for flag, name in NUMBERS[server].items() if flag in ours}
    assert compared
    for flag, name in compared.items():
        assert float(ours[flag]) >= float(own[name]), f"{server} {flag}: {ours[flag]}, by itself {own[name]}"


def test_parsers_and_loops_are_the_servers_own_choice_or_faster() -> None:
    assert servers.adapter("uvicorn").options["http"].default in AutoHTTPProtocol.__module__
    assert launched("uvicorn", "asgi")["--loop"] == "uvloop"
    for interface in ("asgi", "wsgi"):
        assert launched("gunicorn", interface)["--http-parser"] == own_defaults("gunicorn")["http_parser"]  # type: ignore[arg-type]
    for server in ("granian", "gunicorn", "uvicorn", "hypercorn"):
        assert servers.adapter(server).options["loop"].default == "uvloop"
    assert servers.adapter("granian").built_in_parser == "hyper"
    assert "--runtime-mode" not in launched("granian", "asgi")  # what it takes by itself depends on the interface
    assert list(servers.adapter("hypercorn").parsers) == ["h11"]


def test_threads_are_as_many_as_asked_for_or_the_limit_is_declared() -> None:
    """By default a request finds 40 threads under every server; what has fewer says so."""
    for server in servers.names():
        adapter = servers.adapter(server)
        for bridge in adapter.options["bridge"].choices if "bridge" in adapter.options else ("",):
            options = {key: each.default for key, each in adapter.options.items()} | {"bridge": bridge}
            declared = adapter.declared_limits(target("wsgi"), options)
            fewer = bridge == "native" or server in ONE_AT_A_TIME
            assert ("threads" in declared) == fewer, f"{server} {bridge}"
