"""The styles: generic ways to hang any workload on a route, each a function from workload to endpoint.

An endpoint keeps the signature of the workload's twin, so that a framework reads its parameters from there. Where a
style adds nothing, the endpoint is the twin itself: it costs what the same endpoint written by hand costs.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from .workload import Answer, Workload

Endpoint = Callable[..., Any]


def _async(workload: Workload) -> Endpoint:
    return workload.async_twin


def _sync(workload: Workload) -> Endpoint:
    return workload.sync_twin


def _blocking(workload: Workload) -> Endpoint:
    twin = workload.sync_twin

    @functools.wraps(twin)
    async def endpoint(**params: Any) -> Answer:
        return twin(**params)

    return endpoint


def _offloaded(workload: Workload) -> Endpoint:
    from anyio import to_thread  # here, because listing the styles needs no AnyIO

    twin = workload.sync_twin

    @functools.wraps(twin)
    async def endpoint(**params: Any) -> Answer:
        return await to_thread.run_sync(functools.partial(twin, **params))

    return endpoint


def _wrapped(workload: Workload) -> Endpoint:
    from anyio import run

    twin = workload.async_twin

    @functools.wraps(workload.sync_twin)
    def endpoint(**params: Any) -> Answer:
        return run(functools.partial(twin, **params))

    return endpoint


@dataclass(frozen=True, kw_only=True, slots=True)
class Style:
    """One way to hang a workload on a route."""

    name: str
    route: Literal["def", "async def"]
    summary: str
    twin: Literal["sync", "async"]
    """Which twin it runs."""
    slot: Literal["event loop", "thread"]
    """What a request occupies while its handler cannot go on."""
    endpoint: Callable[[Workload], Endpoint]


STYLES = {
    style.name: style
    for style in (
        Style(
            name="async",
            route="async def",
            summary="awaits the async twin",
            twin="async",
            slot="event loop",
            endpoint=_async,
        ),
        Style(
            name="sync",
            route="def",
            summary="calls the sync twin; the framework gives it a thread",
            twin="sync",
            slot="thread",
            endpoint=_sync,
        ),
        Style(
            name="blocking",
            route="async def",
            summary="calls the sync twin on the event loop: the mistake that everybody makes once",
            twin="sync",
            slot="event loop",
            endpoint=_blocking,
        ),
        Style(
            name="offloaded",
            route="async def",
            summary="awaits the sync twin in a thread of AnyIO's limiter",
            twin="sync",
            slot="thread",
            endpoint=_offloaded,
        ),
        Style(
            name="wrapped",
            route="def",
            summary="runs the async twin through anyio.run",
            twin="async",
            slot="thread",
            endpoint=_wrapped,
        ),
    )
}
