"""An application to try the harness with: a shop whose catalogue is in memory.

harness recommend shop.main:app --app-dir docs/examples --path '/items?limit=20'
"""

from typing import Annotated

from fastapi import FastAPI, HTTPException, Query
from pydantic import BaseModel


class Item(BaseModel):
    """What the shop sells."""

    id: int
    name: str
    price_cents: int
    tags: list[str]


COLOURS = ("red", "green", "blue", "black")
CATALOGUE = [
    Item(id=number, name=f"item {number}", price_cents=100 + number * 7919 % 9973, tags=[COLOURS[number % 4], "new"])
    for number in range(500)
]

app = FastAPI(title="shop")


@app.get("/items")
async def items(limit: Annotated[int, Query(ge=1, le=100)] = 20, tag: str | None = None) -> list[Item]:
    """The cheapest items, of one tag where it is given."""
    found = [item for item in CATALOGUE if tag is None or tag in item.tags]
    return sorted(found, key=lambda item: item.price_cents)[:limit]


@app.get("/items/{number}")
async def one_item(number: int) -> Item:
    """One item; 404 where there is none of that number."""
    if not 0 <= number < len(CATALOGUE):
        raise HTTPException(404, f"there is no item {number}")
    return CATALOGUE[number]
