"""Lets a server that speaks RSGI (granian) call the ASGI application of the entry. HTTP only.

Copied beside the entry; standard library only. Nothing that is written for ASGI speaks RSGI, so what is measured is the
server's own interface with this bridge on top.
"""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import Any

from harness_entry import application as inner
from harness_lifespan import running


class Bridge:
    """An RSGI application around an ASGI one."""

    def __init__(self) -> None:
        self._up = ExitStack()

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._up.enter_context(running(inner, loop))

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._up.close()

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        status, headers, stream = 0, [], None

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": await protocol(), "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            nonlocal status, headers, stream
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in message["headers"]]
                return
            body, more = message.get("body", b""), message.get("more_body", False)
            if stream is None and not more:
                protocol.response_bytes(status, headers, body)
                return
            if stream is None:
                stream = protocol.response_stream(status, headers)
            if body:
                await stream.send_bytes(body)

        await inner(_asgi_scope(scope), receive, send)


def _asgi_scope(scope: Any) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": scope.http_version,
        "method": scope.method,
        "scheme": scope.scheme,
        "path": scope.path,
        "raw_path": scope.path.encode("latin-1", "replace"),
        "query_string": scope.query_string.encode("latin-1"),
        "root_path": "",
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in scope.headers.items()],
        "client": _address(scope.client),
        "server": _address(scope.server),
        "state": {},
    }


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host, int(port or 0)


application = Bridge()
