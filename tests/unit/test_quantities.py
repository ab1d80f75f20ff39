"""Durations, shares and numbers as they are written."""

from __future__ import annotations

import pytest

from harness.errors import UsageError
from harness.model.quantities import duration, parse_duration, parse_fraction, parse_int


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10s", 10.0), ("500ms", 0.5), ("2m", 120.0), ("7", 7.0), ("1.5s", 1.5), ("0s", 0.0), (" 1 h ", 3600.0)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration("--warmup", text) == seconds


@pytest.mark.parametrize("text", ["", "s", "-1s", "10 parsecs", "1e3s", "48h", "nan", "1s2"])
def test_bad_durations(text: str) -> None:
    with pytest.raises(UsageError, match="--warmup"):
        parse_duration("--warmup", text)


@pytest.mark.parametrize(("text", "fraction"), [("5%", 0.05), ("0.05", 0.05), (" 2.5 % ", 0.025), ("99%", 0.99)])
def test_shares(text: str, fraction: float) -> None:
    assert parse_fraction("--margin", text) == pytest.approx(fraction)


@pytest.mark.parametrize("text", ["", "0", "0%", "1", "100%", "5", "-5%", "five", "nan", "5%%"])
def test_bad_shares(text: str) -> None:
    with pytest.raises(UsageError, match=f"--margin {text}: not a share") as caught:
        parse_fraction("--margin", text)
    assert caught.value.cure == "write it as 5%"


def test_numbers_lie_in_their_bounds() -> None:
    assert [parse_int("-w", value, 1, 4) for value in (1, 4)] == [1, 4]
    for value in (0, 5):
        with pytest.raises(UsageError, match=f"-w {value}: out of bounds") as caught:
            parse_int("-w", value, 1, 4)
        assert caught.value.cure == "give a whole number from 1 to 4"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (42, "42 s"), (99.4, "99 s"), (100, "2 min"), (720, "12 min"), (5999, "100 min"), (7560, "2.1 h")],
)
def test_durations_are_told_in_the_unit_that_fits(seconds: float, text: str) -> None:
    assert duration(seconds) == text
