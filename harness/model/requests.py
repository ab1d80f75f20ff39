"""What users request of an application, and which answers are right."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, StringConstraints, field_validator, model_validator

from harness.model import Value

Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
Status = Annotated[int, Field(ge=100, le=599)]
Drawn = str | int | float
PLACE = re.compile(r"\{([A-Za-z_]\w*)\}")
"""Where a drawn value goes: `{name}`."""
VARIABLE = re.compile(r"\$\{([A-Za-z_]\w*)\}")
"""Where the value of an environment variable goes: `${NAME}`."""
SECRET = re.compile(r"authorization|cookie|token|secret|password|key", re.IGNORECASE)
"""Headers whose values must not be written down."""


class Expectation(Value):
    """What a right answer is like."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    status: Annotated[list[Status], Field(min_length=1)] | None = None
    """Right statuses; any from 200 to 299 where it is left out."""
    subset: Any = Field(default=None, alias="json")
    """JSON that the answer must contain: of tables the named keys, all else equal. `{name}` as in the request."""
    min_bytes: Annotated[int, Field(ge=0)] | None = None
    max_bytes: Annotated[int, Field(ge=0)] | None = None

    @field_validator("status", mode="before")
    @classmethod
    def _one_status(cls, value: Any) -> Any:
        return [value] if isinstance(value, int) else value

    @property
    def looks(self) -> bool:
        """Whether it says anything about the body."""
        return self.subset is not None or self.min_bytes is not None or self.max_bytes is not None


class AppRequest(Value):
    """One kind of request. `{name}` in path, headers and body stands for a drawn value, `${NAME}` for a variable."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    path: Annotated[str, StringConstraints(pattern=r"^/")]
    method: Method = "GET"
    name: str | None = None
    """What it is called in results; method and path where it is left out."""
    weight: Annotated[float, Field(gt=0)] = 1.0
    """How often it is sent, relative to the others."""
    headers: dict[str, str] = {}
    payload: Any = Field(default=None, alias="json")
    """A JSON body."""
    body: str | None = None
    """Any other body."""
    expect: Expectation = Expectation()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.payload is not None and self.body is not None:
            raise ValueError("json and body together: a request has one body")
        for name, value in self.headers.items():
            if SECRET.search(name) and not VARIABLE.search(value):
                raise ValueError(
                    f"the header {name} holds a secret: write ${{NAME}} in its place, and give it by --env, --env-file "
                    "or the environment"
                )
        return self

    @property
    def label(self) -> str:
        """What it is called."""
        return self.name or (self.path if self.method == "GET" else f"{self.method} {self.path}")


class CsvColumn(Value):
    """Values from a column of a CSV file with a header line."""

    csv: str
    """Path of the file, from the folder of the file that names it."""
    column: str


class Requests(Value):
    """All kinds of requests, and the values that are drawn for them.

    Lists of equal length are drawn together, row by row; so columns of one file belong together.
    """

    requests: Annotated[list[AppRequest], Field(min_length=1)]
    values: dict[str, Annotated[list[Drawn], Field(min_length=1)] | CsvColumn] = {}
