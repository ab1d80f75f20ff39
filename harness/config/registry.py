"""Servers and workloads by name; what is wrong with those of other distributions is an error of usage."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from harness import servers
from harness.config.parsing import require_choice
from harness.errors import UsageError
from harness.handlers import catalogue
from harness.handlers.workload import Workload
from harness.servers.adapter import Adapter

T = TypeVar("T")


def adapter(name: str) -> Adapter:
    """The adapter of a server. UsageError where there is none of that name, or several, or a broken one."""
    return _offered(servers.adapter, require_choice("server", name, servers.names()))


def workload(name: str) -> Workload:
    """The workload of that name. UsageError where there is none, or several, or a broken one."""
    return _offered(catalogue.workload, require_choice("workload", name, catalogue.workload_names()))


def _offered(load: Callable[[str], T], name: str) -> T:
    try:
        return load(name)
    except ValueError as error:
        raise UsageError(str(error), cure="uninstall the other distribution, or mend its entry points") from error
