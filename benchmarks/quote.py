"""Writes into README and docs what they quote of stored results.

    .venv/bin/python benchmarks/quote.py

A fenced block after `<!-- quote: RUN -->` holds what `harness report RUN` prints, with `until: WORDS` up to the line
that begins with these words. A test fails where a page differs from what this writes.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from harness import store
from harness.judge.verdict import judge
from harness.report import console, matrix
from harness.review import review

ROOT = Path(__file__).resolve().parent.parent
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
BLOCK = re.compile(
    r"(?P<head><!-- quote: (?P<run>\S+?)(?:, until: (?P<until>[^\n]+?))? -->\n+```text\n)(?P<body>.*?)(?=^```$)",
    re.DOTALL | re.MULTILINE,
)


def written(page: str) -> str:
    """The page's text with its quotes as they should be."""
    return BLOCK.sub(lambda found: found["head"] + quoted(ROOT / found["run"], found["until"]), page)


def quoted(folder: Path, until: str | None) -> str:
    """What is quoted of a run; a single cell's path is the one that it had when it was measured."""
    stored = store.read_run(folder)
    last = stored.visits[-1]
    if "plan" in stored.document or last.facts is None:
        text = matrix.text(review(stored), None)
    else:
        document = (folder / "measurements" / f"{last.number:04}.json").read_text(encoding="utf-8")
        path = re.search(r'^ "path": "([^"]+)"', document, re.MULTILINE)
        assert path is not None
        text = console.text(last.facts, judge(last.facts), Path(path[1]), "")
    if until is None:
        return text
    lines = text.splitlines()
    end = next(place for place, line in enumerate(lines) if line.startswith(until))
    return "\n".join(lines[:end]).rstrip() + "\n"


def main() -> None:
    """Write every page that differs."""
    for page in PAGES:
        before = page.read_text(encoding="utf-8")
        after = written(before)
        if after != before:
            page.write_text(after, encoding="utf-8")
            print(f"{page.relative_to(ROOT)} has been written anew", file=sys.stderr)


if __name__ == "__main__":
    main()
