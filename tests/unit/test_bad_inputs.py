"""Everything that can be typed or written wrongly: one message that names the input and the next step, the right exit
code, no traceback, nothing printed for scripts, nothing stored."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest
import typer

from harness.cli.main import _guarded, app
from harness.environments import interpreters
from tests import fakes

Files = dict[str, str | bytes]
APP = "--app shop:app"


def of(options: str, values: str, says: str = "", *, code: int = 2) -> list[tuple[str, int, str, Files]]:
    """Each of some values in each of some options, written as COMMAND … {}; the message names the value."""
    return [
        (option.replace("{}", shlex.quote(value)), code, says or value, {})
        for option in options.split("; ")
        for value in values.split(" ")
    ]


def file(command: str, name: str, *texts: tuple[str | bytes, str], code: int = 2) -> list[tuple[str, int, str, Files]]:
    """Each of some contents of a file, with what the message says of it."""
    return [(command, code, says, {name: text}) for text, says in texts]


HUGE = "9" * 5000
LATIN = "käse".encode("latin-1")
DURATIONS = "soon 10x -1s 1e3s 10ss s 1:30 25h nan inf 5,5s"
SHARES = "much 0 0% 100% 150% -5% 1e-2 nan inf 5%%"
CASES: list[tuple[str, int, str, Files]] = [
    # Options of the command line
    *of("run --warmup {}; run --duration {}; run --boot-deadline {}; compare uvicorn granian --max-time {}", DURATIONS),
    *of("run --duration {}", "0s 10ms 0.5", "too short"),
    *of(
        "compare uvicorn granian --precision {}; compare uvicorn granian --margin {}; diff a b --fail-above {}", SHARES
    ),
    *of("matrix --server uvicorn --precision {}; matrix --server uvicorn --max-time {}", "much soon nan"),
    *of("run --workers {}; run --threads {}; run --vus {}", "0 -1 100001"),
    *of(
        "run --workers {}; run --rate {}; serve --port {}; run --attempts {}", "many 1.5.2 0x10 ½", "Invalid value for"
    ),
    *of("run --rate {}", "0 -1 nan inf 1e9", "out of bounds"),
    *of("serve --port {}; run --attempts {}", "0 -1 70000"),
    *of("run --workers {}; run --vus {}; serve --port {}", HUGE[:30], "9"),
    *of("run --workers {}; matrix --server uvicorn --workers {}", HUGE, "workers"),
    *of(
        "run --server {}; matrix --server {}; serve --server {}",
        "nginx Uvicorn uvicorn:x uvicorn:loop=fast",
    ),
    *of("run --server {}", "uvicorn,granian", "one at a time"),
    *of("run --style {}; run --framework {}; run --workload {}", "none ASYNC ../etc [red]"),
    *of("run --param {}", "ms ms=-1 ms=soon speed=9 =5 ms=1e9 ms=½", "--param"),
    *of("run --pin {}; run --generator {}; run --arrivals {}", "tight K6 poison"),
    *of("run --python {}", "/nowhere/python no-such-python /etc/passwd", "no such interpreter"),
    *of("list {}; db {}; {}", "nonsense runz"),
    *of("run {}; compare {}; report {} --latest", "--nonsense -x --out", "o"),
    *of(
        "compare {} granian; compare granian {}", "nginx uvicorn/async/async uvicorn/w0 uvicorn/c5/c6 uvicorn/what", "i"
    ),
    *of("compare {} granian", f"uvicorn/w{HUGE}", "uvicorn/w999"),
    *of("compare {} granian", f"uvicorn/r{HUGE}", "--rate inf: out of bounds"),
    *of("run --server {}; matrix --server {}; serve --server {}", "uvicorn:color=red", "no option 'color'"),
    *of("report --format {} --latest", "pdf HTML docx", "unknown format"),
    *of("report nothing --to {}", "x.pdf x.docx", "no format has the ending"),
    *of("report {}; diff {} {}; matrix --resume {}", "nothing /nowhere/run ./[bold]x", "holds no run"),
    *of("diff a b --metric {}", "speed p42", "unknown metric"),
    *of("recommend --workload noop --max-time {}; recommend --workload noop --margin {}", "soon -1 nan"),
    *of("recommend --workload noop --vus {}", "0 -1 1000000"),
    *of("recommend --workload noop --server {}; recommend --workload {}; recommend --workload noop --pin {}", "tight"),
    *of("capacity --workload noop --objective {}; capacity --workload noop --max-time {}", "soon -1 nan"),
    *of("overload --workload noop --duration {}; overload --workload noop --capacity {}", "-1 nan"),
    *of("capacity --server {}; overload --server {}", "nginx"),
    *of("recommend --path / {}", "shop shop: my-shop:app", "MODULE:OBJECT"),
    ("recommend", 2, "no application is in this folder", {}),
    ("recommend shop:app --workload noop --path /", 2, "together", {}),
    ("recommend shop:app", 2, "nothing says what to request", {}),
    *of("db seed --scale {}", "huge 0 -1 nan inf 1e9", "--scale"),
    *of("db seed --seed {}", "x 1.5", "--seed"),
    ("compare uvicorn", 2, "B", {}),
    ("compare", 2, "A", {}),
    ("report", 2, "there is no run in results", {}),
    ("report --latest", 2, "there is no run in results", {}),
    ("report --latest --out nowhere", 2, "nowhere", {}),
    ("run --vus 5 --rate 5", 2, "closed or open", {}),
    ("run --arrivals even", 2, "--rate", {}),
    ("run --style blocking --workload mixed", 2, "cannot exist", {}),
    ("run --pool-size 5", 2, "uses no database", {}),
    ("matrix", 2, "nothing says what to measure", {}),
    ("matrix --preset nonsense", 2, "unknown preset", {}),
    ("matrix --preset quick --server uvicorn", 2, "together", {}),
    ("matrix --preset quick plan.toml", 2, "together", {"plan.toml": ""}),
    ("matrix --server uvicorn --workers 1,x", 2, "not whole numbers", {}),
    ("matrix --server uvicorn --rate 1,x", 2, "not numbers", {}),
    ("matrix --server uvicorn --param speed=9", 2, "no workload of the matrix has it", {}),
    ("run --vus 99999", 5, "99999 users", {}),
    ("run --out file/below", 5, "cannot write", {"file": "x"}),
    # Applications
    *of(f"run {APP} --path {{}}", "items items/1 ?x=1 \\", "path"),
    *of("run --path / --app {}", "shop shop: :app shop/app shop.app my-shop:app shop:app() a:b:c", "MODULE:OBJECT"),
    *of(f"run {APP} --path / --wait {{}}", "soon -1s 25h"),
    *of(f"run {APP} --path / --interface {{}}", "cgi ASGI", "interface"),
    *of(f"run {APP} --path / --app-dir {{}}; run {APP} --path / --cwd {{}}", "nowhere a/b [x] :smile:"),
    *of(f"run {APP} --path / --env {{}}", "=x NOT_SET_ANYWHERE", "--env"),
    (f"run {APP}", 2, "nothing says what to request", {}),
    (f"run {APP} --path / --requests r.toml", 2, "together", {"r.toml": ""}),
    (f"run {APP} --path / --workload noop", 2, "together", {}),
    (f"run {APP} --path / --pool-size 5", 2, "uses no database of ours", {}),
    ("run --path /", 2, "without an application", {}),
    (f"run {APP} --path / --env-file nowhere", 2, "nowhere", {}),
    (f"run {APP} --path '/{{id}}'", 2, "{id} in the requests has no values", {}),
    (f"run {APP} --path '/${{NO_SUCH}}'", 2, "${NO_SUCH} in the requests is not set", {}),
    *file(
        f"run {APP} --path / --env-file .env",
        ".env",
        (b"A=" + LATIN, ".env cannot be read"),
        ("A=1\n!!! what\n", "line 2 is not NAME=VALUE"),
        ("A=x\0y\n", "'A' cannot be a variable"),
    ),
    # Requests
    *file(
        f"run {APP} --requests r.toml",
        "r.toml",
        ("", "requests"),
        ("requests = 1", "requests"),
        ("requests = []", "requests"),
        ("requests = [{}]", "path"),
        ("requests = [{path = 1}]", "path"),
        ("requests = [{path = 'x'}]", "begin it with /"),
        ("requests = [{path = '/', method = 'FETCH'}]", "FETCH"),
        ("requests = [{path = '/', weight = 0}]", "weight"),
        ("requests = [{path = '/', weight = -1}]", "weight"),
        ("requests = [{path = '/', weight = inf}]", "weight"),
        ("requests = [{path = '/', weight = nan}]", "weight"),
        ("requests = [{path = '/', weight = '2'}, {path = '/', wieght = 1}]", "wieght"),
        ("requests = [{path = '/', headers = {Authorization = 'Bearer x'}}]", "Authorization"),
        ("requests = [{path = '/', headers = {'X Y' = 'x'}}]", "headers"),
        ("requests = [{path = '/', headers = {'käse' = 'x'}}]", "headers"),
        ("requests = [{path = '/', headers = {X = \"a\\nb\"}}]", "headers"),
        ("requests = [{path = '/', headers = {X = 1}}]", "headers"),
        ("requests = [{path = '/', body = 'x', json = {a = 1}}]", "json and body together"),
        ("requests = [{path = '/', json = {at = 2020-01-01}}]", "no JSON"),
        ("requests = [{path = '/', json = {at = nan}}]", "no JSON"),
        ("requests = [{path = '/', expect = {json = {at = inf}}}]", "no JSON"),
        ("requests = [{path = '/', expect = {status = 99}}]", "status"),
        ("requests = [{path = '/', expect = {status = []}}]", "status"),
        ("requests = [{path = '/', expect = {status = 'ok'}}]", "status"),
        ("requests = [{path = '/', expect = {min_bytes = -1}}]", "min_bytes"),
        ("requests = [{path = '/', expect = {stauts = 200}}]", "stauts"),
        ("requests = [{path = '/{id}'}]\n[values]\nid = []", "id"),
        ("requests = [{path = '/{id}'}]\n[values]\nid = 1", "id"),
        ("requests = [{path = '/{id}'}]\n[values]\nid = [inf]", "id"),
        ("requests = [{path = '/{id}'}]\n[values]\nid = [[1]]", "id"),
        ("requests = [{path = '/{id}'}]\n[values]\nid = {csv = 'nowhere.csv', column = 'id'}", "nowhere.csv"),
        ("requests = [{path = '/{id}'}]\n[values]\nid = {csv = '.', column = 'id'}", "cannot read"),
        ("requests = [{path = '/{id}'}]\n[values]\nid = {csv = 'x'}", "column"),
        ("login = 1\nrequests = [{path = '/'}]", "login"),
        ("login = {path = 'x'}\nrequests = [{path = '/'}]", "login.path"),
        ("requests = [{path = '/', save = {a = ''}}]", "save"),
        ("requests = [{path = '/', save = 'id'}]", "save"),
        ("requests = [{path = '/', then = [{path = '/', then = [{path = '/'}]}]}]", "then within then"),
        ("requests = [{path = '/', method = 'POST', body_file = 'nowhere.bin'}]", "cannot read nowhere.bin"),
        ("requests = [{path = '/', method = 'POST', form = {a = {file = 'nowhere.png'}}}]", "cannot read nowhere.png"),
        ("requests = [{path = '/', method = 'POST', form = {a = 1}}]", "form"),
        ("requests = [{path = '/', body = 'x', form = {a = 'b'}}]", "body and form together"),
        ("requests = [{path = '{a}'}]\nvalues = {a = {addresses = 'nowhere.log'}}", "cannot read nowhere.log"),
        ("requests = [{path = '{a}'}]\nvalues = {a = {addresses = 'r.toml'}}", "is no address"),
        ("requests = [{path = '/{a}'}]\nvalues = {a = {unique = 'name'}}", "unique"),
        ("requests = [{path = '/{a}'}]\nvalues = {a = {csv = 'r.toml', column = 'a', per = 'day'}}", "per"),
        ("requests = [", "no TOML"),
        ("x = 1\nx = 2", "no TOML"),
        (LATIN, "no TOML"),
        (f"x = {HUGE}", "no TOML"),
        ("x = " + "[" * 3000, "no TOML"),
    ),
    (f"run {APP} --requests nowhere.toml", 2, "cannot read nowhere.toml", {}),
    (f"run {APP} --requests .", 2, "cannot read", {}),
    *[
        (f"run {APP} --requests r.toml", 2, says, {"r.toml": CSV, "ids.csv": text})
        for CSV in ("requests = [{path = '/{id}'}]\nvalues = {id = {csv = 'ids.csv', column = 'id'}}",)
        for text, says in (
            ("", "no row"),
            ("id\n", "no row"),
            ("number\n1\n", "it has number"),
            ("id;name\n1;x\n", "it has id;name"),
            ("number,name\n1,2,3,4\n", "it has number, name"),
            (b"id\n" + LATIN + b"\n", "no CSV in UTF-8"),
            ("id\n" + "x" * 200_000 + "\n", "no CSV"),
            (b"i\xff\xfed\x00", "no CSV"),
        )
    ],
    *file(
        f"run {APP} --k6-script s.js",
        "s.js",
        ("", "exports no default function"),
        ("export function buy() {}", "it has buy"),
        ("// export default function () {}", "exports no default function"),
        (LATIN, "cannot be read"),
    ),
    (f"run {APP} --k6-script nowhere.js", 2, "nowhere.js", {}),
    (f"run {APP} --k6-script .", 2, "no such file", {}),
    (f"matrix {APP} --k6-script s.js --server uvicorn", 2, "turns", {"s.js": "export default function () {}"}),
    # Configuration of a project, and plans
    *file(
        "run",
        "harness.toml",
        ("[aplication]\napp = 'a:b'", "aplication"),
        ("application = 1", "harness.toml"),
        ("[application]", "app"),
        ("[application]\napp = 1", "app"),
        ("[application]\napp = 'x'", "MODULE:OBJECT"),
        ("[application]\napp = 'a:b'\npaths = ['/']", "paths"),
        ("[application]\napp = 'a:b'\npath = '/'", "path"),
        ("[application]\napp = 'a:b'\npath = ['x']", "begin it with /"),
        ("[application]\napp = 'a:b'\npath = ['/']\nwait = 'soon'", "soon"),
        ("[application]\napp = 'a:b'\npath = ['/']\nenv = 'X'", "env"),
        ("[application]\napp = 'a:b'\npath = ['/']\nfactory = 'perhaps'", "factory"),
        ("[application]\napp = 'a:b'\npath = ['/']\npython = ''", "python"),
        ("[application]\napp = 'a:b'\nrequests = [{path = '/', weight = inf}]", "weight"),
        ("[application", "no TOML"),
        (LATIN, "no TOML"),
    ),
    *file("run", "pyproject.toml", ("[tool]\nharness = 1", "harness"), ("tool = 1", "tool"), ("[tool", "no TOML")),
    *file(
        "matrix",
        "harness.toml",
        ("matrix = 1", "matrix"),
        ("[matrix]\ncells = 1", "cells"),
        ("[matrix]\ncells = []", "cells"),
        ("[matrix]\nprecision = '1%'", "cells"),
        ("[[matrix.cells]]\nserver = 'uvicorn'", "server"),
        ("[[matrix.cells]]\nserver = ['nginx']", "nginx"),
        ("[[matrix.cells]]\nserver = ['uvicorn']\nworkers = [0]", "workers"),
        ("[[matrix.cells]]\nserver = ['uvicorn']\nworkers = ['2']", "workers"),
        ("[[matrix.cells]]\nserver = ['uvicorn']\nworkers = [true]", "workers"),
        ("[[matrix.cells]]\nserver = ['uvicorn']\nrate = [inf]", "rate"),
        ("[[matrix.cells]]\nserver = ['uvicorn']\nrate = [0.0]", "rate"),
        ("[[matrix.cells]]\nserver = ['uvicorn']\nvus = [1000000]", "--vus"),
        ("[[matrix.cells]]\nserver = ['uvicorn']\nstyle = []", "style"),
        ("[[matrix.cells]]\nservers = ['uvicorn']", "servers"),
        ("[[matrix.cells]]\nserver = ['uvicorn']\nworkload = ['sleep?ms']", "--param"),
    ),
    *file(
        "matrix plan.toml",
        "plan.toml",
        ("", "cells"),
        ("[[cells]]\nserver = ['uvicorn']\n[tail]", "tail"),
        ("precision = 'much'\n[[cells]]\nserver = ['uvicorn']", "much"),
        ("max_time = 'soon'\n[[cells]]\nserver = ['uvicorn']", "soon"),
        ("margin = '0'\n[[cells]]\nserver = ['uvicorn']", "margin"),
        ("seed = 'x'\n[[cells]]\nserver = ['uvicorn']", "seed"),
        ("against = 'nginx'\n[[cells]]\nserver = ['uvicorn', 'granian']", "--against nginx"),
        ("pin = 'tight'\n[[cells]]\nserver = ['uvicorn']", "tight"),
        ("generator = 'ab'\n[[cells]]\nserver = ['uvicorn']", "ab"),
        (
            "[[cells]]\nserver = ['uvicorn']\nworkload = ['noop']\n[application]\napp = 'a:b'\npath = ['/']",
            "application",
        ),
        (LATIN, "no TOML"),
    ),
    ("matrix nowhere.toml", 2, "cannot read nowhere.toml", {}),
    ("matrix .", 2, "cannot read", {}),
    ("matrix pyproject.toml", 2, "has no matrix", {"pyproject.toml": "[project]\nname = 'x'"}),
    # Stored runs
    *file(
        "report run",
        "run/run.json",
        ("", "run cannot be read"),
        ("{", "run cannot be read"),
        ("[]", "run cannot be read"),
        ("null", "run cannot be read"),
        ("{}", "run cannot be read"),
        ('{"schema": 2}', "run cannot be read"),
        ('{"schema": "2"}', "run cannot be read"),
        ('{"schema": 2, "kind": "single"}', "run cannot be read"),
        ('{"schema": 1, "cells": []}', "older harness"),
        ('{"schema": 99}', "newer harness"),
        (b"\xff\xfe", "run cannot be read"),
        ("[" * 3000, "run cannot be read"),
    ),
    ("matrix --resume run", 2, "run cannot be read", {"run/run.json": '{"schema": 2, "kind": "matrix"}'}),
    ("diff run run", 2, "run cannot be read", {"run/run.json": "{"}),
    ("init", 2, "no application was found", {}),
    ("init", 2, "configures the harness already", {"harness.toml": "[application]\napp = 'a:b'"}),
    ("init", 2, "harness", {"pyproject.toml": "[tool]\nharness = 1"}),
]


INSPECT = interpreters.inspect
COMMAND = typer.main.get_command(app)
"""Made once: that takes longer than all the rest."""


def test_there_are_many() -> None:
    assert len(CASES) >= 250


@pytest.fixture
def folder(laboratory: fakes.Laboratory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty one, where nothing starts processes but interpreters that are named."""
    monkeypatch.setattr(
        interpreters, "inspect", lambda python: fakes.environment(None) if python is None else INSPECT(python)
    )
    monkeypatch.delenv("DATABASE_URL", raising=False)
    made = tmp_path / "here"
    made.mkdir()
    monkeypatch.chdir(made)
    return made


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]} {case[3]}"[:80])
def test_bad_input_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], case: tuple[str, int, str, Files]
) -> None:
    text, expected, says, files = case
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    arguments = shlex.split(text)
    monkeypatch.setattr(sys, "argv", ["harness", *arguments])
    code = _guarded(lambda: COMMAND(arguments, prog_name="harness"))
    out, err = capsys.readouterr()
    assert (code, out) == (expected, ""), err
    assert says in err
    assert len(re.findall("^error: ", err, re.IGNORECASE | re.MULTILINE)) == 1
    assert "Traceback" not in err
    assert len(err) < 2500
    _, _, cure = err.partition("\n")
    assert cure.strip() or "requires an argument" in err  # what to do next, or how to ask
    assert [path.name for path in folder.glob("results/*")] == []
