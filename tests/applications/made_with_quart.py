"""An application in Quart."""

from quart import Quart

app = Quart(__name__)


@app.get("/items")
async def items() -> dict[str, list[int]]:
    return {"items": [1, 2, 3]}
