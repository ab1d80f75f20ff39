"""Postgres in the course of an experiment: what was measured while it ended is no outcome of a server, and is measured
anew."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

from harness.deploy.spec import ServerSpec
from harness.errors import LackError, TargetError
from harness.model.database import Database

log = logging.getLogger(__name__)

Found = TypeVar("Found")
MOST_ENDS = 3
"""Times that it may end in one measurement before the experiment is ended."""


class DatabaseWatch:
    """The Postgres that servers use, looked after between measurements."""

    def __init__(self, specs: Sequence[ServerSpec]) -> None:
        self._database = next((spec.database for spec in specs if spec.database is not None), None)

    def measured(self, specs: Sequence[ServerSpec], measure: Callable[[list[ServerSpec]], Found]) -> Found:
        """What `measure` returns or raises, with Postgres alive from its begin to its end.

        Where it was not, the embedded one is started again and everything is measured anew. LackError where it does not
        come up, is external and does not answer, or ends every time: what was measured until then can be gone on with.
        """
        for _ in range(MOST_ENDS):
            if not self._alive():
                self._renew()
            try:
                found = measure([self._current(spec) for spec in specs])
            except TargetError:
                if self._alive():
                    raise
            else:
                if self._alive():
                    return found
            log.info("Postgres ended within a measurement, which does not count and is made anew")
        raise LackError(
            f"Postgres ended {MOST_ENDS} times in a row while it was used",
            cure="look at its log and at the memory that it may use (harness doctor)",
        )

    def _current(self, spec: ServerSpec) -> ServerSpec:
        return spec if spec.database is None else dataclasses.replace(spec, database=self._database)

    def _alive(self) -> bool:
        if self._database is None:
            return True
        from harness.database import connection

        return connection.alive(self._database)

    def _renew(self) -> None:
        from harness.database import connection

        before = self._database
        assert before is not None
        log.info("Postgres has ended since it was prepared" + (": starting it" if before.kind == "embedded" else ""))
        now = connection.prepare(None if before.kind == "embedded" else before.url)
        if _shop(now) != _shop(before):
            raise LackError(
                "the shop in Postgres is another one than that which the experiment began with",
                cure="begin a new run; what was stored can still be reported",
            )
        self._database = now


def _shop(database: Database) -> tuple[object, ...]:
    return database.version, database.checksums
