"""When whom to load: slots in random order, as long as the response times of the members ask for. Pure.

Times are counted in response times R = users ÷ throughput: after its slot a member still serves what is queued, N
requests that take R, and at its begin a slot takes some R to reach the rate that it then keeps. A slot therefore has a
settling part and at least COUNTED_RESPONSES × R that count; the gap before the next slot is as long as it takes until
every user has had its answer.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

COUNTED_RESPONSES = 10.0
"""Response times that the counted part of a slot lasts at least."""
SETTLING_RESPONSES = 3.0
"""Response times that settling is given before it was looked at."""
LEAST_SETTLING = 0.015
LEAST_COUNTED = 0.085
"""Seconds of a slot: shorter ones are all edges."""
LEAST_WAITS = 20.0
"""Known waits of a request that a slot holds at least: what fits fewer is quantised."""
LONGEST_SLOT = 5.0
"""Seconds from which on a slot is called a window: the machine does not stand still for so long."""
FIRST_SLOT, LONGEST_FIRST_SLOT = 0.25, 15.0
"""Seconds of a member's first slots, in which it warms up and shows its response time."""
FIRST_RESPONSES = 2.0
"""Response times that the last of them holds."""
POINTS = 16
"""Readings of a slot."""
LEAST_ROUNDS = 3
"""That count, of a restart that is to be compared by itself."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SlotLength:
    """How long a member's slots are."""

    settling_seconds: float
    counted_seconds: float

    @property
    def seconds(self) -> float:
        """Of the whole slot."""
        return self.settling_seconds + self.counted_seconds

    def prolonged(self, seconds: float) -> SlotLength:
        """The same, given more time to settle."""
        return SlotLength(settling_seconds=self.settling_seconds + seconds, counted_seconds=self.counted_seconds)

    @property
    def method(self) -> Literal["slots", "windows"]:
        """What to call it."""
        return "slots" if self.seconds <= LONGEST_SLOT else "windows"


def slot_length(
    response_seconds: float,
    *,
    settling_responses: float = SETTLING_RESPONSES,
    known_wait_seconds: float = 0.0,
    least_seconds: float = LEAST_COUNTED,
) -> SlotLength:
    """Length of the slots of a member.

    `response_seconds`: R, users ÷ throughput. `settling_responses`: how many R settling takes. `known_wait_seconds`:
    how long a request waits by what its workload says. `least_seconds`: the shortest counted part.
    """
    counted = max(least_seconds, COUNTED_RESPONSES * response_seconds, LEAST_WAITS * known_wait_seconds)
    return SlotLength(
        settling_seconds=max(LEAST_SETTLING, settling_responses * response_seconds), counted_seconds=counted
    )


def first_slot_seconds(known_wait_seconds: float) -> float:
    """How long a member's first slot is."""
    return max(FIRST_SLOT, 4 * known_wait_seconds)


def next_first_slot_seconds(seconds: float, share: float) -> float:
    """How long the next one is, where so long a slot brought a share of the answers that are needed."""
    return min(LONGEST_FIRST_SLOT, max(1.5 * seconds, 1.1 * seconds / share) if share else 3 * seconds)


def first_slots_seconds(response_seconds: float, known_wait_seconds: float) -> float:
    """How long the first slots of a member take together, with what is served of its queue after each."""
    seconds = first_slot_seconds(known_wait_seconds)
    share = seconds / (FIRST_RESPONSES * response_seconds) if response_seconds else 1.0
    more = 0.0 if share >= 1 else next_first_slot_seconds(seconds, share) + response_seconds
    return seconds + response_seconds + more


def orders(members: int, chance: random.Random, last: int | None = None) -> list[int]:
    """The members in a random order that does not begin with `last`: none has two slots in a row."""
    while True:
        order = chance.sample(range(members), members)
        if order[0] != last or members == 1:
            return order


def reading_times(length: SlotLength, points: int = POINTS) -> list[float]:
    """Seconds from a slot's begin at which it is read: evenly, one of them where settling ends, the last at its end."""
    times = {length.seconds * (place + 1) / points for place in range(points)}
    return sorted({*times, length.settling_seconds})
