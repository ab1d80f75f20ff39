"""Does anything survive? Ends `harness run` at random moments and looks for what is left.

    .venv/bin/python benchmarks/endings.py [--times 100] [--seed 1]

SIGINT, SIGTERM and SIGKILL in turn, over all servers, at moments from before the server starts until after the
measurement. After each: no process of it may live five seconds later, and no result may be half-written; at the end a
run must work. About six minutes for a hundred. Exit code 1 if anything was left.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SERVERS = ("uvicorn", "granian", "gunicorn", "gunicorn:worker=uvicorn", "hypercorn")
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
LONGEST_SECONDS = 4.5


def survivors(mark: str) -> list[str]:
    """Command lines of living processes whose environment, arguments or folder mention `mark`."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state = (folder / "stat").read_bytes().rpartition(b")")[2].split()[0]
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
            everything = command + (folder / "environ").read_bytes() + os.readlink(folder / "cwd").encode()
        except OSError:
            continue
        if state != b"Z" and mark.encode() in everything:
            found.append(command.decode(errors="replace"))
    return found


def main() -> None:
    """End many runs, and say what was left."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    codes: dict[tuple[str, int], int] = {}
    left = longest = 0.0
    with tempfile.TemporaryDirectory(prefix="harness-endings-") as name:
        temporary, results = Path(name, "tmp"), Path(name, "results")
        temporary.mkdir()
        environment = os.environ | {"TMPDIR": str(temporary)}
        base = [sys.executable, "-m", "harness", "run", "--vus", "10", "--param", "ms=10", "--out", str(results)]
        for turn in range(arguments.times):
            number, server = SIGNALS[turn % len(SIGNALS)], SERVERS[turn % len(SERVERS)]
            workers = str(1 + turn % 2)
            argv = [*base, "--server", server, "--workers", workers, "--warmup", "500ms", "--duration", "1s"]
            process = subprocess.Popen(argv, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            moment = chance.uniform(0.05, LONGEST_SECONDS)
            time.sleep(moment)
            process.send_signal(number)
            ended = time.monotonic()
            _, printed = process.communicate(timeout=30)
            while survivors(str(temporary)) and time.monotonic() - ended < 5:
                time.sleep(0.05)
            longest = max(longest, time.monotonic() - ended)
            key = (number.name, process.returncode)
            codes[key] = codes.get(key, 0) + 1
            remains = survivors(str(temporary))
            folders = [str(path) for path in temporary.glob("harness-*/")]
            if remains or folders or b"Traceback" in printed:
                left += 1
                print(f"{turn}: {number.name} to {server} after {moment:.2f} s left {remains} {folders}")
                print(printed.decode()[-1500:], flush=True)
        runs = [path for path in results.iterdir() if not path.name.startswith(".")]
        for path in runs:
            json.loads((path / "run.json").read_text())
            json.loads((path / "measurements" / "0001.json").read_text())
        last = subprocess.run(
            [*base, "--warmup", "500ms", "--duration", "1s", "--json"],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        works = last.returncode == 0 and json.loads(last.stdout)["verdict"] == "valid"
        hidden = [path.name for path in results.iterdir() if path.name.startswith(".")]
    print(f"{arguments.times} endings: {left:.0f} left something; {len(runs)} measurements were complete and readable")
    print(f"longest until everything had ended: {longest:.2f} s; unfinished folders after the next run: {len(hidden)}")
    print(
        "signal and exit code:", ", ".join(f"{name} {code} × {count}" for (name, code), count in sorted(codes.items()))
    )
    print("the next run works" if works else f"the next run does not work: {last.stderr}")
    sys.exit(0 if works and not left and not hidden else 1)


if __name__ == "__main__":
    main()
