"""The folder for data that outlives a run: the embedded Postgres, and calibrations for this machine."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from harness.errors import LackError

STATE = Path("/var/lib")
"""Where data of programs that root runs outlive a restart of the machine, and nothing ages them."""
SHARED = Path("/var/tmp")


def home() -> Path:
    """This user's folder: HARNESS_DATA, or one where nothing removes what was not used for long.

    Of root one in /var/lib, since another user has to reach it, who runs Postgres there; of others the one that
    XDG_DATA_HOME names, or `~/.local/share/harness`. Without a home folder of one's own it is one in /var/tmp, which
    many systems clear of what is older than a month. LackError for a folder that others own or may write to: results
    would rest on what they put there.
    """
    variable = os.environ.get("HARNESS_DATA")
    folder = Path(os.path.abspath(variable)) if variable else _default()
    try:
        # A link that the user has named is the user's; one that is just there may lead anywhere.
        found = os.stat(folder) if variable else os.lstat(folder)
    except (FileNotFoundError, NotADirectoryError):
        return folder
    except OSError as error:
        raise LackError(
            f"cannot look at {folder}: {error.strerror}", cure="name another folder in HARNESS_DATA"
        ) from error
    if not stat.S_ISDIR(found.st_mode):
        raise LackError(f"{folder} is no folder", cure="name another one in HARNESS_DATA")
    if found.st_uid != os.geteuid():
        raise LackError(f"{folder} belongs to another user", cure="name another folder in HARNESS_DATA")
    if found.st_mode & stat.S_IWOTH:
        raise LackError(
            f"everybody may write to {folder}", cure=f"chmod o-w {folder}, or name another folder in HARNESS_DATA"
        )
    return folder


def _default() -> Path:
    if os.geteuid() == 0:
        if os.access(STATE, os.W_OK):
            return STATE / "harness"
    else:
        above, data = os.environ.get("HOME", ""), os.environ.get("XDG_DATA_HOME", "")
        if os.path.isabs(data) and _own(data):
            return Path(data) / "harness"
        if os.path.isabs(above) and _own(above):
            return Path(above) / ".local" / "share" / "harness"
    return (SHARED if SHARED.is_dir() else Path(tempfile.gettempdir())) / f"harness-{os.geteuid()}"


def _own(folder: str) -> bool:
    """Whether a folder is this user's and may be written to."""
    try:
        return os.stat(folder).st_uid == os.geteuid() and os.access(folder, os.W_OK | os.X_OK)
    except OSError:
        return False


def own() -> Path:
    """This user's folder, made if need be: of root so that others may pass, whatever the umask is."""
    folder = home()
    root = os.geteuid() == 0
    before = os.umask(0o022 if root else 0o077)
    try:
        folder.mkdir(mode=0o755 if root else 0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise LackError(
            f"cannot make {folder}: {error.strerror}", cure="make room or mend permissions, or set HARNESS_DATA"
        ) from error
    finally:
        os.umask(before)
    return home()
