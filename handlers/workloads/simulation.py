"""simulation: a production-like request, two queries at once, data frames, and some computation."""

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import anyio.to_thread
import polars as pl

from .. import database, fibonacci
from ..workload import Answer, FibonacciIndex, Params, Transaction, UserId, Work, Workload

PRODUCTS = database.query("products_bought")
ORDERS = database.query("user_orders")
PRODUCT_COLUMNS = {"product_id": pl.Int64, "title": pl.String, "unit_price": pl.Float64}
ORDER_COLUMNS = {
    "user_id": pl.Int64,
    "order_id": pl.Int64,
    "status": pl.String,
    "created_at": pl.Float64,
    "item_id": pl.Int64,
    "product_id": pl.Int64,
    "quantity": pl.Int64,
    "unit_price": pl.Float64,
}
LARGEST_INDEX = 35


def sync_twin(
    user_id: UserId = 1,
    fib: FibonacciIndex | None = None,
    cpu: Literal["inline", "thread"] = "inline",
    tx: Transaction = None,
) -> Answer:
    """Both queries on a two-thread executor made for the request, then the computation."""
    with ThreadPoolExecutor(max_workers=2) as executor:
        products = executor.submit(database.fetch, PRODUCTS, {"user_id": user_id}, tx)
        orders = executor.submit(database.fetch, ORDERS, {"user_id": user_id}, tx)
        frames = _frames(products.result(), orders.result())
    total, index = _totals(frames, fib)
    return _answer(frames, total, fibonacci.naive(index))


async def async_twin(
    user_id: UserId = 1,
    fib: FibonacciIndex | None = None,
    cpu: Literal["inline", "thread"] = "inline",
    tx: Transaction = None,
) -> Answer:
    """Both queries gathered, then the computation on the loop or in a thread of AnyIO's limiter."""
    products, orders = await asyncio.gather(
        database.fetch_async(PRODUCTS, {"user_id": user_id}, tx), database.fetch_async(ORDERS, {"user_id": user_id}, tx)
    )
    frames = _frames(products, orders)
    total, index = _totals(frames, fib)
    if cpu == "thread":
        number = await anyio.to_thread.run_sync(fibonacci.naive, index)
    else:
        number = fibonacci.naive(index)
    return _answer(frames, total, number)


def _frames(products: database.Rows, orders: database.Rows) -> tuple[pl.DataFrame, pl.DataFrame]:
    return _frame(products, PRODUCT_COLUMNS), _frame(orders, ORDER_COLUMNS)


def _frame(rows: database.Rows, columns: Mapping[str, type[pl.DataType]]) -> pl.DataFrame:
    """Types are inferred from the rows, which costs time; without any they are those of the columns."""
    return pl.DataFrame(rows) if rows else pl.DataFrame(schema=columns)


def _totals(frames: tuple[pl.DataFrame, pl.DataFrame], fib: int | None) -> tuple[int, int]:
    """The summed quantities, and the index of the Fibonacci number to compute."""
    total = int(frames[1]["quantity"].sum())
    return total, min(total, LARGEST_INDEX) if fib is None else fib


def _answer(frames: tuple[pl.DataFrame, pl.DataFrame], total: int, number: int) -> Answer:
    products, orders = frames
    return {
        "total_qtd": total,
        "fib": number,
        "products": products.to_dict(as_series=False),
        "all_user_orders": orders.to_dict(as_series=False),
    }


def work(user_id: int, fib: int | None, cpu: str, tx: str | None) -> Work:
    """It waits for Postgres and computes; for how long depends on the machine."""
    return Work(awaited_seconds=None, blocked_seconds=None, fibonacci_calls=0 if fib is None else fibonacci.calls(fib))


def check(answer: Any, params: Params) -> str | None:
    """Right when the frames are that user's, and the sum and the Fibonacci number follow from them."""
    try:
        orders, products, total, number = (answer[name] for name in ("all_user_orders", "products", "total_qtd", "fib"))
        columns = set(orders), set(products)
    except (KeyError, TypeError):
        return "expected total_qtd, fib, products and all_user_orders"
    if columns != (set(ORDER_COLUMNS), set(PRODUCT_COLUMNS)):
        return "the data frames have not the expected columns"
    if set(orders["user_id"]) - {params["user_id"]}:
        return f"orders are those of the users {sorted(set(orders['user_id']))}, asked for was {params['user_id']}"
    if set(orders["product_id"]) != set(products["product_id"]):
        return "the products are not those of the orders"
    quantities = orders["quantity"]
    if total != sum(quantities):
        return f"total_qtd is {total}, the quantities sum to {sum(quantities)}"
    fib = params.get("fib")
    index = min(total, LARGEST_INDEX) if fib is None else int(fib)
    expected = fibonacci.quick(index)
    return None if number == expected else f"fib is {number}, the Fibonacci number of {index} is {expected}"


def trivial(answer: Any) -> str | None:
    """Without rows the frames are empty, and the number is that of 0."""
    return None if answer["total_qtd"] else "the user has no orders with items; choose one that has"


def refuse(twin: str, params: Params) -> str | None:
    """The sync twin runs in a thread as a whole: there is no computation to move out of it."""
    if twin == "sync" and params.get("cpu") == "thread":
        return "cpu=thread moves the computation off the event loop, and the sync twin is not on it"
    return None


WORKLOAD = Workload(
    name="simulation",
    summary="production-like: two queries at once, two data frames, the Fibonacci number of the quantities (or of fib)",
    sync_twin=sync_twin,
    async_twin=async_twin,
    work=work,
    check=check,
    trivial=trivial,
    connections=2,
    distributions=("psycopg", "psycopg-pool", "polars"),
    refuse=refuse,
)
