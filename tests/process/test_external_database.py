"""An external Postgres of every other version at hand, reached over TCP with a password."""

from __future__ import annotations

import json
from collections.abc import Iterator

import psycopg
import pytest

from harness.database import connection, shop
from tests.conftest import Harness, Postgres, everything_in, postgres_versions, scratch_postgres, sound


@pytest.fixture(scope="module", params=postgres_versions())
def server(request: pytest.FixtureRequest) -> Iterator[Postgres]:
    """A fresh server, external to the harness."""
    with scratch_postgres(request.param) as found:
        yield found


def test_it_is_filled_beside_what_is_there_and_used(harness: Harness, server: Postgres) -> None:
    with psycopg.connect(server.url(), autocommit=True) as client:
        client.execute("CREATE TABLE mine (a int)")
        client.execute("INSERT INTO mine VALUES (1)")
    first = harness.run(
        *("run", "--workload", "select", "--vus", "5", "--warmup", "500ms", "--duration", "1s", "--json"),
        DATABASE_URL=server.url(),
    )
    assert first.returncode in (0, 3), first.stderr
    assert "filling the schema harness_shop" in first.stderr
    second = harness.measure("--workload", "simulation", "--param", "fib=10", "--database-url", server.url())
    assert sound(second), second["reasons"]
    assert second["database"]["kind"] == "external"
    assert second["database"]["server"] == f"127.0.0.1:{server.port}/postgres"
    assert second["database"]["checksums"]["users"] == "bfd1fb72e3648659"
    assert second["database"]["settings"]["max_connections"] == "100"
    assert second["database"]["cpu_cores"] is None
    everything = first.stdout + first.stderr + everything_in(harness.folder / "results")
    assert "sekret" not in everything
    with psycopg.connect(server.url()) as client:
        tables = client.execute(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
        assert sorted(tables) == [
            *(("harness_shop", name) for name in ("order_items", "orders", "products", "seeding", "users")),
            ("public", "mine"),
        ]
        counted = client.execute("SELECT count(*) FROM harness_shop.order_items").fetchone()
    assert counted == (100_000,)


def test_the_same_rows_as_in_the_embedded_one(server: Postgres) -> None:
    found = []
    for where in (server.url(), connection.prepare(None).url):
        with connection.connect(where) as client:
            filled = shop.status(client)
            assert filled is not None
            assert shop.problems(client, filled) == []
            # Every value as text too: equal hashes could hide a type that is hashed differently.
            client.execute("SET timezone = 'UTC'")
            texts = [
                client.execute(
                    f"SELECT md5(string_agg(t::text, '|' ORDER BY t.id)) FROM harness_shop.{table} AS t"
                ).fetchone()
                for table in shop.TABLES
            ]
            found.append((filled.scale, filled.seed, filled.tables, texts))
    assert found[0] == found[1]


def test_a_wrong_password_is_told_without_it(harness: Harness, server: Postgres) -> None:
    done = harness.run("run", "--workload", "select", "--database-url", server.url(password="wrongsekret"))
    assert done.returncode == 5
    assert f"cannot connect to Postgres at 127.0.0.1:{server.port}/postgres" in done.stderr
    assert "sekret" not in done.stderr


def test_a_role_that_may_not_create_is_told(harness: Harness, server: Postgres) -> None:
    with psycopg.connect(server.url(), autocommit=True) as client:
        client.execute("CREATE ROLE reader LOGIN PASSWORD 'p'")
        client.execute("CREATE DATABASE closed")
    target = server.url(password="p", user="reader", database="closed")
    done = harness.run("run", "--workload", "select", "--database-url", target)
    assert done.returncode == 5
    assert "permission denied" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_role_that_may_only_create_can_fill_it(harness: Harness, server: Postgres) -> None:
    """No superuser, an unfriendly default, and a schema that an administrator made."""
    with psycopg.connect(server.url(), autocommit=True) as client:
        client.execute("CREATE ROLE plain LOGIN PASSWORD 'p'")
        client.execute("ALTER ROLE plain SET statement_timeout = '100ms'")
        client.execute("CREATE DATABASE granted")
        client.execute("CREATE DATABASE prepared")
        client.execute("GRANT CREATE ON DATABASE granted TO plain")
    with psycopg.connect(server.url(database="prepared"), autocommit=True) as client:
        client.execute("CREATE SCHEMA harness_shop AUTHORIZATION plain")
    checksums = []
    for database in ("granted", "prepared"):
        target = server.url(password="p", user="plain", database=database)
        done = harness.run("db", "seed", "--scale", "0.05", "--database-url", target)
        assert done.returncode == 0, done.stderr
        verified = harness.run("db", "status", "--verify", "--json", "--database-url", target)
        assert verified.returncode == 0, verified.stderr
        checksums.append(json.loads(verified.stdout)["shop"]["tables"])
    assert checksums[0] == checksums[1]


def test_the_default_user_has_orders_with_items(server: Postgres) -> None:
    with psycopg.connect(server.url()) as client:
        row = client.execute(
            "SELECT count(*) FROM harness_shop.orders o JOIN harness_shop.order_items i ON i.order_id = o.id "
            "WHERE o.user_id = 1"
        ).fetchone()
        without = client.execute(
            "SELECT count(*) FROM harness_shop.users u WHERE NOT EXISTS (SELECT FROM harness_shop.orders o "
            "JOIN harness_shop.order_items i ON i.order_id = o.id WHERE o.user_id = u.id)"
        ).fetchone()
    assert row is not None
    assert row[0] == 5
    assert without is not None
    assert 2000 < without[0] < 6000  # a third have none, as chance will have it
