"""noop: nothing at all, so that what is left is the cost of server and framework."""

from typing import Any

from ..workload import Answer, Params, Work, Workload


def sync_twin() -> Answer:
    """Answer at once."""
    return {"ok": True}


async def async_twin() -> Answer:
    """Answer at once."""
    return {"ok": True}


def work() -> Work:
    """No wait of either kind."""
    return Work(awaited_seconds=0.0, blocked_seconds=0.0)


def check(answer: Any, params: Params) -> str | None:
    """Right when it is exactly `{"ok": true}`."""
    return None if answer == {"ok": True} else 'expected {"ok": true}'


WORKLOAD = Workload(
    name="noop",
    summary="nothing: what server and framework cost by themselves",
    sync_twin=sync_twin,
    async_twin=async_twin,
    work=work,
    check=check,
)
