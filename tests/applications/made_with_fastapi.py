"""A shop in FastAPI, and applications that fail in all the ways there are."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

app = FastAPI()
served = {"count": 0}


@app.get("/items")
async def items(limit: int = 3) -> dict[str, Any]:
    return {"items": list(range(limit))}


@app.get("/items/{item}")
def one_item(item: int) -> dict[str, Any]:
    return {"id": item, "name": f"item {item}"}


@app.post("/orders", status_code=201)
async def order(body: dict[str, Any]) -> dict[str, Any]:
    return {"state": "pending", **body}


@app.get("/changing")
async def changing() -> dict[str, Any]:
    """Another answer each time, and from the 200th on a wrong one."""
    served["count"] += 1
    return {"state": "fine" if served["count"] < 200 else "broken", "count": served["count"]}


@app.get("/echo")
async def echo() -> dict[str, Any]:
    """What an application that prints its settings would show."""
    print("my token is", os.environ.get("SHOP_TOKEN"), flush=True)
    return {"token": os.environ.get("SHOP_TOKEN"), "database": os.environ.get("DATABASE_URL")}


@asynccontextmanager
async def _failing(_: FastAPI) -> AsyncIterator[None]:
    raise RuntimeError("the cellar is flooded")
    yield


fails_at_start = FastAPI(lifespan=_failing)


@app.get("/failing")
async def failing() -> None:
    raise RuntimeError("no such shelf")


class Nothing:
    """No application at all."""


nothing = Nothing()
