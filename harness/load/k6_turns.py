"""k6 loading several servers in turn."""

from __future__ import annotations

import json
import logging
import random
import time
from collections import Counter
from collections.abc import Sequence

from harness import resources
from harness.environments import interpreters
from harness.errors import LackError
from harness.host import procfs
from harness.host.processes import Supervisor
from harness.load import arrivals
from harness.load.control import Control
from harness.load.generator import START_SECONDS
from harness.load.k6 import K6, target_document, tuning
from harness.load.turns import Body, Lane, TurnReport

log = logging.getLogger(__name__)

SCRIPT = "turns.js"
SAMPLE_EVERY = 20
KEPT_BODIES = 3
"""Unexpected bodies that a user tells of in a turn."""
END_SECONDS = 15.0
TELLING_SECONDS = 0.0004
"""For each user of an open load, until it knows of its turn: twice what was enough where others took no time."""


class K6Turns:
    """One process of k6 with the users of all members, each of which asks for its turn."""

    def __init__(
        self, k6: K6, lanes: Sequence[Lane], supervisor: Supervisor, cpus: Sequence[int] | None, seed: int
    ) -> None:
        self._lanes, self._random = lanes, random.Random(seed)
        self._control = Control(len(lanes))
        folder = supervisor.folder
        instructions = folder / "k6-turns.json"
        instructions.write_text(
            json.dumps(
                {
                    "lanes": [target_document(lane.target, folder) | {"users": lane.users} for lane in lanes],
                    "control": self._control.url,
                    "sample_every": SAMPLE_EVERY,
                    "kept_bodies": KEPT_BODIES,
                }
            ),
            encoding="utf-8",
        )
        self.argv: tuple[str, ...] = (
            *(k6.path, "run", "--quiet", "--no-usage-report", "--address", ""),
            *("--log-output", "stderr", "--log-format", "raw", "--no-color", str(resources.folder("k6") / SCRIPT)),
        )
        self._child = supervisor.start(
            self.argv,
            env={
                **interpreters.clean(),
                **tuning(sum(lane.users for lane in lanes), cpus),
                "HARNESS_LOAD": str(instructions),
            },
            cwd=supervisor.folder,
            log=supervisor.folder / "k6.log",
            cpus=cpus,
        )
        self._wait_for_users()
        log.debug("k6 is up with %d users", sum(lane.users for lane in lanes))

    def begin(self, lane: int, seconds: float, spread: float = 0.0) -> float:
        """Give a lane a turn; returns the instant of its begin. Few users learn of it within some milliseconds. Many of
        them do not, and what is due under open load meanwhile would be late for that: then it begins later. Its
        arrivals go round all users, so that each is free again when its next one is due. Under closed load users send
        their first requests evenly over `spread` seconds, in an order of chance."""
        self._check()
        users, rate = self._lanes[lane].users, self._lanes[lane].rate
        lead = 0.0 if rate is None else users * TELLING_SECONDS
        begins, clock = time.monotonic() + lead, time.time() + lead
        seed = self._random.getrandbits(31)
        due = None if rate is None else arrivals.phases_ms([(rate, seconds)], seed)
        first_ms = [(clock + spread * place / users) * 1000 for place in range(users)]
        self._random.shuffle(first_ms)
        turn = {"start_ms": clock * 1000, "until_ms": (clock + seconds) * 1000}
        self._control.give(
            lane,
            {
                user: turn | {"first_ms": first_ms[user], "due_ms": None if due is None else due[user::users]}
                for user in range(users)
            },
        )
        return begins

    def wait(self, until: float) -> None:
        """Let time pass, attending to the users."""
        self._control.serve(until)

    def drained(self, lane: int, seconds: float) -> bool:
        """Wait until all users of the turn ask for their next one: then each has had its last answer."""
        deadline = time.monotonic() + seconds
        while self._control.waiting(lane) < self._lanes[lane].users:
            if time.monotonic() > deadline:
                self._check()
                return False
            self._control.serve(time.monotonic() + 0.001)
        return True

    def report(self, lane: int) -> TurnReport:
        """What the users told of the turn."""
        reports = self._control.reports(lane)

        def total(name: str) -> int:
            return sum(each[name] for each in reports)

        statuses: Counter[int] = Counter()
        for each in reports:
            statuses.update({int(status): count for status, count in each["statuses"].items()})
        begun = [moment for each in reports for moment in each["begun"]]
        return TurnReport(
            answers=len(begun),
            begun_ms=begun,
            lasted_us=[duration for each in reports for duration in each["lasted"]],
            kinds=[kind for each in reports for kind in each["kinds"]],
            status=total("status"),
            timeout=total("timeout"),
            connection=total("connection"),
            statuses=statuses,
            opened=total("opened"),
            matched=total("matched"),
            unexpected=total("unexpected"),
            bodies=[
                Body(text=str(text), kind=kind, iteration=iteration)
                for each in reports
                for kind, iteration, text in each["bodies"]
            ],
        )

    def total(self, lane: int) -> int | None:
        """Nothing: every turn tells."""
        return None

    def cpu_seconds(self) -> float:
        """CPU time of k6 so far."""
        return procfs.cpu_seconds(self._child.pid) or 0.0

    def end(self) -> None:
        """Let all users leave, and k6 with them."""
        self._control.close()
        self._child.stop(END_SECONDS)

    def _wait_for_users(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while any(self._control.waiting(place) < lane.users for place, lane in enumerate(self._lanes)):
            self._check()
            if time.monotonic() > deadline:
                raise LackError(
                    f"k6 did not bring up {sum(lane.users for lane in self._lanes):,} users within {START_SECONDS:g} s",
                    cure="ask for fewer users, or try another k6 with --k6",
                    detail=self._child.log_tail(),
                )
            self._control.serve(time.monotonic() + 0.01)

    def _check(self) -> None:
        if self._child.returncode() is not None:
            raise LackError(
                "k6 ended in the middle of the load",
                cure="see its messages below; try another k6 with --k6",
                detail=self._child.log_tail(),
            )
