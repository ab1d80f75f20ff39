"""Why the embedded Postgres does not start: told apart by its log, each with a cure that loses no data."""

from __future__ import annotations

from pathlib import Path

from harness.errors import LackError

SERVICE_USER = "nobody"
"""The system user that runs it where the harness is root, since Postgres refuses to be."""
SOCKET = ".s.PGSQL.5432"

PROBLEMS = (
    (("No space left on device", "Disk quota exceeded"), "the disk is full", "make room there"),
    (
        ("could not look up effective user", "could not look up local user"),
        "the user that harness runs as has no entry in /etc/passwd, which initdb asks for",
        "add one (as root: echo harness:x:UID:0::/tmp:/bin/sh >> /etc/passwd), or run as another user",
    ),
    (
        ("cannot be run as root", "execution of the PostgreSQL server is not permitted"),
        "its data belong to root, who may not run Postgres",
        f"give the folder to another user: chown -R {SERVICE_USER}",
    ),
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
        "move the folder away to begin anew",
    ),
    (
        ("contains errors", "invalid value for parameter", "unrecognized configuration parameter"),
        "its configuration is wrong",
        "correct postgresql.conf there",
    ),
    (
        ("did not start in time", "still starting up"),
        "it is not ready yet: after a crash a large shop takes long to recover",
        "leave it the time, look at its log, and try again",
    ),
    (
        ("is not a valid data directory", "PG_VERSION", "Directory not empty", "File exists"),
        "files of it are missing, as where something removes what was not used for long",
        "move the folder away to begin anew",
    ),
)
"""Texts of a log, their meaning, the cure. None is of what every start says: that it listens on its socket, or which
kind of shared memory initdb selects."""


def start_error(folder: Path, log: str) -> LackError:
    """The error that tells a disk, account, permission, socket, port, memory and configuration problem apart."""
    meaning, cure = next(
        ((meaning, cure) for texts, meaning, cure in PROBLEMS if any(text in log for text in texts)),
        ("see its log below", "mend what it names and try again"),
    )
    return LackError(
        f"the embedded Postgres did not start in {folder}: {meaning}",
        cure=f"{cure}; name another folder in HARNESS_DATA, or a server with --database-url",
        detail=log,
    )
