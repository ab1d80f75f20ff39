"""Published claims, and what a run says about them."""

from __future__ import annotations

from typing import Literal

from harness.model import Value
from harness.model.comparison import Interval

LESS, MORE = "less than was published", "more than was published"
"""What is said of a ratio whose interval excludes the published one."""
ClaimVerdict = Literal["confirmed", "refuted", "undecided", "cannot be told", "impossible"]


class ClaimResult(Value):
    """One ratio of one claim."""

    claim: str
    """C1 to C9 of the study; of others a server's name."""
    text: str
    source: str = ""
    """Where it was published, and when; empty for the study."""
    case: str
    """Which of the claim's ratios, such as `fib=15`; empty where it has one."""
    published: float
    """Throughput ratio as published; of a figure that is impossible, how far it is above what is possible."""
    numerator: str
    denominator: str
    """Ids of the cells here; empty where the run has none."""
    measured: Interval | None
    """Throughput ratio here, paired by restart; 95 % for all claims at once."""
    verdict: ClaimVerdict
    why: str
    """What the verdict rests on."""


class StudyResult(Value):
    """What was published, judged by a run that measured its cells."""

    title: str = ""
    """Whose claims they are, as a heading."""
    claims: list[ClaimResult] = []
    differences: list[str] = []
    """In what the run differs from what was published, a sentence each."""
