"""The database without a server: sizes, tuning, draws, problems told apart, progress."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from harness.database import connection, embedded, shop, tasks, tuning
from harness.errors import UsageError
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
    error = embedded.explained(Path("/d"), log)
    assert meaning in error.what
    assert log in error.detail
    assert "HARNESS_DATA" in error.cure


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
