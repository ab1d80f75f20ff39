"""How much of a member's slots is left out, by what the slots of all restarts show of how it settles. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from harness.measure import schedule
from harness.model.rotation import Restart, SettlingCurve
from harness.stats import settling

MOST_SETTLING = 30.0
"""Response times of a slot that are left out at the most."""


def settling_curve(restarts: Sequence[Restart], member: int) -> SettlingCurve | None:
    """How fast a member is by the time since its slot's begin, pooled over the slots that count; None without any."""
    rows: dict[int, list[int]] = {}
    places = [
        (restart.slots, place)
        for restart in restarts
        for place in restart.slots.counted()
        if restart.slots.member[place] == member
    ]
    for number, (slots, place) in enumerate(places):
        rows.setdefault(len(slots.read_s[place]), []).append(number)
    if not rows:
        return None
    alike = [places[number] for number in max(rows.values(), key=len)]
    moments = [slots.read_s[place] for slots, place in alike]
    finished = [slots.finished[place] for slots, place in alike]
    pooled = settling.parts(moments, finished)
    moment = settling.settled(moments, finished)
    return SettlingCurve(
        seconds=[round(part.seconds, 5) for part in pooled],
        share=[round(part.estimate, 4) for part in pooled],
        settled_s=None if moment is None else round(moment, 5),
        given_s=round(statistics.fmean(slots.settling_s[place] for slots, place in alike), 5),
    )


def settling_responses(restarts: Sequence[Restart], member: int) -> float:
    """How many response times are left out of each of a member's slots, by the curve of the latest half of restarts: at
    least SETTLING_RESPONSES, at most MOST_SETTLING, and half as many again as these were given where it has not settled
    by then. The latest half, since slots that were given more show more; earlier ones would go on saying that it has
    not settled whatever later ones show."""
    latest = [restart for restart in restarts[len(restarts) // 2 :] if restart.response_s[member] > 0]
    curve = settling_curve(latest, member)
    if curve is None:
        return schedule.SETTLING_RESPONSES
    seconds = 1.5 * curve.given_s if curve.settled_s is None else curve.settled_s
    responses = seconds / statistics.median(restart.response_s[member] for restart in latest)
    return min(MOST_SETTLING, max(schedule.SETTLING_RESPONSES, responses))
