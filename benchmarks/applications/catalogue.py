"""Requests that sleep in threads, beside a catalogue in memory: as most applications are (`app`), and with all that was
made at the start left out of garbage collections (`frozen`). For `benchmarks/freezing.py`."""

import gc
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import polars
from fastapi import FastAPI

ITEMS = polars.DataFrame({"item": range(1000)})


@asynccontextmanager
async def freeze(_: FastAPI) -> AsyncIterator[None]:
    """What was made until now lasts as long as the process: nothing of it is garbage."""
    gc.collect()
    gc.freeze()
    yield


def made(**options: object) -> FastAPI:
    """An application that answers `/items?ms=MS` after so many milliseconds."""
    application = FastAPI(openapi_url=None, **options)  # type: ignore[arg-type]

    @application.get("/items", response_model=None)
    def items(ms: int = 0) -> dict[str, int]:
        time.sleep(ms / 1000)
        return {"items": ITEMS.height}

    return application


app = made()
frozen = made(lifespan=freeze)
