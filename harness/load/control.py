"""Tells users of k6 when it is their turn: each asks for it and waits for the answer."""

from __future__ import annotations

import json
import re
import selectors
import socket
import time
from collections.abc import Mapping
from typing import Any

from harness.host.ports import HOST

LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
END = b"\r\n\r\n"


class Control:
    """A server of HTTP for the users of a generator, which runs while its owner waits: no thread, no delay."""

    def __init__(self, lanes: int) -> None:
        self._listener = socket.create_server((HOST, 0), backlog=4096)
        self._listener.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._buffers: dict[socket.socket, bytes] = {}
        self._waiting: list[dict[int, socket.socket]] = [{} for _ in range(lanes)]
        self._reports: list[list[bytes]] = [[] for _ in range(lanes)]

    @property
    def url(self) -> str:
        """Where users ask."""
        return f"http://{HOST}:{self._listener.getsockname()[1]}"

    def waiting(self, lane: int) -> int:
        """How many users of a lane wait for a turn."""
        return len(self._waiting[lane])

    def serve(self, until: float) -> None:
        """Attend to users until an instant of the monotonic clock."""
        while (left := until - time.monotonic()) > 0:
            for key, _ in self._selector.select(left):
                self._attend(key.fileobj)  # type: ignore[arg-type]

    def give(self, lane: int, turns: Mapping[int, Mapping[str, Any]]) -> None:
        """Answer users of a lane: user → what to do. What they reported of the turn before is forgotten."""
        self._reports[lane].clear()
        for user, turn in turns.items():
            self._answer(self._waiting[lane].pop(user), turn)

    def reports(self, lane: int) -> list[dict[str, Any]]:
        """What the users told of the lane's last turn."""
        return [json.loads(text) for text in self._reports[lane]]

    def close(self) -> None:
        """Let every user leave."""
        for users in self._waiting:
            for connection in users.values():
                self._answer(connection, {"end": True})
            users.clear()
        self._selector.close()
        self._listener.close()
        for connection in self._buffers:
            connection.close()

    def _attend(self, connection: socket.socket) -> None:
        if connection is self._listener:
            accepted, _ = self._listener.accept()
            accepted.setblocking(False)
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._selector.register(accepted, selectors.EVENT_READ)
            self._buffers[accepted] = b""
            return
        try:
            data = connection.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._selector.unregister(connection)
            self._buffers.pop(connection, None)
            connection.close()
            return
        self._buffers[connection] += data
        head, end, body = self._buffers[connection].partition(END)
        length = LENGTH.search(head)
        if not end or len(body) < (int(length[1]) if length else 0):
            return
        self._buffers[connection] = b""
        _, _, lane, user = head.split(b" ", 2)[1].split(b"/")
        self._waiting[int(lane)][int(user)] = connection
        if body != b"{}":
            self._reports[int(lane)].append(body)

    def _answer(self, connection: socket.socket, turn: Mapping[str, Any]) -> None:
        body = json.dumps(turn).encode()
        try:
            connection.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))
        except OSError:
            pass  # the generator has ended, which its owner finds out
