"""What do the mounts, and the entry, cost? CPU per request of an endpoint written by hand ÷ that of ours.

    .venv/bin/python benchmarks/mount_cost.py [--rounds 8] [--seconds 5] [--only TEXT] [--out FILE]

Two servers run on the same core and are loaded in turn by k6 on another core, close together, since the speed of a
shared machine wanders. Each round starts both anew, in the other order. The ratio is the geometric
mean over the rounds with its 95 % interval (t). `mount`: our mount, served without the harness' entry, against the
same endpoint written by hand. `entry`: the same mount without the entry against with it, which counts requests.
What watching costs besides is in `watching.py`. About eight minutes.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import time
from pathlib import Path

from running import Row, write

from harness import api

BY_HAND = {
    "fastapi": """
import asyncio, time
from typing import Annotated
from fastapi import FastAPI, Query

app = FastAPI(openapi_url=None)

@app.get("/async/noop")
async def async_noop():
    return {"ok": True}

@app.get("/sync/noop")
def sync_noop():
    return {"ok": True}

@app.get("/async/sleep")
async def async_sleep(ms: Annotated[int, Query(ge=0, le=60000)] = 100):
    await asyncio.sleep(ms / 1000)
    return {"wait_ms": ms}

@app.get("/sync/sleep")
def sync_sleep(ms: Annotated[int, Query(ge=0, le=60000)] = 100):
    time.sleep(ms / 1000)
    return {"wait_ms": ms}
""",
    "flask": """
import time
from flask import Flask, request

app = Flask(__name__)

@app.get("/sync/noop")
def noop():
    return {"ok": True}

@app.get("/sync/sleep")
def sleep():
    ms = int(request.args.get("ms", 100))
    if not 0 <= ms <= 60000:
        return {"detail": "ms"}, 422
    time.sleep(ms / 1000)
    return {"wait_ms": ms}
""",
}
CASES = (
    ("mount", "fastapi", "async", "noop"),
    ("mount", "fastapi", "async", "sleep"),
    ("mount", "fastapi", "sync", "noop"),
    ("mount", "fastapi", "sync", "sleep"),
    ("mount", "flask", "sync", "noop"),
    ("mount", "flask", "sync", "sleep"),
    ("entry", "fastapi", "async", "noop"),
    ("entry", "flask", "sync", "noop"),
)
KINDS = {"mount": ("hand", "mount"), "entry": ("mount", "entry")}
SERVERS = {"fastapi": "uvicorn", "flask": "gunicorn"}
USERS = 16


@dataclasses.dataclass(frozen=True, slots=True)
class Server:
    """A server that is up."""

    child: api.Child
    port: int
    bodies: list[str]
    """Its verified answer."""

    def cpu_seconds(self) -> float:
        """CPU time of its processes so far."""
        return sum(api.cpu_seconds(pid) or 0.0 for pid in self.child.members())


def start(spec: api.ServerSpec, kind: str, supervisor: api.Supervisor) -> Server:
    """A server as the harness launches it: `hand` and `mount` (ours, bare) without the entry, `entry` through it."""
    folder = supervisor.folder / kind
    folder.mkdir()
    framework = spec.subject.name.partition("/")[0]
    serving = spec.subject.serving()
    module, _, factory = serving.target.partition(":")
    modules = {"hand": BY_HAND[framework], "mount": f"from {module} import {factory}\napp = {factory}()\n"}
    target = api.target_of(spec, api.free_port(), folder)
    if kind in modules:
        target = dataclasses.replace(target, module="bare", attribute="app")
    launch = spec.adapter.launch(target, spec.options)
    workers = api.prepare_folder(folder, {**launch.files, "bare.py": modules.get(kind, "")}, serving)
    child = supervisor.start(
        launch.argv,
        env={**api.server_environment(spec, serving, target, workers, folder), **launch.env},
        cwd=folder,
        log=folder / "server.log",
        cpus=spec.placement.server_cpus,
    )
    answers = api.verified_answers(spec, child, target, time.monotonic() + spec.boot_deadline_seconds)
    return Server(child, target.port, [answer.body for answer in answers])


def one_round(spec: api.ServerSpec, kinds: tuple[str, str], seconds: float, swapped: bool) -> float:
    """CPU per request of the first kind ÷ that of the second, loaded in turn."""
    order = kinds[::-1] if swapped else kinds
    cpus = spec.placement.generator_cpus
    with api.confined(cpus), api.Supervisor() as supervisor:
        servers = {kind: start(spec, kind, supervisor) for kind in order}
        costs = {kind: cost(spec, server, supervisor, seconds) for kind, server in servers.items()}
        return costs[kinds[0]] / costs[kinds[1]]


def cost(spec: api.ServerSpec, server: Server, supervisor: api.Supervisor, seconds: float) -> float:
    """CPU seconds per request of a server under load."""
    load = api.Load(
        target=api.LoadTarget(
            base=f"http://{api.HOST}:{server.port}",
            mix=spec.subject.request_mix(None, server.bodies),
            timeout_seconds=30.0,
        ),
        users=USERS,
        rate=None,
        warmup_seconds=0.0,  # CPU time and requests are of the whole run
        window_seconds=seconds,
    )
    before = server.cpu_seconds()
    session = api.find_generator("k6").start(load, supervisor, spec.placement.generator_cpus)
    summary = session.wait_for_summary(after_seconds=seconds)
    return (server.cpu_seconds() - before) / summary.requests


def main() -> None:
    """Measure every case and print its ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--only", default="", help="cases whose name contains this, such as flask")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    rows: list[Row] = []
    options = api.ExecutionOptions(pin="split", diagnose=False)
    for case in CASES:
        name = "/".join(case)
        if arguments.only not in name:
            continue
        what, framework, style, workload = case
        query = "?ms=10" if workload == "sleep" else ""
        cell = f"{SERVERS[framework]}/{framework}/{style}/{workload}{query}/c{USERS}"
        (spec,) = api.server_specs(cell, options=options)
        ratio = api.interval(
            [
                math.log(one_round(spec, KINDS[what], arguments.seconds, bool(turn % 2)))
                for turn in range(arguments.rounds)
            ]
        )
        rows.append(
            {"case": name, "ratio": ratio.estimate, "low": ratio.low, "high": ratio.high, "rounds": arguments.rounds}
        )
        print(f"{name:28} {api.ratio_words(ratio, digits=3)}", flush=True)
    write(arguments.out, rows)


if __name__ == "__main__":
    main()
