"""Servers that have no adapter: their commands, from options, from the project and from plans."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath

from harness import servers
from harness.config import files
from harness.config.parsing import split_server
from harness.errors import UsageError
from harness.model.plan import SERVER_NAME, ServerPlan
from harness.servers.command import CommandServer

NAMED = re.compile(rf"(?P<name>{SERVER_NAME.strip('^$')})=(?P<command>.*)", re.DOTALL)
CURE = "as 'peregrine {target} --host {host} --port {port} --workers {workers}'; see docs/servers.md"


def offer_all(commands: Sequence[str] | None) -> dict[str, ServerPlan]:
    """Make the project's servers known, and those of the option `--server-command`, which are returned, by name."""
    offer(files.servers(), "harness.toml")
    plans = dict(map(parse, commands or ()))
    offer(plans, "--server-command")
    return plans


def choose(server: str | None, texts: Sequence[str] | None) -> str | None:
    """The server to measure: the one command of the option, else the one that is named. UsageError where that is not
    clear."""
    plans = offer_all(texts)
    if len(plans) > 1:
        raise UsageError(
            f"{len(plans)} times --server-command: one server is measured", cure="give one, or use harness matrix"
        )
    return next(iter(plans), server)


def parse(text: str) -> tuple[str, ServerPlan]:
    """`NAME=COMMAND`, or a command that is named after its program or module."""
    match = NAMED.fullmatch(text)
    if match:
        return match["name"], ServerPlan(command=match["command"] or " ")
    words = text.split()
    word = words[2] if words[1:2] == ["-m"] and len(words) > 2 else words[0] if words else ""
    name = PurePath(word).name.partition(".")[0]
    if not re.fullmatch(SERVER_NAME, name):
        raise UsageError(f"--server-command {text}: it has no name", cure=f"write it as NAME=COMMAND, or {CURE}")
    return (f"own-{name}" if name in servers.adapted() else name), ServerPlan(command=text)


def offer(plans: Mapping[str, ServerPlan], source: str) -> None:
    """Make servers known by their names, for as long as this process lasts. UsageError where one cannot be."""
    for name, plan in plans.items():
        try:
            servers.offer(
                CommandServer(
                    name=name,
                    command=plan.command,
                    interfaces=("asgi", "wsgi") if plan.interface is None else (plan.interface,),
                    distribution=plan.distribution,
                    environment=plan.environment,
                    loop=plan.loop,
                    limits={str(setting): why for setting, why in plan.limits.items()},
                )
            )
        except ValueError as error:
            raise UsageError(f"{source}: server {name}: {error}", cure=f"write it {CURE}") from None


def used(plans: Mapping[str, ServerPlan], texts: Iterable[str]) -> dict[str, ServerPlan]:
    """Those that written forms of servers name."""
    names = {split_server(text)[0] for text in texts}
    return {name: plan for name, plan in plans.items() if name in names}
