"""One file per framework: each mounts workloads at `/<style>/<workload>`.

Every mount has `create(endpoints)`; without an argument it mounts what `HARNESS_ENDPOINT` names (`async/sleep`), or
everything. A measured application carries one route only, so that no router's search is measured.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from .. import catalogue
from ..workload import Workload


def chosen(framework: str, endpoints: Iterable[tuple[str, str]] | None) -> list[tuple[str, Workload]]:
    """(style, workload) of each endpoint to mount: those given, the one of HARNESS_ENDPOINT, or all."""
    if endpoints is None:
        named = os.environ.get("HARNESS_ENDPOINT")
        endpoints = [_split(named)] if named else catalogue.endpoints(framework)
    return [(style, catalogue.load(name)) for style, name in endpoints]


def _split(endpoint: str) -> tuple[str, str]:
    style, _, name = endpoint.partition("/")
    return style, name


def pools(framework: str, endpoints: Iterable[tuple[str, Workload]]) -> set[str]:
    """Which pools the endpoints share: `sync`, `async`, both or none."""
    from ..styles import STYLES

    mounted = catalogue.FRAMEWORKS[framework]
    return {STYLES[style].twin for style, work in endpoints if work.connections and mounted.shares_pools(style)}
