"""The database without a server: sizes, tuning, draws, problems told apart, progress."""

from __future__ import annotations

import fcntl
import itertools
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from harness.database import connection, embedded, problems, program, shop, tasks, tuning
from harness.errors import LackError, UsageError
from harness.model.database import DatabaseStatus, ShopStatus, TableStatus
from harness.model.events import SeedProgress
from harness.model.load import Feed
from harness.report import database
from harness.report.progress import Lines

MACHINE = tuning.Machine(
    memory_bytes=8 * tuning.GB, cores=4, disk_free_bytes=100 * tuning.GB, shared_memory_bytes=4 * tuning.GB
)


@pytest.mark.parametrize(("text", "scale"), [("small", 0.01), ("article", 1.0), ("0.1", 0.1), ("2", 2.0)])
def test_scales(text: str, scale: float) -> None:
    assert tasks.parse_scale(text) == scale


@pytest.mark.parametrize("text", ["large", "0", "-1", "nan", "inf", "1e9", ""])
def test_bad_scales_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no such size"):
        tasks.parse_scale(text)


def test_bad_seeds_are_refused() -> None:
    assert tasks.parse_seed(0) == 0
    for number in (-1, 2**31):
        with pytest.raises(UsageError, match="out of bounds"):
            tasks.parse_seed(number)


def test_sizes_follow_the_scale() -> None:
    assert shop.sizes(1) == {"users": 1_000_000, "products": 100_000, "orders": 5_000_000, "order_items": 10_000_000}
    assert shop.sizes(0.0001) == {"users": 100, "products": 10, "orders": 500, "order_items": 1000}


@pytest.mark.parametrize("count", [1, 2, 3, 10, 997, 10_000])
def test_every_number_is_drawn_once_before_any_is_drawn_twice(count: int) -> None:
    draw = Feed(count=count)
    drawn = [1 + (i * draw.step) % draw.count for i in range(count)]  # as k6/cell.js computes it
    assert sorted(drawn) == list(range(1, count + 1))


def test_neighbours_in_the_order_are_far_apart() -> None:
    draw = Feed(count=1_000_000)
    drawn = [1 + (i * draw.step) % draw.count for i in range(1000)]
    assert min(abs(a - b) for a, b in itertools.pairwise(drawn)) > 100_000


def test_tuning_follows_the_machine() -> None:
    settings = tuning.settings(MACHINE)
    assert settings["shared_buffers"] == "'2048MB'"
    assert settings["max_parallel_maintenance_workers"] == "4"
    assert "dynamic_shared_memory_type" not in settings
    tiny = tuning.Machine(memory_bytes=tuning.GB // 4, cores=1, disk_free_bytes=tuning.GB, shared_memory_bytes=64 << 20)
    settings = tuning.settings(tiny)
    assert settings["shared_buffers"] == "'128MB'"
    assert settings["max_wal_size"] == "1GB"
    assert settings["dynamic_shared_memory_type"] == "sysv"
    huge = tuning.Machine(
        memory_bytes=512 * tuning.GB, cores=64, disk_free_bytes=tuning.GB, shared_memory_bytes=tuning.GB
    )
    assert tuning.settings(huge)["shared_buffers"] == "'4096MB'"
    assert tuning.settings(huge)["maintenance_work_mem"] == "'1024MB'"


def test_this_machine_is_read() -> None:
    found = tuning.machine(Path("/"))
    assert found.memory_bytes > 100 << 20
    assert found.cores >= 1
    assert found.disk_free_bytes > 0


@pytest.mark.parametrize(
    ("log", "meaning"),
    [
        ('FATAL:  could not write to file "pg_wal/xlogtemp.99": No space left on device', "the disk is full"),
        ('FATAL:  data directory "/d" has invalid permissions', "permissions"),
        ("initdb: error: could not change permissions of directory: Operation not permitted", "permissions"),
        ('FATAL:  lock file "/s/.s.PGSQL.5432.lock" already exists', "its socket is taken"),
        ('LOG:  could not bind Unix address "/s/.s.PGSQL.5432": Address already in use', "its socket is taken"),
        ('LOG:  could not bind IPv4 address "127.0.0.1": Address already in use', "its port is taken"),
        ("FATAL:  could not map anonymous shared memory: Cannot allocate memory", "too little memory"),
        ("FATAL:  database files are incompatible with server", "another version's"),
        ('FATAL:  configuration file "/d/postgresql.conf" contains errors', "its configuration is wrong"),
        (
            "selecting dynamic shared memory implementation ... posix\n"
            'LOG:  listening on Unix socket "/s/.s.PGSQL.5432"\nPANIC:  could not locate a valid checkpoint record',
            "see its log",
        ),
        ('FATAL:  could not open shared memory segment "/PostgreSQL.1": Permission denied', "permissions"),
        ("FATAL:  could not create semaphores: No such process", "too little memory"),
    ],
)
def test_problems_of_starting_are_told_apart(log: str, meaning: str) -> None:
    error = problems.start_error(Path("/d"), log)
    assert meaning in error.what
    assert log in error.detail
    assert "HARNESS_DATA" in error.cure


def test_no_problem_of_starting_is_answered_with_the_loss_of_data() -> None:
    cures = [cure for _, _, cure in problems.PROBLEMS] + [problems.start_error(Path("/d"), "who knows").cure]
    assert not [cure for cure in cures if re.search("remove the folder|delete|rm -", cure)]


@pytest.mark.parametrize("name", ["a b", "100%", "a&b", "it's", "a,b", "a=b?c#d"])
def test_odd_names_of_folders_reach_postgres_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    home = tmp_path / name
    monkeypatch.setenv("HARNESS_DATA", str(home))
    folder = embedded.data_folder()
    folder.mkdir(parents=True)
    (folder / "postgresql.conf").write_text("# as initdb wrote it\n")
    (folder / "postmaster.pid").write_text(f"{os.getpid()}\n{folder}\n1\n7777\n/somebody/elses\n\n1 1\nready   \n")
    monkeypatch.setattr(embedded, "_is_postgres", lambda *_: True)
    found = embedded.running()
    assert found is not None
    parts = conninfo_to_dict(found.url)
    assert (parts["host"], parts["port"]) == (str(home / "socket"), "5432")  # whatever the note says
    (home / "socket").mkdir()
    embedded._configure(folder)
    text = str(home / "socket").replace("'", "''")
    assert f"unix_socket_directories = '\"{text}\"'" in (folder / "harness.conf").read_text()


@pytest.mark.parametrize("name", ['a"b', "a$b", "a`b", "a\\b", "a\nb", "a\udcffb"])
def test_names_that_postgres_cannot_have_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / name))
    with pytest.raises(LackError, match="Postgres cannot run in"):
        embedded.start()


def test_a_folder_that_a_server_of_another_place_uses_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path))
    monkeypatch.setattr(embedded, "STRANGE_LOOKS", 1)
    note = embedded.data_folder() / "postmaster.pid"
    note.parent.mkdir()
    note.write_text("1\n")
    with open(tmp_path / embedded.LOCK, "w") as elsewhere:
        fcntl.flock(elsewhere, fcntl.LOCK_EX)
        elsewhere.write("another-boot pid:[1]")
        elsewhere.flush()
        with pytest.raises(LackError, match="another container or machine"):
            embedded.start()
    assert note.exists()


def test_who_finds_the_lock_taken_waits_for_the_server_or_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path))
    server = embedded.Server(pid=1, folder=tmp_path, url="")
    with open(tmp_path / embedded.LOCK, "a+") as first, open(tmp_path / embedded.LOCK, "a+") as second:
        assert embedded._held(first.fileno()) is None
        states = [None, None, server]
        monkeypatch.setattr(embedded, "running", lambda: states.pop(0))
        assert embedded._held(second.fileno()) is server
        states = [None, None, None]
        monkeypatch.setattr(embedded, "end_orphans", lambda _: first.close())
        assert embedded._held(second.fileno()) is None


def test_what_postgres_inherits_of_the_environment_is_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path))
    monkeypatch.setenv("HARNESS_MEASUREMENT", "a-token")
    monkeypatch.setenv("SECRET", "of the caller")
    monkeypatch.setattr(embedded, "_account", dict)
    with pytest.raises(subprocess.CalledProcessError) as caught:
        embedded._run("/bin/sh", "-c", "env; exit 3")
    assert "PATH=" in caught.value.stdout
    assert not re.search("HARNESS_MEASUREMENT|SECRET", caught.value.stdout)


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"")])
def test_a_program_of_which_files_are_gone_is_copied_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: Callable[[Path], object]
) -> None:
    wheel = tmp_path / "site" / program.PACKAGE
    for path in (wheel / program.INSTALLED / "bin" / "postgres", wheel.parent / f"{program.PACKAGE}.libs" / "libpq.so"):
        path.parent.mkdir(parents=True)
        path.write_text(path.name)
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "home"))
    monkeypatch.setattr(program, "require_installed", lambda: ("1.0", wheel))
    (tmp_path / "home").mkdir()
    copied = program.program() / "bin" / "postgres"
    made = copied.stat().st_ino
    assert (program.program() / "bin" / "postgres").stat().st_ino == made
    damage(copied)
    assert program.program() / "bin" / "postgres" == copied
    assert copied.read_text() == "postgres"
    assert copied.stat().st_mode & 0o777 == 0o644


def test_a_long_path_is_refused_before_anything_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / ("x" * 100)))
    with pytest.raises(Exception, match="107 bytes"):
        embedded.start()


@pytest.mark.parametrize("code", ["42501", "25006", "53100", "57P01", "08006", "XX000", ""])
def test_every_refusal_has_a_cure(code: str) -> None:
    assert next(cure for state, cure in connection.CURES if code.startswith(state))


def test_statements_are_split_and_hold_their_parameters() -> None:
    seeding = shop.statements("seed")
    assert [re.findall(r"INSERT INTO (\w+)", text) for text in seeding] == [[table] for table in shop.TABLES]
    assert all("%(first)s" in text and "%(last)s" in text for text in seeding)
    assert len(shop.statements("constraints")) == 12


def test_progress_in_a_pipe_says_what_how_far_and_how_long(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("harness.report.progress.time.monotonic", lambda: now)
    lines = Lines()
    lines(SeedProgress(doing="inserting users", fraction=0, rows=0, of_rows=100))
    now += 2
    lines(SeedProgress(doing="inserting users", fraction=0.1, rows=10, of_rows=100))
    now += 8
    lines(SeedProgress(doing="inserting orders", fraction=0.5, rows=50, of_rows=100))
    assert capsys.readouterr().err.splitlines() == [
        "  inserting users: 0 of 100 rows",
        "  inserting orders: 50 of 100 rows, about 10 s left",
    ]


def test_a_status_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    found = DatabaseStatus(
        kind="embedded",
        server="/data",
        running=True,
        pid=7,
        version="18.4",
        settings={"shared_buffers": "4GB"},
        connections_free=397,
        shop=ShopStatus(
            scale=1,
            seed=1,
            size_bytes=2_121_000_000,
            tables={"users": TableStatus(rows=1_000_000, checksum="de0739b1809a4ab4")},
            seconds=84.4,
            filled_at="2026-01-01T10:00:00+00:00",
        ),
        problems=["users holds other values than were filled in"],
    )
    database.show(found)
    text = capsys.readouterr().out
    for part in (
        "process 7",
        "shared_buffers 4GB",
        "1,000,000 rows",
        "de0739b1809a4ab4",
        "2,121 MB",
        "84.4 s",
        "other v",
    ):
        assert part in text
