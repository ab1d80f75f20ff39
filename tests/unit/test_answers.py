"""The request before the load: sent as the generator sends it, read to its end, and told in words."""

from __future__ import annotations

import gzip
import threading
import zlib
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.applications.served import Probe, Serving
from harness.deploy import answers
from harness.deploy.answers import Answer, EndlessAnswer, excerpt
from harness.deploy.launch import check_import, repeated_error
from harness.deploy.workers import Worker
from harness.errors import TargetError
from harness.injected import harness_layout

TEXT = "hello " * 5000
seen: list[tuple[str, dict[str, str]]] = []


class Handler(BaseHTTPRequestHandler):
    """Answers in the ways that people's applications do."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        seen.append((self.path, dict(self.headers)))
        if self.path in ("/gzip", "/deflate"):
            body = gzip.compress(TEXT.encode()) if self.path == "/gzip" else zlib.compress(TEXT.encode())
            self.whole(200, body, **{"Content-Encoding": self.path[1:]})
        elif self.path == "/moved":
            self.whole(307, b"", Location="/moved/")
        elif self.path == "/events":
            self.endless(b"data: 1\n\n", 0.02)
        elif self.path == "/flood":
            self.endless(b"x" * (1 << 16), 0.0)
        else:
            self.whole(200, b"ok")

    def whole(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def endless(self, piece: bytes, pause: float) -> None:
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        with suppress(OSError):
            while True:
                self.wfile.write(piece)
                if pause:
                    threading.Event().wait(pause)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def asked(port: int, path: str, **headers: str) -> Answer:
    return answers.ask("127.0.0.1", port, Probe(name=path, method="GET", path=path, headers=headers), 5.0)


@pytest.mark.parametrize("path", ["/gzip", "/deflate"])
def test_an_encoded_body_is_read_as_the_generator_reads_it(port: int, path: str) -> None:
    answer = asked(port, path)
    assert answer.body == TEXT
    assert 0 < answer.sent_bytes < len(TEXT.encode())
    assert asked(port, "/plain").sent_bytes == len(asked(port, "/plain").body.encode())


def test_it_is_sent_as_the_generator_sends_it(port: int) -> None:
    seen.clear()
    asked(port, "/caf\u00e9?q=1%202&next=/x")
    asked(port, "/x", **{"Accept-Encoding": "gzip", "X-Name": "\u00e4"})
    (path, first), (_, second) = seen
    assert path == "/caf%C3%A9?q=1%202&next=/x"
    assert "Accept-Encoding" not in first
    assert second["Accept-Encoding"] == "gzip"


def test_a_redirection_is_named_and_not_followed(port: int) -> None:
    answer = asked(port, "/moved")
    assert answer.status == 307
    assert answer.described == "status 307, which leads to /moved/"


def test_a_body_that_does_not_end_is_refused_in_time(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "BODY_SECONDS", 0.2)
    with pytest.raises(EndlessAnswer, match=r"bytes in 0\.[2-9] s, and more to come"):
        asked(port, "/events")


def test_a_body_without_bounds_is_refused_before_it_fills_the_memory(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "MOST_BYTES", 1 << 20)
    with pytest.raises(EndlessAnswer, match="bytes in"):
        asked(port, "/flood")


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("", ""),
        ('{"detail": "no"}', '{"detail": "no"}'),
        ("x" * 1000, "x" * 300 + "…"),
        ("<!DOCTYPE html><html><head><title>Server\n Error</title>", "a page called 'Server Error'"),
        ("<html><body>no", "a page of HTML"),
        (b"\x1f\x8b\x08\x00\xff\xfe\x00\x01".decode("utf-8", "replace"), "bytes that are no text"),
    ],
)
def test_a_body_is_told_as_people_read_it(body: str, told: str) -> None:
    assert told in excerpt(body)
    assert not set(excerpt(body)) & {"\ufffd", "\x00"}


def worker(tmp_path: Path, imported: Path | None) -> Worker:
    counters = tmp_path / "1.counters"
    counters.write_bytes(b"\0" * 8 * harness_layout.SLOTS)
    return Worker({"pid": 1, "imported": None if imported is None else str(imported)}, counters)


@pytest.mark.parametrize(
    ("asked_folder", "imported", "fine"),
    [
        ("base", "base/shop/main.py", True),
        ("base", "head/shop/main.py", False),
        ("base", "head/src/shop/main.py", False),
        (None, "head/shop/main.py", True),
        ("base", None, True),
    ],
)
def test_what_was_imported_must_lie_in_the_folder_that_was_asked_for(
    tmp_path: Path, asked_folder: str | None, imported: str | None, fine: bool
) -> None:
    serving = Serving(
        target="shop.main:app",
        factory=False,
        folder=tmp_path,
        asked_folder=None if asked_folder is None else tmp_path / asked_folder,
    )
    workers = [worker(tmp_path, None if imported is None else tmp_path / imported)]
    if fine:
        check_import(serving, workers)
        return
    with pytest.raises(TargetError, match=r"shop\.main is not in .*base: it was imported from .*head/"):
        check_import(serving, workers)


def test_a_server_that_fails_again_and_again_while_starting_is_told_with_its_exception(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    child: Any = SimpleNamespace(log=log)
    assert repeated_error(child, 2) is None
    once = "Traceback (most recent call last):\n  File 'x'\nshop.errors.NoDatabaseError: refused\n"
    log.write_text(once * 2)
    assert repeated_error(child, 2) is None  # each worker may say it once, and once more
    log.write_text(once * 5)
    assert repeated_error(child, 2) == "shop.errors.NoDatabaseError: refused"
