"""One request before the load, sent as the generator sends it, and its answer in words."""

from __future__ import annotations

import http.client
import json
import re
import time
import zlib
from collections.abc import Callable, Mapping
from email.message import Message
from http.cookies import SimpleCookie
from typing import NamedTuple, Protocol
from urllib.parse import quote

from harness.applications.served import Probe
from harness.applications.user import value_at
from harness.model.requests import Drawn

BODY_SECONDS = 30.0
"""How long an answer may take from its first byte to its last."""
MOST_BYTES = 64 << 20
"""How large it may be, on the wire and decoded."""
PIECE = 1 << 16
EXCERPT = 300
SAFE = "%/:?#[]@!$&'()*+,;=~"
"""Characters of a path that are sent as they are, besides letters and digits of ASCII."""


class EndlessAnswer(Exception):
    """An answer that goes on and on; the message says how far it was read."""


class Answer(NamedTuple):
    """What came back."""

    status: int
    body: str
    """Decoded, as the generator sees it."""
    headers: Message = Message()
    sent_bytes: int = 0
    """How long the body was as it was sent, which an encoding such as gzip makes shorter."""

    @property
    def location(self) -> str | None:
        """Where a redirection leads, which is not followed."""
        return self.headers.get("Location") if 300 <= self.status < 400 else None

    @property
    def cookies(self) -> dict[str, str]:
        """Those that it sets, by name."""
        jar = SimpleCookie()
        for line in self.headers.get_all("Set-Cookie", []):
            jar.load(line)
        return {name: morsel.value for name, morsel in jar.items()}

    @property
    def described(self) -> str:
        """The status, where it leads, and the begin of a text that people can read."""
        leads = f", which leads to {self.location}" if self.location else ""
        text = excerpt(self.body)
        return f"status {self.status}{leads}" + (f": {text}" if text else "")


class _Decoder(Protocol):
    def decompress(self, data: bytes, /) -> bytes:
        """The next decoded bytes."""


DECODERS: Mapping[str, Callable[[], _Decoder]] = {
    "gzip": lambda: zlib.decompressobj(16 + zlib.MAX_WBITS),
    "x-gzip": lambda: zlib.decompressobj(16 + zlib.MAX_WBITS),
    "deflate": zlib.decompressobj,
}
"""Content-Encoding → how it is undone. The generator undoes these, too."""


def ask(host: str, port: int, probe: Probe, seconds: float, cookies: Mapping[str, str] | None = None) -> Answer:
    """The answer to one request, for whose first byte it waits so many seconds. `cookies`: of answers before.

    OSError or HTTPException where there is none, EndlessAnswer where it does not end.
    """
    connection = http.client.HTTPConnection(host, port, timeout=seconds)
    try:
        body = probe.body.encode() if isinstance(probe.body, str) else probe.body
        given = {name.lower() for name in probe.headers}
        # As k6 does, which names no encodings unless it is told to, and percent-encodes what is not ASCII.
        path = quote(probe.path, safe=SAFE)
        connection.putrequest(probe.method, path, skip_host="host" in given, skip_accept_encoding=True)
        for name, value in probe.headers.items():
            connection.putheader(name, value.encode())
        if cookies and "cookie" not in given:
            connection.putheader("Cookie", "; ".join(f"{name}={value}" for name, value in cookies.items()))
        if body is not None and "content-length" not in given:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        encoding = (response.getheader("Content-Encoding") or "").strip().lower()
        content, sent = _read(response, encoding)
        return Answer(response.status, content.decode("utf-8", "replace"), response.headers, sent)
    finally:
        connection.close()


def saved_values(saves: Mapping[str, str], answer: Answer) -> dict[str, Drawn]:
    """What later requests take from an answer, which is the same as `found` in `k6/requests.js` takes; KeyError names
    what it does not have."""
    values = {}
    for name, where in saves.items():
        kind, _, what = where.partition(":")
        match kind, what:
            case "header", str(header) if header:
                value: Drawn | None = answer.headers.get(header)
            case "cookie", str(cookie) if cookie:
                value = answer.cookies.get(cookie)
            case _:
                value = value_at(where, json.loads(answer.body))
        if value is None:
            raise KeyError(where)
        values[name] = value
    return values


def _read(response: http.client.HTTPResponse, encoding: str) -> tuple[bytes, int]:
    """The whole body, decoded, and how long it was as it was sent."""
    decoder = DECODERS[encoding]() if encoding in DECODERS else None
    began, read, size = time.monotonic(), 0, 0
    parts = []
    while piece := response.read1(PIECE):
        read += len(piece)
        part = piece if decoder is None else decoder.decompress(piece)
        size += len(part)
        parts.append(part)
        passed = time.monotonic() - began
        if passed > BODY_SECONDS or max(read, size) > MOST_BYTES:
            raise EndlessAnswer(f"{max(read, size):,} bytes in {passed:,.1f} s, and more to come")
    return b"".join(parts), read


def excerpt(body: str) -> str:
    """The begin of a body as people read it: of a page its title, of what is no text how long it is."""
    text = body.strip()
    if not text:
        return ""
    strange = sum(
        character == "\ufffd" or (ord(character) < 32 and character not in "\t\r\n") for character in text[:EXCERPT]
    )
    if strange > len(text[:EXCERPT]) * 0.05:
        return f"{len(body.encode()):,} bytes that are no text"
    if re.match(r"(?i)<(!doctype html|html)", text):
        title = re.search(r"(?is)<title[^>]*>(.*?)</title>", text)
        return f"a page called '{' '.join(title[1].split())}'" if title else "a page of HTML"
    return text if len(text) <= EXCERPT else f"{text[:EXCERPT]}…"
