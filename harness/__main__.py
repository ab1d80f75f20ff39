"""The program `harness`, which `python -m harness` is, too."""

import contextlib
import os
import signal
import sys
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _leave(number: int, frame: FrameType | None) -> None:
    """Nothing has been started while the program is still being imported."""
    os._exit(130)


def main() -> None:
    """Run the command line; a signal that comes before it answers them itself ends it with 130 and without a word."""
    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup ignores SIGHUP, and means it
            signal.signal(number, _leave)
    from harness.cli.main import main as run

    run()


if __name__ == "__main__":
    # `-m` puts the current folder first on the path: modules of the user's there would be imported in place of ours.
    with contextlib.suppress(FileNotFoundError):  # a folder that is gone holds nothing
        if sys.path and os.path.realpath(sys.path[0] or os.curdir) == os.path.realpath(os.curdir):
            del sys.path[0]
    main()
