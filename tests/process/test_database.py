"""`harness db` and the embedded Postgres: filled whole or not at all, started again whatever was killed."""

from __future__ import annotations

import json
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import psycopg
import pytest

from harness.database import connection, embedded, shop
from harness.errors import LackError
from harness.host import procfs
from harness.model.events import Event, SeedProgress
from tests.conftest import Harness, Postgres, processes_mentioning, sound

TINY = "0.002"


@pytest.fixture(scope="module")
def data() -> Iterator[str]:
    """A folder with an embedded Postgres of its own, filled; its path is short enough for a socket."""
    folder = mkdtemp(dir="/var/tmp", prefix="hs-")
    Path(folder).chmod(0o755)
    done = Harness(Path(folder)).run("db", "seed", "--scale", TINY, "--seed", "7", HARNESS_DATA=folder)
    assert done.returncode == 0, done.stderr
    assert "inserting users: 0 of 32,200 rows" in done.stderr
    assert "scale 0.002, seed 7" in done.stdout
    yield folder
    _with_data(folder, embedded.stop)
    shutil.rmtree(folder)


@pytest.fixture
def db(harness: Harness, data: str) -> Harness:
    """The harness with that folder."""
    harness.environment["HARNESS_DATA"] = data
    return harness


def _with_data(folder: str, call: Any) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_DATA", folder)
        return call()


def url(data: str) -> str:
    found = _with_data(data, embedded.running)
    assert found is not None
    return str(found.url)


def status(db: Harness, *arguments: str) -> dict[str, Any]:
    done = db.run("db", "status", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_nothing_is_started_by_looking(harness: Harness, tmp_path: Path) -> None:
    harness.environment["HARNESS_DATA"] = str(tmp_path / "none")
    found = status(harness)
    assert (found["running"], found["shop"]) == (False, None)
    assert harness.run("db", "stop").stdout == "it was not running\n"
    assert "does not run" in harness.run("db", "status").stdout
    assert not (tmp_path / "none").exists()


def test_it_is_made_filled_and_described(db: Harness, data: str) -> None:
    found = status(db, "--verify")
    assert found["server"] == f"{data}/postgres18"
    assert found["settings"]["wal_level"] == "minimal"
    assert found["settings"]["max_connections"] == "400"
    assert found["problems"] == []
    tables = found["shop"]["tables"]
    assert {name: table["rows"] for name, table in tables.items()} == shop.sizes(0.002)
    assert len({table["checksum"] for table in tables.values()}) == 4


@pytest.mark.slow
def test_the_same_again_is_kept_and_another_needs_force(db: Harness) -> None:
    before = status(db)["shop"]
    again = db.run("db", "seed", "--scale", TINY, "--seed", "7")
    assert (again.returncode, again.stderr) == (0, "it is there already\n")
    other = db.run("db", "seed", "--scale", TINY, "--seed", "8")
    assert other.returncode == 2
    assert "there is a shop already, of scale 0.002 and seed 7" in other.stderr
    assert "--force" in other.stderr
    assert status(db)["shop"] == before
    assert db.run("db", "seed", "--scale", TINY, "--seed", "8", "--force").returncode == 0
    after = status(db)["shop"]
    assert after["seed"] == 8
    assert after["tables"]["users"]["checksum"] != before["tables"]["users"]["checksum"]
    assert db.run("db", "seed", "--scale", TINY, "--seed", "7", "--force").returncode == 0
    assert status(db)["shop"]["tables"] == before["tables"]


def test_the_tables_are_as_declared(db: Harness, data: str) -> None:
    with psycopg.connect(url(data)) as client:
        constraints = client.execute(
            "SELECT conrelid::regclass::text, contype::text, pg_get_constraintdef(oid) FROM pg_constraint "
            "WHERE connamespace = 'harness_shop'::regnamespace AND contype <> 'n' AND convalidated ORDER BY 1, 2, 3"
        ).fetchall()
        indexes = client.execute(
            "SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
            "WHERE c.relnamespace = 'harness_shop'::regnamespace AND i.indisvalid"
        ).fetchone()
        assert [row[1] for row in constraints].count("p") == 4
        assert [row[1] for row in constraints].count("f") == 3
        assert [row[1] for row in constraints].count("c") == 2
        assert [row[1] for row in constraints].count("u") == 1
        assert indexes == (9,)
        for table in shop.TABLES:
            added = client.execute(f"SELECT nextval(pg_get_serial_sequence('harness_shop.{table}', 'id'))").fetchone()
            assert added is not None
            assert added[0] > shop.sizes(0.002)[table]
            analysed = client.execute(
                "SELECT count(*) FROM pg_stats WHERE schemaname = 'harness_shop' AND tablename = %s", (table,)
            ).fetchone()
            assert analysed is not None
            assert analysed[0] >= 4
        prices = client.execute(
            "SELECT count(*) FROM harness_shop.order_items i JOIN harness_shop.products p ON p.id = i.product_id "
            "WHERE i.unit_price <> p.unit_price"
        ).fetchone()
        assert prices == (0,)


def test_what_was_changed_since_is_found(db: Harness, data: str) -> None:
    with psycopg.connect(url(data)) as client:
        client.execute("UPDATE harness_shop.products SET unit_price = unit_price + 1 WHERE id = 3")
        client.execute("DROP INDEX harness_shop.orders_user_id_idx")
    done = db.run("db", "status", "--verify")
    assert done.returncode == 3
    assert "products holds other values" in done.stdout
    assert "reads all of orders" in done.stdout
    assert db.run("db", "seed", "--scale", TINY, "--seed", "7", "--force").returncode == 0
    assert db.run("db", "status", "--verify").returncode == 0


def test_what_is_not_ours_is_never_dropped(db: Harness, data: str) -> None:
    with closing(psycopg.connect(url(data), autocommit=True)) as client:
        client.execute("CREATE VIEW public.mine AS SELECT count(*) FROM harness_shop.users")
        client.execute("CREATE TABLE harness_shop.notes (a int)")
        refused = db.run("db", "seed", "--scale", TINY, "--force")
        assert refused.returncode == 2
        assert "view public.mine depends on table harness_shop.users" in refused.stderr
        client.execute("DROP VIEW public.mine")
        assert db.run("db", "seed", "--scale", TINY, "--seed", "7", "--force").returncode == 0
        assert client.execute("SELECT count(*) FROM harness_shop.notes").fetchone() == (0,)
        client.execute("DROP TABLE harness_shop.notes")
        client.execute("CREATE DATABASE taken")
    other = url(data).replace("/postgres?", "/taken?")
    with closing(psycopg.connect(other, autocommit=True)) as client:
        client.execute("CREATE SCHEMA harness_shop CREATE TABLE users (a int)")
        refused = db.run("db", "seed", "--force", "--database-url", other)
        assert refused.returncode == 2
        assert "holds users that harness has not made" in refused.stderr
        assert client.execute("SELECT count(*) FROM harness_shop.users").fetchone() == (0,)


def test_a_shop_of_another_version_is_not_touched_unasked(db: Harness, data: str) -> None:
    with closing(psycopg.connect(url(data), autocommit=True)) as client:
        client.execute("CREATE DATABASE old")
    other = url(data).replace("/postgres?", "/old?")
    with closing(psycopg.connect(other, autocommit=True)) as client:
        client.execute("CREATE SCHEMA harness_shop")
        for table in shop.TABLES:
            client.execute(f"CREATE TABLE harness_shop.{table} (a int)")
        client.execute("CREATE TABLE harness_shop.seeding (scale float8, seed bigint)")
        client.execute("INSERT INTO harness_shop.seeding VALUES (0.01, 1)")
    for command in (("run", "--workload", "select"), ("db", "seed"), ("db", "status")):
        done = db.run(*command, "--database-url", other)
        assert done.returncode == 5
        assert "another version of harness" in done.stderr
        assert "--force" in done.stderr
    assert db.run("db", "seed", "--scale", TINY, "--force", "--database-url", other).returncode == 0


@pytest.mark.slow
def test_an_interrupted_seeding_leaves_what_was_there(db: Harness, data: str) -> None:
    before = status(db)["shop"]
    for number in (signal.SIGINT, signal.SIGKILL, signal.SIGKILL, signal.SIGKILL):
        # Several times as long as it is let run, wherever this is: one that was done would have left another shop.
        seeding = db.start("db", "seed", "--scale", "0.3", "--force")
        time.sleep(random.uniform(0.7, 2.5))
        seeding.send_signal(number)
        _, error = seeding.communicate(timeout=30)
        assert seeding.returncode == (130 if number == signal.SIGINT else -9), error
        assert "Traceback" not in error
        assert number == signal.SIGKILL or "stays until: harness db stop" in error
        assert status(db, "--verify")["shop"] == before
        _wait_until_idle(data)
    assert db.run("db", "seed", "--scale", TINY, "--seed", "7", "--force").returncode == 0
    assert status(db, "--verify")["shop"]["tables"] == before["tables"]


def _wait_until_idle(data: str) -> None:
    """No server process goes on with what its killed client wanted."""
    deadline = time.monotonic() + 10
    with closing(psycopg.connect(url(data), autocommit=True)) as client:
        while True:
            row = client.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = '' "
                "AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
            ).fetchone()
            if row == (0,):
                return
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_the_filling_tells_how_far_it_is(db: Harness, data: str) -> None:
    seen: list[Event] = []
    with connection.connect(url(data)) as client:
        shop.fill(client, 0.002, 7, seen.append, force=True)
    steps = [step for step in seen if isinstance(step, SeedProgress)]
    fractions = [step.fraction for step in steps]
    assert fractions == sorted(fractions)
    assert fractions[0] == 0
    assert fractions[-1] == pytest.approx(1)
    assert steps[-1].rows == steps[-1].of_rows == 32_200


@pytest.mark.slow
def test_a_run_whose_database_was_killed_is_measured_anew(db: Harness, data: str, tmp_path: Path) -> None:
    pid = status(db)["pid"]
    below = tmp_path / "tmp"  # by which its server is told from those of tests beside this one
    below.mkdir()
    db.environment["TMPDIR"] = str(below)
    running = db.start("run", "--workload", "select", "--vus", "5", "--warmup", "3s", "--duration", "1s", "--json")
    deadline = time.monotonic() + 30
    while not any("harness_entry" in each for each in processes_mentioning(str(below))):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(1)
    os.kill(pid, signal.SIGKILL)
    printed, said = running.communicate(timeout=90)
    assert "Postgres ended within a measurement, which does not count and is made anew" in said
    found = json.loads(printed)
    assert found["verdict"] != "failed", found["reasons"]
    assert status(db)["pid"] != pid
    assert len(list((db.folder / "results").glob("*/measurements/*.json"))) == 1


@pytest.mark.parametrize("killed", ["postmaster", "backend", "all"])
def test_it_comes_up_again_after_its_processes_were_killed(db: Harness, data: str, killed: str) -> None:
    before = status(db)
    family = [before["pid"], *procfs.children(before["pid"])]
    victims = {"postmaster": family[:1], "backend": family[-1:], "all": family}[killed]
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    done = db.run("db", "start")
    assert done.returncode == 0, done.stderr
    assert status(db)["shop"] == before["shop"]


def test_a_note_of_a_process_that_is_another_by_now_is_no_obstacle(db: Harness, data: str) -> None:
    assert db.run("db", "stop").stdout == "stopped\n"
    note = Path(data) / "postgres18" / "postmaster.pid"
    note.write_text(f"{os.getpid()}\n{data}/postgres18\n1\n5432\n{data}/socket\n\n1 1\nready   \n")
    assert status(db)["running"] is False
    assert db.run("db", "start").returncode == 0


def test_a_query_of_a_killed_server_is_ended(db: Harness, data: str) -> None:
    before = status(db)
    with closing(psycopg.connect(url(data), autocommit=True)) as client:
        client.execute("SET client_connection_check_interval = 0")
        pid = client.info.backend_pid
        client.pgconn.send_query(b"SELECT count(*) FROM generate_series(1, 100000000000)")
        time.sleep(0.3)
        os.kill(before["pid"], signal.SIGKILL)
        time.sleep(0.3)
        assert procfs.alive(pid)
        done = db.run("db", "start")
        assert done.returncode == 0, done.stderr
        assert not procfs.alive(pid)


def test_two_folders_have_two_servers_and_one_of_them_an_odd_name(db: Harness, data: str) -> None:
    above = mkdtemp(dir="/var/tmp", prefix="hs-")
    Path(above).chmod(0o755)
    other = f"{above}/a b%20&'c"
    try:
        started = db.run("db", "start", HARNESS_DATA=other)
        assert started.returncode == 0, started.stderr
        first, second = status(db), json.loads(db.run("db", "status", "--json", HARNESS_DATA=other).stdout)
        assert first["pid"] != second["pid"]
        assert first["shop"]["scale"] != second["shop"]["scale"]
        assert db.run("db", "stop", HARNESS_DATA=other).stdout == "stopped\n"
        assert status(db)["pid"] == first["pid"]
    finally:
        _with_data(other, embedded.stop)
        shutil.rmtree(above)


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="takes root and unshare")
def test_another_container_touches_no_file_of_a_living_server(db: Harness, data: str) -> None:
    before = status(db)
    note = Path(data) / "postgres18" / "postmaster.pid"
    text = note.read_text()
    elsewhere = ["unshare", "--pid", "--fork", "--mount-proc", *db.argv("db", "start")]
    done = subprocess.run(elsewhere, env=db.environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 5
    assert "another container or machine runs in" in done.stderr
    assert note.read_text() == text
    assert status(db)["pid"] == before["pid"]


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("capsh"), reason="takes root and capsh")
def test_root_of_a_container_finds_moves_and_stops_it(db: Harness, data: str) -> None:
    pid = status(db)["pid"]
    family = [pid, *procfs.children(pid)]
    moved = (
        "from harness.host.affinity import place_database\n"
        f"place_database({family}, [0])\nplace_database({family}, None)"
    )
    for command in (["-c", moved], ["-m", "harness", "db", "start"], ["-m", "harness", "db", "stop"]):
        argv = [
            "capsh",
            "--drop=cap_sys_ptrace,cap_sys_nice",
            "--",
            "-c",
            f"exec {shlex.join([sys.executable, *command])}",
        ]
        done = subprocess.run(argv, env=db.environment, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
    assert done.stdout == "stopped\n"
    assert not procfs.alive(pid)
    assert db.run("db", "start").returncode == 0


def test_a_killed_first_start_is_recovered_from(harness: Harness) -> None:
    folder = mkdtemp(dir="/var/tmp", prefix="hs-")
    Path(folder).chmod(0o755)
    harness.environment["HARNESS_DATA"] = folder
    try:
        for _ in range(2):
            starting = harness.start("db", "start")
            while starting.poll() is None and not list(Path(folder).glob("postgres*.making-*/base/1")):
                time.sleep(0.01)
            starting.kill()  # its initdb works on
            starting.communicate()
            assert starting.returncode == -signal.SIGKILL
        done = harness.run("db", "start")
        assert done.returncode == 0, done.stderr
    finally:
        _with_data(folder, embedded.stop)
        shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("breaks", "says"),
    [
        (lambda folder: (folder / "postgres18").chmod(0o777), "permissions are in the way"),
        (
            lambda folder: (folder / "socket" / ".s.PGSQL.5432.lock").write_text(f"{_other_postgres()}\n/nowhere\n"),
            "its socket is taken",
        ),
        (
            lambda folder: (folder / "postgres18" / "postgresql.conf").write_text("shared_bufers = 1\n"),
            "its configuration is wrong",
        ),
        (lambda folder: (folder / "postgres18" / "PG_VERSION").write_text("12\n"), "its data are another version's"),
    ],
    ids=["permission", "socket", "configuration", "version"],
)
def test_what_keeps_it_from_starting_is_told(db: Harness, data: str, breaks: Any, says: str) -> None:
    db.run("db", "stop")
    folder = Path(data)
    kept = {path: path.read_text() for path in (folder / "postgres18").glob("*") if path.name in KEPT}
    try:
        breaks(folder)
        done = db.run("db", "start")
        assert done.returncode == 5
        assert says in done.stderr
        assert "Traceback" not in done.stderr
    finally:
        (folder / "postgres18").chmod(0o700)
        (folder / "socket" / ".s.PGSQL.5432.lock").unlink(missing_ok=True)
        for other in OTHERS:
            other.kill()
            other.wait()
            shutil.rmtree(Path(str(other.args[0])).parent)  # type: ignore[index]
        OTHERS.clear()
        for path, text in kept.items():
            path.write_text(text)
    assert db.run("db", "start").returncode == 0


KEPT = ("postgresql.conf", "PG_VERSION")


def _other_postgres() -> int:
    """A process that could be another Postgres; it ends by itself."""
    folder = Path(mkdtemp(dir="/var/tmp", prefix="hs-"))
    folder.chmod(0o755)
    shutil.copy("/bin/sleep", folder / "postgres")
    other = subprocess.Popen([folder / "postgres", "15"], **Postgres.USER)
    OTHERS.append(other)
    return other.pid


OTHERS: list[subprocess.Popen[bytes]] = []


def test_too_many_connections_are_refused_before_anything_starts(db: Harness) -> None:
    done = db.run("run", "--workload", "select", "--workers", "4", "--pool-size", "100")
    assert done.returncode == 2
    assert "4 workers × 100 pooled connections are 400, and Postgres has 397 free (max_connections 400" in done.stderr


@pytest.mark.slow
def test_users_are_drawn_and_their_answers_checked(db: Harness) -> None:
    for workload, arguments in (("select", ()), ("simulation", ("--param", "fib=5"))):
        found = db.measure("--workload", workload, "--param", "user_id=random", *arguments)
        assert sound(found), found["reasons"]
        assert f"{workload}?user_id=random" in found["cell"]["label"]
        assert found["sampled"]["checked"] > 0
        assert found["sampled"]["wrong"] == 0
        assert found["database"]["checksums"]["users"]


def test_a_server_that_refuses_is_no_traceback() -> None:
    with pytest.raises(LackError, match="cannot connect"), connection.connect("postgresql://127.0.0.1:1/none"):
        pass
