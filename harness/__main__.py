"""`python -m harness`."""

import contextlib
import os
import sys

# `-m` puts the current folder first on the path: modules of the user's there would be imported in place of ours.
with contextlib.suppress(FileNotFoundError):  # a folder that is gone holds nothing
    if sys.path and os.path.realpath(sys.path[0] or os.curdir) == os.path.realpath(os.curdir):
        del sys.path[0]

from harness.cli.main import main

main()
