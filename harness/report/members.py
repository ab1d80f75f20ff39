"""What to call cells that are compared: by what they differ in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from harness.model.rotation import Rotation


@dataclass(frozen=True, kw_only=True, slots=True)
class Names:
    """The members by what they differ in."""

    short: dict[str, str]
    """Written form → the parts that the members do not share."""
    common: str
    """The parts that they share; empty where there are none."""

    def shortened(self, text: str) -> str:
        """A text in which the short names stand for the written forms."""
        for label in sorted(self.short, key=len, reverse=True):
            text = text.replace(label, self.short[label])
        return text


def names(rotation: Rotation) -> Names:
    """What to call the members."""
    return shortened(rotation.members, rotation.servers)


def shortened(labels: Sequence[str], servers: Sequence[str] = ()) -> Names:
    """Written forms by what they differ in. `servers`: of each, its server's name first."""
    numbers = [match[0] if (match := re.search(r" \(\d+\)$", label)) else "" for label in labels]
    parts = [
        _parts(label.removesuffix(number), server.partition(" ")[0])
        for label, number, server in zip(labels, numbers, servers or [""] * len(labels), strict=True)
    ]
    if len({len(each) for each in parts}) > 1:
        return Names(short={label: label for label in labels}, common="")
    places = range(len(parts[0]))
    differing = [place for place in places if len({each[place] for each in parts}) > 1] or [0]
    return Names(
        short={
            label: "/".join(each[place] for place in differing) + number
            for label, each, number in zip(labels, parts, numbers, strict=True)
        },
        common="/".join(parts[0][place] for place in places if place not in differing),
    )


def _parts(label: str, server: str) -> list[str]:
    """The parts of a written form; an environment, which may be a path, stays with its server."""
    match = re.match(rf"(.+:)?(?={re.escape(server)}[:/])", label) if server else None
    environment = match[0] if match else ""
    first, *others = label.removeprefix(environment).split("/")
    return [environment + first, *others]
