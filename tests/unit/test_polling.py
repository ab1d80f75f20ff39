"""Waiting: the value that came is returned, and the wait has an end."""

from __future__ import annotations

import pytest

from harness.host import polling


class Clock:
    """Time passes by sleeping only."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(polling, "time", clock)
    return clock


def test_the_first_true_value_ends_the_wait(clock: Clock) -> None:
    values = iter([0, 0, 7, 8])
    assert polling.until(lambda: next(values), 10, interval=0.5) == 7
    assert clock.now == 1.0


def test_a_value_that_is_there_costs_no_time(clock: Clock) -> None:
    assert polling.until(lambda: "there", 0)
    assert clock.now == 0.0


def test_the_wait_has_an_end(clock: Clock) -> None:
    assert polling.until(lambda: False, 2, interval=0.5) is None
    assert 2 <= clock.now <= 3
