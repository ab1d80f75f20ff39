"""Numbers of things in words."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """`1 cell`, `8 cells`, `1,000 users`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
