"""An application in Litestar."""

from litestar import Litestar, get


@get("/items")
async def items() -> dict[str, list[int]]:
    return {"items": [1, 2, 3]}


app = Litestar([items])
