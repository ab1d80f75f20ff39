"""An application of the user's: what is sent to it, and which answers are right."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from harness.applications.served import Hook, Probe, Serving
from harness.errors import UsageError
from harness.model.application import UserApplication
from harness.model.database import Database
from harness.model.load import Feed, Placeholder, RequestMix, RequestTemplate, Template
from harness.model.measurement import Waits
from harness.model.requests import PLACE, AppRequest, Drawn, Expectation
from harness.model.variant import Interface

PARTS = re.compile(r'"\{(?P<whole>[A-Za-z_]\w*)\}"|\$\{(?P<variable>[A-Za-z_]\w*)\}|\{(?P<inner>[A-Za-z_]\w*)\}')
"""Of a text: a JSON string that is nothing but a drawn value, a variable, a drawn value."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a value is written where it goes."""

    name: str
    inner: Callable[[Drawn], str]
    whole: Callable[[Drawn], str] | None = None
    """In the place of a whole JSON string; None: the quotes are no part of the value's place."""


def _escaped(value: Drawn) -> str:
    return json.dumps(str(value))[1:-1]


PATH = Encoding("path", lambda value: quote(str(value), safe=""))
PLAIN = Encoding("plain", str)
JSON = Encoding("json", _escaped, json.dumps)


@dataclass(frozen=True, kw_only=True, slots=True)
class ServedUserApplication:
    """A user's application with its requests; values are at hand, variables known."""

    application: UserApplication
    requests: Sequence[AppRequest]
    values: Mapping[str, Sequence[Drawn]]
    variables: Mapping[str, str]
    """What `${NAME}` stands for."""
    environment: Mapping[str, str]
    """For the server and the hooks."""
    folder: Path
    script: Path | None = None
    hook: str | None = None
    """Shell command before each measurement."""
    connections: int = field(default=0, init=False)
    pooled: bool = field(default=True, init=False)
    distributions: tuple[str, ...] = field(default=(), init=False)

    @property
    def name(self) -> str:
        """Where it is."""
        return self.application.target

    @property
    def known_seconds(self) -> float:
        """As declared."""
        return self.application.wait_seconds or 0.0

    @property
    def plain(self) -> bool:
        """One GET without headers, of which nothing but the status is looked at."""
        if self.script is not None or len(self.requests) != 1:
            return False
        (only,) = self.requests
        bare = not only.headers and only.payload is None and only.body is None
        return only.method == "GET" and bare and not PLACE.search(only.path) and only.expect == Expectation()

    def waits(self, interface: Interface) -> Waits:
        """As declared: awaited under ASGI, in a thread under WSGI."""
        wait = self.application.wait_seconds
        if interface == "wsgi":
            return Waits(total_seconds=wait, occupied_seconds=wait, slot="thread")
        return Waits(total_seconds=wait, occupied_seconds=None if wait is None else 0.0, slot="event loop")

    def serving(self) -> Serving:
        """In its own folder, with its own variables."""
        return Serving(
            target=self.application.target,
            factory=self.application.factory,
            environment=self.environment,
            folder=self.folder,
        )

    def before_visit(self) -> Hook | None:
        """The user's command."""
        if self.hook is None:
            return None
        return Hook(option="--before-visit", command=self.hook, environment=self.environment, folder=self.folder)

    def probes(self) -> list[Probe]:
        """One request of each kind, with the values of the first row. A script's are not known."""
        if self.script is not None:
            return []
        feeds = self._draws()
        return [
            Probe(
                name=kind.name,
                method=kind.method,
                path=filled(kind.path, feeds, 0),
                headers={name: filled(value, feeds, 0) for name, value in kind.headers.items()},
                body=None if kind.body is None else filled(kind.body, feeds, 0),
                statuses=kind.statuses,
            )
            for kind in self._kinds()
        ]

    def request_mix(self, database: Database | None, bodies: list[str]) -> RequestMix:
        """All kinds of requests, or the script."""
        if self.script is not None:
            return RequestMix(templates=(RequestTemplate(name=self.script.name, path=("/",)),), script=str(self.script))
        return RequestMix(templates=tuple(self._kinds(bodies)), feeds=self._draws())

    def wrong(self, kind: int, body: str, mix: RequestMix | None = None, iteration: int | None = None) -> str | None:
        """By what the request expects."""
        expect = self.requests[kind].expect
        size = len(body.encode())
        if expect.min_bytes is not None and size < expect.min_bytes:
            return f"it has {size:,} bytes, {expect.min_bytes:,} at least were expected"
        if expect.max_bytes is not None and size > expect.max_bytes:
            return f"it has {size:,} bytes, {expect.max_bytes:,} at most were expected"
        if expect.subset is None:
            return None
        try:
            answer = json.loads(body)
        except ValueError:
            return "it is not JSON"
        return next(differences(self._expected(expect.subset, iteration or 0), answer), None)

    def _expected(self, part: Any, iteration: int) -> Any:
        """What is expected of one request, with its drawn values."""
        if isinstance(part, dict):
            return {key: self._expected(value, iteration) for key, value in part.items()}
        if isinstance(part, list):
            return [self._expected(value, iteration) for value in part]
        if not isinstance(part, str):
            return part
        place = PLACE.fullmatch(part)
        if place and place[1] in self.values:
            return self._drawn(place[1], iteration)
        return PLACE.sub(
            lambda found: str(self._drawn(found[1], iteration)) if found[1] in self.values else found[0], part
        )

    def _drawn(self, name: str, iteration: int) -> Drawn:
        values = self.values[name]
        return values[Feed(count=len(values)).row(iteration)]

    def _kinds(self, bodies: Sequence[str] | None = None) -> list[RequestTemplate]:
        return [
            self._kind(request, None if bodies is None else bodies[place])
            for place, request in enumerate(self.requests)
        ]

    def _kind(self, request: AppRequest, body: str | None) -> RequestTemplate:
        headers = {name: self._template(value, PLAIN) for name, value in request.headers.items()}
        sent: Template | None = None
        if request.payload is not None:
            sent = self._template(json.dumps(request.payload), JSON)
            if not any(name.lower() == "content-type" for name in headers):
                headers["Content-Type"] = ("application/json",)
        elif request.body is not None:
            sent = self._template(request.body, PLAIN)
        return RequestTemplate(
            name=request.label,
            path=self._template(request.path, PATH),
            method=request.method,
            headers=headers,
            body=sent,
            weight=request.weight,
            statuses=None if request.expect.status is None else tuple(request.expect.status),
            checks_body=request.expect.looks,
            expected=body,
        )

    def _template(self, text: str, encoding: Encoding) -> Template:
        """A text with variables in place and holes for what is drawn; UsageError where a name is not known."""
        found: list[str | Placeholder] = []
        end = 0
        for place in PARTS.finditer(text):
            start, stop = place.span()
            name = place["whole"] or place["inner"]
            if place["variable"] is not None:
                part: str | Placeholder = encoding.inner(self._variable(place["variable"]))
            else:
                if name not in self.values:
                    raise UsageError(
                        f"{{{name}}} in the requests has no values", cure=f"give some: [values] {name} = [1, 2, 3]"
                    )
                whole = place["whole"] is not None and encoding.whole is not None
                if place["whole"] is not None and not whole:
                    start, stop = start + 1, stop - 1
                part = Placeholder(f"{name}:{encoding.name}{'-whole' if whole else ''}")
            found += [text[end:start], part]
            end = stop
        return tuple(part for part in (*found, text[end:]) if part != "")

    def _variable(self, name: str) -> str:
        if name not in self.variables:
            raise UsageError(
                f"${{{name}}} in the requests is not set",
                cure=f"give it by --env {name}=…, in the --env-file, or in the environment",
            )
        return self.variables[name]

    def _draws(self) -> dict[str, Feed]:
        """For each value and way to write it; only what is used."""
        used = {
            part.feed
            for kind in self._kinds()
            for text in (kind.path, kind.body or (), *kind.headers.values())
            for part in text
            if isinstance(part, Placeholder)
        }
        found = {}
        for key in sorted(used):
            name, _, written = key.rpartition(":")
            values = self.values[name]
            encoding = {each.name: each for each in (PATH, PLAIN, JSON)}[written.removesuffix("-whole")]
            write = encoding.whole if written.endswith("-whole") else encoding.inner
            assert write is not None
            found[key] = Feed(count=len(values), texts=tuple(map(write, values)))
        return found


def filled(template: Template, feeds: Mapping[str, Feed], iteration: int) -> str:
    """A template's text for a request."""

    def text(part: str | Placeholder) -> str:
        if isinstance(part, str):
            return part
        draw = feeds[part.feed]
        row = draw.row(iteration)
        return str(row + 1) if draw.texts is None else draw.texts[row]

    return "".join(map(text, template))


def differences(expected: Any, answer: Any, where: str = "") -> Iterator[str]:
    """Where an answer does not contain what is expected: of tables the named keys, all else equal."""
    if isinstance(expected, dict) and isinstance(answer, dict):
        for key, value in expected.items():
            here = f"{where}.{key}" if where else str(key)
            if key not in answer:
                yield f"{here} is missing"
            else:
                yield from differences(value, answer[key], here)
    elif isinstance(expected, list) and isinstance(answer, list) and len(expected) == len(answer):
        for number, (one, other) in enumerate(zip(expected, answer, strict=True)):
            yield from differences(one, other, f"{where}[{number}]")
    elif expected != answer or isinstance(expected, bool) != isinstance(answer, bool):
        place = f"{where} is" if where else "it is"
        yield f"{place} {shown(answer)}, expected {shown(expected)}"


def shown(value: Any, most: int = 200) -> str:
    """JSON of a value, not too long for a sentence."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= most else f"{text[:most]}…"
