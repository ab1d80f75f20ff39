"""Applications of users: every framework under real servers, requests, failures, hooks, secrets, versions."""

from __future__ import annotations

import itertools
import json
import shutil
import signal
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from harness.store import codec
from tests.conftest import ROOT, SERVERS, Harness, everything_in, processes_mentioning, sound

APPLICATIONS = ROOT / "tests" / "applications"
MADE = {
    "fastapi": ("made_with_fastapi:app", "asgi"),
    "starlette": ("made_with_starlette:app", "asgi"),
    "litestar": ("made_with_litestar:app", "asgi"),
    "quart": ("made_with_quart:app", "asgi"),
    "django-asgi": ("made_with_django:asgi", "asgi"),
    "django-wsgi": ("made_with_django:wsgi", "wsgi"),
    "falcon": ("made_with_falcon:app", "wsgi"),
    "flask": ("made_with_flask:create_app", "wsgi"),
    "by-hand": ("made_by_hand:app", "asgi"),
}
LEFT = ("starlette", "litestar", "quart", "falcon", "by-hand")
"""To `./check --all`, with every other pair."""
ONE_EACH = [each for each in zip(MADE, itertools.cycle(SERVERS), strict=False) if each[0] not in LEFT]
ALL = list(itertools.product(MADE, SERVERS))
OWN = ("--app-dir", str(APPLICATIONS), "--app")
SHOP = (*OWN, "made_with_fastapi:app")
SHORT = ("--warmup", "500ms", "--duration", "1s", "--vus", "4")


def measure(harness: Harness, *arguments: str) -> dict[str, Any]:
    return harness.measure("--vus", "4", *arguments)


@pytest.mark.parametrize(
    ("made", "server"), [pytest.param(*each, marks=() if each in ONE_EACH else pytest.mark.slow) for each in ALL]
)
def test_every_framework_is_measured_as_it_is(harness: Harness, made: str, server: str) -> None:
    target, interface = MADE[made]
    factory = ("--factory",) if made == "flask" else ()
    found = measure(harness, *OWN, target, *factory, "--path", "/items", "--server", server, "--workers", "2")
    assert sound(found), found["reasons"]
    assert found["cell"]["variant"]["interface"] == interface
    assert found["requests"] > 10
    assert found["failures"] == 0
    assert len(found["server"]["requests_by_worker"]) == 2
    assert found["server"]["stopped"] == "orderly"
    assert found["ceiling"] is None
    assert found["evidence"] is not None


REQUESTS = """
[values]
item = { csv = "items.csv", column = "id" }

[[requests]]
path = "/items?limit=20"
weight = 3
expect = { min_bytes = 50 }

[[requests]]
path = "/items/{item}"
expect = { json = { id = "{item}", name = "item {item}" } }

[[requests]]
name = "order"
method = "POST"
path = "/orders"
headers = { Authorization = "Bearer ${SHOP_TOKEN}" }
json = { item = "{item}" }
expect = { status = 201, json = { item = "{item}", state = "pending" } }
"""


def test_requests_of_a_file_are_sent_and_judged(harness: Harness) -> None:
    rows = "1\n2\n3\n" * 10_000  # so many that k6's users share them
    (harness.folder / "items.csv").write_text(f"id\n{rows}")
    (harness.folder / "requests.toml").write_text(REQUESTS)
    found = measure(
        *(
            harness,
            *SHOP,
            "--requests",
            "requests.toml",
            "--env",
            "SHOP_TOKEN=a-very-secret-token",
            "--server",
            "granian",
        )
    )
    assert sound(found), found["reasons"]
    routes = {each["path"]: each for each in found["routes"]}
    assert list(routes) == ["/items?limit=20", "/items/{item}", "order"]
    assert sum(each["requests"] for each in routes.values()) == found["requests"]
    assert 1.5 < routes["/items?limit=20"]["requests"] / routes["order"]["requests"] < 6
    assert all(each["latency_ms"]["p50"] for each in routes.values())
    assert found["sampled"]["checked"] > 10
    assert found["sampled"]["wrong"] == 0
    assert found["cell"]["variant"]["application"]["requests"][2] == "POST /orders ×1"
    assert "a-very-secret-token" not in everything_in(harness.folder / "results")


LOGINS = """
[values]
user = { csv = "users.csv", column = "name", per = "user" }
key = { unique = "uuid" }

[login]
method = "POST"
path = "/login"
json = { user = "{user}", password = "${SHOP_PASSWORD}" }
save = { token = "session.token" }

[[requests]]
method = "POST"
path = "/orders"
headers = { Authorization = "Bearer {token}", Idempotency-Key = "{key}" }
expect = { status = 201 }
save = { order = "id" }

[[requests.then]]
path = "/orders/{order}"
headers = { Authorization = "Bearer {token}" }
expect = { json = { id = "{order}", state = "pending" } }

[[requests]]
method = "POST"
path = "/pictures"
form = { title = "a picture", file = { file = "a.png", type = "image/png" } }
"""


@pytest.mark.parametrize("command", ["run", pytest.param("compare", marks=pytest.mark.slow)])
def test_users_log_in_and_go_on_with_what_was_answered(harness: Harness, command: str) -> None:
    (harness.folder / "users.csv").write_text("name\nann\nbob\ncid\ndan\n")
    (harness.folder / "a.png").write_bytes(b"\x89PNG\xff\x00")
    (harness.folder / "requests.toml").write_text(LOGINS)
    asked = (*OWN, "with_logins:app", "--requests", "requests.toml", "--env", "SHOP_PASSWORD=pass/word", "--vus", "4")
    if command == "run":
        found = measure(harness, *asked, "--server", "granian")
        assert sound(found), found["reasons"]
        assert found["failures"] == 0
        routes = {route["path"]: route["requests"] for route in found["routes"]}
        assert list(routes) == ["POST /login", "POST /orders", "/orders/{order}", "POST /pictures"]
        assert routes["POST /orders"] > 10
        assert abs(routes["POST /orders"] - routes["/orders/{order}"]) <= 4  # users in the midst of it
    else:
        done = harness.run("compare", "uvicorn", "granian", *asked, "--max-time", "8s", "--json")
        assert done.returncode in (0, 3), done.stderr  # 3: others disturbed the machine
        (run,) = harness.folder.glob("results/*-compare")
        members = [
            each for path in run.glob("restarts/*.json.gz") for each in json.loads(codec.read_bytes(path))["members"]
        ]
        assert min(each["answers_checked"] for each in members) > 0
        assert {each["wrong_answer"] for each in members} == {None}
        assert "answered with" not in done.stderr + done.stdout
    assert "pass/word" not in everything_in(harness.folder / "results")


@pytest.mark.slow
def test_an_open_load_goes_to_all_kinds(harness: Harness) -> None:
    done = harness.run(
        *("run", *SHOP, "--path", "/items", "--path", "/items/1", "--rate", "60", "--warmup", "500ms"),
        *("--duration", "2s", "--json"),
    )
    document = json.loads(done.stdout)
    assert sound(document), document["reasons"]
    assert document["requests"] == pytest.approx(120, abs=12)
    assert all(each["requests"] > 30 for each in document["routes"])


@pytest.mark.slow
def test_answers_may_change_but_not_become_wrong(harness: Harness) -> None:
    (harness.folder / "r.toml").write_text(
        'requests = [{ path = "/changing", expect = { json = { state = "fine" } } }]\n'
    )
    found = measure(harness, *SHOP, "--requests", "r.toml")
    assert "answers" in {reason["gate"] for reason in found["reasons"]}
    assert 'state is "broken", expected "fine"' in found["sampled"]["example"]
    unlooked = measure(harness, *SHOP, "--path", "/changing")
    assert sound(unlooked), unlooked["reasons"]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("fails_at_import:app", "--path", "/"), 4, "RuntimeError: the door is locked"),
        (("made_with_fastapi:fails_at_start", "--path", "/"), 4, "the cellar is flooded"),
        (("made_with_fastapi:app", "--path", "/failing"), 4, "RuntimeError: no such shelf"),
        (("made_with_fastapi:app", "--path", "/nowhere"), 4, "answered with status 404"),
        (("made_with_fastapi.py", "--path", "/"), 2, "write it as MODULE:OBJECT"),
        (("made_with_fastapi:app", "--path", "items"), 2, "begin it with /"),
        (("made_with_fastapi:apq", "--path", "/"), 4, "it has app, fails_at_start"),
        (("made_with_fastapi:nothing", "--path", "/"), 2, "looks neither like ASGI nor like WSGI"),
        (("nowhere:app", "--path", "/"), 4, "No module named 'nowhere'"),
        (("made_with_fastapi:app",), 2, "it has /echo, /items"),
        (("made_with_fastapi:app", "--path", "/", "--workload", "noop"), 2, "--workload and --app together"),
        (("made_with_fastapi:app", "--path", "/", "--setup", "echo dry; exit 7"), 4, "ended with exit code 7"),
        (("made_with_fastapi:app", "--path", "/", "--before-visit", "false"), 4, "--before-visit 'false' ended"),
        (("made_with_fastapi:app", "--k6-script", "no.js"), 2, "no such file"),
        (("made_with_fastapi:app", "--path", "/", "--env-file", "no.env"), 2, "no such file"),
    ],
)
def test_what_fails_is_told(harness: Harness, arguments: tuple[str, ...], code: int, says: str) -> None:
    done = harness.run("run", "--server", "granian", *OWN, *arguments)
    assert says in done.stderr, done.stderr
    assert done.returncode == code
    assert "harness_entry" not in done.stderr.partition("\n\n")[0]


def test_a_server_missing_in_the_environment_is_named(harness: Harness) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(harness.folder / "bare")], check=True)
    python = str(harness.folder / "bare" / "bin" / "python")
    done = harness.run("run", *OWN, "made_by_hand:app", "--path", "/", "--python", python, "--server", "granian")
    assert done.returncode == 5
    assert f"{python} -m pip install granian" in done.stderr


def test_what_a_script_throws_is_told(harness: Harness) -> None:
    script = (
        "import http from 'k6/http';\nexport default () => { http.get(`${__ENV.BASE_URL}/items`); missing.go(); };\n"
    )
    (harness.folder / "load.js").write_text(script)
    done = harness.run("run", *SHORT, *OWN, "made_by_hand:app", "--k6-script", "load.js", "--server", "uvicorn")
    assert done.returncode == 4
    assert "'no exception (ReferenceError: missing is not defined)'" in done.stdout.replace("\n               ", " ")


def test_an_environment_without_uvloop_is_measured_with_what_it_has(harness: Harness) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(harness.folder / "plain")], check=True)
    (packages,) = (harness.folder / "plain" / "lib").glob("python*/site-packages")
    for name in ("uvicorn", "h11", "click"):
        for top in {path.parts[0] for path in metadata.files(name) or () if path.parts[0] != ".."}:
            (packages / top).symlink_to(Path(str(metadata.distribution(name).locate_file(top))))
    python = str(harness.folder / "plain" / "bin" / "python")
    done = harness.run("run", *SHORT, *OWN, "made_by_hand:app", "--path", "/items", "--python", python, "--json")
    found = json.loads(done.stdout)
    assert sound(found), found["reasons"]
    assert found["cell"]["variant"]["options"] == {"loop": "asyncio", "http": "h11"}
    assert found["server"]["effective"]["loop"].startswith("asyncio.")
    assert found["server"]["effective"]["http"] == "h11"
    assert "uvicorn runs with loop=asyncio, http=h11, as its environment has nothing better installed" in done.stderr


def test_what_lies_beside_an_application_is_told(harness: Harness) -> None:
    shutil.copy(APPLICATIONS / "made_by_hand.py", harness.folder)
    (harness.folder / "gunicorn.conf.py").write_text("workers = 7\n")
    arguments = ("run", *SHORT, "--app", "made_by_hand:app", "--path", "/items", "--server", "gunicorn")
    done = harness.run(*arguments, "--json", GUNICORN_CMD_ARGS="--workers 5")
    assert len(json.loads(done.stdout)["server"]["requests_by_worker"]) == 1
    assert f"{harness.folder / 'gunicorn.conf.py'}, GUNICORN_CMD_ARGS: left aside" in done.stderr
    (harness.folder / "gunicorn.py").write_text("bind = '127.0.0.1:1'\n")
    done = harness.run(*arguments)
    assert done.returncode == 2
    assert f"{harness.folder / 'gunicorn.py'} would be imported in place of the package gunicorn" in done.stderr


@pytest.mark.slow
def test_hooks_run_around_measurements(harness: Harness) -> None:
    hooks = [
        part
        for option in ("setup", "before-visit", "teardown")
        for part in (f"--{option}", f'echo "{option} $WHO $(basename $PWD)" >> {harness.folder}/seen')
    ]
    done = harness.run(
        *("matrix", *SHOP, "--path", "/items", "--server", "uvicorn,granian", "--max-time", "8s"),
        *("--vus", "4", "--env", "WHO=me", "--json", *hooks),
    )
    found = json.loads(done.stdout)
    assert [cell["name"].split("/")[0] for cell in found["cells"]] == ["uvicorn", "granian"]
    seen = (harness.folder / "seen").read_text().splitlines()
    assert found["restarts"] > 0
    before = ["before-visit"] * found["restarts"]
    assert seen == [f"{each} me applications" for each in ("setup", *before, "teardown")]
    (folder,) = harness.folder.glob("results/*-matrix")
    record = json.loads((folder / "run.json").read_text())
    assert record["plan"]["application"]["env"] == ["WHO"]
    (folder / "run.json").write_text(json.dumps(record | {"finished": False}))  # as if it had been interrupted
    again = harness.run("matrix", "--resume", str(folder))
    assert "give it again: --env WHO=" in again.stderr


def test_the_teardown_runs_after_an_interruption(harness: Harness, private_tmp: Path) -> None:
    gone = harness.folder / "gone"
    running = harness.start(
        *("run", *SHOP, "--path", "/items", "--teardown", f"touch {gone}", "--warmup", "500ms", "--duration", "60s"),
        TMPDIR=str(private_tmp),
    )
    assert running.stderr is not None
    for line in running.stderr:
        if "measuring" in line:
            break
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=30)
    assert running.returncode == 130
    assert gone.exists()


def test_a_k6_script_runs_inside_our_window(harness: Harness) -> None:
    found = measure(harness, *SHOP, "--k6-script", str(APPLICATIONS / "load.js"), "--duration", "2s")
    assert sound(found), found["reasons"]
    assert found["requests"] > 100
    assert found["sampled"]["checked"] > 30
    assert found["sampled"]["by_name"]["as many items as in setup"][1] == 0
    assert found["generator"]["users_accounted"] is None
    wrong = harness.folder / "wrong.js"
    wrong.write_text((APPLICATIONS / "load.js").read_text().replace("=== data.limit", "=== 99"))
    failed = measure(harness, *SHOP, "--k6-script", str(wrong))
    assert "checks of wrong.js failed" in failed["sampled"]["example"]


@pytest.mark.slow
def test_a_k6_script_finds_its_variables_and_says_what_is_right(harness: Harness) -> None:
    """Its own expected statuses count as successes, and --env reaches it as it reaches the application."""
    (harness.folder / "poll.js").write_text("""
import http from 'k6/http';
http.setResponseCallback(http.expectedStatuses(404, { min: 200, max: 201 }));
export default function () {
  http.get(`${__ENV.BASE_URL}/not-there`);
  http.get(`${__ENV.BASE_URL}/${__ENV.PLACE}`);
  http.get(`${__ENV.BASE_URL}/items`, { responseCallback: http.expectedStatuses(200) });
}
""")
    found = measure(harness, *OWN, "made_with_fastapi:app", "--k6-script", "poll.js", "--env", "PLACE=nor-there")
    assert found["requests"] > 10
    assert found["failures"] == 0
    (harness.folder / "fixed.js").write_text("""
import http from 'k6/http';
export default function () { http.get('http://127.0.0.1:9/'); }
""")
    lost = measure(harness, *OWN, "made_with_fastapi:app", "--k6-script", "fixed.js")
    assert lost["verdict"] == "failed"
    messages = [each["message"] for each in lost["reasons"]]
    assert any("no request reached the server; fixed.js must take its address" in each for each in messages)
    assert not any("settings are not in effect" in each for each in messages)


@pytest.mark.slow
def test_secrets_of_a_server_s_log_are_hidden(harness: Harness) -> None:
    (harness.folder / ".env").write_text("SHOP_TOKEN='quoted secret'  # mine\n")
    (harness.folder / "r.toml").write_text('requests = [{ path = "/echo", expect = { json = { token = "other" } } }]\n')
    done = harness.run("run", *SHOP, "--requests", "r.toml", "--env-file", ".env")
    assert 'token is "***", expected "other"' in done.stderr
    assert "quoted secret" not in done.stderr
    (harness.folder / "r.toml").write_text(
        'requests = [{ path = "/echo", expect = { json = { token = "quoted secret" } } }]\n'
    )
    found = measure(harness, *SHOP, "--requests", "r.toml", "--env-file", ".env")
    assert found["requests"] > 10
    assert "quoted secret" not in everything_in(harness.folder / "results")


def test_init_writes_what_run_reads(harness: Harness) -> None:
    package = harness.folder / "src" / "shop"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    shutil.copy(ROOT / "docs" / "examples" / "shop" / "main.py", package)
    done = harness.run("init")
    assert "shop.main:app (fastapi" in done.stdout
    found = measure(harness, "--server", "granian")
    assert found["cell"]["variant"]["application"]["target"] == "shop.main:app"
    assert found["cell"]["variant"]["application"]["folder"] == "src"
    assert "/items" in {each["path"] for each in found["routes"]}
    again = harness.run("init")
    assert again.returncode == 2
    assert "nothing was written" in again.stderr
    mounted = measure(harness, "--workload", "noop")
    assert mounted["cell"]["variant"]["application"]["workload"] == "noop"


def test_serve_runs_the_application(harness: Harness, private_tmp: Path) -> None:
    running = harness.start(
        *("serve", *SHOP, "--path", "/items", "--server", "hypercorn", "--port", "18421"), TMPDIR=str(private_tmp)
    )
    assert running.stderr is not None
    assert "hypercorn answers at http://127.0.0.1:18421/items" in running.stderr.readline()
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=30)
    assert running.returncode == 130
    deadline = time.monotonic() + 5
    while processes_mentioning(str(private_tmp)) and time.monotonic() < deadline:
        time.sleep(0.05)
