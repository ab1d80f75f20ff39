"""An application whose requests await and then compute: `/answer?rest=MS&burn=N`. For `benchmarks/advice.py`."""

import asyncio

from burning import count
from fastapi import FastAPI

app = FastAPI(openapi_url=None)


@app.get("/answer", response_model=None)
async def answer(rest: int = 0, burn: int = 0) -> dict[str, int]:
    """Await for so many milliseconds, count so far, and answer."""
    await asyncio.sleep(rest / 1000)
    count(burn)
    return {"answer": 42}
