"""Waiting for a quiet moment."""

from __future__ import annotations

import pytest

from harness.host import quiet


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that only sleeping moves."""
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    monkeypatch.setattr("time.sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    return now


def test_several_calm_probes_in_a_row_are_a_quiet_moment(monkeypatch: pytest.MonkeyPatch, clock: list[float]) -> None:
    lost = iter([0.3, 0.0, 0.2, 0.0, 0.01, 0.0, 0.9])
    monkeypatch.setattr(quiet, "lost_share", lambda: next(lost))
    assert quiet.wait(60) is True
    assert next(lost) == 0.9


def test_the_wait_ends_at_its_limit(monkeypatch: pytest.MonkeyPatch, clock: list[float]) -> None:
    monkeypatch.setattr(quiet, "lost_share", lambda: 0.5)
    assert quiet.wait(10) is False
    assert 10 <= clock[0] < 11


def test_the_share_that_is_lost_is_a_share() -> None:
    assert 0 <= quiet.lost_share() < 1
