"""Published claims beside what was measured, in words."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from harness.model.claims import LESS, StudyResult
from harness.report.words import claim_verdict, ratio


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """What was published beside what was measured."""

    text: str
    published: str
    here: str
    verdict: str
    why: str


def judged(study: StudyResult) -> list[Claim]:
    """Published claims, in words."""
    return [
        Claim(
            text=f"{each.claim} {each.text}" + (f" ({each.case})" if each.case else ""),
            published="above 1" if each.published == 1 else f"{each.published:.2f}×",
            here=ratio(each.measured),
            verdict=claim_verdict(each.verdict),
            why=each.why,
        )
        for each in study.claims
    ]


def summary(study: StudyResult) -> str:
    """How many claims hold, how many of these by less than was published, and which do not hold."""
    claims = judged(study)
    counts = Counter(each.verdict for each in claims)
    refuted = [
        f"  refuted: {each.text}, published {each.published}, here {each.here}"
        for each in claims
        if each.verdict == "refuted"
    ]
    less = sum(each.verdict == "confirmed" and LESS in each.why for each in claims)
    told = ", ".join(
        f"{count} {verdict}" + (f" ({less} by less than published)" if less and verdict == "confirmed" else "")
        for verdict, count in counts.most_common()
    )
    return "\n".join((f"{study.title}: {told}", *refuted))
