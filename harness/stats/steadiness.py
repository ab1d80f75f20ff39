"""Whether a window was as fast at its end as at its beginning, beyond what its slices vary by anyway. Pure.

Two shapes are looked for: a step between the halves, and a line through all slices. Slices resemble their neighbours,
so the scatter around a shape is widened by its lag-1 autocorrelation. Simulated with slices as they were measured on a
bad machine (coefficient of variation 18 %, autocorrelation 0.57), one steady window of ten slices in fifty is taken
for one that is not; with 5 % one in two hundred. A step of a half is always found where slices vary by 3 %.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

FEWEST_SLICES = 6
SHARE = 0.10
"""Change over the window that matters."""
ERRORS = 6.0
"""Standard errors that it must have."""
MOST_ALIKE = 0.9


def change(rates: Sequence[float]) -> float | None:
    """The second half's rate ÷ the first's − 1, where that is more than chance and matters; else None."""
    half = len(rates) // 2
    if len(rates) < FEWEST_SLICES or min(rates) <= 0:
        return None
    first, second = _mean(rates[:half]), _mean(rates[-half:])
    difference = second / first - 1
    if abs(difference) > SHARE and max(_step(rates), _line(rates)) > ERRORS:
        return difference
    return None


def _step(rates: Sequence[float]) -> float:
    half = len(rates) // 2
    parts = rates[:half], rates[-half:]
    means = [_mean(part) for part in parts]
    left = [[rate - mean for rate in part] for part, mean in zip(parts, means, strict=True)]
    return _errors(means[1] - means[0], left, degrees=2 * half - 2, weight=2 / half)


def _line(rates: Sequence[float]) -> float:
    middle, mean = (len(rates) - 1) / 2, _mean(rates)
    spread = sum((place - middle) ** 2 for place in range(len(rates)))
    slope = sum((place - middle) * rate for place, rate in enumerate(rates)) / spread
    left = [rate - mean - slope * (place - middle) for place, rate in enumerate(rates)]
    return _errors(slope, [left], degrees=len(rates) - 2, weight=1 / spread)


def _errors(estimate: float, left: Sequence[Sequence[float]], *, degrees: int, weight: float) -> float:
    """How many standard errors an estimate is from zero."""
    square = sum(each * each for part in left for each in part)
    if square < 1e-12 * abs(estimate) ** 2 or not square:
        return math.inf if estimate else 0.0
    neighbours = sum(a * b for part in left for a, b in itertools.pairwise(part))
    alike = min(MOST_ALIKE, max(0.0, neighbours / square))
    return abs(estimate) / math.sqrt(square / degrees * weight * (1 + alike) / (1 - alike))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
