"""cpu: pure computation under the GIL."""

from typing import Any

from .. import fibonacci
from ..workload import Answer, FibonacciIndex, Params, Work, Workload


def sync_twin(n: FibonacciIndex = 16) -> Answer:
    """Compute the n-th Fibonacci number by naive recursion."""
    return {"n": n, "fib": fibonacci.naive(n)}


async def async_twin(n: FibonacciIndex = 16) -> Answer:
    """The same on the event loop: there is nothing to await."""
    return {"n": n, "fib": fibonacci.naive(n)}


def work(n: int) -> Work:
    """It computes instead of waiting; for how long depends on the machine."""
    return Work(awaited_seconds=0.0, blocked_seconds=None, fibonacci_calls=fibonacci.calls(n))


def check(answer: Any, params: Params) -> str | None:
    """Right when the number is the Fibonacci number of `n`."""
    n = params["n"]
    assert isinstance(n, int)
    expected = {"n": n, "fib": fibonacci.quick(n)}
    return None if answer == expected else f"expected {expected}"


WORKLOAD = Workload(
    name="cpu",
    summary="the naive recursive Fibonacci number",
    sync_twin=sync_twin,
    async_twin=async_twin,
    work=work,
    check=check,
)
