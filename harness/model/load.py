"""How a deployment is loaded: closed or open, with which requests, for how long."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from harness.model import Value, labels


class ClosedLoad(Value):
    """So many users, each of whom waits for the answer before sending the next request."""

    kind: Literal["closed"] = "closed"
    users: int

    @property
    def rate(self) -> None:
        """Nothing: the answers set the pace."""

    @property
    def label(self) -> str:
        """The part of a cell's written form, such as `c100`."""
        return labels.users_label(self.users)


class OpenLoad(Value):
    """So many requests per second, whether they are answered or not."""

    kind: Literal["open"] = "open"
    rate: float
    arrivals: Literal["poisson", "even"] = "poisson"
    """By chance, as from users who know nothing of each other; or at equal distances, which queue nothing below
    capacity."""

    @property
    def users(self) -> None:
        """Nothing: as many as the rate needs."""

    @property
    def label(self) -> str:
        """The part of a cell's written form, such as `r200`; `r200even` at equal distances."""
        return labels.rate_label(self.rate, self.arrivals)


LoadProfile = Annotated[ClosedLoad | OpenLoad, Field(discriminator="kind")]
"""How requests arrive, told apart by `kind`."""


class Timing(Value):
    """How long a measurement takes."""

    warmup_seconds: float
    window_seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Feed:
    """Rows of values of which each request takes another one until all were taken; always in the same order.

    The step is close to the golden section of `count`, so that neighbours in the order are far from each other.
    """

    count: int
    texts: tuple[str, ...] | None = None
    """What each row stands for; None: its number, counted from 1."""
    per_user: bool = False
    """Whether each user keeps its row, instead of another one for each request."""

    @property
    def step(self) -> int:
        """Distance of the rows of two requests in a row; prime to `count`, so that every row comes up."""
        start = max(1, round(self.count * 0.6180339887498949))
        return next(step for step in range(start, start + self.count + 1) if math.gcd(step, self.count) == 1)

    def row(self, iteration: int) -> int:
        """Row of the request with this number; both count from 0."""
        return iteration * self.step % self.count


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A place in a text that takes a value of a feed."""

    name: str
    """Name of the value."""
    encoding: Literal["", "path", "plain", "json", "form"] = ""
    """How the value is written; empty: the number of the row."""
    whole: bool = False
    """Whether the value takes the place of a whole JSON string, quotes included."""
    source: Literal["drawn", "saved", "unique"] = "drawn"
    """Where the value is from: a feed, an earlier answer to the same user, or nowhere, a UUID that is always new."""

    @property
    def feed(self) -> str:
        """Name of the feed that has the values as they are written here."""
        return ":".join(filter(None, (self.name, self.encoding, "whole" if self.whole else "")))


Template = tuple[str | Placeholder, ...]
"""A text with placeholders."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestTemplate:
    """One kind of request."""

    name: str
    path: Template
    method: str = "GET"
    headers: Mapping[str, Template] = field(default_factory=dict)
    body: Template | bytes | None = None
    """Text, or bytes that are sent as they are."""
    weight: float = 1.0
    """How often it is sent, relative to the others of its mix; 0 of what follows another one."""
    next: int | None = None
    """Place of the kind that the same user sends after a right answer; None: one by the weights."""
    saves: Mapping[str, str] = field(default_factory=dict)
    """Name → where its value is in the answer; see `AppRequest.save`."""
    statuses: tuple[int, ...] | None = None
    """Right statuses; None: all from 200 to 299."""
    checks_body: bool = True
    """Sampled bodies are compared with `expected`, and those that differ are kept to be judged."""
    expected: str | None = None
    """The answer's body as it was verified before the load; None where every request has another."""

    @property
    def varies(self) -> bool:
        """Whether every request is another one."""
        return any(isinstance(part, Placeholder) for part in self.parts)

    @property
    def parts(self) -> tuple[str | Placeholder, ...]:
        """Path, body and headers in their parts."""
        body = self.body if isinstance(self.body, tuple) else ()
        return (*self.path, *body, *(part for each in self.headers.values() for part in each))


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestMix:
    """What the users of a deployment send: requests of several kinds by their weights, or what a script sends."""

    templates: tuple[RequestTemplate, ...]
    feeds: Mapping[str, Feed] = field(default_factory=dict)
    login: int | None = None
    """Place of the kind that each user sends once, before all others."""
    script: str | None = None
    """Path of a k6 script of the user's, which sends on its own."""
    script_environment: Mapping[str, str] = field(default_factory=dict)
    """Environment variables that it finds in `__ENV`."""


FOREVER = Timing(warmup_seconds=0.0, window_seconds=1.0)
"""Of what is loaded in turn: it has no warm-up and window of its own."""
