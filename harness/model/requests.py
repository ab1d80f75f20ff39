"""What users request of an application, and which answers are right."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, StringConstraints, field_validator, model_validator

from harness.model import Value

Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
Status = Annotated[int, Field(ge=100, le=599)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Drawn = str | int | Finite
PLACE = re.compile(r"\{([A-Za-z_]\w*)\}")
"""Where a drawn value goes: `{name}`."""
VARIABLE = re.compile(r"\$\{([A-Za-z_]\w*)\}")
"""Where the value of an environment variable goes: `${NAME}`."""
SECRET_HEADERS = frozenset(
    (
        *("authorization", "proxy-authorization", "cookie", "private-token"),
        *("api-key", "apikey", "x-api-key", "x-goog-api-key", "x-auth-token", "x-access-token"),
        *("x-csrf-token", "x-xsrf-token", "x-amz-security-token"),
    )
)
"""Headers that carry credentials, by the names that are in use for them."""
SECRET_VALUE = re.compile(
    r"^(bearer|basic|digest|token)\s+\S|^eyJ[\w-]{8,}\.|^(gh[pousr]_|github_pat_|glpat-|xox[abprs]-|sk-|AKIA)\w",
    re.IGNORECASE,
)
"""What credentials look like, whatever the header is called."""
SAVED_FROM = re.compile(r"^((header|cookie):.+|[^:\s]+)$")
REQUEST_PATH = r"^(/|\{[A-Za-z_]\w*\}$)"
HEADER_NAME, HEADER_VALUE = r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$", r"^[^\r\n\x00]*$"


def as_json(value: Any) -> Any:
    """`value`, if JSON has it. ValueError for dates and for what is no number, which TOML has."""
    try:
        json.dumps(value, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise ValueError(f"no JSON: {error}; write it as a text") from error
    return value


class Expectation(Value):
    """What a right answer is like."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    status: Annotated[list[Status], Field(min_length=1)] | None = None
    """Right statuses; any from 200 to 299 where it is left out."""
    subset: Any = Field(default=None, alias="json")
    """JSON that the answer must contain: of tables the named keys, all else equal. `{name}` as in the request."""
    min_bytes: Annotated[int, Field(ge=0)] | None = None
    max_bytes: Annotated[int, Field(ge=0)] | None = None

    @field_validator("subset")
    @classmethod
    def _as_json(cls, value: Any) -> Any:
        return as_json(value)

    @field_validator("status", mode="before")
    @classmethod
    def _one_status(cls, value: Any) -> Any:
        return [value] if isinstance(value, int) else value

    @property
    def looks(self) -> bool:
        """Whether it says anything about the body."""
        return self.subset is not None or self.min_bytes is not None or self.max_bytes is not None


class UploadedFile(Value):
    """A file in a form."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    """Path of the file, from the folder of the file that names it."""
    type: str = "application/octet-stream"
    """Its media type."""


class AppRequest(Value):
    """One kind of request. `{name}` in path, headers and body stands for a drawn or saved value, `${NAME}` for a
    variable."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    path: Annotated[str, StringConstraints(pattern=REQUEST_PATH)]
    """With the query; a drawn value alone stands for the whole of it."""
    method: Method = "GET"
    name: str | None = None
    """What it is called in results; method and path where it is left out."""
    weight: Annotated[Finite, Field(gt=0)] = 1.0
    """How often it is sent, relative to the others."""
    headers: dict[
        Annotated[str, StringConstraints(pattern=HEADER_NAME)], Annotated[str, StringConstraints(pattern=HEADER_VALUE)]
    ] = {}
    payload: Any = Field(default=None, alias="json")
    """A JSON body."""
    body: str | None = None
    """Any other body."""
    body_file: str | None = None
    """A body from a file, as it is; its path counts from the folder of the file that names it."""
    form: dict[str, str | UploadedFile] | None = None
    """Fields of a form: sent as multipart/form-data if one of them is a file, else as a browser sends a form."""
    expect: Expectation = Expectation()
    save: dict[str, Annotated[str, StringConstraints(pattern=SAVED_FROM)]] = {}
    """Name → where its value is in the answer: keys of its JSON such as `user.id`, `header:NAME` or `cookie:NAME`. The
    same user has it as `{name}` in later requests."""
    then: list[AppRequest] = []
    """Requests that the same user sends after this one was answered rightly, one after another."""

    @field_validator("payload")
    @classmethod
    def _as_json(cls, value: Any) -> Any:
        return as_json(value)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        bodies = {"json": self.payload, "body": self.body, "body_file": self.body_file, "form": self.form}
        given = [name for name, value in bodies.items() if value is not None]
        if len(given) > 1:
            raise ValueError(f"{given[0]} and {given[1]} together: a request has one body")
        for name, value in self.headers.items():
            secret = name.lower() in SECRET_HEADERS or SECRET_VALUE.search(value)
            if secret and not VARIABLE.search(value) and not PLACE.search(value):
                raise ValueError(
                    f"the header {name} holds a secret: write ${{NAME}} in its place, and give it by --env, --env-file "
                    "or the environment"
                )
        if any(each.then for each in self.then):
            raise ValueError("then within then: write the requests of a sequence below one another")
        return self

    def without_contents(self) -> AppRequest:
        """A copy that says what is requested, and nothing of what is sent with it or expected."""
        return AppRequest(
            path=self.path,
            method=self.method,
            name=self.name,
            weight=self.weight,
            then=[each.without_contents() for each in self.then],
        )

    @property
    def label(self) -> str:
        """What it is called."""
        return self.name or (self.path if self.method == "GET" else f"{self.method} {self.path}")


class CsvColumn(Value):
    """Values from a column of a CSV file with a header line."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    csv: str
    """Path of the file, from the folder of the file that names it."""
    column: str
    per: Literal["request", "user"] = "request"
    """Whether another row is drawn for each request, or each user keeps one."""


class Addresses(Value):
    """What is requested, from a list of addresses or an access log: the paths with their queries."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    addresses: str
    """Path of the file, from the folder of the file that names it."""


class UniqueValue(Value):
    """A new UUID for each request, such as an idempotency key."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    unique: Literal["uuid"]


ValueSource = Annotated[list[Drawn], Field(min_length=1)] | CsvColumn | Addresses | UniqueValue


class Requests(Value):
    """All kinds of requests, and the values that are drawn for them.

    Lists of equal length are drawn together, row by row; so columns of one file belong together.
    """

    requests: Annotated[list[AppRequest], Field(min_length=1)]
    login: AppRequest | None = None
    """Sent once by each user, before everything else."""
    values: dict[str, ValueSource] = {}


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One request of what a user does."""

    request: AppRequest
    next: int | None = None
    """Place of the step that the user goes on with; None: the next one is drawn."""
    when: Literal["drawn", "then", "login"] = "drawn"
    """Drawn by its weight, after another one, or once at the beginning."""


def steps_of(requests: Sequence[AppRequest], login: AppRequest | None = None) -> list[Step]:
    """All requests one after another: the login first, and each followed by what comes `then`."""
    steps = [] if login is None else [Step(request=login, when="login")]
    for each in requests:
        sequence = [each, *each.then]
        for place, request in enumerate(sequence, 1):
            following = len(steps) + 1 if place < len(sequence) else None
            steps.append(Step(request=request, next=following, when="drawn" if place == 1 else "then"))
    return steps
