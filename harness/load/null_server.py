"""A server that does nothing: what a generator reaches against it is the most that it can show.

Run as a program with the port as argument; several may share a port. Every GET gets the same small answer.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from typing import cast

import uvloop

HOST = "127.0.0.1"
BACKLOG = 4096
END = b"\r\n\r\n"
BODY = '{"ok":true}'
ANSWER = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(BODY)}\r\n\r\n{BODY}".encode(
    "ascii"
)


class Protocol(asyncio.Protocol):
    """One connection: an answer for each end of a request's head; bodies are not expected."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        heads = data.split(END)
        self._rest = heads.pop()
        self._transport.write(ANSWER * len(heads))


async def serve(port: int) -> None:
    """Answer on a port of loopback until ended."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind((HOST, port))
    server = await asyncio.get_running_loop().create_server(Protocol, sock=listener, backlog=BACKLOG)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
