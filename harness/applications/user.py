"""A served application of the user's: its requests, and which answers are right."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from harness.applications.served import Hook, Probe, ProcessContext, Serving
from harness.applications.values import DrawnValues
from harness.errors import UsageError
from harness.model.application import UserApplication
from harness.model.database import Database
from harness.model.load import Feed, Placeholder, RequestMix, RequestTemplate, Template
from harness.model.measurement import Waits
from harness.model.requests import PLACE, VARIABLE, AppRequest, Drawn, Step, UploadedFile
from harness.model.variant import Interface

PARTS = re.compile(
    r'\{\{(?P<literal>[A-Za-z_]\w*)\}\}|"\{(?P<whole>[A-Za-z_]\w*)\}"|\$\{(?P<variable>[A-Za-z_]\w*)\}|\{(?P<inner>[A-Za-z_]\w*)\}'
)
"""Parts of a text that are replaced: what is written with two braces and sent with one, a JSON string that is nothing
but a drawn value, a variable, a drawn value."""
EXPECTED_PARTS = re.compile(r"\{\{(?P<literal>[A-Za-z_]\w*)\}\}|\{(?P<drawn>[A-Za-z_]\w*)\}")
"""The same of what is expected, which has no variables."""
Encoding = Literal["path", "plain", "json", "form"]
"""How a value is written where it goes; in a form the text around it too."""
ANY: Any = object()
"""Expected where only the load will know what is right."""


def _escaped(value: Drawn) -> str:
    return json.dumps(str(value))[1:-1]


ENCODE: Mapping[tuple[Encoding, bool], Callable[[Drawn], str]] = {
    ("path", False): lambda value: quote(str(value), safe=""),
    ("form", False): lambda value: quote(str(value), safe=""),
    ("plain", False): str,
    ("json", False): _escaped,
    ("json", True): json.dumps,
}
"""Encoding, and whether a whole JSON string is replaced with its quotes → text of a value."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ServedUserApplication:
    """A user's application with its requests, and the values and variables that these need."""

    application: UserApplication
    steps: Sequence[Step]
    """Its requests, one after another; their places are the kinds."""
    values: DrawnValues
    variables: Mapping[str, str]
    """NAME → text in the place of `${NAME}`."""
    context: ProcessContext
    script: Path | None = None
    """A k6 script of the user's, which sends in their place."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Path of a file that is sent, as the request names it → what it holds."""
    hook: Hook | None = None
    """Command before each measurement."""
    connections: int = field(default=0, init=False)
    pooled: bool = field(default=True, init=False)
    fibonacci_calls: int = field(default=0, init=False)
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
        if self.script is not None or len(self.steps) != 1:
            return False
        only = self.steps[0].request
        return only == AppRequest(path=only.path, name=only.name) and not PLACE.search(only.path)

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

    def probes(self, saved: Mapping[str, Drawn] | None = None) -> list[Probe]:
        """One request of each kind, with the values of the first row and what was saved of the answers before; none of
        a script, whose requests are not known."""
        if self.script is not None:
            return []
        templates = [self._template(step) for step in self.steps]
        feeds = self._feeds(templates)

        def text(template: Template) -> str:
            return render(template, feeds, 0, saved or {})

        return [
            Probe(
                name=template.name,
                method=template.method,
                path=text(template.path),
                headers={name: text(value) for name, value in template.headers.items()},
                body=text(template.body) if isinstance(template.body, tuple) else template.body,
                statuses=template.statuses,
                saves=template.saves,
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
        templates = tuple(map(self._template, self.steps, bodies))
        login = next((place for place, step in enumerate(self.steps) if step.when == "login"), None)
        return RequestMix(templates=templates, feeds=self._feeds(templates), login=login)

    def wrong(self, kind: int, body: str, mix: RequestMix | None = None, iteration: int | None = None) -> str | None:
        """The fault of an answer by what its request expects; None when it is right."""
        expect = self.steps[kind].request.expect
        size = len(body.encode())  # decoded: neither gzip nor chunks are part of it
        if expect.min_bytes is not None and size < expect.min_bytes:
            return f"it has {size:,} bytes, {expect.min_bytes:,} at least were expected"
        if expect.max_bytes is not None and size > expect.max_bytes:
            return f"it has {size:,} bytes, {expect.max_bytes:,} at most were expected"
        places = [where for where in self.steps[kind].request.save.values() if ":" not in where]
        if expect.subset is None and not places:
            return None
        try:
            answer = json.loads(body)
        except ValueError:
            return "it is not JSON"
        lacking = next((where for where in places if value_at(where, answer) is None), None)
        if lacking is not None:
            return f"it has nothing to save at {lacking}"
        if expect.subset is None:
            return None
        return next(differences(self._expected(expect.subset, iteration or 0), answer), None)

    def _expected(self, part: Any, iteration: int) -> Any:
        """Expected JSON of the answer to one request, with its drawn values."""
        if isinstance(part, dict):
            return {key: self._expected(value, iteration) for key, value in part.items()}
        if isinstance(part, list):
            return [self._expected(value, iteration) for value in part]
        if not isinstance(part, str):
            return part
        if self._unforeseen & set(PLACE.findall(part)):
            return ANY
        place = PLACE.fullmatch(part)
        if place and place[1] in self.values.rows:
            return self._drawn(place[1], iteration)
        return EXPECTED_PARTS.sub(
            lambda match: (
                f"{{{match['literal']}}}"
                if match["literal"]
                else str(self._drawn(match["drawn"], iteration))
                if match["drawn"] in self.values.rows
                else match[0]
            ),
            part,
        )

    def _drawn(self, name: str, iteration: int) -> Drawn:
        values = self.values.rows[name]
        return values[Feed(count=len(values)).row(iteration)]

    @property
    def _saved(self) -> set[str]:
        """Names that are saved of answers."""
        return {name for step in self.steps for name in step.request.save}

    @property
    def _unforeseen(self) -> set[str]:
        """Names whose value differs from user to user, or is known under load only."""
        return self._saved | self.values.per_user | self.values.unique

    def _template(self, step: Step, body: str | None = None) -> RequestTemplate:
        request = step.request
        headers = {name: self._header(name, value) for name, value in request.headers.items()}
        payload, media_type = self._payload(request)
        if media_type is not None and not any(name.lower() == "content-type" for name in headers):
            headers["Content-Type"] = (media_type,)
        return RequestTemplate(
            name=request.label,
            path=self._text(request.path, "plain" if PLACE.fullmatch(request.path) else "path"),
            method=request.method,
            headers=headers,
            body=payload,
            weight=request.weight if step.when == "drawn" else 0.0,
            next=step.next,
            saves=request.save,
            statuses=None if request.expect.status is None else tuple(request.expect.status),
            checks_body=request.expect.looks,
            expected=body,
        )

    def _payload(self, request: AppRequest) -> tuple[Template | bytes | None, str | None]:
        """The body of a request, and its media type where that follows from how it is described."""
        if request.payload is not None:
            return self._text(json.dumps(request.payload), "json"), "application/json"
        if request.body is not None:
            return self._text(request.body, "plain"), None
        if request.body_file is not None:
            return self.files[request.body_file], None
        if request.form is None:
            return None, None
        texts = {name: value for name, value in request.form.items() if isinstance(value, str)}
        if len(texts) == len(request.form):
            pairs = [(quote(name, safe=""), self._text(value, "form")) for name, value in texts.items()]
            parts = [(*(("&",) if place else ()), f"{name}=", *value) for place, (name, value) in enumerate(pairs)]
            return tuple(part for each in parts for part in each), "application/x-www-form-urlencoded"
        return multipart(request.form, self._fixed, self.files)

    def _fixed(self, text: str) -> str:
        """A text whose variables are filled in; UsageError where it has a drawn value."""
        template = self._text(text, "plain")
        if any(isinstance(part, Placeholder) for part in template):
            raise UsageError(
                f"{text!r} stands in a form with a file, which is sent as it is",
                cure="write the value that is to be sent",
            )
        return "".join(map(str, template))

    def _text(self, text: str, encoding: Encoding) -> Template:
        """A text with variables in place and placeholders for drawn values; UsageError where a name is not known."""
        around: Callable[[str], str] = ENCODE["form", False] if encoding == "form" else str
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
                if name not in self.values.names | self._saved:
                    raise UsageError(
                        f"{{{name}}} in the requests has no values",
                        cure=f"give some, [values] {name} = [1, 2, 3]; or write {{{{{name}}}}} to send it as it stands",
                    )
                whole = match["whole"] is not None and (encoding, True) in ENCODE
                if match["whole"] is not None and not whole:
                    start, stop = start + 1, stop - 1
                part = Placeholder(name, encoding, whole, self._source(name))
            parts += [around(text[end:start]), part]
            end = stop
        return tuple(part for part in (*parts, around(text[end:])) if part != "")

    def _source(self, name: str) -> Literal["drawn", "saved", "unique"]:
        if name in self._saved:
            return "saved"
        return "unique" if name in self.values.unique else "drawn"

    def _header(self, name: str, text: str) -> Template:
        """The value of a header, which is one line."""
        taken: dict[str, Sequence[Drawn]] = {each: [self._variable(each)] for each in VARIABLE.findall(text)}
        taken |= {each: self.values.rows[each] for each in PLACE.findall(text) if each in self.values.rows}
        for source, values in taken.items():
            if any(re.search(r"[\r\n\0]", str(value)) for value in values):
                raise UsageError(
                    f"the header {name} takes {source}, whose value has a line break",
                    cure="give it without: files of secrets often end with one",
                )
        return self._text(text, "plain")

    def _variable(self, name: str) -> str:
        if name not in self.variables:
            raise UsageError(
                f"${{{name}}} in the requests is not set",
                cure=f"give it by --env {name}=…, in the --env-file, or in the environment",
            )
        value = self.variables[name]
        try:
            value.encode()
        except UnicodeEncodeError:
            raise UsageError(f"the value of {name}, which the requests use, is no UTF-8", cure="mend it") from None
        return value

    def _feeds(self, templates: Iterable[RequestTemplate]) -> dict[str, Feed]:
        """A feed for each value and each way in which it is written."""
        feeds = {}
        for part in (part for template in templates for part in template.parts):
            if isinstance(part, Placeholder) and part.encoding and part.source == "drawn":
                texts = tuple(map(ENCODE[part.encoding, part.whole], self.values.rows[part.name]))
                per_user = part.name in self.values.per_user
                feeds[part.feed] = Feed(count=len(texts), texts=texts, per_user=per_user)
        return feeds


def render(
    template: Template, feeds: Mapping[str, Feed], iteration: int, saved: Mapping[str, Drawn] | None = None
) -> str:
    """The text of a template for the request with this number, with what was saved of answers before; a name of which
    nothing was saved stays as it is written."""

    def text(part: str | Placeholder) -> str:
        if isinstance(part, str):
            return part
        if part.source == "drawn":
            feed = feeds[part.feed]
            row = feed.row(iteration)
            return str(row + 1) if feed.texts is None else feed.texts[row]
        value = str(uuid.uuid4()) if part.source == "unique" else (saved or {}).get(part.name, f"{{{part.name}}}")
        assert part.encoding
        return ENCODE[part.encoding, part.whole](value)

    return "".join(map(text, template))


def multipart(
    form: Mapping[str, str | UploadedFile], fill: Callable[[str], str], files: Mapping[str, bytes]
) -> tuple[bytes, str]:
    """A form with files as it is sent, and its media type with the boundary, which is the same for the same form."""
    parts = []
    for name, value in form.items():
        disposition = f'Content-Disposition: form-data; name="{_quoted(name)}"'
        if isinstance(value, str):
            parts.append(f"{disposition}\r\n\r\n{fill(value)}\r\n".encode())
        else:
            head = f'{disposition}; filename="{_quoted(Path(value.file).name)}"\r\nContent-Type: {value.type}\r\n\r\n'
            parts.append(head.encode() + files[value.file] + b"\r\n")
    boundary = f"harness-{hashlib.sha256(b''.join(parts)).hexdigest()[:32]}"
    body = b"".join(f"--{boundary}\r\n".encode() + part for part in parts) + f"--{boundary}--\r\n".encode()
    return body, f"multipart/form-data; boundary={boundary}"


def _quoted(name: str) -> str:
    """A name as it stands in quotes of a header of a form: as browsers write it."""
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def value_at(where: str, document: Any) -> Drawn | None:
    """The value at a place of a document, such as `user.id` or `items.0.id`; None where there is none."""
    try:
        for key in where.split("."):
            document = document[int(key)] if isinstance(document, list) else document[key]
    except (ValueError, LookupError, TypeError):
        return None
    return document if isinstance(document, str | int | float) else None


def differences(expected: Any, answer: Any, where: str = "") -> Iterator[str]:
    """Sentences about where an answer lacks what is expected: tables must have the named keys, all else must be
    equal."""
    if expected is ANY:
        return
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
    text = json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= most else f"{text[:most]}…"
