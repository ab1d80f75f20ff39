"""Claims of a published study, and what a run says about them."""

from __future__ import annotations

from typing import Literal

from harness.model import Value
from harness.model.comparison import Interval

ClaimVerdict = Literal["confirmed", "refuted", "undecided", "cannot be told"]


class ClaimResult(Value):
    """One ratio of one claim."""

    claim: str
    """C1 to C9."""
    text: str
    case: str
    """Which of the claim's ratios, such as `fib=15`; empty where it has one."""
    published: float
    """Throughput ratio in the study."""
    numerator: str
    denominator: str
    """Ids of the cells here; empty where the run has none."""
    measured: Interval | None
    """Throughput ratio here, paired by restart; 95 % for all claims at once."""
    verdict: ClaimVerdict
    why: str
    """What the verdict rests on."""


class StudyResult(Value):
    """A published study, judged by a run that measured its cells."""

    claims: list[ClaimResult] = []
    differences: list[str] = []
    """In what the run differs from the study, a sentence each."""
