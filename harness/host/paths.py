"""The folder for data that outlives a run: the embedded Postgres, and calibrations for this machine."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from harness.errors import LackError


def home() -> Path:
    """This user's folder: HARNESS_DATA, or one in /var/tmp, which survives a restart of the machine.

    Never below a home folder or a checkout: where the harness is root, another user runs Postgres there.
    """
    variable = os.environ.get("HARNESS_DATA")
    if variable:
        return Path(variable).absolute()
    base = Path("/var/tmp")
    return (base if base.is_dir() else Path(tempfile.gettempdir())) / f"harness-{os.getuid()}"


def own() -> Path:
    """This user's folder, made if need be; LackError for one that somebody else made first in a place that all users
    share."""
    folder = home()
    try:
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    except OSError as error:
        raise LackError(
            f"cannot make {folder}: {error.strerror}", cure="make room or mend permissions, or set HARNESS_DATA"
        ) from error
    if folder.stat().st_uid != os.getuid():
        raise LackError(f"{folder} belongs to another user", cure="name another folder in HARNESS_DATA")
    return folder
