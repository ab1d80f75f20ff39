"""Flask, the baseline: carries `sync` (its native form) and `async` (its own async views). Served by WSGI."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from multiprocessing.util import Finalize
from typing import Any

from flask import Flask, Response, jsonify, make_response, request

from ..mounts import chosen, pools
from ..styles import STYLES, Endpoint
from ..workload import Value, Workload


def create(endpoints: Iterable[tuple[str, str]] | None = None) -> Flask:
    """The application with the given (style, workload name) endpoints; see `handlers.mounts`.

    WSGI has no start and stop: the pool opens here, in the worker, and closes when its process ends.
    """
    mounted = chosen("flask", endpoints)
    app = Flask(__name__)
    app.json.sort_keys = False  # type: ignore[attr-defined]  # the default provider has it
    if "sync" in pools("flask", mounted):
        from .. import database

        database.open_sync_pool()
        # Not atexit: workers that multiprocessing started (granian, hypercorn) end in os._exit, which skips it.
        Finalize(None, database.close_sync_pool, exitpriority=10)
    for style, work in mounted:
        view = _view(STYLES[style].endpoint(work), work)
        app.add_url_rule(f"/{style}/{work.name}", f"{style}/{work.name}", view, methods=["GET"])
    return app


def _view(endpoint: Endpoint, work: Workload) -> Callable[[], Any]:
    """A view that reads the workload's parameters from the query string, as FastAPI does: unknown ones are ignored."""
    if not work.parameters:
        return endpoint
    defaults = work.defaults()
    parsers = tuple((parameter.name, parameter.parse) for parameter in work.parameters)

    def read() -> dict[str, Value]:
        args = request.args
        params = defaults.copy()
        for name, parse in parsers:
            text = args.get(name)
            if text is not None:
                params[name] = parse(text)
        return params

    if inspect.iscoroutinefunction(endpoint):

        async def async_view() -> Any:
            try:
                params = read()
            except ValueError as error:
                return _refused(error)
            return await endpoint(**params)

        return async_view

    def view() -> Any:
        try:
            params = read()
        except ValueError as error:
            return _refused(error)
        return endpoint(**params)

    return view


def _refused(error: ValueError) -> Response:
    return make_response(jsonify(detail=str(error)), 422)
