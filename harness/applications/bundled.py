"""A served application of ours: a workload on a framework's mount."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from harness import resources
from harness.applications.served import Hook, Probe, Serving
from harness.handlers import catalogue
from harness.handlers.styles import STYLES
from harness.handlers.workload import Value, Workload
from harness.model.application import BundledApplication
from harness.model.database import Database
from harness.model.load import Feed, Placeholder, RequestMix, RequestTemplate
from harness.model.measurement import Waits
from harness.model.requests import Drawn
from harness.model.variant import Interface

MARK = "{drawn}"
"""Stands in a path where the drawn value goes, until the path is cut there."""
OK = (200,)


@dataclass(frozen=True, kw_only=True, slots=True)
class ServedWorkload:
    """A workload with its parameters, in a style, on a framework's mount."""

    application: BundledApplication
    workload: Workload

    @property
    def name(self) -> str:
        """Framework and workload, such as `fastapi/sleep`."""
        return f"{self.application.framework}/{self.workload.name}"

    @property
    def distributions(self) -> tuple[str, ...]:
        """Distributions of the framework and of the workload."""
        return (*catalogue.FRAMEWORKS[self.application.framework].distributions, *self.workload.distributions)

    @property
    def connections(self) -> int:
        """Connections to the shop's database that one request uses at a time."""
        return self.workload.connections

    @property
    def pooled(self) -> bool:
        """Whether connections come from a pool: not where an event loop lives for one request only."""
        return catalogue.FRAMEWORKS[self.application.framework].shares_pools(self.application.style)

    @property
    def known_seconds(self) -> float:
        """Seconds that one request waits by itself, as far as its parameters tell."""
        return self.workload.work(**self.application.params).known_seconds

    @property
    def fibonacci_calls(self) -> int:
        """Calls of the naive recursion, of one request."""
        return self.workload.work(**self.application.params).fibonacci_calls

    @property
    def plain(self) -> bool:
        """Whether all requests are alike: unless a parameter is drawn for each."""
        return self.workload.drawn(self.application.params) is None

    def waits(self, interface: Interface) -> Waits:
        """How long a request waits, and what it occupies meanwhile, by workload and style."""
        work = self.workload.work(**self.application.params)
        style = STYLES[self.application.style]
        slot = "thread" if interface == "wsgi" else style.slot
        if work.awaited_seconds is None or work.blocked_seconds is None:
            return Waits(total_seconds=None, occupied_seconds=None, slot=slot)
        total = work.awaited_seconds + work.blocked_seconds
        lets_go = slot == "event loop" and style.twin == "async"
        return Waits(total_seconds=total, occupied_seconds=work.blocked_seconds if lets_go else total, slot=slot)

    def serving(self) -> Serving:
        """The mount's factory, which makes one endpoint."""
        return Serving(
            target=catalogue.FRAMEWORKS[self.application.framework].target,
            factory=True,
            environment={"HARNESS_ENDPOINT": self.application.route.lstrip("/")},
            links=resources.handlers_alone(),
        )

    def before_visit(self) -> Hook | None:
        """None: a workload has no command."""
        return None

    def probes(self, saved: Mapping[str, Drawn] | None = None) -> list[Probe]:
        """One request of the route, with the default of a parameter that is drawn."""
        path = self.application.with_params(self._params()).path
        return [Probe(name=path, method="GET", path=path, statuses=OK)]

    def request_mix(self, database: Database | None, bodies: list[str]) -> RequestMix:
        """Requests of the route, with another row for each where a parameter is drawn."""
        parameter = self.workload.drawn(self.application.params)
        name = self.application.path
        if parameter is None:
            return RequestMix(templates=(RequestTemplate(name=name, path=(name,), statuses=OK, expected=bodies[0]),))
        assert database is not None
        assert parameter.drawn_from is not None
        params = self.application.params | {parameter.name: MARK}
        before, after = self.application.with_params(params).path.split(MARK)
        return RequestMix(
            templates=(RequestTemplate(name=name, path=(before, Placeholder(parameter.name), after), statuses=OK),),
            feeds={parameter.name: Feed(count=database.rows[parameter.drawn_from])},
        )

    def wrong(self, kind: int, body: str, mix: RequestMix | None = None, iteration: int | None = None) -> str | None:
        """The fault of an answer by the workload's own check, None when it is right. Where all requests have the same
        answer, it must be worth measuring too."""
        try:
            answer = json.loads(body)
        except ValueError:
            return "it is not JSON"
        parameter = self.workload.drawn(self.application.params)
        number = None
        if mix is not None and parameter is not None and iteration is not None:
            number = 1 + mix.feeds[parameter.name].row(iteration)
        wrong = self.workload.check(answer, self._params(number))
        return wrong or (self.workload.trivial(answer) if number is None else None)

    def _params(self, drawn: int | None = None) -> dict[str, Value]:
        """Parameters of one request: with the drawn number, or the default in its place."""
        params, parameter = self.application.params, self.workload.drawn(self.application.params)
        if parameter is None:
            return params
        return params | {parameter.name: parameter.default if drawn is None else drawn}
