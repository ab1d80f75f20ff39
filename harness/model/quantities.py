"""Durations, fractions and numbers as they are written on the command line and in files."""

from __future__ import annotations

import re

from harness.errors import UsageError

MAXIMUM_SECONDS = 24 * 3600.0
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "": 1.0}


def parse_duration(option: str, text: str) -> float:
    """A duration as seconds; a bare number counts seconds."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|)", text.strip())
    if match is None:
        raise UsageError(f"{option} {text}: not a duration", cure="write it as 500ms, 10s or 2m")
    value = float(match[1]) * UNITS[match[2]]
    if value > MAXIMUM_SECONDS:
        raise UsageError(f"{option} {text}: longer than a day", cure="give a shorter one")
    return value


def parse_fraction(option: str, text: str) -> float:
    """A part of a whole, such as `5%` or `0.05`."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(%?)", text.strip())
    value = float(match[1]) * (0.01 if match[2] else 1) if match else 1.0
    if match is None or not 0 < value < 1:
        raise UsageError(f"{option} {text}: not a share between 0 and 100%", cure="write it as 5%")
    return value


def parse_int(option: str, value: int, lowest: int, highest: int) -> int:
    """`value`, if it lies in bounds."""
    if not lowest <= value <= highest:
        raise UsageError(f"{option} {value}: out of bounds", cure=f"give a whole number from {lowest} to {highest}")
    return value


def parse_positive(option: str, value: float) -> float:
    """`value`, if it is above 0."""
    if not value > 0:
        raise UsageError(f"{option} {value:g}: out of bounds", cure="give a number above 0")
    return value


def duration(seconds: float) -> str:
    """Seconds in the unit that fits: `42 s`, `12 min`, `2.1 h`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 100 * 60 else f"{seconds / 3600:.1f} h"
