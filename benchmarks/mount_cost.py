"""What do the mounts, and the entry, cost? CPU per request of an endpoint written by hand ÷ that of ours.

    .venv/bin/python benchmarks/mount_cost.py [--rounds 8] [--seconds 5] [--only TEXT] [--out FILE]

Two servers run on the same core and are loaded at the same time by one k6 on another core, since the speed of a shared
machine wanders and then wanders for both. Each round starts both anew, in the other order. The ratio is the geometric
mean over the rounds with its 95 % interval (t). `mount`: our mount, served without the harness' entry, against the
same endpoint written by hand. `entry`: the same mount without the entry against with it, which counts requests.
What watching costs besides is in `watching.py`. About eight minutes.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

from harness import injected, resources
from harness.deploy.launch import free_port, get
from harness.environments.interpreters import clean
from harness.host.procfs import cpu_seconds
from harness.load import k6

T_975 = {5: 2.571, 7: 2.365, 9: 2.262, 11: 2.201, 15: 2.131}  # 97.5 % quantiles by degrees of freedom
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
USERS = 16


def start(folder: Path, framework: str, style: str, workload: str, kind: str) -> tuple[subprocess.Popen[bytes], int]:
    """One server on the first core: `hand`, `mount` (ours, bare) or `entry` (ours through it)."""
    port = free_port()
    through_entry = f"{injected.MODULE}:{injected.ATTRIBUTE}"
    target = {"hand": f"by_hand_{framework}:app", "mount": "ours:app"}.get(kind, through_entry)
    telling = Path(mkdtemp(dir=folder))
    settings = {
        "folder": str(telling),
        "target": f"harness.handlers.mounts.{framework}:create",
        "interface": "asgi" if framework == "fastapi" else "wsgi",
        "wraps_wsgi": False,
        "threads": 40,
        "port": port,
        "parsers": [],
        "diagnose": False,
    }
    environment = clean() | {
        "PYTHONPATH": f"{folder}{os.pathsep}{resources.PACKAGE.parent}",
        "HARNESS_ENDPOINT": f"{style}/{workload}",
        "HARNESS_ENTRY": json.dumps(settings),
    }
    (folder / "ours.py").write_text(f"from harness.handlers.mounts.{framework} import create\napp = create()\n")
    server = (
        ("uvicorn", target, "--log-level", "warning", "--no-access-log", "--port", str(port))
        if framework == "fastapi"
        else (
            "gunicorn",
            target,
            "--threads",
            "40",
            "--keep-alive",
            "60",
            "--no-control-socket",
            "-b",
            f"127.0.0.1:{port}",
        )
    )
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", *server], env=environment, cwd=folder, stderr=subprocess.DEVNULL
        )
    finally:
        os.sched_setaffinity(0, before)
    deadline = time.monotonic() + 30
    while True:
        try:
            if get(port, f"/{style}/{workload}")[0] == 200:
                return process, port
        except ConnectionRefusedError:
            pass
        if time.monotonic() > deadline or process.poll() is not None:
            raise SystemExit(f"{server[0]} with {target} did not come up")
        time.sleep(0.05)


def cpu(process: subprocess.Popen[bytes]) -> float:
    """CPU seconds of a server and its worker."""
    pids = [process.pid]
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return sum(cpu_seconds(pid) or 0.0 for pid in pids + list(map(int, children)))


def one_round(folder: Path, case: tuple[str, str, str, str], seconds: float, swapped: bool) -> float:
    """CPU per request of the first kind ÷ that of the second, both under load at the same time."""
    what, framework, style, workload = case
    kinds = KINDS[what]
    order = kinds[::-1] if swapped else kinds
    running = {}
    try:
        for kind in order:
            running[kind] = start(folder, framework, style, workload, kind)
        query = "?ms=10" if workload == "sleep" else ""
        url = {kind: f"http://127.0.0.1:{running[kind][1]}/{style}/{workload}{query}" for kind in kinds}
        pair = {"first": url[order[0]], "second": url[order[1]], "users": USERS, "seconds": seconds}
        before = {kind: cpu(running[kind][0]) for kind in kinds}
        generator = sorted(os.sched_getaffinity(0))[-1]
        done = subprocess.run(
            [
                *(
                    "taskset",
                    "-c",
                    str(generator),
                    k6.find(None).path,
                    "run",
                    "--quiet",
                    "--no-usage-report",
                    "--address",
                    "",
                ),
                str(Path(__file__).with_name("mount_cost.js")),
            ],
            env=clean() | {"PAIR": json.dumps(pair), "GOMAXPROCS": "1", "GOGC": "800"},
            capture_output=True,
            text=True,
            check=True,
        )
        counted = json.loads(done.stdout)
        requests = {order[0]: counted["first"], order[1]: counted["second"]}
        spent = {kind: (cpu(running[kind][0]) - before[kind]) / requests[kind] for kind in kinds}
        return spent[kinds[0]] / spent[kinds[1]]
    finally:
        for process, _ in running.values():
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def main() -> None:
    """Measure every case and print its ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=8, choices=[degrees + 1 for degrees in T_975])
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--only", default="", help="cases whose name contains this, such as flask")
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    rows = []
    for case in CASES:
        if chosen.only not in "/".join(case):
            continue
        with TemporaryDirectory() as name:
            folder = Path(name)
            for framework, text in BY_HAND.items():
                (folder / f"by_hand_{framework}.py").write_text(text)
            for source in injected.SOURCES:
                (folder / source.name).write_bytes(source.read_bytes())
            logs = [math.log(one_round(folder, case, chosen.seconds, bool(turn % 2))) for turn in range(chosen.rounds)]
        middle = statistics.fmean(logs)
        half = T_975[chosen.rounds - 1] * statistics.stdev(logs) / math.sqrt(chosen.rounds)
        low, ratio, high = (math.exp(middle + delta) for delta in (-half, 0, half))
        rows.append({"case": "/".join(case), "ratio": ratio, "low": low, "high": high, "rounds": chosen.rounds})
        print(f"{'/'.join(case):28} {ratio:6.3f}  [{low:.3f}, {high:.3f}]", flush=True)
    if chosen.out:
        chosen.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
