"""Requests as people have them: logins, sequences, forms, files, lists of addresses, access logs."""

from __future__ import annotations

import json
import re
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from harness.applications.requests import request_source
from harness.applications.values import read_addresses
from harness.config import files
from harness.deploy.answers import Answer, saved_values
from harness.errors import UsageError
from harness.load.generator import LoadTarget
from harness.load.k6 import target_document
from harness.model.load import Placeholder
from harness.model.plan import ApplicationPlan
from tests.unit.test_user_application import own

LOGIN = {
    "path": "/login",
    "method": "POST",
    "json": {"user": "{user}", "password": "${PASSWORD}"},
    "save": {"token": "session.token"},
}
ORDER = {
    "path": "/orders",
    "method": "POST",
    "headers": {"Authorization": "Bearer {token}", "Idempotency-Key": "{key}"},
    "json": {"item": 1},
    "save": {"order": "id"},
    "then": [{"path": "/orders/{order}", "expect": {"json": {"id": "{order}", "state": "pending"}}}],
}
VALUES = {"user": ["ann", "bob"], "key": {"unique": "uuid"}}


def test_a_login_comes_once_and_a_sequence_in_its_order(tmp_path: Path) -> None:
    subject = own(ORDER, {"path": "/items", "weight": 3}, values=VALUES, login=LOGIN, PASSWORD="p")
    mix = subject.request_mix(None, [""] * 4)
    assert mix.login == 0
    assert [kind.name for kind in mix.templates] == ["POST /login", "POST /orders", "/orders/{order}", "/items"]
    assert [kind.next for kind in mix.templates] == [None, 2, None, None]
    assert [kind.weight for kind in mix.templates] == [0, 1, 0, 3]
    assert mix.templates[1].headers["Authorization"] == ("Bearer ", Placeholder("token", "plain", False, "saved"))
    told = target_document(LoadTarget(base="http://x", mix=mix, timeout_seconds=1), tmp_path)["kinds"]
    assert told[1]["headers"]["Idempotency-Key"] == [{"unique": "key", "encoding": "plain"}]
    assert told[2]["path"] == ["/orders/", {"saved": "order", "encoding": "path"}]
    lines = request_source(
        ApplicationPlan.model_validate({"app": "a:b", "requests": [ORDER], "login": LOGIN, "values": VALUES}),
        Path(),
        [],
    ).lines
    assert lines == ["POST /login, once by each user", "POST /orders", "GET /orders/{order}, after the one before"]


def test_the_look_before_the_load_goes_the_same_way() -> None:
    subject = own(ORDER, values=VALUES, login=LOGIN, PASSWORD="p")
    first = subject.probes()[0]
    assert json.loads(str(first.body)) == {"user": "ann", "password": "p"}
    assert subject.probes({"token": "t/1"})[1].headers["Authorization"] == "Bearer t/1"
    keys = {subject.probes({"token": "t"})[1].headers["Idempotency-Key"] for _ in range(3)}
    assert len(keys) == 3
    assert all(re.fullmatch(r"[0-9a-f-]{36}", key) for key in keys)
    assert subject.probes({"order": 7})[2].path == "/orders/7"


def test_what_only_the_load_knows_is_not_judged() -> None:
    subject = own(ORDER, values=VALUES, login=LOGIN, PASSWORD="p")
    assert subject.wrong(2, '{"id": 99, "state": "pending"}') is None
    assert "state is" in str(subject.wrong(2, '{"id": 99, "state": "lost"}'))
    assert subject.wrong(1, '{"number": 5}') == "it has nothing to save at id"
    assert subject.wrong(1, "<html>") == "it is not JSON"


def test_values_are_saved_from_json_headers_and_cookies() -> None:
    headers = Message()
    headers["Location"] = "/orders/5"
    headers["Set-Cookie"] = "csrftoken=abc; Path=/"
    answer = Answer(201, '{"session": {"tokens": ["x", "y"]}, "id": 5}', headers)
    saves = {"a": "session.tokens.1", "b": "id", "c": "header:location", "d": "cookie:csrftoken"}
    assert saved_values(saves, answer) == {"a": "y", "b": 5, "c": "/orders/5", "d": "abc"}
    for where in ("session.token", "id.x", "header:ETag", "cookie:session", "session"):
        with pytest.raises(KeyError, match=where):
            saved_values({"a": where}, answer)


def test_each_user_keeps_a_row(tmp_path: Path) -> None:
    (tmp_path / "users.csv").write_text("token\nt-1\nt-2\nt-3\n")
    values = {"token": {"csv": "users.csv", "column": "token", "per": "user"}}
    subject = own({"path": "/", "headers": {"Authorization": "Bearer {token}"}}, values=values, base=tmp_path)
    (feed,) = subject.request_mix(None, [""]).feeds.values()
    assert (feed.texts, feed.per_user) == (("t-1", "t-2", "t-3"), True)


def test_forms_are_sent_as_browsers_do(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\xff")
    plain = own({"path": "/", "method": "POST", "form": {"a b": "{n}", "c": "ü&"}}, values={"n": ["1 2"]})
    probe = plain.probes()[0]
    assert probe.body == "a%20b=1%202&c=%C3%BC%26"
    assert probe.headers["Content-Type"] == "application/x-www-form-urlencoded"
    upload = {"path": "/", "method": "POST", "form": {"title": "${T}", "file": {"file": "a.png", "type": "image/png"}}}
    subject = own(upload, base=tmp_path, T="x")
    probe = subject.probes()[0]
    boundary = probe.headers["Content-Type"].removeprefix("multipart/form-data; boundary=")
    assert isinstance(probe.body, bytes)
    assert (
        probe.body
        == (
            f'--{boundary}\r\nContent-Disposition: form-data; name="title"\r\n\r\nx\r\n--{boundary}\r\n'
            f'Content-Disposition: form-data; name="file"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'
        ).encode()
        + b"\x89PNG\r\n\xff"
        + f"\r\n--{boundary}--\r\n".encode()
    )
    before = request_source(ApplicationPlan.model_validate({"app": "a:b", "requests": [upload]}), tmp_path, []).digest
    (tmp_path / "a.png").write_bytes(b"other")
    after = request_source(ApplicationPlan.model_validate({"app": "a:b", "requests": [upload]}), tmp_path, []).digest
    assert before != after
    drawn = {**upload, "form": {**upload["form"], "title": "{n}"}}
    with pytest.raises(UsageError, match="stands in a form with a file"):
        own(drawn, values={"n": [1]}, base=tmp_path).probes()
    with pytest.raises(UsageError, match=r"missing\.bin, which a request sends: No such file"):
        own({"path": "/", "method": "POST", "body_file": "missing.bin"}, base=tmp_path)


LOG = """\
10.0.0.1 - - [25/Nov/2026:10:00:00 +0000] "GET /items?limit=5&q=k%C3%A4se HTTP/1.1" 200 512 "-" "curl"
10.0.0.1 - - [25/Nov/2026:10:00:01 +0000] "POST /orders HTTP/1.1" 201 20 "-" "curl"
10.0.0.1 - - [25/Nov/2026:10:00:02 +0000] "GET /gone HTTP/1.1" 404 20 "-" "curl"
10.0.0.1 - - [25/Nov/2026:10:00:03 +0000] "GET http://shop.example/items/7 HTTP/2.0" 206 20
"""


def test_addresses_come_from_lists_and_access_logs(tmp_path: Path) -> None:
    log, addresses = tmp_path / "access.log", tmp_path / "urls.txt"
    log.write_text(LOG)
    addresses.write_text("# what people look at\n/a?b=1\nhttps://shop.example:8080\nGET /c\n\n")
    assert read_addresses(log) == ["/items?limit=5&q=k%C3%A4se", "/items/7"]
    assert read_addresses(addresses) == ["/a?b=1", "/", "/c"]
    source = request_source(ApplicationPlan(app="a:b", requests="access.log"), tmp_path, [])
    subject = own({"path": "{address}"}, values={"address": {"addresses": "access.log"}}, base=tmp_path)
    assert source.lines == ["GET {address}"]
    assert source.steps[0].request.label == "access.log"
    assert subject.probes()[0].path == "/items?limit=5&q=k%C3%A4se"  # as it stands, not quoted again
    assert not subject.plain


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("items/7\n", r"urls\.txt, line 1 is no address: 'items/7'"),
        ("/a b\n", "line 1 is no address"),
        ("#\n", "holds no"),
    ],
)
def test_what_is_no_list_of_addresses_is_told(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "urls.txt").write_text(text)
    with pytest.raises(UsageError, match=says):
        read_addresses(tmp_path / "urls.txt")


@pytest.mark.parametrize(
    ("headers", "refused"),
    [
        ({"Authorization": "Bearer abc"}, True),
        ({"X-Whatever": "Bearer abc"}, True),
        ({"X-Session": "eyJhbGciOiJIUzI1NiJ9.e30.x"}, True),
        ({"cookie": "session=1"}, True),
        ({"X-API-Key": "abc"}, True),
        ({"Authorization": "Bearer ${TOKEN}"}, False),
        ({"Authorization": "Bearer {token}"}, False),
        ({"Idempotency-Key": "7"}, False),
        ({"Sec-WebSocket-Key": "abc"}, False),
        ({"X-Keyboard": "qwerty"}, False),
    ],
)
def test_a_header_is_secret_by_its_value_or_its_standard_name(headers: dict[str, str], refused: bool) -> None:
    document: dict[str, Any] = {"app": "a:b", "requests": [{"path": "/", "headers": headers}]}
    if not refused:
        assert files.parse_application(document, "harness.toml")
        return
    with pytest.raises(UsageError, match="holds a secret"):
        files.parse_application(document, "harness.toml")


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        ({"path": "/", "form": {}, "body": "x"}, "body and form together"),
        ({"path": "/", "save": {"a": ""}}, "save"),
        ({"path": "/", "then": [{"path": "/", "then": [{"path": "/"}]}]}, "then within then"),
        ({"path": "{a}/b"}, "path"),
    ],
)
def test_sequences_and_bodies_that_cannot_be_are_refused(request_: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        files.parse_application({"app": "a:b", "requests": [request_]}, "harness.toml")
