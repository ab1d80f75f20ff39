"""Writes into README, docs and the gallery what they quote of stored results, and draws their pictures.

    .venv/bin/python benchmarks/quote.py [--check]

A fenced block after `<!-- quote: RUN -->` holds what `harness report RUN` prints; with `, from: WORDS` and `, until:
WORDS` the part between the lines that begin so; with `, as: FORM` what `forms.py` makes of it. Without a fence the
quote is Markdown and ends at `<!-- end of quote -->`. A link to a run with a title is a figure; `figures.py` says what
can be asked. An image after `<!-- picture: CHART of RUN -->` is drawn into the file that it names. A test fails where
a page or a picture differs from what this writes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import figures
import forms

from harness import api

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "results" / "reference" / "pictures"
PAGES = (ROOT / "README.md", ROOT / "results" / "README.md", *sorted((ROOT / "docs").glob("*.md")))
STUDIES = (ROOT / "results" / "README.md", ROOT / "docs" / "findings.md")
"""Pages in which no figure may stand that is not quoted."""
BLOCK = re.compile(
    r"(?P<head><!-- quote: (?P<run>\S+?)(?:, from: (?P<begins>[^\n]+?))?(?:, until: (?P<ends>[^\n]+?))?"
    r"(?:, as: (?P<form>\w+))? -->\n+)"
    r"(?:(?P<fence>```text\n)(?P<text>.*?)(?=^```$)|(?!```)(?P<markdown>(?:(?!<!--).)*?)(?=<!-- end of quote -->))",
    re.DOTALL | re.MULTILINE,
)
FIGURE = re.compile(
    r"\[(?P<text>(?:[^\[\]\n]|\[[^\[\]\n]*\])*)\]\((?P<path>[^\s()]*\breference/[^\s()]+)\s\"(?P<asked>[^\"]+)\"\)"
)
PICTURE = re.compile(r"<!-- picture: (?P<chart>\S+) of (?P<run>\S+) -->\n+!\[[^\]]+\]\((?P<file>[^\s()]+)\)")
DRAWN = "<!-- drawn from {} -->"
MEASURED = re.compile(r"\d[\d,.]*\s*(?:%|×|times\b|req/s|requests\b|[µm]?s\b|MB\b|visits\b)|\d\.\d")
"""What looks like a measured figure."""


def written(page: Path, text: str) -> str:
    """A page's text with its quotes and figures as they should be."""

    def block(found: re.Match[str]) -> str:
        run = ROOT / found["run"]
        if found["form"]:
            quoted = forms.FORMS[found["form"]](run)
        else:
            quoted = forms.part_of(forms.text(run), found["begins"], found["ends"])
        if found["fence"] is None:
            return f"{found['head'].rstrip()}\n\n{quoted}\n"
        return found["head"] + found["fence"] + quoted

    def figure(found: re.Match[str]) -> str:
        said = figures.figure((page.parent / found["path"]).resolve(), found["asked"])
        return f'[{said}]({found["path"]} "{found["asked"]}")'

    return FIGURE.sub(figure, BLOCK.sub(block, text))


def unquoted(text: str) -> list[str]:
    """Lines of a page that hold what looks like a measured figure, and is not quoted."""
    for pattern in (BLOCK, FIGURE, re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE), re.compile(r"`[^`]+`")):
        text = pattern.sub("", text)
    return [line for line in text.splitlines() if MEASURED.search(line)]


@dataclass(frozen=True, slots=True)
class Picture:
    """A chart of a run that a page shows."""

    file: Path
    chart: api.Chart

    @property
    def mark(self) -> str:
        """What the file ends with while it shows this: to six digits, since machines differ in the last ones."""
        exact = json.dumps([self.chart.title, self.chart.with_data()])
        rounded = json.loads(exact, parse_float=lambda digits: float(f"{float(digits):.6g}"))
        spec = json.dumps(rounded, sort_keys=True, ensure_ascii=False)
        return DRAWN.format(hashlib.sha256(spec.encode("utf-8")).hexdigest()[:16])

    @property
    def current(self) -> bool:
        """Whether the file shows what the results say. Not byte by byte: where letters stand follows from fonts."""
        return self.file.exists() and self.file.read_text(encoding="utf-8").rstrip().endswith(self.mark)

    def draw(self) -> None:
        """Into its file."""
        (drawn,) = api.draw(self.file.parent, "svg", [self.chart])
        self.file.write_text(f"{drawn.read_text(encoding='utf-8')}\n{self.mark}\n", encoding="utf-8")
        if drawn != self.file:
            drawn.unlink()


def shown(page: Path, text: str) -> Iterator[Picture]:
    """The pictures of a page."""
    for found in PICTURE.finditer(text):
        charts = api.charts(figures.stored_run(ROOT / found["run"]))
        (chart,) = (each for each in charts if each.name == found["chart"])
        yield Picture((page.parent / found["file"]).resolve(), chart)


def main() -> int:
    """Write every page and picture that differs, or tell which do."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 where something differs")
    check: bool = parser.parse_args().check
    differs = False
    for page in PAGES:
        before = page.read_text(encoding="utf-8")
        after = written(page, before)
        if after != before:
            differs = True
            print(f"{page.relative_to(ROOT)} {'differs' if check else 'has been written anew'}", file=sys.stderr)
            if not check:
                page.write_text(after, encoding="utf-8")
        for picture in shown(page, after):
            if not picture.current:
                differs = True
                print(f"{picture.file.relative_to(ROOT)} {'differs' if check else 'has been drawn'}", file=sys.stderr)
                if not check:
                    picture.draw()
    return 1 if check and differs else 0


if __name__ == "__main__":
    sys.exit(main())
