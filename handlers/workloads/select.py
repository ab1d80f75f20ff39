"""select: one SQL query through a psycopg pool, its rows back as JSON."""

from typing import Any

from .. import database
from ..workload import Answer, Params, Transaction, UserId, Work, Workload

USER_ORDERS = database.query("user_orders_with_products")
COLUMNS = {"user_id", "order_id", "status", "created_at", "item_id", "quantity", "unit_price", "product_id", "title"}


def sync_twin(user_id: UserId = 1, tx: Transaction = None) -> Answer:
    """One user's orders with their items and products."""
    return {"rows": database.fetch(USER_ORDERS, {"user_id": user_id}, tx)}


async def async_twin(user_id: UserId = 1, tx: Transaction = None) -> Answer:
    """One user's orders with their items and products."""
    return {"rows": await database.fetch_async(USER_ORDERS, {"user_id": user_id}, tx)}


def work(user_id: int, tx: str | None) -> Work:
    """It waits for Postgres; for how long depends on it."""
    return Work(awaited_seconds=None, blocked_seconds=0.0)


def check(answer: Any, params: Params) -> str | None:
    """Right when each row has the query's columns and is that user's."""
    rows = answer.get("rows") if isinstance(answer, dict) else None
    if not isinstance(rows, list):
        return 'expected {"rows": […]}'
    for row in rows:
        if not isinstance(row, dict) or set(row) != COLUMNS:
            return f"a row has not the columns {sorted(COLUMNS)}: {str(row)[:200]}"
        if row["user_id"] != params["user_id"]:
            return f"a row is user {row['user_id']}'s, asked for was user {params['user_id']}"
    return None


def trivial(answer: Any) -> str | None:
    """Without rows there is nothing to fetch and to serialise."""
    return None if answer["rows"] else "the user has no orders with items; choose one that has"


WORKLOAD = Workload(
    name="select",
    summary="one SQL query through a psycopg pool, in a transaction with tx=1; rows back as JSON",
    sync_twin=sync_twin,
    async_twin=async_twin,
    work=work,
    check=check,
    trivial=trivial,
    connections=1,
    distributions=("psycopg", "psycopg-pool"),
)
