"""The command line for production of every server: it starts, serves, and leaves out what is for measuring."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from harness import servers
from harness.config.cells import CellSpec, resolve_cell
from harness.environments import interpreters
from harness.experiments.recommend import production
from harness.host.ports import free_port
from tests import fakes

PACKAGES = interpreters.inspect(None).packages
ALL = [(name, interface) for name in servers.names() for interface in servers.adapter(name).interfaces]
INSTALLED = [
    pytest.param(
        *each,
        marks=[]
        if canonicalize_name(str(servers.adapter(each[0]).distribution)) in PACKAGES
        else pytest.mark.skip(f"not installed: {each[0]}"),
    )
    for each in ALL
]
APPLICATION = {
    "asgi": "from fastapi import FastAPI\napp = FastAPI()\n\n@app.get('/')\ndef root():\n    return 'ok'\n",
    "wsgi": "from flask import Flask\napp = Flask(__name__)\n\n@app.get('/')\ndef root():\n    return 'ok'\n"
    "import a2wsgi\nasgi = a2wsgi.WSGIMiddleware(app, workers=40)\n",
}


@pytest.mark.parametrize(("server", "interface"), ALL)
def test_it_names_what_is_recommended_and_lists_what_it_leaves_out(server: str, interface: str) -> None:
    framework = "fastapi" if interface == "asgi" else "flask"
    made = production(resolve_cell(CellSpec(server=server, framework=framework, style="sync", workers=1)))
    assert "MODULE:A" in made.command or "MODULE:asgi" in made.command
    assert "3600" not in made.command
    assert "2147483648" not in made.command
    assert "harness" not in made.command
    assert all(" so that " in each for each in made.differences)
    assert made.differences


@pytest.mark.parametrize(
    ("server", "says"),
    [
        ("uvicorn:limit_concurrency=64", "--limit-concurrency 64"),
        ("granian:backpressure=64", "--backpressure 64"),
        ("uvicorn", ""),
        ("granian", ""),
    ],
)
def test_what_a_server_is_to_turn_away_is_kept(server: str, says: str) -> None:
    command = production(resolve_cell(CellSpec(server=server, workers=1))).command
    assert says in command
    assert says or ("limit" not in command and "backpressure" not in command)


@pytest.mark.parametrize(("server", "interface"), INSTALLED)
def test_it_starts_by_itself_and_serves(server: str, interface: str, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(APPLICATION[interface])
    framework = "fastapi" if interface == "asgi" else "flask"
    made = production(resolve_cell(CellSpec(server=server, framework=framework, style="sync", workers=1)))
    port = str(free_port())
    command = made.command.replace("MODULE:APP", "shop:app").replace("MODULE:asgi", "shop:asgi")
    program, *arguments = shlex.split(command.replace("0.0.0.0", "127.0.0.1").replace("8000", port))
    with subprocess.Popen(
        [str(Path(sys.executable).parent / program), *arguments],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            assert answered(f"http://127.0.0.1:{port}/").strip('"\n') == "ok"
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=20)


def answered(url: str) -> str:
    deadline = time.monotonic() + 20
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return str(answer.read().decode())
        except (urllib.error.URLError, ConnectionError):
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_what_has_to_be_done_besides_is_said() -> None:
    own = fakes.application("shop:create_app", folder="services")
    cell = resolve_cell(CellSpec(server="uvicorn", application=own, workers=2, threads=80))
    made = production(cell)
    assert "uvicorn shop:create_app" in made.command
    assert "--workers 2" in made.command
    assert "run it in the folder services" in made.steps
    assert any("total_tokens = 80" in step for step in made.steps)
    wrapped = production(resolve_cell(CellSpec(server="hypercorn", framework="flask", style="sync", threads=20)))
    assert "MODULE:asgi" in wrapped.command
    assert any("a2wsgi.WSGIMiddleware(APP, workers=20)" in step for step in wrapped.steps)
