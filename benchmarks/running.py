"""Shared by the benchmarks: one `harness run`, as its document; and where rows go."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def run(*arguments: str) -> dict[str, Any]:
    """Measure one cell by `harness run` itself."""
    with tempfile.TemporaryDirectory() as folder:
        argv = [sys.executable, "-m", "harness", "run", "--json", "--out", folder, *arguments]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if not done.stdout:
        raise SystemExit(done.stderr)
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def write(path: Path | None, rows: Sequence[dict[str, Any]]) -> None:
    """Store the rows where it was asked for."""
    if path is not None:
        path.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
