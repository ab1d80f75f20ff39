"""The file that every server loads: a request ends with the last byte of its answer; what goes on then is told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness import injected

READ = """
import json, os, pathlib, struct
from harness_layout import FINISHED, RETURNED, STARTED
FOLDER = pathlib.Path(json.loads(os.environ["HARNESS_ENTRY"])["folder"])
def counts():
    (path,) = FOLDER.glob("*.counters")
    numbers = struct.unpack("13Q", path.read_bytes()[:104])
    return [numbers[STARTED], numbers[FINISHED], numbers[RETURNED]]
"""


def played(tmp_path: Path, interface: str, application: str, script: str) -> list[list[int]]:
    """What the counters say (started, finished, returned) where a script that drives the entry calls `tell`."""
    (tmp_path / "served.py").write_text(application)
    (tmp_path / "told").mkdir()
    program = f"{READ}\nseen = []\ndef tell(): seen.append(counts())\nfrom harness_entry import application\n{script}\n"
    entry = {
        "folder": str(tmp_path / "told"),
        "target": "served:app",
        "factory": False,
        "interface": interface,
        "wraps_wsgi": False,
        "threads": 4,
        "port": 1,
        "parsers": [],
        "diagnose": False,
        "stacks": False,
    }
    folder = Path(injected.__file__).parent
    done = subprocess.run(
        [sys.executable, "-c", f"{program}\nprint(json.dumps(seen))"],
        env=os.environ | {"HARNESS_ENTRY": json.dumps(entry), "PYTHONPATH": f"{folder}{os.pathsep}{tmp_path}"},
        capture_output=True,
        text=True,
        check=True,
    )
    seen: list[list[int]] = json.loads(done.stdout)
    return seen


STREAM = """
class Parts:
    closed = 0
    def __init__(self): self.left = 2
    def __iter__(self): return self
    def __next__(self):
        self.left -= 1
        if self.left < 0: raise StopIteration
        return b"part"
    def close(self): Parts.closed += 1
def app(environ, start_response):
    start_response("200 OK", [])
    return Parts()
"""


def test_a_streamed_wsgi_answer_ends_when_it_has_been_sent(tmp_path: Path) -> None:
    script = """
import served
body = application({}, lambda *_: None)
tell()
assert list(body) == [b"part", b"part"]
tell()
body.close()
body.close()
tell()
assert served.Parts.closed == 2
"""
    assert played(tmp_path, "wsgi", STREAM, script) == [[1, 0, 0], [1, 1, 1], [1, 1, 1]]


def test_one_that_the_client_leaves_ends_when_the_server_closes_it(tmp_path: Path) -> None:
    script = """
body = application({}, lambda *_: None)
next(body)
tell()
body.close()
tell()
"""
    assert played(tmp_path, "wsgi", STREAM, script) == [[1, 0, 0], [1, 1, 1]]


def test_one_that_fails_while_it_is_sent_has_ended(tmp_path: Path) -> None:
    application = """
def app(environ, start_response):
    def parts():
        yield b"part"
        raise ValueError("in the middle")
    return parts()
"""
    script = """
body = application({}, lambda *_: None)
try:
    list(body)
except ValueError:
    tell()
"""
    assert played(tmp_path, "wsgi", application, script) == [[1, 1, 1]]


@pytest.mark.parametrize("made", ['[b"whole"]', '(b"whole",)', "environ['wsgi.file_wrapper']()"])
def test_what_is_made_already_is_handed_on_as_it_is(tmp_path: Path, made: str) -> None:
    """Servers tell by a list's length how long the answer is, and send files themselves."""
    application = f"def app(environ, start_response): return {made}\n"
    script = """
class Wrapper: pass
body = application({"wsgi.file_wrapper": Wrapper}, lambda *_: None)
assert type(body) in (list, tuple, Wrapper), type(body)
tell()
"""
    assert played(tmp_path, "wsgi", application, script) == [[1, 1, 1]]


ASGI = """
import asyncio
async def receive(): return {"type": "http.disconnect"}
async def send(message):
    if message["type"] == "http.response.body": tell()
async def main():
    await application({"type": "http"}, receive, send)
    tell()
asyncio.run(main())
"""


def test_an_asgi_request_ends_with_its_answer_and_not_with_what_is_done_after_it(tmp_path: Path) -> None:
    application = """
import asyncio
async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"a", "more_body": True})
    await send({"type": "http.response.body", "body": b"b"})
    await asyncio.sleep(0.01)
"""
    assert played(tmp_path, "asgi", application, ASGI) == [[1, 0, 0], [1, 1, 0], [1, 1, 1]]


def test_an_asgi_application_that_fails_before_its_answer_has_ended(tmp_path: Path) -> None:
    application = """
async def app(scope, receive, send):
    raise ValueError("before the answer")
"""
    script = ASGI.replace("    await application({", "    try: await application({").replace(
        "send)\n    tell()", "send)\n    except ValueError: tell()"
    )
    assert played(tmp_path, "asgi", application, script) == [[1, 1, 1]]


RSGI = """
import asyncio, types
from harness_rsgi import application as bridge

class Stream:
    async def send_bytes(self, part): sent.append(part.decode())
class Protocol:
    async def __call__(self): return b"asked"
    def response_bytes(self, status, headers, body): sent.extend([status, headers, body.decode()])
    def response_stream(self, status, headers):
        sent.extend([status, headers])
        return Stream()
loop = asyncio.new_event_loop()
seen = sent = []
bridge.__rsgi_init__(loop)
for path in ("/whole", "/parts"):
    scope = types.SimpleNamespace(
        http_version="1.1", method="GET", scheme="http", path=path, query_string="a=1",
        headers={"host": "here"}, client="127.0.0.1:5", server="127.0.0.1:1",
    )
    loop.run_until_complete(bridge.__rsgi__(scope, Protocol()))
bridge.__rsgi_del__(loop)
"""
ASGI_ECHO = """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    words = [scope["path"], scope["query_string"].decode(), dict(scope["headers"])[b"host"].decode()]
    words.append((await receive())["body"].decode())
    await send({"type": "http.response.start", "status": 201, "headers": [(b"x-of", b"app")]})
    more = scope["path"] == "/parts"
    await send({"type": "http.response.body", "body": " ".join(words).encode(), "more_body": more})
    if more:
        await send({"type": "http.response.body", "body": b"end"})
"""


def test_an_asgi_application_is_called_by_rsgi(tmp_path: Path) -> None:
    whole = [201, [["x-of", "app"]], "/whole a=1 here asked"]
    parts = [201, [["x-of", "app"]], "/parts a=1 here asked", "end"]
    assert played(tmp_path, "asgi", ASGI_ECHO, RSGI) == [*whole, *parts]
