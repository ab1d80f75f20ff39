"""Requests of a user's application, read from options and files."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from harness.applications.values import DrawnValues, locate, read_values
from harness.errors import UsageError
from harness.model import validation
from harness.model.application import SCRIPT
from harness.model.plan import ApplicationPlan
from harness.model.requests import Addresses, AppRequest, Requests, Step, UploadedFile, ValueSource, steps_of

ADDRESS = "address"
"""Name of the values of a list of addresses."""
COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
DEFAULT = re.compile(r"\bexport\s+default\b|\bexport\s*\{[^}]*\bas\s+default\b|\bexports\.default\b")
FUNCTION = re.compile(r"\bexport\s+(?:async\s+)?function\s+(\w+)")


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestSource:
    """Requests with the values that are drawn for them, or a k6 script."""

    steps: Sequence[Step] = ()
    values: DrawnValues
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Path of a file that is sent, as the request names it → what it holds."""
    script: Path | None = None

    @property
    def lines(self) -> list[str]:
        """Descriptions of the kinds of requests, without headers and bodies."""
        if self.script is not None:
            return [f"{SCRIPT}{self.script.name}"]
        several = sum(step.when == "drawn" for step in self.steps) > 1
        return [_line(step, several) for step in self.steps]

    @property
    def digest(self) -> str:
        """Digest of everything that is sent and expected: equal digests, equal requests."""
        content = [
            [step.request.model_dump(mode="json", by_alias=True) for step in self.steps],
            {name: list(each) for name, each in self.values.rows.items()},
            {name: hashlib.sha256(each).hexdigest() for name, each in self.files.items()},
            None if self.script is None else self.script.read_text(encoding="utf-8"),
        ]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _line(step: Step, several: bool) -> str:
    request = f"{step.request.method} {step.request.path}"
    match step.when:
        case "login":
            return f"{request}, once by each user"
        case "then":
            return f"{request}, after the one before"
        case "drawn":
            return f"{request} ×{step.request.weight:g}" if several else request


def request_source(plan: ApplicationPlan, base: Path, routes: Sequence[str]) -> RequestSource:
    """The requests of a plan, whose paths are from `base`. UsageError where it names none, or several sources of them.

    `routes`: paths of the application, for the message.
    """
    sources = [name for name in ("path", "requests", "k6_script") if getattr(plan, name)]
    if len(sources) > 1:
        options = " and ".join(f"--{name.replace('_', '-')}" for name in sources)
        raise UsageError(f"{options} together: one of them says what is sent", cure="give one of them")
    if not sources:
        hint = f"; it has {', '.join(routes[:5])}" if routes else ""
        raise UsageError(
            f"nothing says what to request of {plan.app}", cure=f"give --path, --requests or --k6-script{hint}"
        )
    if plan.k6_script:
        if plan.login is not None:
            raise UsageError("login and --k6-script together", cure="let the script log in")
        script = locate(base, plan.k6_script).resolve()
        if not script.is_file():
            raise UsageError(f"--k6-script {plan.k6_script}: no such file", cure="give the path of a k6 script")
        check_script(script)
        return RequestSource(values=DrawnValues(rows={}), script=script)
    if isinstance(plan.requests, str):
        file = locate(base, plan.requests)
        document = read_requests(file)
        steps = steps_of(document.requests, document.login or plan.login)
        return _source(steps, {**plan.values, **document.values}, file.parent)
    requests = plan.requests or [AppRequest(path=path) for path in plan.path or ()]
    return _source(steps_of(requests, plan.login), plan.values, base)


def _source(steps: Sequence[Step], values: Mapping[str, ValueSource], base: Path) -> RequestSource:
    """Requests with the values and files that they need, whose paths are from `base`."""
    files = {name: _read(locate(base, name)) for step in steps for name in _files(step.request)}
    return RequestSource(steps=steps, values=read_values(values, base), files=files)


def _files(request: AppRequest) -> Iterable[str]:
    """Paths of the files that a request sends."""
    if request.body_file is not None:
        yield request.body_file
    yield from (each.file for each in (request.form or {}).values() if isinstance(each, UploadedFile))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"cannot read {path}, which a request sends: {error.strerror}", cure="mend the path"
        ) from error


def check_script(script: Path) -> None:
    """Refuse a k6 script whose load the harness cannot run: it calls the default function again and again."""
    try:
        text = COMMENT.sub("", script.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--k6-script {script.name} cannot be read: {error}", cure="give a file in UTF-8") from error
    if DEFAULT.search(text):
        return
    functions = ", ".join(FUNCTION.findall(text))
    raise UsageError(
        f"--k6-script {script.name} exports no default function" + (f"; it has {functions}" if functions else ""),
        cure="scenarios with functions of their own are not run: export a default function that does what a user does",
    )


def read_requests(path: Path) -> Requests:
    """Requests of a TOML file, or of a list of addresses or an access log; UsageError names what is wrong with it."""
    if path.suffix.lower() != ".toml" and path.is_file():
        addresses = Addresses(addresses=path.name)
        return Requests(requests=[AppRequest(path=f"{{{ADDRESS}}}", name=path.name)], values={ADDRESS: addresses})
    try:
        return Requests.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", cure="give the path of a TOML file") from error
    except ValidationError as error:
        raise UsageError(f"{path}: {validation.first_error(error)}", cure="see docs/applications.md") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is no TOML: {error}", cure="mend it there") from error
