"""A shop that knows who its users are: what is theirs it gives to nobody else."""

from __future__ import annotations

import itertools
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response

app = FastAPI()
numbers = itertools.count(1)
owners: dict[int, str] = {}
keys: set[str] = set()


def user_of(request: Request) -> str:
    """The user, of whom the cookie and the token must both speak."""
    user = request.cookies.get("session", "")
    if not user or request.headers.get("authorization") != f"Bearer token of {user}":
        raise HTTPException(401, "who are you?")
    return user


@app.post("/login")
async def login(body: dict[str, Any], response: Response) -> dict[str, Any]:
    if body["password"] != "pass/word":
        raise HTTPException(401, "wrong password")
    response.set_cookie("session", body["user"])
    return {"session": {"token": f"token of {body['user']}"}}


@app.post("/orders", status_code=201)
async def order(request: Request) -> dict[str, Any]:
    user, key = user_of(request), request.headers["idempotency-key"]
    if key in keys:
        raise HTTPException(409, "ordered already")
    keys.add(key)
    number = next(numbers)
    owners[number] = user
    return {"id": number}


@app.get("/orders/{number}")
async def state(number: int, request: Request) -> dict[str, Any]:
    if owners[number] != user_of(request):
        raise HTTPException(403, "of somebody else")
    return {"id": number, "state": "pending"}


@app.post("/pictures")
async def picture(request: Request) -> dict[str, Any]:
    body = await request.body()
    if b"\r\n\r\n\x89PNG\xff\x00\r\n--" not in body:
        raise HTTPException(400, "no picture")
    return {"bytes": len(body)}
