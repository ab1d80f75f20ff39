"""select: one SQL query through a psycopg pool, its rows back as JSON."""

from typing import Any

from psycopg.rows import dict_row

from handlers import database
from handlers.workload import Answer, Params, UserId, Work, Workload

USER_ORDERS = database.query("user_orders_with_products")
COLUMNS = {"order_id", "status", "created_at", "item_id", "quantity", "unit_price", "product_id", "title"}


def sync_twin(user_id: UserId = 1) -> Answer:
    """One user's orders with their items and products."""
    with database.sync_connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute(USER_ORDERS, {"user_id": user_id})
        return {"rows": cursor.fetchall()}


async def async_twin(user_id: UserId = 1) -> Answer:
    """One user's orders with their items and products."""
    async with database.async_connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(USER_ORDERS, {"user_id": user_id})
        return {"rows": await cursor.fetchall()}


def work(user_id: int) -> Work:
    """It waits for Postgres; for how long depends on it."""
    return Work(awaited_seconds=None, blocked_seconds=0.0)


def check(answer: Any, params: Params) -> str | None:
    """Right when it holds at least one row, each with the query's columns."""
    rows = answer.get("rows") if isinstance(answer, dict) else None
    if not isinstance(rows, list):
        return 'expected {"rows": […]}'
    if not rows:
        return f"user {params['user_id']} has no orders with items; choose a user that has"
    wrong = next((row for row in rows if not isinstance(row, dict) or set(row) != COLUMNS), None)
    return None if wrong is None else f"a row has not the columns {sorted(COLUMNS)}: {str(wrong)[:200]}"


WORKLOAD = Workload(
    name="select",
    summary="one SQL query through a psycopg pool, rows back as JSON",
    sync_twin=sync_twin,
    async_twin=async_twin,
    work=work,
    check=check,
    connections=1,
    distributions=("psycopg", "psycopg-pool"),
)
