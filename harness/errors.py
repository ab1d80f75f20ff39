"""One family of errors: what happened, with which input, what to do next, and the exit code it ends in."""

from __future__ import annotations


class HarnessError(Exception):
    """What happened, in one sentence, and the next step. Never shown as a traceback."""

    exit_code = 70
    """Of what is no kind of its own. 1 is said of comparisons only."""

    def __init__(self, what: str, *, cure: str, detail: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.cure = cure
        """What to do next."""
        self.detail = detail
        """Evidence, such as the tail of a log."""


class UsageError(HarnessError):
    """The command line or the configuration is wrong."""

    exit_code = 2


class ImpossibleError(UsageError):
    """A cell whose parts exist, but not together."""


class TargetError(HarnessError):
    """The system under test failed."""

    exit_code = 4


class MemberError(TargetError):
    """The system under test failed, one of several that were up at once."""

    def __init__(self, place: int, error: TargetError) -> None:
        super().__init__(error.what, cure=error.cure, detail=error.detail)
        self.place = place
        """Which of them, from 0."""


class LackError(HarnessError):
    """The machine lacks something: a program, a package, a permission, room."""

    exit_code = 5
