"""Fibonacci numbers: the naive recursion that burns CPU on purpose, and the quick way that checks it."""


def naive(n: int) -> int:
    """The n-th Fibonacci number by double recursion: about 1.6^n calls."""
    return n if n < 2 else naive(n - 1) + naive(n - 2)


def calls(n: int) -> int:
    """How many calls the recursion for the n-th number makes."""
    return 2 * quick(n + 1) - 1


def quick(n: int) -> int:
    """The same number in n additions."""
    low, high = 0, 1
    for _ in range(n):
        low, high = high, low + high
    return low
