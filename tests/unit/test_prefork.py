"""Workers that are forked for servers that start none: they end together, and in order."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.host import polling

SERVE = """
import os, sys, time
sys.path.insert(0, {injected!r})
import harness_prefork

def serve():
    open(os.path.join({folder!r}, f"{{os.getpid()}}.up"), "w").close()
    try:
        try:
            os.mkdir(os.path.join({folder!r}, "first"))
            time.sleep({seconds})
        except FileExistsError:
            time.sleep(60)
        sys.exit(3)
    finally:
        time.sleep(0.1)  # what a second interruption would cut short
        open(os.path.join({folder!r}, f"{{os.getpid()}}.down"), "w").close()

harness_prefork.run(serve, {workers})
"""


def start(folder: Path, workers: int, seconds: float) -> subprocess.Popen[bytes]:
    injected = str(Path(__file__).resolve().parents[2] / "harness" / "injected")
    code = SERVE.format(injected=injected, folder=str(folder), workers=workers, seconds=seconds)
    return subprocess.Popen([sys.executable, "-c", code])


@pytest.mark.parametrize("workers", [1, 3])
def test_all_workers_end_in_order_when_they_are_told_to(tmp_path: Path, workers: int) -> None:
    process = start(tmp_path, workers, 60)
    assert polling.until(lambda: len(list(tmp_path.glob("*.up"))) == workers, 20)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert len(list(tmp_path.glob("*.down"))) == workers
    assert not [path for path in tmp_path.glob("*.up") if Path("/proc", path.stem).exists()]


def test_one_that_ends_by_itself_ends_the_others(tmp_path: Path) -> None:
    process = start(tmp_path, 2, 0.1)
    assert process.wait(20) == 3
    assert len(list(tmp_path.glob("*.down"))) == len(list(tmp_path.glob("*.up"))) == 2
