"""The embedded Postgres: from a wheel that pip installs, one per user, alive between runs until it is stopped.

One folder holds it: a copy of the program, the data folder, the socket's folder, and a lock that every process of the
server holds as long as it lives, so that no other container or machine that has the folder touches its files meanwhile.
"""

from __future__ import annotations

import fcntl
import logging
import os
import pwd
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from harness.database import tuning
from harness.database.problems import SERVICE_USER, SOCKET, start_error
from harness.database.program import MAJOR, program, require_installed
from harness.errors import LackError
from harness.host import polling, procfs
from harness.host.accounts import acting_as, acting_as_owner
from harness.host.logs import tail
from harness.host.paths import home, own

__all__ = ["data_folder", "free_bytes", "require_installed", "running", "start", "stop"]

log = logging.getLogger(__name__)

CONFIGURATION = "harness.conf"
SUPERUSER = "postgres"
LOCK = "postgres.lock"
"""Held by who starts the server, then by all of its processes."""
UNUSABLE = re.compile(r'["$`\\\x00-\x1f\x7f]')
"""What Postgres' own programs cannot have in a path, since they hand it to a shell."""
KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "TZ")
"""Of the environment: the server outlives the command, and is no place for its other variables."""
LONGEST_SOCKET_PATH = 107
NEEDED_BYTES = 200_000_000
START_SECONDS = 300.0
"""A server that was killed while it was being filled has to recover first."""
ORPHAN_SECONDS = 5.0
STRANGE_LOOKS = 10
"""At a lock that somebody in another place holds; who has just taken it has not yet told from where."""
LOG_LINES = 15


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """A running embedded Postgres."""

    pid: int
    folder: Path
    url: str


def data_folder() -> Path:
    """The data folder of the embedded Postgres."""
    return home() / f"postgres{MAJOR}"


def running() -> Server | None:
    """The embedded Postgres, if it runs and is ready."""
    try:
        folder = data_folder()
        lines = (folder / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        pid, state = int(lines[0]), lines[7].strip()
    except (OSError, IndexError, ValueError, LackError):  # the last of a folder that is not this user's
        return None
    if state != "ready" or not _is_postgres(pid, folder):
        return None
    socket = quote(os.fsencode(home() / "socket"), safe="")
    return Server(pid=pid, folder=folder, url=f"postgresql://{SUPERUSER}@/postgres?host={socket}&port=5432")


def start() -> Server:
    """The embedded Postgres, started (and made, the first time) if it does not run."""
    server = running()
    if server is not None:
        return server
    own()
    _check_place()
    with open(home() / LOCK, "a+", encoding="utf-8") as lock:
        return _held(lock.fileno()) or _start(lock.fileno())


def stop(deadline_seconds: float = 60.0) -> bool:
    """Stop the embedded Postgres, ending its connections; False if it was not running."""
    server = running()
    if server is None:
        return False
    pid = server.pid
    with acting_as_owner(server.folder), suppress(ProcessLookupError):
        os.kill(pid, signal.SIGINT)  # Postgres' fast shutdown
    if not polling.until(lambda: not procfs.alive(pid), deadline_seconds):
        raise LackError(
            f"the embedded Postgres (process {pid}) did not stop within {deadline_seconds:g} s",
            cure=f"try again; its log is in {server.folder / 'log'}",
        )
    return True


def free_bytes() -> int:
    """Room on the disk that holds the data folder."""
    return shutil.disk_usage(home()).free


def _held(lock: int) -> Server | None:
    """Take the lock: None; or the server of who has it, once it is ready.

    LackError where that is in another container or on another machine, whose processes cannot be seen from here.
    """
    folder, deadline, strange = data_folder(), time.monotonic() + START_SECONDS, 0

    def look() -> Server | bool:
        return running() or _take(lock)

    while not (found := look()):
        strange = 0 if os.pread(lock, 200, 0).decode(errors="replace") == _here() else strange + 1
        if strange == STRANGE_LOOKS:
            raise LackError(
                f"a Postgres of another container or machine runs in {folder}, or is being started there",
                cure="stop it there (harness db stop), or name another folder in HARNESS_DATA for each of them",
            )
        if time.monotonic() > deadline:
            raise start_error(folder, f"it did not start in time\n{tail(folder / 'log', LOG_LINES)}")
        end_orphans(folder)
        time.sleep(0.05)
    return found if isinstance(found, Server) else None


def _take(lock: int) -> bool:
    """Take the lock, if nobody has it, and note where."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise LackError(
            f"files in {home()} cannot be locked ({error.strerror}): two servers might write to the same data",
            cure="name a folder on another file system in HARNESS_DATA",
        ) from error
    os.ftruncate(lock, 0)
    os.pwrite(lock, _here().encode(), 0)
    return True


def _here() -> str:
    """This start of this machine, and the name space of process numbers: of a container one of its own."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{boot} {os.readlink('/proc/self/ns/pid')}"


def _start(lock: int) -> Server:
    folder = data_folder()
    try:
        if _postmaster(folder) is not None:  # started by hand, without the lock
            return _awaited(folder)
        end_orphans(folder)
        _forget(folder)
        installed = program()
        if not (folder / "PG_VERSION").exists():
            log.info(f"making the embedded Postgres in {home()} (once)")
            _make(installed, folder)
        log.info(f"starting the embedded Postgres in {folder}")
        _configure(folder)
        _run(
            *(installed / "bin" / "pg_ctl", "start", "--wait", "--silent", f"--timeout={START_SECONDS:.0f}"),
            *("--pgdata", folder, "--log", folder / "log"),
            lock=lock,
        )
    except subprocess.CalledProcessError as error:
        raise start_error(folder, f"{error.stdout}{error.stderr}\n{tail(folder / 'log', LOG_LINES)}".strip()) from None
    except subprocess.TimeoutExpired:
        raise start_error(folder, tail(folder / "log", LOG_LINES)) from None
    except OSError as error:
        raise start_error(folder, str(error)) from error
    server = running()
    if server is None:
        raise start_error(folder, tail(folder / "log", LOG_LINES))
    return server


def _check_place() -> None:
    """Refuse a folder in which Postgres cannot run, with what is wrong with it."""
    if UNUSABLE.search(str(home())) or not _is_utf8(str(home())):
        raise LackError(
            f"Postgres cannot run in {str(home())!r}: a quotation mark, $, `, \\, a line break or what is not UTF-8",
            cure="name a folder without them in HARNESS_DATA",
        )
    socket = home() / "socket" / SOCKET
    if len(os.fsencode(socket)) > LONGEST_SOCKET_PATH:
        raise LackError(
            f"the path of a socket may have {LONGEST_SOCKET_PATH} bytes, {socket} has {len(os.fsencode(socket))}",
            cure="name a folder with a shorter path in HARNESS_DATA",
        )
    if os.statvfs(home()).f_flag & os.ST_NOEXEC:
        raise LackError(
            f"{home()} is on a file system from which nothing may be run (noexec), and Postgres is run from there",
            cure="name another folder in HARNESS_DATA, or a server with --database-url",
        )
    account, folder = _account(), home()
    try:
        with acting_as(account.get("user", 0), account.get("group", 0)):
            os.stat(folder / ".")
    except PermissionError:
        raise LackError(
            f"{SERVICE_USER}, who runs Postgres where harness is root, cannot reach {home()}",
            cure="let others pass (chmod o+x) it and the folders above it, or name another folder in HARNESS_DATA",
        ) from None
    free = free_bytes()
    if free < NEEDED_BYTES:
        raise start_error(data_folder(), f"No space left on device: {free / 1e6:.0f} MB are free in {home()}")


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _make(installed: Path, folder: Path) -> None:
    """Make the data folder under another name first, so that it is there whole or not at all.

    A name of its own, because the initdb of a harness that was killed may still be at work in the folder that it made.
    """
    for left in folder.parent.glob(f"{folder.name}.making-*"):
        shutil.rmtree(left, ignore_errors=True)
    making = folder.with_name(f"{folder.name}.making-{secrets.token_hex(4)}")
    _private(making)
    _run(
        *(installed / "bin" / "initdb", "--pgdata", making, "--username", SUPERUSER, "--auth", "trust"),
        *("--encoding", "UTF8", "--no-locale"),
    )
    making.rename(folder)


def _configure(folder: Path) -> None:
    """Write the settings that this machine allows, and where the socket is; begin a new log."""
    socket = home() / "socket"
    if not socket.exists():
        _private(socket)
    listed = str(socket).replace("'", "''")
    settings = {"unix_socket_directories": f"'\"{listed}\"'", "port": "5432"} | tuning.settings(tuning.machine(folder))
    lines = ["# Written by harness at each start.", *(f"{name} = {value}" for name, value in settings.items())]
    (folder / CONFIGURATION).write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / CONFIGURATION).chmod(0o644)
    include = f"include_if_exists = '{CONFIGURATION}'"
    main = folder / "postgresql.conf"
    if include not in main.read_text(encoding="utf-8"):
        with open(main, "a", encoding="utf-8") as file:
            file.write(f"\n# Added by harness.\n{include}\n")
    (folder / "log").unlink(missing_ok=True)


def _private(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    account = _account()
    if account:
        os.chown(folder, account["user"], account["group"])


def _account() -> dict[str, Any]:
    """Arguments of `subprocess` that run Postgres as the owner of its data; none where that is this user."""
    if os.geteuid() != 0:
        return {}
    if data_folder().exists():
        owner = data_folder().stat()
        return {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}
    try:
        account = pwd.getpwnam(SERVICE_USER)
    except KeyError:
        raise LackError(
            f"Postgres refuses to run as root, and there is no user {SERVICE_USER}",
            cure="run harness as another user, or name a server with --database-url",
        ) from None
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _run(*argv: str | Path, lock: int | None = None) -> None:
    """Run one of Postgres' programs. Files take its output, since the server that it leaves behind inherits them; and
    the lock."""
    clean = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        process = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=home(),
            env=clean,
            pass_fds=() if lock is None else (lock,),
            timeout=START_SECONDS + 10,
            check=False,
            **_account(),
        )
        output.seek(0)
        if process.returncode != 0:
            raise subprocess.CalledProcessError(process.returncode, [str(word) for word in argv], output.read(), "")


def _awaited(folder: Path) -> Server:
    """The server that is starting, recovering or ending just now, once it is ready."""
    polling.until(lambda: running() is not None or _postmaster(folder) is None, START_SECONDS)
    server = running()
    if server is None:
        raise start_error(folder, f"it did not start in time\n{tail(folder / 'log', LOG_LINES)}")
    return server


def _postmaster(folder: Path) -> int | None:
    """The living server's first process, ready or not."""
    pid = _noted_pid(folder / "postmaster.pid")
    return pid if pid is not None and _is_postgres(pid, folder) else None


def end_orphans(folder: Path) -> None:
    """End what a killed server left: its children, which may work on for long."""

    def settled() -> bool:
        return _postmaster(folder) is not None or not _processes(folder)

    while not polling.until(settled, ORPHAN_SECONDS):
        orphans = _processes(folder)
        log.info(f"ending {len(orphans)} processes that a killed Postgres left")
        with acting_as_owner(folder):
            for orphan in orphans:
                with suppress(ProcessLookupError):
                    os.kill(orphan, signal.SIGKILL)


def _forget(folder: Path) -> None:
    """Remove notes of a server that is gone: whoever holds the lock knows that none lives, here or elsewhere."""
    # The number that they note may be another program's by now, or a zombie's where nobody waits for orphans; Postgres
    # takes both for a running server.
    (folder / "postmaster.pid").unlink(missing_ok=True)
    note = home() / "socket" / f"{SOCKET}.lock"
    holder = _noted_pid(note)
    if holder is None or not _runs_postgres(holder):
        note.unlink(missing_ok=True)


def _noted_pid(note: Path) -> int | None:
    try:
        return int(note.read_text(encoding="utf-8").splitlines()[0])
    except (OSError, ValueError, IndexError):
        return None


def _processes(folder: Path) -> list[int]:
    return [int(path.name) for path in Path("/proc").glob("[0-9]*") if _is_postgres(int(path.name), folder)]


def _is_postgres(pid: int, folder: Path) -> bool:
    """Whether the process is of the server of this data folder, and not another one that got its number since. Its
    owner asks, since root may not look at others' processes everywhere."""
    try:
        with acting_as_owner(folder):
            return _runs_postgres(pid) and Path(f"/proc/{pid}/cwd").samefile(folder)
    except OSError:
        return False


def _runs_postgres(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip() == "postgres" and procfs.alive(pid)
    except OSError:
        return False
