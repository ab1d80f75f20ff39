"""What a reader should know of how members behave in their turns, although the restarts count. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from harness.analysis.settling import settling_curve
from harness.model.rotation import Restart

IDLE_SHARE = 0.005
"""Of a core, from which on a member that is not idle outside of its slots is named."""
SWITCHES = 1.0
"""Context switches per request by which members differ where the way that requests arrive counts for one of them."""
SWITCHED_US = 300.0
"""CPU microseconds per request up to which it does (benchmarks/fidelity.py): at 195 µs granian serves a quarter less
under a generator that computes between its requests than under one that asks in bunches, at 335 µs the same."""

RemarkKind = Literal["switching", "idle", "closing", "settling"]
KINDS: tuple[RemarkKind, ...] = get_args(RemarkKind)


@dataclass(frozen=True, kw_only=True, slots=True)
class Remark:
    """What a reader should know of a member although the restarts count."""

    member: str
    says: str
    """A sentence, after the member's name."""
    strength: float
    """Of several members it is told of the one with the highest."""
    kind: RemarkKind


def told(remarks: Iterable[Remark]) -> Iterator[str]:
    """A sentence for each kind of remark, however many members it is made of: more of them would hide the answer. What
    may change the order of servers comes first."""
    kinds: dict[str, dict[str, Remark]] = {kind: {} for kind in KINDS}
    for each in remarks:
        kinds[each.kind].setdefault(each.member, each)
    for of_member in filter(None, kinds.values()):
        first = max(of_member.values(), key=lambda remark: remark.strength)
        also = f"; so it is with {len(of_member) - 1} more" if len(of_member) > 1 else ""
        yield f"{first.member} {first.says}{also}"


def remarks(restarts: Sequence[Restart], labels: Sequence[str]) -> Iterator[Remark]:
    """All that there is to say of members of a set, from its restarts that count."""
    yield from _switched(restarts, labels)
    for member, label in enumerate(labels):
        shares = [restart.members[member].idle_cpu_share for restart in restarts]
        share = statistics.median(shares) if shares else 0.0
        if share > IDLE_SHARE:
            says = f"is not idle between its turns: {share:.1%} of a core, at the others' cost"
            yield Remark(member=label, says=says, strength=share, kind="idle")
        opened = [
            sum(
                count
                for place, count in enumerate(restart.slots.opened)
                if restart.slots.member[place] == member and restart.slots.round[place] > 0
            )
            for restart in restarts
        ]
        if any(opened):
            mean = statistics.fmean(opened)
            says = f"closes connections between its turns or within them: {mean:,.0f} were opened anew in a restart"
            yield Remark(member=label, says=says, strength=mean, kind="closing")
    yield from _late(restarts, labels)


def _switched(restarts: Sequence[Restart], labels: Sequence[str]) -> Iterator[Remark]:
    """Members for which the way that requests arrive counts more than for another."""
    often = [
        [each for restart in restarts if (each := restart.members[member].switches_per_request) is not None]
        for member in range(len(labels))
    ]
    if not all(often):
        return
    switches = [statistics.median(each) for each in often]
    for member, label in enumerate(labels):
        slots = [(restart.slots, place) for restart in restarts for place in restart.slots.counted(member=member)]
        requests = sum(each.drained_requests[place] for each, place in slots)
        if not requests or switches[member] < min(switches) + SWITCHES:
            continue
        cost = sum(each.drained_cpu_s[place] for each, place in slots) / requests * 1e6
        if cost <= SWITCHED_US:
            says = (
                f"switches threads {switches[member]:.1f} times per request of {cost:.0f} µs of CPU: another "
                "generator (k6, wrk) may rank it otherwise"
            )
            yield Remark(member=label, says=says, strength=switches[member], kind="switching")


def _late(restarts: Sequence[Restart], labels: Sequence[str]) -> Iterator[Remark]:
    """Members that settle later than what was left out of their slots allowed for."""
    for member, label in enumerate(labels):
        curve = settling_curve(restarts, member)
        if curve is not None and (curve.settled_s is None or curve.settled_s > curve.given_s * 1.05 + 0.002):
            when = "never stands still" if curve.settled_s is None else f"settles after {curve.settled_s * 1000:.0f} ms"
            yield Remark(
                member=label,
                says=f"{when}, {curve.given_s * 1000:.0f} ms of a slot were left out",
                strength=math.inf if curve.settled_s is None else curve.settled_s,
                kind="settling",
            )
