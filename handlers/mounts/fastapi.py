"""FastAPI: carries all five styles. Served by ASGI."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI

from ..mounts import chosen, pools
from ..styles import STYLES


def create(endpoints: Iterable[tuple[str, str]] | None = None) -> FastAPI:
    """The application with the given (style, workload name) endpoints; see `handlers.mounts`."""
    mounted = chosen("fastapi", endpoints)
    shared = pools("fastapi", mounted)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            if shared:
                from .. import database

                if "sync" in shared:
                    stack.enter_context(database.sync_pool())
                if "async" in shared:
                    await stack.enter_async_context(database.async_pool())
            yield

    app = FastAPI(lifespan=lifespan, openapi_url=None)
    for style, work in mounted:
        endpoint = STYLES[style].endpoint(work)
        # No response model: FastAPI would validate the answers of `def` endpoints in a second trip through the thread
        # limiter, behind all requests that queue for it (measured: 38 instead of 40 req/s, 40 threads sleeping 1 s).
        app.add_api_route(f"/{style}/{work.name}", endpoint, methods=["GET"], response_model=None)
    return app
