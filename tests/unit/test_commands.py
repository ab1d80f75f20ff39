"""Servers without an adapter: a command with places becomes a launch, or is refused before anything is started."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import servers
from harness.config import commands
from harness.config.cells import CellSpec, resolve_cell
from harness.config.expand import expand
from harness.config.matrix import MatrixOptions, matrix_plan
from harness.environments import interpreters
from harness.errors import ImpossibleError, LackError, UsageError
from harness.experiments import preflight
from harness.experiments.session import ExecutionOptions
from harness.model.plan import Axes, Plan, ServerPlan
from harness.servers.adapter import Interface, Target
from harness.servers.command import CommandServer

WHOLE = "python -m other {target} --bind {host}:{port} -w {workers} -t {threads}"


@pytest.fixture(autouse=True)
def nothing_offered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(servers, "_offered", {})
    monkeypatch.chdir(tmp_path)


def target(interface: Interface = "asgi", workers: int = 2) -> Target:
    return Target(
        python="/env/bin/python",
        module="m",
        attribute="a",
        interface=interface,
        host="127.0.0.1",
        port=81,
        workers=workers,
        threads=7,
        connections=9,
    )


def test_places_of_a_command_are_filled_in() -> None:
    server = CommandServer(name="other", command=f"{WHOLE} --path 'a b' --c {{connections}} --i {{interface}}")
    argv = server.launch(target(), {}).argv
    assert argv[:4] == ("/env/bin/python", "-m", "other", "m:a")
    assert argv[4:10] == ("--bind", "127.0.0.1:81", "-w", "2", "-t", "7")
    assert argv[10:] == ("--path", "a b", "--c", "9", "--i", "asgi")


def test_a_program_is_taken_from_beside_the_interpreter(tmp_path: Path) -> None:
    program = tmp_path / "serve-it"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert CommandServer(name="other", command="serve-it {target} {port}").program == "serve-it"
    assert servers.command.find_program(str(tmp_path / "python"), "serve-it") == str(program)
    assert servers.command.find_program(str(tmp_path / "python"), "serve-that") is None


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("granite {target} {port}", "granite"),
        ("/opt/granite-2/bin/granite {target} {port}", "granite"),
        ("python -m granite.cli {target} {port}", "granite"),
        ("python -m uvicorn {target} {port}", "own-uvicorn"),
        ("mine=python -m uvicorn {target} {port}", "mine"),
    ],
)
def test_a_command_is_named_after_what_it_runs(text: str, name: str) -> None:
    assert commands.choose("uvicorn", [text]) == name
    assert name in servers.names()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "it has no name"),
        ("--x {target} {port}", "it has no name"),
        ("mine=", "the command is empty"),
        ("other {port}", "it has no {target}"),
        ("other {module} {port}", "it has no {target}"),
        ("other {target}", "it has no {port}"),
        ("other {target} {port} {speed}", "{speed} stands for nothing; known are {target}, {module}"),
        ("other {target} {port} {}", "{} stands for nothing"),
        ("other {target} {port.real}", "{port.real} stands for nothing"),
        ("other {target} {port", "expected '}'"),
        ("other '{target} {port}", "No closing quotation"),
        ("uvicorn=other {target} {port}", "there is a server called uvicorn already"),
    ],
)
def test_a_command_that_cannot_be_is_refused(text: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        commands.choose("uvicorn", [text])
    assert says in caught.value.what
    assert "docs/servers.md" in caught.value.cure


def test_one_server_is_measured_at_a_time() -> None:
    with pytest.raises(UsageError, match="2 times --server-command"):
        commands.choose("uvicorn", ["a {target} {port}", "b {target} {port}"])


def test_a_command_that_names_no_workers_has_one() -> None:
    commands.choose("uvicorn", ["other {target} {port}"])
    assert resolve_cell(CellSpec(server="other")).cell.label == "other/fastapi/async/cpu?n=16/w1/c16"
    with pytest.raises(ImpossibleError, match="--workers 2: other runs 1 at most") as caught:
        resolve_cell(CellSpec(server="other", workers=2))
    assert caught.value.cure == "put {workers} into its command"


def test_what_a_command_says_nothing_of_is_declared() -> None:
    said = CommandServer(name="other", command=WHOLE)
    unsaid = CommandServer(name="other", command="other {target} {port}", limits={"tcp_nodelay": "it has none"})
    assert (said.threads(target("wsgi"), {}, {}), unsaid.threads(target("wsgi"), {}, {})) == (7, None)
    assert said.declared_limits(target("wsgi"), {}) == {}
    assert unsaid.declared_limits(target("asgi"), {}) == {"tcp_nodelay": "it has none"}
    assert unsaid.declared_limits(target("wsgi"), {})["threads"] == "its command says nothing of threads"


def test_the_loop_that_a_server_is_said_to_have_is_expected_of_it() -> None:
    server = CommandServer(name="other", command=WHOLE, loop="rloop")
    assert server.expects(target("asgi"), {}) == {"loop": "rloop.loop.RLoop"}
    assert server.expects(target("wsgi"), {}) == {}


def test_a_program_that_is_not_there_is_told_before_anything_is_started() -> None:
    commands.choose("uvicorn", ["no-such-server {target} {port}"])
    with pytest.raises(LackError, match=r"no-such-server, which is neither beside .* nor on PATH"):
        preflight.check_packages(resolve_cell(CellSpec(server="no-such-server")), interpreters.inspect(None))


def test_the_project_describes_servers(tmp_path: Path) -> None:
    (tmp_path / "harness.toml").write_text(
        '[servers.other]\ncommand = "python -m other {target} {port}"\ninterface = "wsgi"\n'
        'distribution = "other-server"\nenvironment = { COLOR = "red" }\nlimits = { threads = "one" }\n'
    )
    commands.offer_all(None)
    server = servers.adapter("other")
    assert (server.distribution, server.interfaces) == ("other-server", ("wsgi",))
    assert server.launch(target(), {}).env == {"COLOR": "red"}
    wanted = resolve_cell(CellSpec(server="other", framework="flask", style="sync"))
    with pytest.raises(LackError, match="needs other-server, which is not installed"):
        preflight.check_environments([wanted], ExecutionOptions(pin="none"))


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("[servers.other]\ninterface = 'wsgi'", "servers.other"),
        ("[servers.other]\ncommand = 'x {target} {port}'\nloop = 'fast'", "servers.other"),
        ("[servers.other]\ncommand = 'x {target}'", "harness.toml: server other: it has no {port}"),
        ("[servers.uvicorn]\ncommand = 'x {target} {port}'", "there is a server called uvicorn already"),
    ],
)
def test_a_project_that_describes_none_is_refused(tmp_path: Path, table: str, says: str) -> None:
    (tmp_path / "harness.toml").write_text(table)
    with pytest.raises(UsageError, match=r"harness\.toml") as caught:
        commands.offer_all(None)
    assert says in caught.value.what


def test_a_matrix_keeps_the_commands_of_its_servers(tmp_path: Path) -> None:
    (tmp_path / "harness.toml").write_text(
        "[servers.other]\ncommand = 'x {target} {port}'\n[servers.unused]\ncommand = 'y {target} {port}'\n"
    )
    given = MatrixOptions(server=["uvicorn,other"], server_command=["mine=z {target} {port}"], workload=["noop"])
    plan = matrix_plan(given, {}, None, None)
    assert plan.cells[0].server == ["uvicorn", "other", "mine"]
    assert plan.servers == {
        "other": ServerPlan(command="x {target} {port}"),
        "mine": ServerPlan(command="z {target} {port}"),
    }


def test_a_command_stands_over_the_project_s_server_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "harness.toml").write_text("[servers.other]\ncommand = 'x {target} {port}'\n")
    given = MatrixOptions(server_command=["other {target} {port}"], workload=["noop"])
    assert matrix_plan(given, {}, None, None).servers == {"other": ServerPlan(command="other {target} {port}")}
    assert commands.choose("uvicorn", ["other {target} {port}"]) == "other"


def test_a_stored_plan_brings_its_servers_along() -> None:
    plan = Plan(cells=[Axes(server=["other"])], servers={"other": ServerPlan(command="x {target} {port}")})
    assert [each.label for each in expand(plan).cells] == ["other/fastapi/async/cpu?n=16/w1/c16"]
