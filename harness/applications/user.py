"""A served application of the user's: its requests, and which answers are right."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from harness.applications.served import Hook, Probe, ProcessContext, Serving
from harness.errors import UsageError
from harness.model.application import UserApplication
from harness.model.database import Database
from harness.model.load import Feed, Placeholder, RequestMix, RequestTemplate, Template
from harness.model.measurement import Waits
from harness.model.requests import PLACE, AppRequest, Drawn, Expectation
from harness.model.variant import Interface

PARTS = re.compile(
    r'\{\{(?P<literal>[A-Za-z_]\w*)\}\}|"\{(?P<whole>[A-Za-z_]\w*)\}"|\$\{(?P<variable>[A-Za-z_]\w*)\}|\{(?P<inner>[A-Za-z_]\w*)\}'
)
"""Parts of a text that are replaced: what is written with two braces and sent with one, a JSON string that is nothing
but a drawn value, a variable, a drawn value."""
EXPECTED_PARTS = re.compile(r"\{\{(?P<literal>[A-Za-z_]\w*)\}\}|\{(?P<drawn>[A-Za-z_]\w*)\}")
"""The same of what is expected, which has no variables."""
Encoding = Literal["path", "plain", "json"]
"""How a value is written where it goes."""


def _escaped(value: Drawn) -> str:
    return json.dumps(str(value))[1:-1]


ENCODE: Mapping[tuple[Encoding, bool], Callable[[Drawn], str]] = {
    ("path", False): lambda value: quote(str(value), safe=""),
    ("plain", False): str,
    ("json", False): _escaped,
    ("json", True): json.dumps,
}
"""Encoding, and whether a whole JSON string is replaced with its quotes → text of a value."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ServedUserApplication:
    """A user's application with its requests, and the values and variables that these need."""

    application: UserApplication
    requests: Sequence[AppRequest]
    values: Mapping[str, Sequence[Drawn]]
    variables: Mapping[str, str]
    """NAME → text in the place of `${NAME}`."""
    context: ProcessContext
    script: Path | None = None
    """A k6 script of the user's, which sends in the place of `requests`."""
    hook: Hook | None = None
    """Command before each measurement."""
    connections: int = field(default=0, init=False)
    pooled: bool = field(default=True, init=False)
    distributions: tuple[str, ...] = field(default=(), init=False)

    @property
    def name(self) -> str:
        """The application as `module:object`."""
        return self.application.target

    @property
    def known_seconds(self) -> float:
        """Seconds that one request waits by itself, as declared; 0 where nothing is."""
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
        """The declared wait: awaited under ASGI, in a thread under WSGI."""
        wait = self.application.wait_seconds
        if interface == "wsgi":
            return Waits(total_seconds=wait, occupied_seconds=wait, slot="thread")
        return Waits(total_seconds=wait, occupied_seconds=None if wait is None else 0.0, slot="event loop")

    def serving(self) -> Serving:
        """How a server imports it: in its own folder, with its own variables."""
        return Serving(
            target=self.application.target,
            factory=self.application.factory,
            environment=self.context.environment,
            folder=self.context.folder,
            imports=self.context.import_folder,
            asked_folder=self.context.import_folder if self.application.folder is not None else None,
        )

    def before_visit(self) -> Hook | None:
        """The user's command before each measurement; None where there is none."""
        return self.hook

    def probes(self) -> list[Probe]:
        """One request of each kind, with the values of the first row; none of a script, whose requests are not
        known."""
        if self.script is not None:
            return []
        templates = [self._template(request) for request in self.requests]
        feeds = self._feeds(templates)
        return [
            Probe(
                name=template.name,
                method=template.method,
                path=render(template.path, feeds, 0),
                headers={name: render(value, feeds, 0) for name, value in template.headers.items()},
                body=None if template.body is None else render(template.body, feeds, 0),
                statuses=template.statuses,
            )
            for template in templates
        ]

    def request_mix(self, database: Database | None, bodies: list[str]) -> RequestMix:
        """Templates of all kinds of requests, or the script. UsageError where a value or a variable is not known."""
        if self.script is not None:
            return RequestMix(
                templates=(RequestTemplate(name=self.script.name, path=("/",)),),
                script=str(self.script),
                script_environment=self.context.given,
            )
        templates = tuple(map(self._template, self.requests, bodies))
        return RequestMix(templates=templates, feeds=self._feeds(templates))

    def wrong(self, kind: int, body: str, mix: RequestMix | None = None, iteration: int | None = None) -> str | None:
        """The fault of an answer by what its request expects; None when it is right."""
        expect = self.requests[kind].expect
        size = len(body.encode())  # decoded: neither gzip nor chunks are part of it
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
        """Expected JSON of the answer to one request, with its drawn values."""
        if isinstance(part, dict):
            return {key: self._expected(value, iteration) for key, value in part.items()}
        if isinstance(part, list):
            return [self._expected(value, iteration) for value in part]
        if not isinstance(part, str):
            return part
        place = PLACE.fullmatch(part)
        if place and place[1] in self.values:
            return self._drawn(place[1], iteration)
        return EXPECTED_PARTS.sub(
            lambda match: (
                f"{{{match['literal']}}}"
                if match["literal"]
                else str(self._drawn(match["drawn"], iteration))
                if match["drawn"] in self.values
                else match[0]
            ),
            part,
        )

    def _drawn(self, name: str, iteration: int) -> Drawn:
        values = self.values[name]
        return values[Feed(count=len(values)).row(iteration)]

    def _template(self, request: AppRequest, body: str | None = None) -> RequestTemplate:
        headers = {name: self._text(value, "plain") for name, value in request.headers.items()}
        payload: Template | None = None
        if request.payload is not None:
            payload = self._text(json.dumps(request.payload), "json")
            if not any(name.lower() == "content-type" for name in headers):
                headers["Content-Type"] = ("application/json",)
        elif request.body is not None:
            payload = self._text(request.body, "plain")
        return RequestTemplate(
            name=request.label,
            path=self._text(request.path, "path"),
            method=request.method,
            headers=headers,
            body=payload,
            weight=request.weight,
            statuses=None if request.expect.status is None else tuple(request.expect.status),
            checks_body=request.expect.looks,
            expected=body,
        )

    def _text(self, text: str, encoding: Encoding) -> Template:
        """A text with variables in place and placeholders for drawn values; UsageError where a name is not known."""
        parts: list[str | Placeholder] = []
        end = 0
        for match in PARTS.finditer(text):
            start, stop = match.span()
            if match["literal"] is not None:
                part: str | Placeholder = f"{{{match['literal']}}}"
            elif match["variable"] is not None:
                part = ENCODE[encoding, False](self._variable(match["variable"]))
            else:
                name = match["whole"] or match["inner"]
                if name not in self.values:
                    raise UsageError(
                        f"{{{name}}} in the requests has no values",
                        cure=f"give some, [values] {name} = [1, 2, 3]; or write {{{{{name}}}}} to send it as it stands",
                    )
                whole = match["whole"] is not None and (encoding, True) in ENCODE
                if match["whole"] is not None and not whole:
                    start, stop = start + 1, stop - 1
                part = Placeholder(name, encoding, whole)
            parts += [text[end:start], part]
            end = stop
        return tuple(part for part in (*parts, text[end:]) if part != "")

    def _variable(self, name: str) -> str:
        if name not in self.variables:
            raise UsageError(
                f"${{{name}}} in the requests is not set",
                cure=f"give it by --env {name}=…, in the --env-file, or in the environment",
            )
        return self.variables[name]

    def _feeds(self, templates: Iterable[RequestTemplate]) -> dict[str, Feed]:
        """A feed for each value and each way in which it is written."""
        feeds = {}
        for part in (part for template in templates for part in template.parts):
            if isinstance(part, Placeholder) and part.encoding:
                texts = tuple(map(ENCODE[part.encoding, part.whole], self.values[part.name]))
                feeds[part.feed] = Feed(count=len(texts), texts=texts)
        return feeds


def render(template: Template, feeds: Mapping[str, Feed], iteration: int) -> str:
    """The text of a template for the request with this number."""

    def text(part: str | Placeholder) -> str:
        if isinstance(part, str):
            return part
        feed = feeds[part.feed]
        row = feed.row(iteration)
        return str(row + 1) if feed.texts is None else feed.texts[row]

    return "".join(map(text, template))


def differences(expected: Any, answer: Any, where: str = "") -> Iterator[str]:
    """Sentences about where an answer lacks what is expected: tables must have the named keys, all else must be
    equal."""
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
        yield f"{place} {excerpt(answer)}, expected {excerpt(expected)}"


def excerpt(value: Any, most: int = 200) -> str:
    """JSON of a value, not too long for a sentence."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= most else f"{text[:most]}…"
