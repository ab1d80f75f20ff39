"""What a workload is: two twins of one function, their parameters, what they wait for, and how to check an answer.

The signature of the sync twin is the only place where a parameter's type, bounds and default are written.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from annotated_types import Interval

Answer = dict[str, Any]
Value = int | str | None
Params = Mapping[str, Value]

Milliseconds = Annotated[int, Interval(ge=0, le=60_000)]
FibonacciIndex = Annotated[int, Interval(ge=0, le=35)]
LARGEST_ID = 2**63 - 1
RANDOM = "random"
"""Value of a parameter that the load generator draws anew for each request."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """Marks a parameter that may be `random`: drawn from the ids of a table of the shop, which start at 1."""

    table: str


UserId = Annotated[int, Interval(ge=1, le=LARGEST_ID), Drawn("users")]
Transaction = Literal["1"] | None
"""`1`: a transaction around each query, three round trips to Postgres in place of one. None: no transaction."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Parameter:
    """One parameter of a workload, read off its sync twin's signature."""

    name: str
    default: Value
    minimum: int | None = None
    maximum: int | None = None
    choices: tuple[str, ...] = ()
    drawn_from: str | None = None
    """Table of the shop from whose ids the load generator can draw it; None: it cannot."""

    @property
    def domain(self) -> str:
        """What may be given, in words."""
        if self.choices:
            return " or ".join(self.choices)
        if self.maximum == LARGEST_ID:
            return f"a whole number from {self.minimum}" + (f", or {RANDOM}" if self.drawn_from else "")
        return f"a whole number from {self.minimum} to {self.maximum}"

    def parse(self, text: str) -> Value:
        """The value that `text` stands for; ValueError says what is accepted instead."""
        if self.choices:
            if text in self.choices:
                return text
        else:
            try:
                number = int(text)
            except ValueError:
                pass
            else:
                if self.minimum is not None and self.maximum is not None and self.minimum <= number <= self.maximum:
                    return number
        raise ValueError(f"{self.name}={text}: {self.name} takes {self.domain}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """How long one request waits, in seconds. `None`: not known from the parameters (a query, a computation)."""

    awaited_seconds: float | None
    """Waits that the async twin awaits: the event loop serves others meanwhile."""
    blocked_seconds: float | None
    """Waits during which the thread that runs the twin can do nothing else, in the async twin too."""
    fibonacci_calls: int = 0
    """Calls of `fibonacci.naive`: what it computes at least, whatever the machine."""

    @property
    def known_seconds(self) -> float:
        """What is known of the whole wait; 0 where nothing is."""
        return (self.awaited_seconds or 0.0) + (self.blocked_seconds or 0.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Workload:
    """One workload: its twins share parameters and answer, and differ only in `await`."""

    name: str
    summary: str
    sync_twin: Callable[..., Answer]
    async_twin: Callable[..., Awaitable[Answer]]
    work: Callable[..., Work]
    """Parameters → what one request waits for. Pure."""
    check: Callable[[Any, Params], str | None]
    """Parsed answer and parameters → None when it is right, else a sentence that says what is wrong. Pure."""
    trivial: Callable[[Any], str | None] = lambda answer: None
    """A right answer → why it is not worth measuring, or None. Pure."""
    connections: int = 0
    """Database connections that one request uses at the same time."""
    distributions: tuple[str, ...] = ()
    """Distributions that the server's environment needs besides the framework."""
    refused_styles: Mapping[str, str] = field(default_factory=dict)
    """Style → why the workload cannot hang on a route that way."""
    refuse: Callable[[str, Params], str | None] = lambda twin, params: None
    """Twin (`sync` or `async`) and parameters → why that combination cannot exist, or None. Pure."""

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters in the order of the signature."""
        hints = get_type_hints(self.sync_twin, include_extras=True)
        signature = inspect.signature(self.sync_twin)
        return tuple(_parameter(name, item.default, hints[name]) for name, item in signature.parameters.items())

    def defaults(self) -> dict[str, Value]:
        """Every parameter with its default."""
        return {parameter.name: parameter.default for parameter in self.parameters}

    def parse(self, texts: Mapping[str, str]) -> dict[str, Value]:
        """All parameters, those in `texts` parsed and the rest at their defaults; ValueError on bad input."""
        known = {parameter.name: parameter for parameter in self.parameters}
        for name in texts:
            if name not in known:
                takes = f"takes {', '.join(known)}" if known else "takes no parameters"
                raise ValueError(f"{name}: {self.name} has no such parameter; it {takes}")
        return self.defaults() | {name: _value(known[name], text) for name, text in texts.items()}

    def drawn(self, params: Params) -> Parameter | None:
        """The parameter that the load generator draws for each request; None where all are fixed."""
        return next((each for each in self.parameters if each.drawn_from and params[each.name] == RANDOM), None)


def _value(parameter: Parameter, text: str) -> Value:
    return RANDOM if parameter.drawn_from and text == RANDOM else parameter.parse(text)


def _parameter(name: str, default: Value, hint: Any) -> Parameter:
    marks, choices = _constraints(hint)
    if choices:
        return Parameter(name=name, default=default, choices=choices)
    interval = next((mark for mark in marks if isinstance(mark, Interval)), None)
    drawn = next((mark.table for mark in marks if isinstance(mark, Drawn)), None)
    if interval is None:
        raise TypeError(f"parameter {name} has neither bounds nor choices")
    assert isinstance(interval.ge, int)
    assert isinstance(interval.le, int)
    return Parameter(name=name, default=default, minimum=interval.ge, maximum=interval.le, drawn_from=drawn)


def _constraints(hint: Any) -> tuple[tuple[Any, ...], tuple[str, ...]]:
    """The marks or the choices somewhere inside a type hint such as `Annotated[int, Interval(…)] | None`."""
    if get_origin(hint) is Literal:
        return (), get_args(hint)
    if get_origin(hint) is Annotated:
        return get_args(hint)[1:], ()
    if get_origin(hint) in (Union, types.UnionType):
        return _constraints(next(item for item in get_args(hint) if item is not type(None)))
    return (), ()
