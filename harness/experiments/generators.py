"""How a load generator is opened for turns."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.host.processes import Supervisor
from harness.load.generator import Generator
from harness.load.k6 import K6
from harness.load.k6_turns import K6Turns
from harness.load.turns import Lane, TurnSession
from harness.load.wrk import Wrk
from harness.load.wrk_turns import WrkTurns


def open_session(
    generator: Generator,
) -> Callable[[Sequence[Lane], Supervisor, Sequence[int] | None, int, Callable[[int], int]], TurnSession]:
    """How a generator is opened for turns."""

    def opened(
        lanes: Sequence[Lane],
        supervisor: Supervisor,
        cpus: Sequence[int] | None,
        seed: int,
        in_flight: Callable[[int], int],
    ) -> TurnSession:
        if isinstance(generator, Wrk):
            return WrkTurns(generator, lanes, supervisor, cpus, in_flight)
        assert isinstance(generator, K6)
        return K6Turns(generator, lanes, supervisor, cpus, seed)

    return opened
