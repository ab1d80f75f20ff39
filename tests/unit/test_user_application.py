"""An application of the user's: what is sent, which answers are right, what is refused, what stays secret."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from harness.analysis import overview
from harness.analysis.evaluation import evaluate
from harness.applications import requests
from harness.applications.detect import detect_applications
from harness.applications.inspect import inspect_application
from harness.applications.prepare import prepare_application
from harness.applications.prepared import PreparedApplication
from harness.applications.requests import request_source
from harness.applications.served import ProcessContext
from harness.applications.user import ServedUserApplication, differences, render
from harness.applications.values import column_values, read_values
from harness.config import application, files, init
from harness.config.application import ApplicationOptions
from harness.config.cells import CellSpec, parse_cell, resolve_cell
from harness.config.matrix import MatrixOptions, matrix_plan
from harness.errors import TargetError, UsageError
from harness.host import facts as host
from harness.model.application import UserApplication
from harness.model.load import Placeholder
from harness.model.measurement import Measurement
from harness.model.plan import ApplicationPlan
from harness.model.requests import CsvColumn
from harness.model.variant import Cell, Interface
from harness.report import asked, single, tables, words
from tests import fakes
from tests.conftest import ROOT, changed


def own(
    *requests: dict[str, Any],
    values: dict[str, Any] | None = None,
    login: dict[str, Any] | None = None,
    base: Path = Path(),
    **variables: str,
) -> ServedUserApplication:
    """An application with these requests."""
    document = {"app": "shop.main:app", "requests": list(requests), "values": values or {}, "login": login}
    source = request_source(ApplicationPlan.model_validate(document), base, [])
    return ServedUserApplication(
        application=UserApplication(target="shop.main:app", requests=["GET /"], digest="0"),
        steps=source.steps,
        values=source.values,
        files=source.files,
        variables=variables,
        context=ProcessContext(environment={}, folder=Path("/nowhere")),
    )


def prepared(served: ServedUserApplication) -> PreparedApplication:
    return dataclasses.replace(fakes.application(), served=served)


def sent(subject: ServedUserApplication, iteration: int) -> list[tuple[str, dict[str, str], str | None]]:
    """Path, headers and body of each kind as a request has them."""
    mix = subject.request_mix(None, ["" for _ in subject.steps])
    return [
        (
            render(kind.path, mix.feeds, iteration),
            {name: render(value, mix.feeds, iteration) for name, value in kind.headers.items()},
            render(kind.body, mix.feeds, iteration) if isinstance(kind.body, tuple) else None,
        )
        for kind in mix.templates
    ]


def test_values_are_drawn_and_written_as_their_place_needs_it() -> None:
    names = ["a/b", 'quo"te', "ä"]
    subject = own(
        {"path": "/items/{name}", "method": "PUT", "json": {"name": "{name}", "said": "I am {name}", "n": "{n}"}},
        values={"name": names, "n": [10, 20, 30]},
    )
    seen = [sent(subject, iteration)[0] for iteration in range(3)]
    bodies = [json.loads(body or "") for _, _, body in seen]
    assert sorted(body["name"] for body in bodies) == sorted(names)
    assert {body["said"] for body in bodies} == {f"I am {name}" for name in names}
    assert {type(body["n"]) for body in bodies} == {int}
    assert {path for path, _, _ in seen} == {"/items/a%2Fb", "/items/quo%22te", "/items/%C3%A4"}
    assert seen[0][1] == {"Content-Type": "application/json"}
    # Lists of equal length are drawn row by row.
    assert all(names.index(body["name"]) == body["n"] // 10 - 1 for body in bodies)


def test_variables_are_put_in_and_braces_that_are_json_stay() -> None:
    subject = own(
        {
            "path": "/x",
            "method": "POST",
            "headers": {"Authorization": "Bearer ${TOKEN}"},
            "json": {"a": {}, "b": "${TOKEN}"},
        },
        TOKEN='s3"cret',
    )
    (path, headers, body), *_ = sent(subject, 0)
    assert (path, headers["Authorization"]) == ("/x", 'Bearer s3"cret')
    assert json.loads(body or "") == {"a": {}, "b": 's3"cret'}


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        ({"path": "/{who}"}, r"\{who\} in the requests has no values"),
        ({"path": "/", "headers": {"X-Token": "${NOT_SET}"}}, r"\$\{NOT_SET\} in the requests is not set"),
    ],
)
def test_unknown_names_are_told(request_: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        sent(own(request_), 0)


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        ({"path": "items"}, "path"),
        ({"path": "/", "method": "FETCH"}, "method"),
        ({"path": "/", "weight": 0}, "weight"),
        ({"path": "/", "json": {}, "body": "x"}, "json and body together"),
        ({"path": "/", "headers": {"authorization": "Bearer abc"}}, "holds a secret"),
        ({"path": "/", "expect": {"status": 99}}, "status"),
        ({"path": "/", "colour": "red"}, "colour"),
    ],
)
def test_requests_that_cannot_be_are_refused(tmp_path: Path, request_: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        files.parse_application({"app": "a:b", "requests": [request_]}, "harness.toml")


@pytest.mark.parametrize(
    ("expected", "answer", "says"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, None),
        ({"a": {"b": [1, {"c": True}]}}, {"a": {"b": [1, {"c": True, "d": 0}]}}, None),
        ({"a": 1}, {"b": 1}, "a is missing"),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, "a.b is 2, expected 1"),
        ({"a": [1]}, {"a": [1, 2]}, r"a is \[1, 2\], expected \[1\]"),
        ({"a": True}, {"a": 1}, "a is 1, expected true"),
        ([], {}, "it is {}"),
    ],
)
def test_answers_must_contain_what_is_expected(expected: Any, answer: Any, says: str | None) -> None:
    found = next(differences(expected, answer), None)
    assert found is None if says is None else re.search(says, found or "")


def test_what_is_expected_follows_what_was_drawn() -> None:
    expect = {"json": {"id": "{n}", "name": "item {n}"}}
    subject = own({"path": "/items/{n}", "expect": expect}, values={"n": [5, 6, 7]})
    mix = subject.request_mix(None, [""])
    for iteration in range(3):
        number = int(sent(subject, iteration)[0][0].rpartition("/")[2])
        right, wrong = ({"id": each, "name": f"item {each}"} for each in (number, number + 1))
        assert subject.wrong(0, json.dumps(right), mix, iteration) is None
        assert "expected" in (subject.wrong(0, json.dumps(wrong), mix, iteration) or "")


def test_sizes_and_statuses_are_looked_at() -> None:
    subject = own({"path": "/", "expect": {"status": [200, 404], "min_bytes": 2, "max_bytes": 3}})
    assert subject.probes()[0].statuses == (200, 404)
    assert "2 at least" in (subject.wrong(0, "ä"[:0] + "x") or "")
    assert subject.wrong(0, "ä") is None
    assert "3 at most" in (subject.wrong(0, "ää") or "")
    assert subject.request_mix(None, [""]).templates[0].checks_body
    assert not own({"path": "/"}).request_mix(None, [""]).templates[0].checks_body


def test_one_plain_get_is_plain() -> None:
    assert own({"path": "/items?limit=2"}).plain
    for other in ({"method": "POST"}, {"headers": {"A": "b"}}, {"expect": {"status": 404}}):
        assert not own({"path": "/", **other}).plain
    assert not own({"path": "/"}, {"path": "/b"}).plain


def test_values_come_from_csv_files(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("id,code\n1,007\n2,x y\n")
    (tmp_path / "requests.toml").write_text(
        'requests = [{ path = "/{id}/{code}" }]\n[values]\nid = { csv = "items.csv", column = "id" }\n'
        'code = { csv = "items.csv", column = "code" }\n'
    )
    values = requests.request_source(ApplicationPlan(app="a:b", requests="requests.toml"), tmp_path, []).values
    assert values.rows == {"id": [1, 2], "code": ["007", "x y"]}
    colour = CsvColumn(csv="items.csv", column="colour")
    with pytest.raises(UsageError, match="has no column 'colour'"):
        requests.request_source(ApplicationPlan(app="a:b", path=["/"], values={"c": colour}), tmp_path, [])


def test_options_stand_over_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert application.application_plan(ApplicationOptions(), []) is None
    (tmp_path / "pyproject.toml").write_text(
        '[tool.harness.application]\napp = "shop:app"\npath = ["/a"]\nwait = "1s"\n[[tool.harness.matrix.cells]]\n'
        'server = ["uvicorn", "granian"]\n'
    )
    found = application.application_plan(ApplicationOptions(path=["/b"]), [])
    assert found is not None
    assert (found.app, found.path, found.wait) == ("shop:app", ["/b"], "1s")
    assert application.application_plan(ApplicationOptions(), ["--workload"]) is None
    other = application.application_plan(ApplicationOptions(app="other:app", path=["/"]), [])
    assert other is not None
    assert other.wait is None
    wanted = matrix_plan(MatrixOptions(), {}, None, None, ApplicationOptions())
    assert wanted.application is not None
    assert wanted.cells[0].server == ["uvicorn", "granian"]
    assert matrix_plan(MatrixOptions(workload=["noop"]), {}, None, None, ApplicationOptions()).application is None
    assert matrix_plan(MatrixOptions(), {}, None, "quick", ApplicationOptions()).application is None
    (tmp_path / "harness.toml").write_text('[application]\napp = "nearer:app"\npath = ["/"]\n')
    nearer = application.application_plan(ApplicationOptions(), [])
    assert nearer is not None
    assert nearer.app == "nearer:app"
    (tmp_path / "harness.toml").write_text("[aplication]\n")
    with pytest.raises(UsageError, match="unknown table 'aplication'"):
        application.application_plan(ApplicationOptions(), [])


def test_ours_and_the_user_s_are_not_mixed() -> None:
    with pytest.raises(UsageError, match="--workload and --app together"):
        application.application_plan(ApplicationOptions(app="a:b"), ["--workload"])
    with pytest.raises(UsageError, match="--path without an application"):
        application.merge_options(ApplicationOptions(path=["/"]), None)
    with pytest.raises(UsageError, match="--preset and --app together"):
        matrix_plan(MatrixOptions(), {}, None, "quick", ApplicationOptions(app="a:b"))
    with pytest.raises(UsageError, match="workload and an application together"):
        files.parse({"cells": [{"workload": ["noop"]}], "application": {"app": "a:b"}}, "x")
    with pytest.raises(UsageError, match="--path and --k6-script together"):
        requests.request_source(ApplicationPlan(app="a:b", path=["/"], k6_script="x.js"), Path(), [])
    with pytest.raises(UsageError) as caught:
        requests.request_source(ApplicationPlan(app="a:b"), Path(), ["/items", "/"])
    assert "it has /items, /" in caught.value.cure


def test_values_of_variables_are_not_in_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["harness", "run", "--env", "A=geheim", "--env=B=geheim", "--env", "C"])
    assert host.command() == "harness run --env 'A=…' '--env=B=…' --env C"


def test_a_cell_of_an_application_has_a_written_form() -> None:
    subject = own({"path": "/items"})
    request = CellSpec(server="granian:loop=asyncio", workers=2, users=5, application=prepared(subject))
    cell = resolve_cell(request).cell
    assert cell.label == "granian:loop=asyncio/shop.main:app/w2/c5"
    again = parse_cell(cell.label, CellSpec(server=""))
    assert (again.server, again.app, again.workers, again.users) == ("granian:loop=asyncio", "shop.main:app", 2, 5)
    assert parse_cell("uvicorn/shop:app@head", CellSpec(server="")).app == "shop:app@head"
    assert Cell.model_validate(cell.model_dump(mode="json")) == cell
    with pytest.raises(UsageError, match=r"--pool-size 3: shop\.main:app uses no database of ours"):
        resolve_cell(CellSpec(server="uvicorn", application=prepared(subject), pool_size=3))


def test_a_script_has_no_arrival_rate() -> None:
    scripted = dataclasses.replace(own({"path": "/"}), script=Path("load.js"))
    assert not scripted.plain
    assert scripted.probes() == []
    with pytest.raises(UsageError, match=r"--rate 5: load\.js sends at its own pace"):
        resolve_cell(CellSpec(server="uvicorn", rate=5.0, application=prepared(scripted)))


def test_reports_speak_of_the_application(facts: Measurement, cell: Cell) -> None:
    served = UserApplication(target="shop:app", requests=["GET /a ×2", "GET /b ×1"], digest="0")
    own_cell = changed(cell, application=served)
    latency = facts.latency_ms
    kinds = [
        facts.routes[0].model_copy(update={"path": path, "requests": count, "failures": 3, "latency_ms": latency})
        for path, count in (("/a", 6000), ("/b", 3876))
    ]
    measured = facts.model_copy(update={"cell": own_cell, "routes": kinds})
    shown = single.text(measured, evaluate(measured), Path("x"), "")
    assert "/a: 6,000, 3 failed; p50 100.9   p99 110.0" in shown
    visit = overview.Visit(cell=own_cell, restart=1, repeat=False, facts=measured, failure=None)
    found = overview.overview([visit], overview.Question(), seconds=1.0)
    assert "application shop:app; 2 requests: GET /a ×2, GET /b ×1" in asked.question(found)
    assert words.column_of(found.cells[0], found.cells) == "w2"


def test_declared_waits_give_a_ceiling() -> None:
    subject = own({"path": "/"})
    assert subject.waits("asgi").total_seconds is None
    waiting = dataclasses.replace(subject, application=subject.application.model_copy(update={"wait_seconds": 0.1}))
    assert (waiting.waits("asgi").total_seconds, waiting.waits("asgi").occupied_seconds) == (0.1, 0.0)
    assert (waiting.waits("wsgi").occupied_seconds, waiting.waits("wsgi").slot) == (0.1, "thread")


def test_holes_are_named_by_how_they_are_written() -> None:
    kind = own({"path": "/{n}", "body": "{n}"}, values={"n": [1]}).request_mix(None, [""]).templates[0]
    assert kind.path == ("/", Placeholder("n", "path"))
    assert kind.body == (Placeholder("n", "plain"),)
    assert kind.varies


def test_kinds_of_requests_are_a_table_of_their_own(facts: Measurement, cell: Cell, tmp_path: Path) -> None:
    latency = facts.latency_ms
    kinds = [
        facts.routes[0].model_copy(update={"path": path, "requests": 10, "failures": 1, "latency_ms": latency})
        for path in ("/a", "/b")
    ]
    several = facts.model_copy(update={"routes": kinds})
    for measured, names in (
        (facts, ["cells.csv", "restarts.csv"]),
        (several, ["cells.csv", "restarts.csv", "routes.csv"]),
    ):
        visit = overview.Visit(cell=cell, restart=1, repeat=False, facts=measured, failure=None)
        found = overview.overview([visit], overview.Question(), seconds=1.0)
        written = tables.write(tmp_path, "csv", found, overview.evaluate_all([visit]))
        assert [path.name for path in written] == names
    rows = (tmp_path / "routes.csv").read_text().splitlines()
    assert rows[1].endswith("/a,10,1,100.9,102.0,110.0")


def test_projects_are_looked_at_without_running_them(tmp_path: Path) -> None:
    (tmp_path / "src" / "shop").mkdir(parents=True)
    (tmp_path / "src" / "shop" / "__init__.py").touch()
    (tmp_path / "src" / "shop" / "web.py").write_text(
        "import nothing\napi = FastAPI()\napp = fastapi.FastAPI(title='x')\n"
    )
    (tmp_path / "flat.py").write_text("def create_app(name='x'):\n    ...\n\ndef make_app(needed):\n    ...\n")
    (tmp_path / "broken.py").write_text("app = FastAPI(\n")
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "asgi.py").write_text("application: object = get_asgi_application()\n")
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv" / "pyvenv.cfg").touch()
    (tmp_path / "venv" / "other.py").write_text("app = Flask(__name__)\n")
    found = sorted(detect_applications(tmp_path))
    assert [(each.target, each.folder, each.factory) for each in found] == [
        ("config.asgi:application", "", False),
        ("shop.web:app", "src", False),
        ("shop.web:api", "src", False),
        ("flat:create_app", "", True),
    ]
    text = init.text(found, None, ["/a", "/b?x=1"], "seen")
    written = files.parse_application(tomllib.loads(text)["application"], "harness.toml")
    assert (written.app, written.path) == ("config.asgi:application", ["/a", "/b?x=1"])
    # What is commented out is right too, once it is taken in.
    whole = re.sub(r"^# (?=\[|[\w.]+ = )", "", text, flags=re.MULTILINE)
    whole = re.sub(r"^(app|app_dir|factory|python) = .*\n", "", whole, flags=re.MULTILINE)
    whole = whole.replace("[application]", '[application]\napp = "a:b"', 1)
    document = tomllib.loads(whole)
    assert files.parse_application(document["application"], "x").requests
    assert files.parse({**document["matrix"], "application": {"app": "a:b"}}, "x").cells


@pytest.mark.parametrize(
    ("target", "interface", "routes"),
    [
        ("made_with_fastapi:app", "asgi", ["/echo", "/items", "/items/1", "/failing", "/changing"]),
        ("made_with_starlette:app", "asgi", ["/items", "/inner/items"]),
        ("made_with_litestar:app", "asgi", ["/items"]),
        ("made_with_quart:app", "asgi", ["/items"]),
        ("made_with_falcon:app", "wsgi", ["/items"]),
        ("made_with_django:wsgi", "wsgi", ["/items", "/shop/items/"]),
        ("made_with_django:asgi", "asgi", ["/items", "/shop/items/"]),
    ],
)
def test_paths_are_found_in_every_framework(target: str, interface: str, routes: list[str]) -> None:
    folder = ROOT / "tests" / "applications"
    context = ProcessContext(environment={}, folder=folder)
    found = inspect_application(ApplicationPlan(app=target), sys.executable, context)
    assert (found.interface, found.routes) == (interface, routes)


def test_init_finds_from_where_a_project_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the layout of a full-stack template: the packages of `backend/app` import each other as `app`."""
    package = tmp_path / "backend" / "app"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "core.py").write_text("open('settings.txt').read()\nname = 'shop'\n")
    (package / "main.py").write_text(
        "from fastapi import FastAPI\nfrom app.core import name\napp = FastAPI(title=name)\n"
        "@app.get('/x')\ndef x() -> int:\n    return 1\n"
    )
    (tmp_path / "backend" / "settings.txt").touch()
    monkeypatch.chdir(tmp_path)
    init.init(None)
    found = tomllib.loads((tmp_path / "harness.toml").read_text())["application"]
    assert (found["app"], found["app_dir"], found["path"], found.get("cwd")) == (
        "app.main:app",
        "backend",
        ["/x"],
        None,
    )
    (tmp_path / "harness.toml").unlink()
    (tmp_path / "backend" / "settings.txt").rename(tmp_path / "settings.txt")
    init.init(None)
    found = tomllib.loads((tmp_path / "harness.toml").read_text())["application"]
    assert (found["app"], found["app_dir"], found["cwd"]) == ("app.main:app", "backend", ".")


@pytest.mark.parametrize(
    ("interface", "packages", "named", "chosen"),
    [
        ("wsgi", {"uvicorn", "granian", "uvloop"}, None, "granian"),  # for uvicorn a2wsgi is missing
        ("wsgi", {"gunicorn"}, None, "gunicorn"),
        ("asgi", {"hypercorn", "uvloop"}, None, "hypercorn"),
        ("asgi", {"uvicorn", "h11", "granian"}, None, "uvicorn"),  # without uvloop and httptools, as it is
        ("asgi", set(), None, "uvicorn"),  # whose absence is told with its cure
        ("asgi", {"granian"}, "hypercorn", "hypercorn"),
    ],
)
def test_a_server_that_is_installed_is_the_default(
    interface: Interface, packages: set[str], named: str | None, chosen: str
) -> None:
    own_one = dataclasses.replace(
        prepared(own({"path": "/"})), interface=interface, packages=dict.fromkeys(packages, "1")
    )
    assert application.choose_server(named, own_one) == chosen
    assert application.choose_server(None, None) == "uvicorn"


@pytest.mark.parametrize(
    ("server", "packages", "label"),
    [
        ("uvicorn", {"uvloop", "httptools"}, "uvicorn"),
        ("uvicorn", {"h11"}, "uvicorn:loop=asyncio,http=h11"),
        ("uvicorn:loop=uvloop", {"h11"}, "uvicorn:http=h11"),  # what is asked for by name is refused, not replaced
        ("hypercorn", set(), "hypercorn:loop=asyncio"),
        ("gunicorn:worker=uvicorn", {"uvloop"}, "gunicorn:worker=uvicorn"),
        ("waitress", set(), "waitress"),
    ],
)
def test_an_environment_without_uvloop_is_measured_as_it_is(server: str, packages: set[str], label: str) -> None:
    interface: Interface = "wsgi" if server == "waitress" else "asgi"
    own_one = dataclasses.replace(
        prepared(own({"path": "/"})), interface=interface, packages=dict.fromkeys(packages, "1")
    )
    cell = resolve_cell(CellSpec(server=server, application=own_one))
    assert cell.cell.variant.server_label == label


def test_braces_can_be_sent_as_they_stand() -> None:
    query = "query($n: Int!) { users(first: $n) {{id}} }"
    subject = own({"path": "/{n}", "method": "POST", "json": {"query": query, "n": "{n}"}}, values={"n": [7]})
    ((path, _, body),) = sent(subject, 0)
    assert path == "/7"
    assert json.loads(body or "") == {"query": "query($n: Int!) { users(first: $n) {id} }", "n": 7}
    with pytest.raises(UsageError) as caught:
        sent(own({"path": "/", "method": "POST", "body": "{id}"}), 0)
    assert "write {{id}} to send it as it stands" in str(caught.value.cure)
    literal = own({"path": "/{n}", "expect": {"json": {"text": "{{n}} of {n}"}}}, values={"n": [7]})
    assert literal.wrong(0, '{"text": "{n} of 7"}') is None


@pytest.mark.parametrize(
    ("column", "values"),
    [
        (["1", "2", "-3"], [1, 2, -3]),
        (["1.5", "2", "0.25"], [1.5, 2, 0.25]),
        (["10115", "02139", "90210"], ["10115", "02139", "90210"]),
        (["1", "", "3"], ["1", "", "3"]),
        (["1e3", "2"], ["1e3", "2"]),
    ],
)
def test_a_column_of_a_file_has_one_type(tmp_path: Path, column: list[str], values: list[object]) -> None:
    assert column_values(column) == values
    assert [type(each) for each in column_values(column)] == [type(each) for each in values]


@pytest.mark.parametrize(
    ("script", "lacks"),
    [
        ("export default function () {}", None),
        ("export default () => {};", None),
        ("function shop() {}\nexport { shop as default };", None),
        ("exports.default = function () {};", None),
        ("export function browse() {}\nexport async function buy() {}", "it has browse, buy"),
        ("// export default function () {}\nexport function browse() {}", "it has browse"),
        ("", "exports no default function"),
    ],
)
def test_a_script_without_a_default_function_is_refused(tmp_path: Path, script: str, lacks: str | None) -> None:
    path = tmp_path / "shop.js"
    path.write_text(script)
    if lacks is None:
        requests.check_script(path)
        return
    with pytest.raises(UsageError, match=re.escape(lacks)):
        requests.check_script(path)


def test_a_script_that_never_reaches_the_server_is_told(facts: Measurement, cell: Cell) -> None:
    application = UserApplication(target="shop:app", requests=["k6 script fixed.js"], digest="0")
    nothing = facts.model_copy(
        update={
            "cell": changed(cell, application=application),
            "requests": 0,
            "server": facts.server.model_copy(update={"requests_by_worker": [0, 0]}),
        }
    )
    messages = [each.message for each in evaluate(nothing).reasons]
    assert "no request reached the server; fixed.js must take its address from __ENV.BASE_URL" in messages


@pytest.mark.parametrize(
    ("name", "source", "target", "factory"),
    [
        ("wsgi.py", "from shop import create_app\napp = create_app('bench')\n", "wsgi:app", False),
        ("main.py", "app = build()\n", "main:app", False),
        ("api.py", "import falcon.asgi\napplication = falcon.asgi.App()\n", "api:application", False),
        ("shop.py", "def create_app():\n    return 1\n", "shop:create_app", True),
    ],
)
def test_applications_that_factories_make_are_found(
    tmp_path: Path, name: str, source: str, target: str, factory: bool
) -> None:
    (tmp_path / name).write_text(source)
    (found,) = detect_applications(tmp_path)
    assert (found.target, found.factory) == (target, factory)


def test_an_application_runs_in_another_folder_than_it_is_imported_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it reads when it is imported lies beside src, as with uvicorn --app-dir."""
    (tmp_path / "src").mkdir()
    (tmp_path / "name.txt").write_text("corner-shop")
    (tmp_path / "src" / "shop.py").write_text(
        "from fastapi import FastAPI\napp = FastAPI()\nname = open('name.txt').read()\n"
    )
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TargetError, match="FileNotFoundError") as caught:
        prepare_application(ApplicationPlan(app="shop:app", app_dir="src", path=["/"]), None, {})
    assert f"runs in {tmp_path / 'src'}; see --app-dir, --cwd" in str(caught.value.cure)
    plan = ApplicationPlan(app="shop:app", app_dir="src", cwd=".", path=["/"])
    serving = prepare_application(plan, None, {}).served.serving()
    assert (serving.folder, serving.imports) == (tmp_path, tmp_path / "src")
    init.init(None)
    configured = tomllib.loads(Path("harness.toml").read_text())["application"]
    assert (configured["app_dir"], configured["cwd"]) == ("src", ".")
    with pytest.raises(UsageError, match="--cwd nowhere: no such folder"):
        prepare_application(plan.model_copy(update={"cwd": "nowhere"}), None, {})


@pytest.mark.parametrize(
    ("file", "target", "folder"),
    [
        ("my-service/main.py", "main:app", "my-service"),
        ("my-service/web/main.py", "web.main:app", "my-service"),
        ("services/head-2/shop/main.py", "shop.main:app", "services/head-2"),
        ("src/my-service/main.py", "main:app", "src/my-service"),
        ("käse/main.py", "käse.main:app", ""),
    ],
)
def test_folders_that_no_module_can_be_called_after_are_imported_from(
    tmp_path: Path, file: str, target: str, folder: str
) -> None:
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text("app = FastAPI()\n")
    (tmp_path / "my-app.py").write_text("app = FastAPI()\n")  # cannot be imported by its name
    found = [(each.target, each.folder) for each in detect_applications(tmp_path)]
    assert found == [(target, folder)]


def test_why_an_application_could_not_be_looked_at_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "main.py").write_text("app = FastAPI()\n")
    monkeypatch.chdir(tmp_path)

    def refused(*_: object) -> None:
        raise TargetError("2 errors:\nDATABASE_URL\r\n  \x00missing", cure="x")

    monkeypatch.setattr(init, "inspect_application", refused)
    result = init.init(None)
    assert tomllib.loads(result.path.read_text())["application"]["app"] == "main:app"
    assert "2 errors: DATABASE_URL" in result.description


def test_a_spreadsheet_s_csv_is_read(tmp_path: Path) -> None:
    (tmp_path / "ids.csv").write_bytes("\ufeffid,name\n7,käse\n".encode())
    assert read_values({"id": CsvColumn(csv="ids.csv", column="id")}, tmp_path).rows == {"id": [7]}


def test_a_value_that_is_no_text_is_refused() -> None:
    with pytest.raises(UsageError, match="the value of TOKEN, which the requests use, is no UTF-8"):
        own({"path": "/", "headers": {"X": "${TOKEN}"}}, TOKEN="a\udcff").probes()


def test_half_a_character_in_an_answer_is_told() -> None:
    """JSON may have one, files may not."""
    subject = own({"path": "/", "expect": {"json": {"a": "b"}}})
    wrong = subject.wrong(0, '{"a": "\\ud800"}')
    assert wrong == 'a is "\\ud800", expected "b"'
    wrong.encode()


@pytest.mark.parametrize(
    ("requests", "one"),
    [
        (["GET /items"], True),
        (["GET /items/{item}"], False),
        (["POST /orders"], False),
        (["GET /a", "GET /b"], False),
        (["k6 script load.js"], False),
    ],
)
def test_another_generator_is_advised_only_where_it_can_load(requests: list[str], one: bool) -> None:
    assert UserApplication(target="shop:app", requests=requests, digest="0").one_get is one
