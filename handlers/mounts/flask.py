"""Flask, the baseline: carries `sync` (its native form) and `async` (its own async views). Served by WSGI."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from multiprocessing.util import Finalize
from typing import Any

from flask import Flask, Response, jsonify, make_response, request

from handlers.mounts import chosen, pools
from handlers.styles import STYLES, Endpoint
from handlers.workload import Parameter, Value, Workload


def create(endpoints: Iterable[tuple[str, str]] | None = None) -> Flask:
    """The application with the given (style, workload name) endpoints; see `handlers.mounts`.

    WSGI has no start and stop: the pool opens here, in the worker, and closes when its process ends.
    """
    mounted = chosen("flask", endpoints)
    app = Flask("handlers")
    app.json.sort_keys = False  # type: ignore[attr-defined]  # the default provider has it
    if "sync" in pools("flask", mounted):
        from handlers import database

        database.open_sync_pool()
        # Not atexit: workers that multiprocessing started (granian, hypercorn) end in os._exit, which skips it.
        Finalize(None, database.close_sync_pool, exitpriority=10)
    for style, work in mounted:
        view = _view(STYLES[style].endpoint(work), work)
        app.add_url_rule(f"/{style}/{work.name}", f"{style}/{work.name}", view, methods=["GET"])
    return app


def _view(endpoint: Endpoint, work: Workload) -> Callable[[], Any]:
    """A view that reads the workload's parameters from the query string."""
    read = functools.partial(_read, {parameter.name: parameter for parameter in work.parameters}, work.defaults())
    if inspect.iscoroutinefunction(endpoint):

        async def async_view() -> Any:
            try:
                params = read(request.args)
            except ValueError as error:
                return _refused(error)
            return await endpoint(**params)

        return async_view

    def view() -> Any:
        try:
            params = read(request.args)
        except ValueError as error:
            return _refused(error)
        return endpoint(**params)

    return view


def _read(
    known: Mapping[str, Parameter], defaults: Mapping[str, Value], texts: Mapping[str, str]
) -> Mapping[str, Value]:
    """As FastAPI does it: unknown names are ignored, known ones parsed and checked."""
    if not texts:
        return defaults
    return {**defaults, **{name: known[name].parse(text) for name, text in texts.items() if name in known}}


def _refused(error: ValueError) -> Response:
    return make_response(jsonify(detail=str(error)), 422)
